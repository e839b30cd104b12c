"""Flags and text spell the same policies; a typo is an error, and never an empty policy (S3)."""

import pytest

from holdfast.cli.groups import Keep
from holdfast.cli.keeping import policy_of
from holdfast.errors import UsageError
from holdfast.policies import parse


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"keep_latest": "3"}, "latest(3)"),
        ({"keep_every": "1000"}, "every(steps=1000)"),
        ({"keep_every": "1_000"}, "every(steps=1000)"),
        ({"keep_closest": "500"}, "closest(steps=500)"),
        ({"keep_at": "1,500"}, "at(1, 500)"),
        ({"keep_best": ["eval/loss:min:2"]}, 'best(2, "eval/loss", mode="min")'),
        ({"keep_best": ["acc:max"]}, 'best(1, "acc", mode="max")'),
        ({"keep_best": ["a:b:max:4"]}, 'best(4, "a:b", mode="max")'),
        ({"keep_within": "7d"}, 'within("7d")'),
        ({"keep_hourly": "2"}, "hourly(2)"),
        ({"keep_daily": "7"}, "daily(7)"),
        ({"keep_weekly": "2"}, "weekly(2)"),
        ({"keep_monthly": "2"}, "monthly(2)"),
        ({"keep_yearly": "2"}, "yearly(2)"),
        ({"keep_latest": "3", "keep_daily": "7"}, "latest(3) | daily(7)"),
    ],
)
def test_flags_build_the_policy_that_the_text_spells(flags, text):
    assert parse(text) == policy_of("", Keep(**flags), "UTC")


def test_flags_add_to_the_text():
    assert parse("at(5) | latest(3)") == policy_of("at(5)", Keep(keep_latest="3"), "UTC")


def test_days_are_days_in_the_zone_that_is_asked_for():
    assert parse('daily(7, tz="Europe/Berlin")') == policy_of("", Keep(keep_daily="7"), "Europe/Berlin")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, "no policy"),
        ({"keep_latest": "-1"}, "--keep-latest -1"),
        ({"keep_latest": "three"}, "--keep-latest three"),
        ({"keep_every": "1.5"}, "--keep-every 1.5"),
        ({"keep_at": "1,,2"}, "--keep-at"),
        ({"keep_best": ["eval/loss"]}, "eval/loss:min:2"),
        ({"keep_best": ["eval/loss:low:2"]}, "eval/loss:min:2"),
        ({"keep_best": [":min:2"]}, "eval/loss:min:2"),
        ({"keep_best": ["eval/loss:min:-2"]}, "--keep-best"),
        ({"keep_within": "-5d"}, "-5d"),
        ({"keep_within": "7 parsecs"}, "parsecs"),
        ({"keep_daily": "-7"}, "--keep-daily -7"),
    ],
)
def test_a_flag_that_makes_no_sense_is_an_error_that_names_it(flags, told):
    with pytest.raises(UsageError) as error:
        policy_of("", Keep(**flags), "UTC")
    assert told in str(error.value)
