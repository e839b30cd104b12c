"""S21, S22: what was dropped comes back byte for byte until it is purged; the trash has a ladder and limits."""

import datetime as dt
import errno
import os
import shutil
import subprocess

import pytest

from holdfast.errors import NotFoundError, StoreError, UsageError
from holdfast.prune import holds, pin, pins, prune, purge, trash, undo, unpin
from holdfast.stores.faults import Faults

WEEK = dt.timedelta(days=7)
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(params=["file", "dir"])
def run(request, make_world):
    return make_world("run", request.param).save(100, 200, 300, 400, 500)


@pytest.fixture
def other_disk(tmp_path):
    """A directory on another file system."""
    where = tmp_path / "other"
    where.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "none", where], check=False).returncode:
        pytest.skip("no other file system can be mounted here")
    yield where
    subprocess.run(["umount", where], check=True)


# Undo --------------------------------------------------------------------------------------------------------------


def test_s21_undo_brings_everything_back_byte_for_byte_with_its_times(run):
    before = run.digest()
    run.prune("latest(1)", grace=WEEK)
    report = undo(run.root)
    assert before == run.digest()
    assert [100, 200, 300, 400] == [item.step for item in report.of("restored")]
    assert [] == trash(run.root)


def test_s21_what_came_back_is_pinned_for_seven_days(run):
    run.prune("latest(1)", grace=WEEK)
    undo(run.root)
    run.prune("latest(1)")
    assert 5 == len(run.steps)
    assert 4 == len(holds(run.root, now=run.now + dt.timedelta(days=6)))
    assert () == holds(run.root, now=run.now + dt.timedelta(days=8))


def test_s21_a_persons_own_pin_is_not_replaced_by_that_of_an_undo(run):
    run.prune("latest(1)", grace=WEEK)
    undo(run.root, [run.name(100)])
    unpin(run.root, run.name(100))
    mine = pin(run.root, run.name(100), reason="mine")
    assert (mine,) == pins(run.root)


def test_s21_undo_by_name_leaves_the_rest_in_the_trash(run):
    run.prune("latest(1)", grace=WEEK)
    undo(run.root, [run.name(300)])
    assert [300, 500] == run.steps
    assert [400, 200, 100] == [entry.step for entry in trash(run.root)]


def test_s21_undo_without_names_undoes_the_last_prune_only(run):
    run.prune("latest(3)", grace=WEEK)
    run.prune("latest(1)", grace=WEEK, now=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1))
    undo(run.root)
    assert [300, 400, 500] == run.steps


def test_s21_undo_never_overwrites(run):
    run.prune("latest(1)", grace=WEEK)
    run.save(100, files=5)
    before = run.digest()
    report = undo(run.root, [run.name(100)])
    assert ["something else has its name by now; it stays in the trash"] == [i.why for i in report.of("failed")]
    assert before == run.digest()
    assert () == pins(run.root)
    assert 100 in [entry.step for entry in trash(run.root)]


def test_s21_undo_never_overwrites_what_appears_at_the_last_moment(run):
    run.prune("latest(1)", grace=WEEK)
    call = "link" if run.kind == "file" else "rename_exclusive"
    late = Faults(0, lambda c: run.save(100), watch={call})
    report = undo(run.root, [run.name(100)], fs=late.posix)
    assert 1 == len(report.of("failed"))
    assert 100 in [entry.step for entry in trash(run.root)]


def test_s21_undo_with_nothing_in_the_trash_says_so(run):
    with pytest.raises(NotFoundError, match="with a grace"):
        undo(run.root)
    run.prune("latest(1)")
    with pytest.raises(NotFoundError, match="with a grace"):
        undo(run.root)


def test_s21_undo_of_a_name_that_does_not_wait_lists_what_does(run):
    run.prune("latest(1)", grace=WEEK)
    with pytest.raises(NotFoundError, match=run.name(400)):
        undo(run.root, ["nothing"])


def test_s21_where_the_file_system_knows_no_hard_links_undo_works_too(run):
    before = run.digest()
    run.prune("latest(1)", grace=WEEK)
    plain = Faults(0, PermissionError(1, "Operation not permitted"), watch={"link"}, again=True)
    undo(run.root, fs=plain.posix)
    assert before == run.digest()


