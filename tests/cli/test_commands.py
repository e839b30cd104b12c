"""Each command, on a real directory, called as a user calls it."""

import json
import os
import shutil
import sys

import pytest


def names(directory):
    return sorted(p.name for p in directory.glob("*.safetensors"))


def steps(directory):
    return sorted(int(n.removeprefix("step_").removesuffix(".safetensors")) for n in names(directory))


def test_scan_shows_one_run(run, holdfast):
    said = holdfast("scan", run)
    assert (0, "") == (said.code, said.err)
    assert "10 checkpoints" in said.out
    assert "10 complete" in said.out


def test_scan_is_one_json_document(run, holdfast):
    found = holdfast("scan", run, "--json").json
    assert found["schema"] == "holdfast.scan/1"
    (one,) = found["runs"]
    assert [c["status"] for c in one["run"]["checkpoints"]] == ["complete"] * 10


def test_scan_of_a_tree_is_one_line_per_run(tmp_path, make_run, holdfast):
    for name in ("a", "b"):
        make_run(tmp_path / "runs" / name)
    said = holdfast("scan", tmp_path / "runs")
    assert "2 runs" in said.out
    assert "20 checkpoints" in said.out


@pytest.fixture
def unreadable(monkeypatch):
    """Below the scanned directory lies one that cannot be listed (tests may run as root, who can list all)."""
    import holdfast.scan
    from holdfast.errors import StoreError

    real = holdfast.scan.find_runs

    def find(directory, *, on_error, **more):
        on_error(f"{directory}/locked", StoreError("Permission denied"))
        return real(directory, on_error=on_error, **more)

    monkeypatch.setattr(holdfast.scan, "find_runs", find)


@pytest.mark.usefixtures("unreadable")
def test_a_directory_that_cannot_be_listed_is_told_and_the_others_are_shown(run, holdfast):
    said = holdfast("scan", run.parent, "--json")
    assert said.code == 3
    assert "Permission denied" in said.err
    assert list(said.json["unread"].values()) == ["Permission denied"]
    assert len(said.json["runs"]) == 1


@pytest.mark.usefixtures("unreadable")
def test_a_directory_that_cannot_be_listed_stops_no_other_run_from_being_pruned(run, holdfast):
    said = holdfast("prune", run.parent, "latest(6)", "--all-runs", "--yes")
    assert said.code == 3
    assert "Permission denied" in said.out
    assert len(steps(run)) == 6


def test_scan_takes_metrics_from_a_log(run, holdfast):
    found = holdfast("scan", run, "--metrics", "metrics.jsonl", "--json").json
    by_step = {c["step"]: c["metrics"] for c in found["runs"][0]["run"]["checkpoints"]}
    assert by_step[400] == {"eval/loss": 0.0}


def test_plan_changes_nothing(run, holdfast):
    before = {p: p.stat().st_mtime_ns for p in run.parent.rglob("*")}
    said = holdfast("plan", run, "latest(3)")
    assert said.code == 0
    assert "would keep 3" in said.out
    assert "drop 7" in said.out
    assert before == {p: p.stat().st_mtime_ns for p in run.parent.rglob("*")}


def test_plan_prints_the_policy_as_understood_the_time_and_the_zone(run, holdfast):
    first = holdfast("plan", run, "latest( 3 )|every(steps=500)", "--zone", "Europe/Berlin").out.splitlines()[0]
    assert first.startswith("policy latest(3) | every(steps=500)")
    assert first.endswith("Europe/Berlin")


def test_a_policy_in_flags_and_the_same_in_text_give_the_same_plan(run, holdfast):
    flags = holdfast(
        "plan", run, "--keep-latest", "2", "--keep-best", "eval/loss:min:2", "--metrics", "metrics.jsonl", "--json"
    )
    text = holdfast("plan", run, 'latest(2) | best(2, "eval/loss", mode="min")', "--metrics", "metrics.jsonl", "--json")
    assert flags.json["policy"] == text.json["policy"]
    assert flags.json["decisions"] == text.json["decisions"]


