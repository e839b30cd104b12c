"""A torn line never happened, and spoils no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.prune import log, pin
from holdfast.prune.journal import line, parse

RECORDS = st.lists(
    st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=20), st.none()), max_size=3),
    max_size=5,
)


@given(RECORDS)
def test_what_was_written_is_read(records):
    assert records == parse(b"".join(map(line, records)))


@given(RECORDS, st.data())
def test_s15_of_a_torn_journal_the_whole_lines_are_read(records, data):
    whole = b"".join(map(line, records))
    cut = data.draw(st.integers(0, len(whole)))
    found = parse(whole[:cut])
    assert records[: len(found)] == found
    assert len(found) >= whole[:cut].count(b"\n")


@given(RECORDS, st.data())
def test_s15_a_damaged_byte_costs_at_most_the_lines_that_it_touches(records, data):
    whole = b"".join(map(line, records))
    if whole:
        at = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :]
        found = parse(damaged)
        assert all(record in records for record in found)
        assert len(found) >= len(records) - 2


@given(st.binary(max_size=300))
def test_garbage_is_read_as_nothing(data):
    assert [] == parse(data)


def test_s15_what_is_added_after_a_torn_line_is_not_lost_with_it(world):
    world.save(100, 200)
    pin(world.root, world.name(100))
    with (world.state / "journal").open("ab") as journal:
        journal.write(b'12345678 {"event": "to')
    pin(world.root, world.name(200))
    assert [world.name(100), world.name(200)] == [record["name"] for record in log(world.root)]


@pytest.mark.parametrize("name", ["tab\t", "new\nline", "\udcff", "\x1b[31m"])
def test_any_name_can_be_logged(world, name):
    (world.root / name).write_bytes(b"x")
    pin(world.root, name)
    assert [name] == [record["name"] for record in log(world.root)]
