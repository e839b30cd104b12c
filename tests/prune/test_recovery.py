"""S15: what was stopped half way is finished, or rolled back where somebody holds it by now."""

import datetime as dt
import os
import shutil

import pytest

from holdfast.errors import NotFoundError
from holdfast.prune import holds, lease, log, pin, recover, trash, undo
from holdfast.prune.batch import State, places
from holdfast.prune.state import home
from holdfast.stores.faults import Faults
from holdfast.stores.posix import Posix

WEEK = dt.timedelta(days=7)


class Stop(BaseException):
    """The process ends here."""


def members(run):
    return sorted(name for name in run.entries if name.startswith("model.ckpt-1"))


@pytest.fixture
def run(real, make_world):
    """Three TensorFlow checkpoints of three files each."""
    world = make_world("tf")
    for number in (1, 2, 3):
        for path in (real / "tf/v1_saver").glob("model.ckpt-3.*"):
            shutil.copy2(path, world.root / path.name.replace("-3.", f"-{number}."))
    (world.root / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-3"\n')
    for path in world.root.iterdir():
        world.set_age(path, dt.timedelta(hours=2))
    return world


@pytest.fixture
def half_dropped(run):
    """Stopped when the marker and one more file of the first were moved."""
    moves = {"rename", "link", "unlink", "rename_exclusive"}
    stop = Faults(2, Stop(), watch=moves, again=True, where=lambda c: "model" in c.args[0])
    with pytest.raises(Stop):
        run.prune("latest(1)", grace=WEEK, fs=stop.posix)
    assert 1 == len(members(run))
    return run


def test_what_was_begun_is_finished(half_dropped):
    told = recover(half_dropped.root)
    assert ["model.ckpt-1: an earlier prune was stopped while it dropped this; finished"] == list(told)
    assert [] == members(half_dropped)
    assert ["model.ckpt-1"] == [entry.name for entry in trash(half_dropped.root)]


def test_s20_the_batch_of_who_is_taken_for_dead_is_renamed_away_before_anything_else_moves(half_dropped):
    moves = Faults(watch={"rename"}, where=lambda c: ".new" not in c.args[0])
    recover(half_dropped.root, fs=moves.posix)
    assert moves.calls[0].args[0].startswith("held-")
    assert moves.calls[0].args[1].startswith("lost-")
    assert moves.calls[1].args[0].startswith("model")


def test_what_was_not_begun_is_as_it_was(half_dropped):
    recover(half_dropped.root)
    assert [2, 3] == half_dropped.steps


def test_what_came_to_be_pinned_meanwhile_comes_back(half_dropped):
    pin(half_dropped.root, "model.ckpt-1", owner="eva")
    (told,) = recover(half_dropped.root)
    assert "moved back: pinned by eva" in told
    assert [1, 2, 3] == half_dropped.steps


def test_a_file_that_was_saved_anew_meanwhile_is_not_taken_for_the_old_one(half_dropped):
    (left,) = members(half_dropped)
    os.rename(half_dropped.root / left, half_dropped.root.parent / "old")
    (half_dropped.root / left).write_bytes(b"new")
    recover(half_dropped.root)
    assert b"new" == (half_dropped.root / left).read_bytes()


def test_an_undo_that_was_stopped_is_finished(run):
    before = run.digest()
    run.prune("latest(1)", grace=WEEK)
    stop = Faults(1, Stop(), watch={"link"}, where=lambda c: "model" in c.args[1])
    with pytest.raises(Stop):
        undo(run.root, ["model.ckpt-1"], fs=stop.posix)
    assert 1 == len(members(run))
    assert ["model.ckpt-1: an earlier undo was stopped; finished"] == list(recover(run.root))
    undo(run.root)
    assert before == run.digest()


def test_what_was_recovered_is_in_the_journal(half_dropped):
    recover(half_dropped.root)
    assert 1 == sum(record["event"] == "recovered" for record in log(half_dropped.root))


def test_with_nothing_to_recover_nothing_is_said_or_made(run):
    assert () == recover(run.root)
    assert not run.state.exists()


def test_a_batch_whose_record_is_damaged_is_told_of_and_left_alone(half_dropped):
    (half,) = (half_dropped.state / "trash").glob("held-*")
    (half / "batch.json").write_text("{")
    assert any("batch.json is no JSON" in one for one in recover(half_dropped.root))
    with home(half_dropped.root, fs=Posix()) as place:
        assert 1 == len(list(places(place, State.LOST)))
    with pytest.raises(NotFoundError):
        undo(half_dropped.root)


@pytest.fixture
def half_freed(dirs):
    """Stopped in the middle of dropping the first where it lies."""
    dirs.save(100, 200, files=6)
    stuck = Faults(
        0, OSError(18, "Invalid cross-device link"), watch={"rename"}, again=True, where=lambda c: c.args[0] == "100"
    )
    stop = Faults(4, Stop(), watch={"unlink"}, where=lambda c: ".new" not in c.args[0], fs=stuck.posix)
    with pytest.raises(Stop):
        dirs.prune("latest(1)", fs=stop.posix, in_place=True)
    assert dirs.path(100).exists()
    return dirs


def test_what_was_being_dropped_in_place_is_finished(half_freed):
    (told,) = recover(half_freed.root)
    assert told.endswith("in place; finished")
    assert ["200"] == half_freed.entries


def test_what_was_being_dropped_in_place_and_is_written_to_again_is_left(half_freed):
    os.utime(half_freed.path(100) / "default/d/0005", (half_freed.now.timestamp() + 60,) * 2)
    (told,) = recover(half_freed.root)
    assert "written to since" in told
    assert half_freed.path(100).exists()


# What killed processes leave in the state ---------------------------------------------------------------------------


def test_half_written_files_and_long_lapsed_leases_are_swept_up(world):
    world.save(100, 200)
    for name in (100, 200):
        lease(world.path(name), ttl=30 * 86400 if name == 200 else 60).__enter__()
    (world.state / "lock-abc.new").touch()
    (world.state / "pins").mkdir()
    (world.state / "pins/.abc.new").touch()
    (world.state / ".young.new").touch()
    for path in [*world.state.glob("lock-*.new"), *world.state.glob("*/*")]:
        world.set_age(path, dt.timedelta(days=5))
    recover(world.root)
    assert [world.name(200)] == [hold.name for hold in holds(world.root, now=world.now)]
    assert [".young.new"] == sorted(path.name for path in world.state.rglob("*.new"))
    assert 1 == len(list((world.state / "leases").iterdir()))


def test_locks_beside_the_run_are_swept_up_once_the_disk_has_room(world):
    full = Faults(0, OSError(28, "No space left on device"), watch={"mkdir"}, again=True)
    world.save(100, 200, 300).prune("latest(1)", fs=full.posix)
    assert 1 == len(world.beside)
    world.save(400).prune("latest(1)")
    assert [] == world.beside