def test_a_saved_plan_can_be_applied_once(run, tmp_path, holdfast):
    file = tmp_path / "plan.json"
    assert holdfast("plan", run, "latest(3)", "--out", file).code == 0
    said = holdfast("apply", file, "--yes")
    assert said.code == 0
    assert "dropped 7" in said.out
    assert steps(run) == [800, 900, 1000]
    assert holdfast("apply", file, "--yes").code == 4


def test_apply_skips_what_changed_since_and_says_so(run, tmp_path, holdfast):
    file = tmp_path / "plan.json"
    holdfast("plan", run, "latest(3)", "--out", file)
    os.utime(run / "step_500.safetensors")
    said = holdfast("apply", file, "--yes")
    assert said.code == 3
    assert "skipped 1" in said.out
    assert 500 in steps(run)


def test_apply_refuses_what_is_no_plan(tmp_path, holdfast):
    file = tmp_path / "plan.json"
    file.write_text("{}")
    said = holdfast("apply", file, "--yes")
    assert said.code == 1
    assert "--out" in said.err


def test_prune_frees_what_the_policy_does_not_keep(run, holdfast):
    said = holdfast("prune", run, "latest(3)", "--yes")
    assert said.code == 0
    assert "dropped 7" in said.out
    assert "freed" in said.out
    assert steps(run) == [800, 900, 1000]
    assert (run / "metrics.jsonl").exists()


def test_prune_without_yes_refuses_where_nobody_can_be_asked(run, holdfast):
    said = holdfast("prune", run, "latest(3)")
    assert said.code == 4
    assert "--yes" in said.err
    assert len(steps(run)) == 10


def test_a_dry_run_prints_the_plan_and_changes_nothing(run, holdfast):
    said = holdfast("prune", run, "latest(3)", "--dry-run")
    assert said.code == 0
    assert "would keep 3" in said.out
    assert len(steps(run)) == 10


def test_a_dry_run_in_json_is_the_plan(run, holdfast):
    dry = holdfast("prune", run, "latest(3)", "--dry-run", "--json").json
    assert dry["schema"].startswith("holdfast.plan/")


def test_undo_brings_back_what_waits_in_the_trash(run, holdfast):
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in run.iterdir()}
    said = holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes")
    assert "in the trash" in said.out
    assert "7 checkpoints in the trash" in holdfast("trash", run).out
    assert holdfast("undo", run).code == 0
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in run.iterdir()}


def test_undo_of_one_leaves_the_others_in_the_trash(run, holdfast):
    holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes")
    assert holdfast("undo", run, "500").code == 0
    assert steps(run) == [500, 800, 900, 1000]


def test_what_was_undone_is_pinned_so_that_the_next_prune_leaves_it(run, holdfast):
    holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes")
    holdfast("undo", run, "500")
    assert "brought back by undo" in holdfast("pins", run).out
    holdfast("prune", run, "latest(3)", "--yes")
    assert 500 in steps(run)


def test_undo_of_what_is_not_in_the_trash_is_an_error(run, holdfast):
    holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes")
    said = holdfast("undo", run, "1000")
    assert said.code == 1
    assert "1000" in said.err


def test_purge_frees_the_trash_and_needs_yes_where_nobody_is_there(run, holdfast):
    holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes")
    assert holdfast("purge", run).code == 4
    said = holdfast("purge", run, "--yes")
    assert said.code == 0
    assert "purged 7" in said.out
    assert "the trash is empty" in holdfast("trash", run).out


def test_purge_can_leave_the_young(run, holdfast):
    holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes")
    holdfast("purge", run, "--older-than", "1h", "--yes")
    assert len(holdfast("trash", run, "--json").json["entries"]) == 7


