"""A plan is carried out where the run still matches it, and nowhere else."""

import dataclasses
import datetime as dt
import errno
import os

import pytest

from holdfast.checkpoint import Pointer, Status
from holdfast.errors import RefusedError, StoreError, UsageError
from holdfast.prune import log, prune, trash
from holdfast.scan import RunRef, look_again
from holdfast.stores.faults import READS, Faults

WEEK = dt.timedelta(days=7)


@pytest.fixture(params=["file", "dir"])
def run(request, make_world):
    return make_world("run", request.param).save(100, 200, 300, 400, 500)


def test_a_prune_drops_what_the_plan_drops_and_nothing_else(run):
    report = run.prune("latest(2)")
    assert [400, 500] == run.steps
    assert [100, 200, 300] == [item.step for item in report.of("pruned")]
    assert 0 == report.exit_code


def test_s24_bytes_predicted_are_bytes_freed(run):
    plan = run.plan()
    assert plan.bytes_to_free == prune(plan).freed > 0


def test_s19_s24_bytes_with_other_hard_links_are_said_to_be_an_upper_bound_and_their_files_stay(run):
    inside = run.path(100) if run.kind == "file" else run.path(100) / "default/d/0000"
    os.link(inside, run.root.parent / "linked")
    kept = (run.root.parent / "linked").read_bytes()
    assert any("other hard links" in warning for warning in run.prune().warnings)
    assert kept == (run.root.parent / "linked").read_bytes()


def test_s24_with_a_grace_nothing_is_freed_and_the_report_says_what_waits(run):
    plan = run.plan()
    report = prune(plan, grace=WEEK)
    assert (0, plan.bytes_to_free) == (report.freed, report.waiting)


def test_a_report_is_one_json_document(run):
    assert '"schema": "holdfast.report/1"' in run.prune().to_json()


def test_s10_nothing_foreign_is_ever_written_into_the_run(run):
    kept = {run.name(400), run.name(500)}
    run.prune(grace=WEEK)
    assert kept == set(run.entries)


def test_s10_what_is_no_checkpoint_of_this_run_is_not_touched(run):
    (run.root / "notes.txt").write_text("mine")
    (run.root / "best").symlink_to(run.name(500))
    (run.root / "logs").mkdir()
    run.prune()
    assert {"notes.txt", "best", "logs"} < set(run.entries)


def test_nothing_is_left_beside_the_run(run):
    run.prune()
    assert [] == run.beside
    assert [] == list((run.state / "trash").iterdir())


def test_a_plan_that_drops_nothing_makes_no_state(run):
    run.prune("latest(9)")
    assert not run.state.exists()


def test_progress_is_told(run):
    told = []
    run.prune(progress=lambda *what: told.append(what))
    assert ("drop", 3, 3) in told
    assert ("purge", 3, 3) in told


def test_a_negative_grace_is_refused(run):
    with pytest.raises(UsageError, match="negative"):
        run.prune(grace=dt.timedelta(seconds=-1))


# The second look ---------------------------------------------------------------------------------------------------


def test_s13_what_changed_since_the_plan_is_skipped_and_said(run):
    plan = run.plan()
    os.utime(run.path(100) if run.kind == "file" else run.path(100) / "default/d/0000", (1, 1))
    report = prune(plan)
    assert [(100, "changed since the plan was made")] == [(i.step, i.why) for i in report.of("skipped")]
    assert 3 == report.exit_code
    assert [100, 400, 500] == run.steps


def test_s2_what_is_partial_by_now_is_skipped(run):
    plan = run.plan()
    broken = run.path(100) if run.kind == "file" else run.path(100) / "commit_success.txt"
    broken.write_bytes(b"") if run.kind == "file" else broken.unlink()
    skipped = prune(plan).of("skipped")
    assert [100] == [i.step for i in skipped]
    assert run.path(100).exists()


def test_s2_what_is_partial_by_now_is_skipped_even_if_no_file_differs(run):
    plan = run.plan()

    def eyes(names):
        found, pointers = look_again(RunRef(plan.root, plan.layout, plan.template), names)
        marked = {
            n: dataclasses.replace(c, status=Status.PARTIAL, why="torn") for n, c in found.items() if c.step == 100
        }
        return {**found, **marked}, pointers

    assert [(100, "partial by now: torn")] == [(i.step, i.why) for i in prune(plan, eyes=eyes).of("skipped")]


