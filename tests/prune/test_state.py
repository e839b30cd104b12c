"""The state directory belongs to one run, and says so."""

import json
import os
import shutil
import stat

import pytest

from holdfast.errors import NotFoundError, RefusedError, StoreError
from holdfast.prune import adopt, holds, pin, pins
from holdfast.stores.faults import Faults


@pytest.fixture
def pinned(world):
    pin(world.save(100, 200).root, world.name(100), reason="paper, table 2")
    return world


def test_it_lies_beside_the_run_under_its_name(pinned):
    assert (pinned.root.parent / ".holdfast/llama/state.json").exists()
    assert [pinned.name(100), pinned.name(200)] == pinned.entries


def test_it_records_whose_it_is(pinned):
    about = pinned.root.stat()
    known = json.loads((pinned.state / "state.json").read_text())
    assert {"format": 1, "root": str(pinned.root), "device": about.st_dev, "inode": about.st_ino} == known


def test_a_run_reached_through_a_link_has_the_same_state(pinned):
    link = pinned.root.parent / "current"
    link.symlink_to(pinned.root)
    assert pins(link) == pins(pinned.root) != ()


def test_a_run_that_was_made_anew_does_not_inherit_the_old_ones_pins(pinned):
    os.rename(pinned.root, pinned.root.parent / "old")
    pinned.root.mkdir()
    pinned.save(100, 200, 300, 400)
    with pytest.raises(RefusedError, match="holdfast adopt"):
        pinned.prune()
    assert 4 == len(pinned.entries)


def test_adopt_takes_the_state_over(pinned):
    os.rename(pinned.root, pinned.root.parent / "old")
    shutil.copytree(pinned.root.parent / "old", pinned.root)
    assert str(pinned.state) == adopt(pinned.root)
    assert 1 == len(pins(pinned.root))


def test_adopt_with_nothing_to_adopt_says_so(world):
    with pytest.raises(NotFoundError, match="no state directory"):
        adopt(world.root)


@pytest.mark.parametrize("act", [adopt, pins])
def test_a_newer_format_is_refused(pinned, act):
    known = json.loads((pinned.state / "state.json").read_text())
    (pinned.state / "state.json").write_text(json.dumps({**known, "format": 2}))
    with pytest.raises(RefusedError, match="newer holdfast"):
        act(pinned.root)


@pytest.mark.parametrize("level", ["state", "home"])
def test_s18_a_state_directory_that_is_a_link_is_refused(pinned, level):
    where = pinned.state if level == "state" else pinned.state.parent
    os.rename(where, pinned.root.parent / "elsewhere")
    where.symlink_to(pinned.root.parent / "elsewhere")
    with pytest.raises(RefusedError, match="must be a directory"):
        pins(pinned.root)


def test_a_state_directory_of_nobody_knows_whom_is_refused(pinned):
    (pinned.state / "state.json").unlink()
    with pytest.raises(RefusedError, match="nobody knows whose"):
        pins(pinned.root)


def test_a_crash_between_making_it_and_writing_its_identity_is_mended(world):
    world.save(100)
    world.state.mkdir(parents=True)
    (world.state / ".abc.new").write_text("torn")
    pin(world.root, world.name(100))
    assert 1 == len(pins(world.root))


def test_it_takes_group_and_mode_of_the_directory_that_it_lies_in(world):
    world.save(100)
    world.root.parent.chmod(0o2775)
    if os.geteuid() == 0:
        os.chown(world.root.parent, 1234, 4321)
    pin(world.root, world.name(100))
    above = world.root.parent.stat()
    for path in (world.state.parent, world.state, world.state / "pins"):
        about = path.stat()
        assert (0o2775, above.st_gid, above.st_uid) == (stat.S_IMODE(about.st_mode), about.st_gid, about.st_uid)
    for path in (world.state / "state.json", world.state / "journal"):
        about = path.stat()
        assert (0o664, above.st_gid, above.st_uid) == (stat.S_IMODE(about.st_mode), about.st_gid, about.st_uid)


def test_another_place_can_be_given(world, tmp_path):
    where = tmp_path / "state"
    pin(world.save(100).root, world.name(100), state_dir=where)
    assert 1 == len(pins(world.root, state_dir=where))
    assert not world.state.exists()


def test_where_it_cannot_be_made_the_message_says_what_to_do(world):
    world.save(100)
    denied = Faults(0, PermissionError(13, "Permission denied"), watch={"mkdir"}, again=True)
    with pytest.raises(StoreError, match="--state-dir"):
        pin(world.root, world.name(100), fs=denied.posix)


def test_looking_makes_nothing(world):
    assert () == holds(world.save(100).root, now=world.now)
    assert not world.state.parent.exists()