def test_the_log_says_who_dropped_what_by_which_policy_in_one_line_an_act(run, holdfast):
    holdfast("prune", run, "latest(3)", "--yes")
    said = holdfast("log", run)
    (act,) = [line for line in said.out.splitlines() if " dropped " in line]
    assert "7 (" in act
    assert "100, 200, 300, 400, 500, 600, 700" in said.out.replace("\n", " ").replace("  ", "").replace(
        ",", ", "
    ).replace(",  ", ", ")
    assert "latest(3)" in said.out
    assert "nearest" not in said.out
    assert len(holdfast("log", run, "--json").json["records"]) == 14


def test_the_log_can_give_the_reasons(run, holdfast):
    holdfast("prune", run, "latest(3)", "--yes")
    assert holdfast("log", run, "--reasons").out.count("newest; 3 are kept") == 7


def test_the_log_of_an_untouched_run_is_empty(run, holdfast):
    assert "nothing was ever done" in holdfast("log", run).out


def test_a_pinned_checkpoint_stays_and_the_plan_says_whose_pin_it_is(run, holdfast):
    assert holdfast("pin", run, "300", "--reason", "paper, table 2").code == 0
    assert "paper, table 2" in holdfast("plan", run, "latest(3)").out
    holdfast("prune", run, "latest(3)", "--yes")
    assert 300 in steps(run)
    assert holdfast("unpin", run, "300").code == 0
    assert "nothing is pinned" in holdfast("pins", run).out


def test_a_pin_can_have_an_end(run, holdfast):
    holdfast("pin", run, "300", "--for", "30d")
    assert holdfast("pins", run, "--json").json["holds"][0]["until"]


def test_a_pin_on_what_is_not_there_is_an_error(run, holdfast):
    said = holdfast("pin", run, "12345")
    assert said.code == 1
    assert "12345" in said.err


def test_why_gives_every_rule_and_guard_of_one_checkpoint(run, holdfast):
    kept = holdfast("why", run, "1000", "latest(3) | every(steps=500)").out
    assert "would be kept" in kept
    assert "guard: the newest" in kept
    dropped = holdfast("why", run, "600", "latest(3) | every(steps=500)").out
    assert "would be dropped" in dropped
    assert dropped.count("misses:") == 2


def test_why_of_a_checkpoint_that_is_not_there_lists_those_that_are(run, holdfast):
    said = holdfast("why", run, "7", "latest(3)")
    assert said.code == 1
    assert "step_100.safetensors" in said.err


def test_layouts_are_listed(holdfast):
    said = holdfast("layouts", "--json")
    assert {"orbax", "hf", "series"} <= {one["name"] for one in said.json["layouts"]}
    assert "orbax" in holdfast("layouts").out


def test_check_finds_nothing_in_a_healthy_run(run, holdfast):
    assert holdfast("check", run).code == 0


def test_check_names_a_cut_file(run, holdfast):
    broken = run / "step_500.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    said = holdfast("check", run)
    assert "step_500" in said.out


def test_all_runs_are_pruned_each_on_its_own(tmp_path, make_run, holdfast):
    for name in ("a", "b"):
        make_run(tmp_path / "runs" / name, steps=range(100, 500, 100))
    said = holdfast("prune", tmp_path / "runs", "latest(2)", "--all-runs", "--yes")
    assert said.code == 0
    assert [[300, 400]] * 2 == [steps(tmp_path / "runs" / n) for n in ("a", "b")]


def test_a_directory_that_is_empty_text_is_not_the_one_where_one_works(run, holdfast, monkeypatch):
    monkeypatch.chdir(run)
    said = holdfast("prune", "", "latest(3)", "--yes")
    assert (2, True, 10) == (said.code, "DIR is empty" in said.err, len(steps(run)))


@pytest.mark.parametrize("chosen", [("--template", "step_{step}.safetensors"), ("--layout", "series")])
def test_all_runs_are_those_that_are_chosen(chosen, tmp_path, make_run, real, holdfast):
    run = make_run(tmp_path / "runs" / "a", steps=range(100, 500, 100))
    other = tmp_path / "runs" / "orbax"
    shutil.copytree(real / "orbax_v0" / "default", other)
    before = sorted(p.name for p in other.iterdir())
    said = holdfast("prune", tmp_path / "runs", "latest(2)", "--all-runs", "--yes", "--min-age", "0s", *chosen)
    assert (said.code, [300, 400]) == (0, steps(run))
    assert before == sorted(p.name for p in other.iterdir())


