"""What is not as it should be is found; leftovers go by the same two phases, never on a live run."""

import datetime as dt
import os

import pytest

from holdfast.errors import RefusedError, UsageError
from holdfast.prune import check, clean_partial, lease, pin, trash, undo
from holdfast.prune.trouble import LEFTOVER, Trouble
from holdfast.stores.faults import Faults

DAY = dt.timedelta(days=1)


@pytest.fixture
def run(dirs):
    """Five checkpoints, two days old; 300 broken, and what a crashed save left."""
    dirs.save(100, 200, 300, 400, 500, age=2 * DAY)
    (dirs.path(300) / "commit_success.txt").unlink()
    (dirs.root / "350.orbax-checkpoint-tmp").mkdir()
    (dirs.root / "350.orbax-checkpoint-tmp/part").write_bytes(b"x" * 1000)
    (dirs.root / ".tmpAb12xY").write_bytes(b"y" * 100)
    for path in (dirs.path(300), dirs.root / "350.orbax-checkpoint-tmp", dirs.root / ".tmpAb12xY"):
        dirs.set_age(path, 2 * DAY)
    return dirs


def found(run, kind):
    return [finding for finding in check(run.root) if finding.kind is kind]


def test_broken_checkpoints_are_found_with_age_and_size(run):
    (broken,) = found(run, Trouble.PARTIAL)
    assert "300" == broken.path
    assert broken.bytes > 0
    assert abs(run.now - broken.touched - 2 * DAY) < dt.timedelta(minutes=1)


def test_leftovers_of_crashed_saves_are_found_with_age_and_size(run):
    sizes = {finding.path: finding.bytes for finding in found(run, Trouble.SAVE)}
    assert {"350.orbax-checkpoint-tmp": 1000, ".tmpAb12xY": 100} == sizes


def test_dangling_pointers_are_found(real, make_world):
    run = make_world("tf")
    for path in (real / "tf/v1_saver").iterdir():
        (run.root / path.name).write_bytes(path.read_bytes())
    (run.root / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-9"\n')
    assert ["names model.ckpt-9, which is not there"] == [f.why for f in found(run, Trouble.POINTER)]


def test_leftovers_of_crashed_prunes_are_found(run):
    stop = Faults(0, KeyboardInterrupt(), watch={"rename"}, where=lambda c: c.args[0] == "200")
    with pytest.raises(KeyboardInterrupt):
        run.prune("latest(1)", fs=stop.posix, grace=DAY)
    (left,) = found(run, Trouble.PRUNE)
    assert left.path.startswith("held-")
    run.prune("latest(1)", grace=DAY)
    assert [] == found(run, Trouble.PRUNE)


def test_a_healthy_run_has_nothing(world):
    assert [] == check(world.save(100, 200).root)


def test_checking_changes_nothing(run):
    before = run.digest()
    check(run.root)
    assert before == run.digest()
    assert not run.state.exists()


# Clean -------------------------------------------------------------------------------------------------------------


def test_clean_removes_what_is_broken_or_left_over(run):
    report = clean_partial(run.root, DAY)
    assert {"300", "350.orbax-checkpoint-tmp", ".tmpAb12xY"} == {item.name for item in report.of("pruned")}
    assert ["100", "200", "400", "500"] == run.entries
    assert report.freed > 1100


def test_clean_can_be_undone(run):
    before = run.digest()
    clean_partial(run.root, DAY, grace=DAY)
    assert 3 == len(trash(run.root))
    undo(run.root)
    assert before == run.digest()


def test_s2_clean_leaves_alone_what_is_young(run):
    assert () == clean_partial(run.root, 3 * DAY).items
    assert 7 == len(run.entries)


def test_s2_clean_never_touches_a_live_run(run):
    os.utime(run.path(500) / "commit_success.txt")
    with pytest.raises(RefusedError, match="live"):
        clean_partial(run.root, DAY)
    assert 7 == len(run.entries)


def test_s2_clean_never_touches_a_run_in_which_a_leftover_is_being_written(run):
    os.utime(run.root / ".tmpAb12xY")
    with pytest.raises(RefusedError, match="live"):
        clean_partial(run.root, DAY)


def test_s2_clean_never_touches_the_newest(run):
    run.save(600)
    (run.path(600) / "commit_success.txt").unlink()
    run.set_age(run.path(600), 2 * DAY)
    clean_partial(run.root, DAY)
    assert "600" in run.entries


def test_s2_clean_never_touches_what_is_of_unknown_completeness(run):
    (run.path(200) / "_CHECKPOINT_METADATA").write_text("no JSON")
    run.set_age(run.path(200), 2 * DAY)
    report = clean_partial(run.root, DAY)
    assert "200" not in {item.name for item in report.items}
    assert "200" in run.entries
    assert Trouble.UNKNOWN in {finding.kind for finding in check(run.root)}


def test_s12_clean_honours_pins_and_leases(run):
    pin(run.root, "300")
    with lease(run.root / ".tmpAb12xY"):
        report = clean_partial(run.root, DAY)
    assert {"300", ".tmpAb12xY"} == {item.name for item in report.of("skipped")}
    assert not any("meanwhile" in item.why for item in report.items)  # seen before anything was moved
    assert {"300", ".tmpAb12xY"} < set(run.entries)


@pytest.mark.parametrize("name", ["300/default/d/0000", ".tmpAb12xY"])
def test_s2_clean_looks_again_and_leaves_what_its_writer_still_writes(run, name):
    alive = Faults(
        0, lambda c: os.utime(run.root / name), watch={"mkdir"}, where=lambda c: c.args[0].startswith("held-")
    )
    report = clean_partial(run.root, DAY, fs=alive.posix)
    assert ["changed meanwhile: somebody writes there"] == [item.why for item in report.of("skipped")]
    assert name.partition("/")[0] in run.entries


def test_a_negative_age_is_refused(run):
    with pytest.raises(UsageError, match="negative"):
        clean_partial(run.root, -DAY)


@pytest.mark.parametrize(
    "name",
    ["7.orbax-checkpoint-tmp", "7.orbax-checkpoint-tmp-12", ".tmpa1B2c3", "tmp-checkpoint-500", "checkpoint_3.tmp-170", "checkpoint_tmp",
     "ckpt-3_temp", "checkpoint_1.pt.tmp", ".metadata.tmp"],
)  # fmt: skip
def test_leftovers_are_known_by_their_whole_name(name):
    assert LEFTOVER.fullmatch(name)
    assert not LEFTOVER.fullmatch(f"{name}.keep")


@pytest.mark.parametrize("name", ["7", "temp", "my_temperature", "tmp-checkpoint-best", ".tmpl", "checkpoint_3.tmp"])
def test_what_only_resembles_a_leftover_is_none(name):
    assert not LEFTOVER.fullmatch(name)
