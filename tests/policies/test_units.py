"""Durations and sizes as people write them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.units import format_duration, format_size, ordinal, parse_duration, parse_size, rough_duration, spell_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", {"days": 7}),
        ("36h", {"hours": 36}),
        ("90m", {"minutes": 90}),
        ("1w", {"weeks": 1}),
        ("45s", {"seconds": 45}),
        ("1d12h", {"days": 1, "hours": 12}),
        (" 1 day 12 hours ", {"days": 1, "hours": 12}),
        ("1.5h", {"minutes": 90}),
        ("0s", {}),
        ("2W", {"weeks": 2}),
        ("0.000001s", {"microseconds": 1}),
        ("1w1d1h1m1.5s", {"weeks": 1, "days": 1, "hours": 1, "minutes": 1, "seconds": 1.5}),
    ],
)
def test_a_duration_is_read_as_people_write_it(text, expected):
    assert dt.timedelta(**expected) == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "7",
        "d",
        "-7d",
        "7x",
        "7d7d",
        "12h1d",
        "1d12",
        "7 dd",
        "1e3s",
        ".5h",
        "٣d",
        "1d,2h",
        "9" * 30 + "d",
        "1y",
        "7M",
        "1d 7 M",
    ],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(PolicyError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("value", [7, None, 1.5, b"7d"])
def test_a_duration_is_a_text_or_a_timedelta(value):
    with pytest.raises(PolicyTypeError):
        parse_duration(value)
    with pytest.raises(PolicyError, match="negative"):
        parse_duration(dt.timedelta(-1))
    assert dt.timedelta(1) == parse_duration(dt.timedelta(1))


@given(st.timedeltas(dt.timedelta(0), dt.timedelta.max))
def test_a_formatted_duration_is_read_back(duration):
    assert duration == parse_duration(format_duration(duration))


@pytest.mark.parametrize(
    ("expected", "span"),
    [
        ("0s", {}),
        ("7d", {"weeks": 1}),
        ("1d12h", {"hours": 36}),
        ("0.5s", {"milliseconds": 500}),
        ("-1h", {"hours": -1}),
        ("1d0.000001s", {"days": 1, "microseconds": 1}),
    ],
)
def test_a_duration_is_written_exactly(expected, span):
    assert expected == format_duration(dt.timedelta(**span))


@pytest.mark.parametrize(
    ("expected", "span"),
    [
        ("3d2h", {"days": 3, "hours": 2, "minutes": 59}),
        ("5m10s", {"minutes": 5, "seconds": 10.9}),
        ("2h3m", {"hours": 2, "minutes": 3, "seconds": 59}),
        ("1.2s", {"seconds": 1.29}),
        ("0.25s", {"seconds": 0.25}),
        ("-1h", {"hours": -1}),
    ],
)
def test_a_rough_duration_has_two_units(expected, span):
    assert expected == rough_duration(dt.timedelta(**span))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500GB", 500 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("0", 0),
        ("17", 17),
        ("17 B", 17),
        ("2kb", 2000),
        ("2KiB", 2048),
        (5, 5),
        ("1pib", 2**50),
    ],
)
def test_a_size_is_read_as_people_write_it(text, expected):
    assert expected == parse_size(text)


@pytest.mark.parametrize("text", ["", "GB", "-5GB", "5 XB", "1.5", "0.0001kB", "5GB5", -1, "1e9", "5g"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(PolicyError, match="500GB"):
        parse_size(text)


@pytest.mark.parametrize("value", [True, 1.5, None])
def test_a_size_is_a_text_or_a_whole_number(value):
    with pytest.raises(PolicyTypeError):
        parse_size(value)


@given(st.integers(0, 10**19))
def test_a_spelled_size_is_read_back(size):
    assert size == parse_size(spell_size(size))


@pytest.mark.parametrize(
    ("expected", "size"),
    [
        ("0 B", 0),
        ("1023 B", 1023),
        ("1.0 KiB", 1024),
        ("1.5 MiB", 3 * 2**19),
        ("112 GiB", 112 * 2**30),
        ("10 KiB", 10_239),
        ("-1.0 KiB", -1024),
        ("2048 PiB", 2**61),
    ],
)
def test_a_size_for_reading(expected, size):
    assert expected == format_size(size)


def test_ordinals():
    assert "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th" == " ".join(
        map(ordinal, (1, 2, 3, 4, 11, 12, 13, 21, 102, 111))
    )