def test_a_pipe_in_place_of_metrics_is_refused_not_waited_for(run, holdfast):
    os.mkfifo(run / "pipe")
    said = holdfast("plan", run, "latest(2)", "--metrics", "pipe")
    assert (2, True) == (said.code, "is no file" in said.err)


def test_a_run_over_the_drop_limit_is_refused_and_the_others_go_on(tmp_path, make_run, holdfast):
    small, large = make_run(tmp_path / "runs" / "a", steps=range(100, 300, 100)), make_run(tmp_path / "runs" / "b")
    said = holdfast("prune", tmp_path / "runs", "latest(1)", "--all-runs", "--yes", "--json")
    assert said.code == 3
    assert steps(small) == [200]
    assert len(steps(large)) == 10
    assert {True, False} == {unit["error"] is None for unit in said.json["runs"]}


def test_all_or_nothing_touches_no_run_if_one_is_refused(tmp_path, make_run, holdfast):
    small, large = make_run(tmp_path / "runs" / "a", steps=range(100, 300, 100)), make_run(tmp_path / "runs" / "b")
    said = holdfast("prune", tmp_path / "runs", "latest(1)", "--all-runs", "--all-or-nothing", "--yes")
    assert said.code == 4
    assert (2, 10) == (len(steps(small)), len(steps(large)))


def test_a_folder_of_runs_is_refused_with_a_list(tmp_path, make_run, holdfast):
    for name in ("a", "b"):
        make_run(tmp_path / "runs" / name)
    said = holdfast("prune", tmp_path / "runs", "latest(1)", "--yes")
    assert said.code == 4
    assert "runs/a" in said.err
    assert "runs/b" in said.err


def test_a_lease_protects_while_a_command_runs(run, tmp_path, holdfast):
    seen = tmp_path / "seen"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'holdfast', 'prune', {str(run)!r}, 'latest(1)', '--yes', '--json'], stdout=open({str(seen)!r}, 'w'))"
    said = holdfast("lease", run, "200", "--", sys.executable, "-c", script)
    assert said.code == 0, said.err
    assert steps(run) == [200, 1000]
    assert holdfast("pins", run, "--json").json["holds"] == []


def test_a_lease_hands_on_the_exit_code_of_its_command(run, holdfast):
    assert holdfast("lease", run, "200", "--", sys.executable, "-c", "raise SystemExit(7)").code == 7


def test_a_moved_run_must_be_adopted(run, holdfast):
    holdfast("pin", run, "300")
    moved = run.with_name("moved")
    run.rename(moved)
    (run.parent / ".holdfast" / "run").rename(run.parent / ".holdfast" / "moved")
    assert holdfast("prune", moved, "latest(1)", "--yes").code == 4
    assert holdfast("adopt", moved).code == 0
    holdfast("prune", moved, "latest(1)", "--yes")
    assert steps(moved) == [300, 1000]


def test_state_and_trash_can_lie_elsewhere(run, tmp_path, holdfast):
    where = ("--state-dir", tmp_path / "state", "--trash-dir", tmp_path / "trash")
    holdfast("prune", run, "latest(3)", "--grace", "7d", "--yes", *where)
    assert not (run.parent / ".holdfast").exists()
    assert len(holdfast("trash", run, "--json", *where).json["entries"]) == 7


def test_lint_says_which_laws_hold(holdfast):
    said = holdfast("lint", "latest(3)")
    assert said.code == 0


def test_lint_shows_a_counter_example(holdfast):
    said = holdfast("lint", "spaced(steps=100)", "--json")
    assert any(not law["holds"] and law["counter_example"] for law in said.json["laws"])


