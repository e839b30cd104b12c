"""What every store promises."""

from __future__ import annotations

import pytest

from holdfast.errors import ExistsError, NotFoundError, StoreError
from holdfast.stores import Kind


def names(entries):
    return sorted(entry.path for entry in entries)


def test_what_was_written_is_read(store):
    store.write("a/b/c", b"hello")
    assert store.read("a/b/c") == b"hello"


def test_a_read_is_bounded_and_starts_where_it_is_told(store):
    store.write("f", b"0123456789")
    assert store.read("f", limit=3) == b"012"
    assert store.read("f", start=8) == b"89"
    assert store.read("f", start=-4) == b"6789"
    assert store.read("f", start=-4, limit=2) == b"67"
    assert store.read("f", start=-99) == b"0123456789"
    assert store.read("f", start=99) == b""
    assert store.read("f", limit=0) == b""


def test_reading_nothing_or_a_directory_is_not_found(store):
    store.write("d/f", b"")
    for path in ("absent", "d", "d/f/x", "absent/f", ""):
        with pytest.raises(NotFoundError):
            store.read(path)


def test_a_list_is_one_level_and_knows_the_kinds(store):
    store.write("run/1/x", b"abc")
    store.write("run/log", b"ab")
    found = {entry.path: entry for entry in store.list("run", stat=True)}
    assert {"1", "log"} == set(found)
    assert (Kind.DIR, 0) == (found["1"].kind, found["1"].size)
    assert (Kind.FILE, 2) == (found["log"].kind, found["log"].size)
    assert found["log"].mtime_ns > 0


def test_the_base_is_the_empty_path(store):
    store.write("f", b"x")
    assert ["f"] == names(store.list(""))
    assert ["f"] == names(store.tree(""))
    assert store.stat("").kind is Kind.DIR


def test_listing_nothing_or_a_file_is_not_found(store):
    store.write("f", b"x")
    for path in ("absent", "f", "f/g"):
        with pytest.raises(NotFoundError):
            store.list(path)


def test_a_tree_holds_files_and_directories_at_any_depth(store):
    store.write("t/a/b/c", b"123")
    store.write("t/d", b"1")
    found = {entry.path: entry for entry in store.tree("t")}
    assert {"a", "a/b", "a/b/c", "d"} == set(found)
    assert 3 == found["a/b/c"].size
    assert Kind.DIR is found["a/b"].kind


def test_the_tree_of_a_file_is_itself(store):
    store.write("t/a", b"123")
    assert [("a", 3)] == [(entry.path, entry.size) for entry in store.tree("t/a")]


def test_the_tree_of_nothing_is_not_found(store):
    with pytest.raises(NotFoundError):
        store.tree("absent")


def test_a_tree_is_bounded(store):
    for number in range(6):
        store.write(f"t/{number}", b"")
    with pytest.raises(StoreError, match="more than 5"):
        store.tree("t", limit=5)
    assert 6 == len(store.tree("t", limit=6))


def test_stat_of_nothing_is_none(store):
    store.write("f", b"12")
    assert store.stat("absent") is None
    assert store.stat("absent/x") is None
    assert store.stat("f/x") is None
    assert ("f", Kind.FILE, 2) == store.stat("f")[:3]


def test_write_does_not_replace_unless_told(store):
    store.write("f", b"old")
    with pytest.raises(ExistsError):
        store.write("f", b"new")
    assert store.read("f") == b"old"
    store.write("f", b"new", replace=True)
    assert store.read("f") == b"new"
    assert ["f"] == names(store.list(""))


def test_a_directory_is_not_replaced_by_a_file(store):
    store.write("d/f", b"")
    for replace in (False, True):
        with pytest.raises(StoreError):
            store.write("d", b"", replace=replace)
    assert ["f"] == names(store.list("d"))


def test_move_takes_all_that_lies_within(store):
    store.write("a/x/y", b"1")
    store.write("trash/other", b"")
    store.move("a", "trash/a")
    assert store.read("trash/a/x/y") == b"1"
    assert store.stat("a") is None


def test_move_never_overwrites(store):
    store.write("a/x", b"1")
    store.write("b/x", b"2")
    store.write("f", b"3")
    store.write("g", b"4")
    for source, target in (("a", "b"), ("f", "g"), ("f", "b"), ("a", "g")):
        with pytest.raises(ExistsError):
            store.move(source, target)
    assert store.read("b/x") == b"2"
    assert store.read("g") == b"4"


def test_moving_nothing_is_not_found(store):
    store.write("there", b"")
    with pytest.raises(NotFoundError):
        store.move("absent", "b")


def test_nothing_moves_into_itself(store):
    store.write("a/x", b"1")
    with pytest.raises(StoreError):
        store.move("a", "a/b")
    assert store.read("a/x") == b"1"


def test_delete_removes_all_that_lies_within_and_nothing_else(store):
    store.write("1/x/y", b"")
    store.write("1/z", b"")
    store.write("10/x", b"")
    store.write("f", b"")
    assert store.delete(["1", "f"]) == {}
    assert ["10"] == names(store.list(""))


def test_deleting_what_is_gone_succeeds(store):
    store.write("f", b"")
    assert store.delete(["absent", "absent/x", "f/x", "f", "f"]) == {}


def test_the_base_is_never_deleted_or_moved(store):
    store.write("f", b"")
    assert [""] == list(store.delete([""]))
    with pytest.raises(StoreError):
        store.move("", "x")
    with pytest.raises(StoreError):
        store.write("", b"")
    assert ["f"] == names(store.list(""))


@pytest.mark.parametrize("path", ["../x", "/etc", "a/../b", "a//b", "./a", "a/.", "a\0b", "a/"])
def test_a_path_that_climbs_is_refused(store, path):
    store.write("a/b", b"")
    for act in (
        store.list,
        store.tree,
        store.stat,
        store.read,
        lambda p: store.write(p, b""),
        lambda p: store.move(p, "q"),
    ):
        with pytest.raises(StoreError):
            act(path)
    assert [path] == list(store.delete([path]))
    assert store.read("a/b") == b""


@pytest.mark.parametrize(
    "name", ["with space", "new\nline", "\x1b[31mred", "\udcff\udcfe", "x" * 255, "ünïcode", "-rf", "*"]
)
def test_names_of_every_kind_go_there_and_back(store, name):
    store.write(f"{name}/f", b"1")
    assert [name] == names(store.list(""))
    assert store.read(f"{name}/f") == b"1"
    store.move(name, "moved")
    store.move("moved", name)
    assert store.delete([name]) == {}
    assert [] == names(store.list(""))


def test_facts_are_values(store):
    assert isinstance(store.facts.atomic_move, bool)
    assert store.facts.batch_delete >= 1
    assert store.uri