def test_s16_what_is_gone_already_is_no_failure(run):
    plan = run.plan()
    os.rename(run.path(100), run.root.parent / "elsewhere")
    report = prune(plan)
    assert [(100, "gone already")] == [(i.step, i.why) for i in report.of("skipped")]
    assert () == report.of("failed")


def test_s11_what_a_pointer_names_by_now_is_skipped(run):
    plan = run.plan()

    def eyes(names):
        found, _ = look_again(RunRef(plan.root, plan.layout, plan.template), names)
        return found, [Pointer(path="latest", names=(run.name(200),))]

    skipped = prune(plan, eyes=eyes).of("skipped")
    assert [(200, "named by latest")] == [(i.step, i.why) for i in skipped]
    assert 200 in run.steps


def test_s12_what_the_framework_itself_marks_as_pinned_by_now_is_skipped(run):
    plan = run.plan()

    def eyes(names):
        found, pointers = look_again(RunRef(plan.root, plan.layout, plan.template), names)
        return {n: dataclasses.replace(c, pinned="pinned by t5x") for n, c in found.items()}, pointers

    assert {"pinned by t5x"} == {i.why for i in prune(plan, eyes=eyes).of("skipped")}
    assert 5 == len(run.steps)


def test_s13_a_checkpoint_that_was_swapped_for_another_after_the_look_is_skipped(run):
    plan, looked = run.plan(), []

    def eyes(names):
        found = look_again(RunRef(plan.root, plan.layout, plan.template), names)
        if run.name(100) in names and not looked:
            looked.append(os.rename(run.path(100), run.root.parent / "old"))
            run.save(100)
        return found

    report = prune(plan, eyes=eyes)
    assert "another file" in next(i.why for i in report.of("skipped") if i.step == 100)
    assert run.path(100).exists()


def test_s13_a_plan_without_a_look_inside_drops_nothing(run):
    plan = run.plan()
    blind = dataclasses.replace(plan, decisions=tuple(dataclasses.replace(d, fingerprint="") for d in plan.decisions))
    assert 3 == len(prune(blind).of("skipped"))
    assert 5 == len(run.steps)


def test_s13_two_empty_fingerprints_are_not_the_same_checkpoint(run):
    plan = run.plan()
    blind = dataclasses.replace(plan, decisions=tuple(dataclasses.replace(d, fingerprint="") for d in plan.decisions))

    def eyes(names):
        found, pointers = look_again(RunRef(plan.root, plan.layout, plan.template), names)
        return {n: dataclasses.replace(c, fingerprint="") for n, c in found.items()}, pointers

    assert 3 == len(prune(blind, eyes=eyes).of("skipped"))
    assert 5 == len(run.steps)