@pytest.mark.parametrize("what", ["plan", "prune"])
def test_nothing_to_do_has_an_exit_code_of_its_own_only_when_asked_for(run, holdfast, what):
    more = ("--yes",) if what == "prune" else ()
    assert holdfast(what, run, "latest(100)", *more).code == 0
    assert holdfast(what, run, "latest(100)", "--detailed-exitcode", *more).code == 6


def test_more_than_the_drop_limit_is_refused(run, holdfast):
    said = holdfast("prune", run, "latest(1)", "--yes", "--max-drop", "50%")
    assert said.code == 4
    assert "--max-drop" in said.err
    assert len(steps(run)) == 10


def test_two_series_in_one_directory_are_refused_until_one_is_named(run, make_run, tmp_path, holdfast):
    other = make_run(tmp_path / "other")
    for file in other.glob("*.safetensors"):
        file.rename(run / file.name.replace("step_", "optimizer_step_"))
    said = holdfast("plan", run, "latest(1)")
    assert said.code == 4
    assert "step_{step}.safetensors" in said.err
    assert holdfast("plan", run, "latest(1)", "--template", "step_{step}.safetensors").code == 0


def test_a_pattern_names_a_series_that_is_not_recognised(run, holdfast):
    for file in run.glob("*.safetensors"):
        file.rename(file.with_name(file.name.replace("step_", "w-")))
    assert holdfast("scan", run, "--json").code != 0
    found = holdfast("scan", run, "--pattern", "w-{step}.safetensors", "--json").json
    assert len(found["runs"][0]["run"]["checkpoints"]) == 10


def test_json_is_ascii_and_survives_names_that_are_no_text(run, holdfast):
    (run / os.fsdecode(b"step_\xff.safetensors")).write_bytes(b"x")
    (run / "\x1b[31mevil\n.safetensors").write_bytes(b"x")
    said = holdfast("scan", run)
    assert "\x1b" not in said.out
    found = holdfast("scan", run, "--json")
    assert found.out.isascii()
    json.loads(found.out)


def test_a_run_that_another_pruner_works_on_is_locked(run, holdfast):
    from holdfast.prune.lock import locked
    from holdfast.prune.state import home
    from holdfast.stores.posix import Posix

    with home(run, fs=Posix(), make=True) as place, locked(place):
        said = holdfast("prune", run, "latest(3)", "--yes")
    assert said.code == 5
    assert len(steps(run)) == 10


def test_leftovers_of_saves_are_shown_and_removed(run, holdfast):
    leftover = run / ".tmpabc123"
    leftover.write_bytes(b"half a checkpoint")
    os.utime(leftover, (1.7e9, 1.7e9))
    os.utime(run / "metrics.jsonl", (1.7e9, 1.7e9))
    assert ".tmpabc123" in holdfast("check", run).out
    assert holdfast("check", run, "--clean-partial", "24h").code == 4
    said = holdfast("check", run, "--clean-partial", "24h", "--yes")
    assert said.code == 0, said.err
    assert not leftover.exists()
    assert len(steps(run)) == 10


def test_leftovers_of_a_live_run_are_left_alone(run, make_run, holdfast):
    leftover = run / ".tmpabc123"
    leftover.write_bytes(b"half a checkpoint")
    os.utime(leftover, (1.7e9, 1.7e9))
    os.utime(run / "step_1000.safetensors")
    said = holdfast("check", run, "--clean-partial", "24h", "--yes")
    assert said.code == 4
    assert "live" in said.err
    assert leftover.exists()


def test_a_directory_whose_name_is_no_text_is_pruned_like_any_other(tmp_path, make_run, holdfast):
    run = make_run(tmp_path / os.fsdecode(b"run \xff\n\x1b[31m"))
    file = tmp_path / "plan.json"
    assert holdfast("plan", run, "latest(3)", "--out", file).code == 0
    said = holdfast("apply", file, "--yes", "--grace", "1d")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert steps(run) == [800, 900, 1000]
    assert holdfast("undo", run).code == 0
    assert len(steps(run)) == 10
