"""Real runs, the real command line, and the real framework that loads what is left."""

import json
import subprocess
import sys

import numpy as np
import pytest

POLICY = "latest(1) | every(steps=4)"


@pytest.fixture
def holdfast():
    """Runs the command line as a user does; gives the parsed JSON."""

    def call(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "holdfast", *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    return call


def scanned_planned_pruned_undone(holdfast, run, policy, *, layout, kept, dropped, options=()):
    """Every stage by the command line; the checkpoints that were dropped are back at its end."""
    (found,) = holdfast("scan", run)["runs"]
    assert layout == found["run"]["layout"]
    assert {c["step"]: c["status"] for c in found["run"]["checkpoints"]} == dict.fromkeys(kept + dropped, "complete")
    plan = holdfast("plan", run, policy, *options)
    assert outcomes(plan) == {**dict.fromkeys(kept, "keep"), **dict.fromkeys(dropped, "drop")}
    report = holdfast("prune", run, policy, *options, "--grace", "7d", "--yes")
    assert sorted(i["step"] for i in report["items"] if i["outcome"] == "pruned") == sorted(dropped)
    assert steps(holdfast, run) == sorted(kept)
    holdfast("undo", run)
    assert steps(holdfast, run) == sorted(kept + dropped)


def outcomes(plan):
    return {d["step"]: d["outcome"] for d in plan["decisions"]}


def steps(holdfast, run):
    (found,) = holdfast("scan", run)["runs"]
    return sorted(c["step"] for c in found["run"]["checkpoints"])


def pruned_for_good(holdfast, run, policy, *, kept, options=()):
    """Unpin what undo pinned, then prune and free."""
    for hold in holdfast("pins", run)["holds"]:
        holdfast("unpin", run, hold["name"])
    report = holdfast("prune", run, policy, *options, "--yes")
    assert report["freed"] > 0
    assert steps(holdfast, run) == sorted(kept)


@pytest.mark.filterwarnings("ignore:Sharding info not provided")
@pytest.mark.framework("orbax")
def test_an_orbax_run_is_pruned_and_undone_and_the_checkpointer_goes_on(tmp_path, holdfast):
    import jax.numpy as jnp
    from orbax.checkpoint import v1 as ocp

    run = tmp_path / "run"
    with ocp.training.Checkpointer(run) as checkpointer:
        for step in range(6):
            checkpointer.save(step, {"w": jnp.arange(6.0) * step}, metrics={"loss": 1.0 / (step + 1)})
    scanned_planned_pruned_undone(holdfast, run, POLICY, layout="orbax", kept=[0, 4, 5], dropped=[1, 2, 3])
    pruned_for_good(holdfast, run, POLICY, kept=[0, 4, 5])
    with ocp.training.Checkpointer(run) as checkpointer:
        assert [0, 4, 5] == [c.step for c in checkpointer.checkpoints]
        loaded = checkpointer.load(5)
        np.testing.assert_array_equal(np.arange(6.0) * 5, loaded["w"])
        checkpointer.save(6, {"w": jnp.arange(6.0)}, metrics={"loss": 0.1})


@pytest.mark.filterwarnings("ignore:Sharding info not provided")
@pytest.mark.framework("orbax")
def test_the_best_of_an_orbax_run_stays(tmp_path, holdfast):
    import jax.numpy as jnp
    from orbax.checkpoint import v1 as ocp

    run = tmp_path / "run"
    with ocp.training.Checkpointer(run) as checkpointer:
        for step, loss in enumerate([3.0, 1.0, float("nan"), 2.0, 2.5]):
            checkpointer.save(step, {"w": jnp.ones(3)}, metrics={"loss": loss})
    plan = holdfast("plan", run, "--keep-best", "loss:min:1", "--keep-latest", "1")
    assert {0: "drop", 1: "keep", 2: "drop", 3: "drop", 4: "keep"} == outcomes(plan)


@pytest.mark.framework("transformers")
def test_a_trainer_run_is_pruned_and_undone_and_the_trainer_resumes(tmp_path, holdfast):
    run = tmp_path / "out"
    trained_by_hf(run, steps=12)
    options = ("--min-age", "0s")
    kept, dropped = [4, 8, 12], [2, 6, 10]
    scanned_planned_pruned_undone(holdfast, run, POLICY, layout="hf", kept=kept, dropped=dropped, options=options)
    pruned_for_good(holdfast, run, POLICY, kept=kept, options=options)
    (found,) = holdfast("scan", run, "--parts")["runs"]
    assert all((run / name / "optimizer.pt").stat().st_size <= size for name, size in found["resume_bytes"].items())
    assert trained_by_hf(run, steps=14, resume=True) == 14


def trained_by_hf(run, *, steps, resume=False):
    """Train a tiny GPT-2; the step that it reached."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 16

        def __getitem__(self, i):
            tokens = (torch.arange(8) + i) % 32
            return {"input_ids": tokens, "labels": tokens}

    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=32, n_positions=8, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0)
    arguments = TrainingArguments(
        output_dir=str(run),
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="steps",
        save_steps=2,
        max_steps=steps,
    )
    trainer = Trainer(model=GPT2LMHeadModel(shape), args=arguments, train_dataset=Data())
    return trainer.train(resume_from_checkpoint=resume or None).global_step


@pytest.mark.framework("torch")
def test_a_folder_of_pt_files_is_pruned_and_undone_and_torch_loads_what_is_left(tmp_path, holdfast):
    import torch

    run = tmp_path / "weights"
    run.mkdir()
    for step in range(1, 9):
        torch.save({"w": torch.full((100,), float(step))}, run / f"model_{step}.pt")
    (run / "notes.txt").write_text("mine")
    kept, dropped = [4, 8], [1, 2, 3, 5, 6, 7]
    options = ("--min-age", "0s")
    scanned_planned_pruned_undone(holdfast, run, POLICY, layout="series", kept=kept, dropped=dropped, options=options)
    pruned_for_good(holdfast, run, POLICY, kept=kept, options=options)
    assert torch.load(run / "model_8.pt", weights_only=True)["w"][0] == 8.0
    assert sorted(p.name for p in run.iterdir()) == ["model_4.pt", "model_8.pt", "notes.txt"]