# Purge -------------------------------------------------------------------------------------------------------------


def test_what_waits_is_listed_newest_prune_first(run):
    run.prune("latest(2)", grace=WEEK)
    found = trash(run.root)
    assert [300, 200, 100] == [entry.step for entry in found]
    assert {"waiting"} == {entry.state for entry in found}
    assert all(entry.until - entry.dropped == WEEK and entry.policy == "latest(2)" for entry in found)


def test_purge_frees_what_waits_and_says_how_much(run):
    waiting = run.prune("latest(2)", grace=WEEK).waiting
    report = purge(run.root)
    assert waiting == report.freed > 0
    assert [100, 200, 300] == [item.step for item in report.of("purged")]
    assert [] == trash(run.root)
    assert [400, 500] == run.steps


def test_purge_by_age(run):
    run.prune("latest(4)", grace=WEEK, now=run.now - dt.timedelta(days=3))
    run.prune("latest(3)", grace=WEEK)
    assert [100] == [i.step for i in purge(run.root, older_than=dt.timedelta(days=2)).of("purged")]
    assert [200] == [entry.step for entry in trash(run.root)]


def test_purge_by_size_the_oldest_first(run):
    for i, count in enumerate((4, 3, 2)):
        run.prune(f"latest({count})", grace=WEEK, now=run.now + dt.timedelta(minutes=i))
    size = trash(run.root)[0].bytes
    purge(run.root, keep_bytes=2 * size)
    assert [300, 200] == [entry.step for entry in trash(run.root)]
    assert () == purge(run.root, keep_bytes=2 * size).items


def test_the_next_prune_purges_what_has_its_grace_behind_it(run):
    run.prune("latest(4)", grace=WEEK, now=run.now - 2 * WEEK)
    report = run.prune("latest(4)")
    assert [100] == [item.step for item in report.of("purged")]
    assert [] == trash(run.root)


def test_nothing_purges_by_itself_before_its_time(run):
    run.prune("latest(4)", grace=WEEK)
    run.prune("latest(3)")
    assert [100] == [entry.step for entry in trash(run.root)]


def test_s21_what_is_being_purged_is_never_undone(run):
    run.prune("latest(1)", grace=WEEK)
    stuck = Faults(
        0, OSError(errno.EIO, "Input/output error"), watch={"unlink"}, where=lambda c: "new" not in c.args[0]
    )
    assert 1 == len(purge(run.root, fs=stuck.posix, threads=1).of("failed"))
    with pytest.raises(NotFoundError):
        undo(run.root)
    assert 0 == purge(run.root).exit_code
    assert [] == list((run.state / "trash").iterdir())


def test_purging_a_run_that_was_never_pruned_does_nothing(run):
    assert () == purge(run.root).items
    assert not run.state.exists()


def test_a_negative_age_is_refused(run):
    with pytest.raises(UsageError):
        purge(run.root, older_than=dt.timedelta(-1))


def test_s12_what_could_not_be_moved_back_to_whom_holds_it_is_not_freed_either(run):
    """It is pinned after the move, and something has its name by then."""

    def pin_and_block(call):
        pin(run.root, run.name(100))

    def block(call):
        if not run.path(100).exists():
            run.save(100)

    fs = Faults(0, pin_and_block, watch={"rename"}, where=lambda c: c.args[0] == run.name(100)).posix
    fs = Faults(0, block, watch={"fsync"}, where=lambda c: not run.path(100).exists(), fs=fs).posix
    report = run.prune("latest(1)", fs=fs)
    assert ["pinned" in i.why for i in report.of("failed")] == [True]
    purge(run.root)
    run.prune("latest(1)")
    assert 100 in [entry.step for entry in trash(run.root)]


# The ladder --------------------------------------------------------------------------------------------------------


def test_a_trash_elsewhere_on_the_same_file_system(run, tmp_path):
    before, bin_ = run.digest(), tmp_path / "bin"
    run.prune("latest(1)", grace=WEEK, trash_dir=bin_)
    assert [] == trash(run.root)
    assert 4 == len(trash(run.root, trash_dir=bin_))
    undo(run.root, trash_dir=bin_)
    assert before == run.digest()


