"""Accelerate saves states, Holdfast prunes, Accelerate goes on."""

import pytest

pytestmark = pytest.mark.framework("accelerate")


@pytest.fixture
def accelerated(makers):
    """``accelerated(project, **options)``: an accelerator and its model."""

    def make(project, **options):
        with makers.foreign_warnings():
            import torch
            from accelerate import Accelerator
            from accelerate.state import AcceleratorState
            from accelerate.utils import ProjectConfiguration

            AcceleratorState._reset_state(True)
            accelerator = Accelerator(
                cpu=True, project_config=ProjectConfiguration(project_dir=str(project), **options)
            )
            model = torch.nn.Linear(4, 2)
            optimizer = torch.optim.Adam(model.parameters())
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
            model, *_ = accelerator.prepare(model, optimizer, schedule)
        return accelerator, model

    return make


@pytest.mark.parametrize("safe", [True, False])
def test_automatic_checkpoints_are_pruned_and_the_newest_is_loaded(
    tmp_path, makers, accelerated, prune_run, seen, safe
):
    import torch

    accelerator, model = accelerated(tmp_path, automatic_checkpoint_naming=True)
    with makers.foreign_warnings():
        for number in range(5):
            with torch.no_grad():
                model.weight.fill_(number)
            accelerator.save_state(safe_serialization=safe)
    run = tmp_path / "checkpoints"
    assert ("accelerate", {f"checkpoint_{n}": ("complete", n) for n in range(5)}) == seen(run)
    assert {"checkpoint_0", "checkpoint_4"} == prune_run(run, "latest(1) | at(0)")
    assert {"checkpoint_0", "checkpoint_4"} == {p.name for p in run.iterdir()}, "Accelerate dies of any foreign entry"
    accelerator, model = accelerated(tmp_path, automatic_checkpoint_naming=True, iteration=5)
    with makers.foreign_warnings():
        accelerator.load_state()
        assert torch.all(model.weight == 4)
        accelerator.save_state()
    assert ("complete", 5) == seen(run)[1]["checkpoint_5"]


def test_states_under_names_of_ones_own_are_a_series_too(tmp_path, makers, accelerated, prune_run):
    accelerator, _ = accelerated(tmp_path)
    with makers.foreign_warnings():
        for step in (10, 20, 30):
            accelerator.save_state(str(tmp_path / "states" / f"step_{step}"))
        accelerator.save_state(str(tmp_path / "states" / "best"))
    assert {"step_30"} == prune_run(tmp_path / "states", "latest(1)")
    with makers.foreign_warnings():
        accelerator.load_state(str(tmp_path / "states" / "step_30"))
        accelerator.load_state(str(tmp_path / "states" / "best"))
