"""The Hugging Face Trainer: recorded by transformers 5.23.0, and live."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from holdfast.checkpoint import Status
from holdfast.layouts.hf_trainer import HFTrainer
from holdfast.scan import find_runs, scan
from holdfast.stores import Entry, Kind


@pytest.fixture
def run(real, tmp_path):
    """A copy of a recorded run with checkpoint-6 and checkpoint-8."""
    return shutil.copytree(real / "hf/steps", tmp_path / "run")


def seen(root, name="checkpoint-8", **options):
    return next(one for one in scan(root, **options).checkpoints if one.name == name)


def kept_times(path):
    """The modification times below a path, to be put back after a change."""
    times = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    return lambda: [os.utime(file, ns=(time, time)) for file, time in times.items() if file.exists()]


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint-2.trash",
        "best-step-50",
        "step-100-backup",
        "checkpoint-",
        "checkpoint-x",
        "checkpoint_5",
        "acheckpoint-5",
        "checkpoint-5\n",
        "checkpoint--5",
        "Checkpoint-5",
    ],
)
def test_a_name_that_is_not_the_trainer_s(name):
    assert [] == list(HFTrainer().candidates([Entry(name, Kind.DIR)]))


def test_a_directory_of_that_name_without_the_trainer_s_files_is_foreign(run):
    (run / "checkpoint-10").mkdir()
    (run / "checkpoint-12").mkdir()
    (run / "checkpoint-12/notes.txt").write_text("mine")
    found = scan(run)
    assert {"checkpoint-6", "checkpoint-8"} == {one.name for one in found.checkpoints}
    assert ["checkpoint-10", "checkpoint-12"] == [foreign.path for foreign in found.foreign]


@pytest.mark.parametrize("name", ["best", "best_strategy", "epoch", "order", "steps", "save_only_model"])
def test_what_the_trainer_saved_is_complete(real, name):
    run = scan(real / "hf" / name)
    assert ("hf", "checkpoint-{step}", False) == (run.layout, run.template, run.atomic)
    assert {Status.COMPLETE} == {one.status for one in run.checkpoints}


def test_metrics_are_those_of_its_own_step(real):
    state = json.loads((real / "hf/best/checkpoint-12/trainer_state.json").read_bytes())
    (evaluated,) = [row for row in state["log_history"] if row["step"] == 12 and "eval_loss" in row]
    metrics = seen(real / "hf/best", "checkpoint-12").metrics
    assert evaluated["eval_loss"] == metrics["eval_loss"]
    assert {"loss", "grad_norm", "learning_rate"} <= set(metrics)
    assert not {"step", "epoch"} & set(metrics)


def test_what_was_measured_at_an_earlier_step_is_not_its_own(run):
    rows = [{"step": 6, "eval_loss": 1.0, "loss": 3.0}, {"step": 8, "loss": 2.0}, {"step": 9, "eval_loss": 0.5}]
    (run / "checkpoint-8/trainer_state.json").write_text(json.dumps({"global_step": 8, "log_history": rows}))
    assert {"loss": 2.0} == seen(run).metrics


def test_a_model_without_an_optimizer_is_complete_and_not_resumable(real):
    one = seen(real / "hf/save_only_model", "checkpoint-4")
    assert (Status.COMPLETE, False) == (one.status, one.resumable)
    assert seen(real / "hf/steps").resumable is True


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json"])
def test_a_missing_file_makes_it_partial(run, file):
    (run / "checkpoint-8" / file).unlink()
    assert Status.PARTIAL is seen(run).status


def test_a_deletion_that_took_all_that_is_needed_to_resume_is_seen_by_the_arguments(run):
    for file in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (run / "checkpoint-8" / file).unlink()
    one = seen(run)
    assert Status.PARTIAL is one.status
    assert "save_only_model was off" in one.why


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
@pytest.mark.parametrize("share", [0.5, 0.99, 0])
def test_a_file_that_was_cut_makes_it_partial(run, file, share):
    back = kept_times(run)
    path = run / "checkpoint-8" / file
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    back()
    one = seen(run)
    assert Status.PARTIAL is one.status
    assert file in one.why


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"[" * 100_000, b"\xff"])
def test_a_state_that_is_no_json_is_never_complete(run, content):
    (run / "checkpoint-8/trainer_state.json").write_bytes(content)
    one = seen(run)
    assert Status.UNKNOWN is one.status
    assert one.metrics is None


@pytest.mark.parametrize(
    "state", [{"log_history": 7}, {"log_history": [7, None, {"step": 8}]}, {"global_step": [8]}, {}]
)
def test_a_strange_state_has_no_metrics(run, state):
    (run / "checkpoint-8/trainer_state.json").write_text(json.dumps(state))
    assert seen(run).metrics is None


def test_a_gap_in_the_ranks_is_partial_and_none_is_complete(run):
    inside = run / "checkpoint-8"
    whole = (inside / "rng_state.pth").read_bytes()
    (inside / "rng_state.pth").unlink()
    for rank in (0, 1, 2):
        (inside / f"rng_state_{rank}.pth").write_bytes(whole)
    assert Status.COMPLETE is seen(run).status
    (inside / "rng_state_1.pth").unlink()
    assert "rng_state_1.pth" in seen(run).why


def test_what_a_crash_left_is_partial(run):
    (run / "checkpoint-8/.tmpAb12Cd").write_bytes(b"")
    assert Status.PARTIAL is seen(run).status


def test_one_in_which_another_run_saves_is_set_aside_s10(run):
    shutil.copytree(run / "checkpoint-8", run / "checkpoint-6/checkpoint-2")
    assert Status.UNKNOWN is seen(run, "checkpoint-6").status
    assert "checkpoint-2" in seen(run, "checkpoint-6").why


def test_one_that_is_staged_is_partial(run):
    (run / "checkpoint-8").rename(run / "tmp-checkpoint-8")
    assert Status.PARTIAL is seen(run, "tmp-checkpoint-8").status


def test_weights_written_after_the_state_mean_that_it_is_being_rewritten(run):
    state = (run / "checkpoint-8/trainer_state.json").stat().st_mtime_ns
    os.utime(run / "checkpoint-8/rng_state.pth", ns=(state, state + 60 * 10**9))
    assert Status.COMPLETE is seen(run).status, "another rank may be late"
    os.utime(run / "checkpoint-8/model.safetensors", ns=(state, state + 1 * 10**9))
    assert Status.COMPLETE is seen(run).status
    os.utime(run / "checkpoint-8/model.safetensors", ns=(state, state + 3 * 10**9))
    one = seen(run)
    assert Status.PARTIAL is one.status
    assert "touch trainer_state.json" in one.why


def test_shards_need_their_index_and_each_other(run):
    inside = run / "checkpoint-8"
    back = kept_times(run)
    whole = (inside / "model.safetensors").read_bytes()
    for number in (1, 2):
        (inside / f"model-0000{number}-of-00002.safetensors").write_bytes(whole)
        os.utime(inside / f"model-0000{number}-of-00002.safetensors", ns=(0, 0))
    (inside / "model.safetensors").unlink()
    assert Status.PARTIAL is seen(run).status
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (inside / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    back()
    assert Status.COMPLETE is seen(run).status
    (inside / names["b"]).unlink()
    assert Status.PARTIAL is seen(run).status


@pytest.mark.parametrize("inner", ["global_step8", "pytorch_model_fsdp_0"])
def test_what_deepspeed_and_fsdp_write_lies_inside_one_checkpoint(run, real, inner):
    shutil.copytree(real / "dcp/step_1", run / "checkpoint-8" / inner)
    (found,) = find_runs(run.parent)
    assert {"checkpoint-6", "checkpoint-8"} == {one.name for one in found.checkpoints}


def test_the_best_is_named_by_its_name_however_the_run_was_moved(real, tmp_path):
    moved = shutil.copytree(real / "hf/best", tmp_path / "elsewhere")
    (pointer,) = scan(moved).pointers
    assert ("checkpoint-12/trainer_state.json", ("checkpoint-2",), "best") == (
        pointer.path,
        pointer.names,
        pointer.kind,
    )


def test_only_the_newest_complete_one_names_the_best(real, tmp_path):
    root = shutil.copytree(real / "hf/best", tmp_path / "run")
    back, old = kept_times(root), root / "checkpoint-2/trainer_state.json"
    old.write_text(json.dumps(json.loads(old.read_bytes()) | {"best_model_checkpoint": "x/checkpoint-12"}))
    back()
    assert [("checkpoint-2",)] == [pointer.names for pointer in scan(root).pointers]
    (root / "checkpoint-12/optimizer.pt").unlink()
    assert [("checkpoint-12",)] == [pointer.names for pointer in scan(root).pointers]


@pytest.mark.parametrize("best", [None, 7, "", "/", "C:\\runs\\checkpoint-99", "gone/checkpoint-1"])
def test_a_best_that_is_not_there_is_no_pointer(real, tmp_path, best):
    root = shutil.copytree(real / "hf/best", tmp_path / "run")
    state = root / "checkpoint-12/trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_bytes()) | {"best_model_checkpoint": best}))
    assert () == scan(root).pointers


def test_the_trainer_s_own_limit_is_told(real):
    assert ("save_total_limit=2",) == scan(real / "hf/steps").limits
    assert () == scan(real / "hf/epoch").limits


def test_the_parts_needed_only_to_resume(real):
    from holdfast.layouts.base import Look
    from holdfast.stores import LocalStore

    look = Look(LocalStore(real / "hf/steps"), "", ("checkpoint-8",))
    (candidate,) = HFTrainer().candidates([Entry("checkpoint-8", Kind.DIR)])
    assert {"optimizer.pt", "scheduler.pt", "rng_state.pth"} == {
        path.partition("/")[2] for path in HFTrainer().resume_only(candidate, look)
    }


ORDER = (
    "config.json",
    "generation_config.json",
    ".tmpAAAAAA",
    "model.safetensors",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
)


def test_at_each_moment_of_a_save_it_is_partial_or_absent_until_the_last(run):
    """The order in which 5.23.0 writes, as traced; each file first cut, then whole."""
    inside = run / "checkpoint-8"
    source = inside.rename(run.parent / "whole")
    inside.mkdir()

    def status():
        return next((one.status for one in scan(run).checkpoints if one.name == "checkpoint-8"), None)

    for name in ORDER:
        whole = (source / re.sub(r"\.tmp.*", "model.safetensors", name)).read_bytes()
        if name == "model.safetensors":
            (inside / ".tmpAAAAAA").rename(inside / name)
        for data in (whole[: len(whole) // 2], whole):
            assert status() is not Status.COMPLETE, name
            (inside / name).write_bytes(data)
    assert Status.COMPLETE is status()


@pytest.mark.framework("transformers")
def test_a_live_run_and_its_resume_after_the_oldest_is_gone(makers, tmp_path):
    root = makers.make_hf(
        tmp_path / "run",
        max_steps=6,
        save_total_limit=5,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
    )
    run = scan(root)
    assert {2, 4, 6} == {one.step for one in run.checkpoints}
    assert {Status.COMPLETE} == {one.status for one in run.checkpoints}
    assert all("eval_loss" in one.metrics for one in run.checkpoints)
    assert ("save_total_limit=5",) == run.limits
    (pointer,) = run.pointers
    oldest = next(name for name in ("checkpoint-2", "checkpoint-4") if name not in pointer.names)
    shutil.rmtree(root / oldest)
    assert 8 == makers.resume_hf(root, max_steps=8)