def test_s22_what_the_trash_cannot_take_goes_beside_the_run_and_is_purged_at_once(run, other_disk):
    plan = run.plan("latest(1)")
    report = prune(plan, trash_dir=other_disk)
    assert [500] == run.steps
    assert (plan.bytes_to_free, 0) == (report.freed, report.waiting)
    assert [] == run.beside


def test_s22_with_a_grace_what_cannot_wait_is_not_dropped(run, other_disk):
    report = run.prune("latest(1)", grace=WEEK, trash_dir=other_disk)
    assert 4 == len(report.of("failed"))
    assert 5 == len(run.steps)


def test_s22_on_a_full_disk_checkpoints_still_go(run):
    full = Faults(0, FULL, watch={"mkdir", "write", "symlink"}, again=True)
    report = run.prune("latest(1)", fs=full.posix)
    assert [500] == run.steps
    assert any("cannot be undone" in warning for warning in report.warnings)
    assert [] == [name for name in run.beside if "-lock-" not in name]


def test_s22_on_a_full_disk_with_a_grace_nothing_goes(run):
    full = Faults(0, FULL, watch={"mkdir", "write", "symlink"}, again=True)
    with pytest.raises(StoreError, match="without a grace"):
        run.prune("latest(1)", grace=WEEK, fs=full.posix)
    assert 5 == len(run.steps)


def test_in_place_must_be_asked_for(run):
    stuck = Faults(0, OSError(errno.EXDEV, "Invalid cross-device link"), watch={"rename"}, again=True,
                   where=lambda c: c.args[0] == run.name(100))  # fmt: skip
    report = run.prune("latest(1)", fs=stuck.posix)
    assert ["--in-place" in i.why for i in report.of("failed")] == [True]
    assert [100, 500] == run.steps
    again = run.prune("latest(1)", fs=stuck.posix, in_place=True)
    assert 0 == again.exit_code
    assert again.freed > 0
    assert [500] == run.steps


def test_s14_in_place_the_marker_goes_first(dirs):
    dirs.save(100, 200)
    stuck = Faults(0, OSError(errno.EXDEV, "Invalid cross-device link"), watch={"rename"}, again=True,
                   where=lambda c: c.args[0] == "100")  # fmt: skip
    unlinked = Faults(watch={"unlink"}, fs=stuck.posix, where=lambda c: ".new" not in c.args[0])
    dirs.prune("latest(1)", fs=unlinked.posix, in_place=True)
    assert "commit_success.txt" == unlinked.calls[0].args[0]


def test_s14_of_several_members_the_marker_goes_first_and_comes_back_last(real, make_world):
    run = make_world("tf")
    for number in (1, 2, 3):
        for path in (real / "tf/v1_saver").glob("model.ckpt-3.*"):
            shutil.copy2(path, run.root / path.name.replace("-3.", f"-{number}."))
    (run.root / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-3"\n')
    for path in run.root.iterdir():
        run.set_age(path, dt.timedelta(hours=2))
    before = run.digest()
    out = Faults(watch={"rename"}, where=lambda c: c.args[0].startswith("model"))
    run.prune("latest(1)", grace=WEEK, fs=out.posix)
    assert ["index", "index"] == [out.calls[i].args[0].rpartition(".")[2] for i in (0, 3)]
    back = Faults(watch={"link"}, where=lambda c: "model" in c.args[1])
    undo(run.root, fs=back.posix)
    assert ["index", "index"] == [back.calls[i].args[1].rpartition(".")[2] for i in (2, 5)]
    assert before == run.digest()


@pytest.mark.parametrize("purging", [False, True])
def test_the_trash_is_listed_as_often_for_many_as_for_few(tmp_path, world, purging):
    def listed(name, count):
        run = type(world)(tmp_path / name / "run").save(*range(1, count + 1))
        seen = Faults(watch={"scan"})
        if not purging:
            run.prune("latest(1)", grace=WEEK, fs=seen.posix)
        else:
            run.prune("latest(1)", grace=WEEK)
            purge(run.root, keep_bytes=1, threads=1, fs=seen.posix)
        return len(seen.calls)

    assert listed("few", 3) == listed("many", 15)