def test_s10_what_is_no_checkpoint_any_more_is_skipped(dirs):
    plan = dirs.save(100, 200, 300).plan("latest(1)")
    for path in sorted(dirs.path(100).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (dirs.path(100) / "notes.txt").write_text("mine")
    report = prune(plan)
    assert [("100", "no checkpoint any more")] == [(i.name, i.why) for i in report.of("skipped")]
    assert "mine" == (dirs.path(100) / "notes.txt").read_text()


def test_s13_a_plan_is_applied_once(run):
    plan = run.plan()
    prune(plan, grace=WEEK)
    with pytest.raises(RefusedError, match="was carried out at"):
        prune(plan)


def test_s16_an_error_while_looking_means_that_nothing_is_dropped(run):
    plan, before = run.plan(), run.digest()

    def eyes(names):
        if run.name(100) in names:
            raise StoreError("Input/output error")
        return look_again(RunRef(plan.root, plan.layout, plan.template), names)

    with pytest.raises(StoreError):
        prune(plan, eyes=eyes)
    assert before == run.digest()


def test_s16_an_error_while_looking_at_later_ones_brings_the_first_ones_back(make_world):
    run = make_world("many").save(*range(1, 41))
    plan, before = run.plan(), run.digest()

    def eyes(names):
        if run.name(30) in names:
            raise StoreError("Input/output error")
        return look_again(RunRef(plan.root, plan.layout, plan.template), names)

    with pytest.raises(StoreError):
        prune(plan, eyes=eyes)
    assert before == run.digest()
    assert [] == trash(run.root)


# What no plan may do -----------------------------------------------------------------------------------------------


def test_s1_a_plan_that_drops_the_newest_is_refused_however_it_came_to_be(run, tampered):
    with pytest.raises(RefusedError, match="newest complete"):
        prune(tampered(run.plan(), s500="drop"))
    assert 5 == len(run.steps)


def test_s1_a_plan_that_drops_everything_is_refused(run, tampered):
    with pytest.raises(RefusedError, match="newest complete"):
        prune(tampered(run.plan(), s500="drop", s400="drop"))


def test_s1_nothing_is_dropped_when_what_would_stay_is_not_complete_any_more(run):
    plan = run.plan()
    for step in (400, 500):
        broken = run.path(step) if run.kind == "file" else run.path(step) / "commit_success.txt"
        broken.write_bytes(b"") if run.kind == "file" else broken.unlink()
    with pytest.raises(RefusedError, match="none of the checkpoints that would stay"):
        prune(plan)
    assert all(run.path(step).exists() for step in (100, 200, 300))


def test_s17_over_its_drop_limit_a_plan_is_refused_before_anything_is_touched(run):
    fs = Faults()
    with pytest.raises(RefusedError, match="limit"):
        prune(run.plan(drop_limit=1), fs=fs.posix)
    assert [] == fs.calls


def test_s18_a_root_that_leads_elsewhere_by_now_is_refused(run):
    plan = run.plan()
    os.rename(run.root, run.root.parent / "moved")
    run.root.symlink_to("moved")
    with pytest.raises(RefusedError, match="make a new plan"):
        prune(plan)


# One failure is one line -------------------------------------------------------------------------------------------


def test_s16_a_failed_move_is_one_line_and_the_rest_goes_on(run):
    stuck = Faults(
        0,
        OSError(errno.EIO, "Input/output error"),
        watch={"rename"},
        again=True,
        where=lambda call: call.args[0] == run.name(200),
    )
    report = run.prune(fs=stuck.posix)
    assert [200] == [i.step for i in report.of("failed")]
    assert [200, 400, 500] == run.steps
    assert 3 == report.exit_code
    assert [200] == [i.step for i in run.prune().of("pruned")]


def test_s16_a_failed_purge_is_one_line_and_is_gone_on_with_next_time(run):
    stuck = Faults(
        0, OSError(errno.EIO, "Input/output error"), watch={"unlink"}, where=lambda c: "new" not in c.args[0]
    )
    report = run.prune(fs=stuck.posix, threads=1)
    assert 1 == len(report.of("failed"))
    assert "tried again next time" in report.of("failed")[0].why
    again = run.prune("latest(2)")
    assert 0 == again.exit_code
    assert [] == list((run.state / "trash").iterdir())


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_s16_a_run_that_cannot_be_listed_is_an_error_and_nothing_is_dropped(run, code):
    plan, before = run.plan(), run.digest()
    blind = Faults(0, OSError(code, os.strerror(code)), watch=READS & {"scan"}, again=True)
    with pytest.raises(StoreError):
        prune(plan, fs=blind.posix)
    assert before == run.digest()


def test_the_journal_says_who_dropped_what_under_which_policy_and_why(run):
    run.prune("latest(2)")
    intent = [record for record in log(run.root) if record["event"] == "prune"]
    assert [100, 200, 300] == [record["step"] for record in intent]
    assert {"latest(2)"} == {record["policy"] for record in intent}
    assert all(record["reasons"] and "@" in record["who"] and record["bytes"] for record in intent)
    assert {"pruned"} == {record["outcome"] for record in log(run.root) if record["event"] == "pruned"}


def test_s14_moves_and_journal_are_on_the_disk_before_the_first_byte_is_freed(run):
    """A power cut may not bring back a name whose bytes are gone."""
    fs = Faults(watch={"rename", "fsync", "unlink"})
    run.prune(fs=fs.posix, threads=1)
    told = [(call.name, str(call.args[0])) for call in fs.calls]
    moved = max(i for i, (name, what) in enumerate(told) if name == "rename" and what == run.name(300))
    freed = next(i for i, (name, what) in enumerate(told) if i > moved and name == "unlink" and ".new" not in what)
    assert ["fsync"] * 3 == [name for name, _ in told[moved + 1 : freed] if name == "fsync"]
