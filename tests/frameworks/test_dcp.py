"""torch.distributed.checkpoint saves, Holdfast prunes, torch loads."""

import os

import pytest

from holdfast.scan import scan

pytestmark = pytest.mark.framework("torch")


@pytest.fixture
def save(makers):
    """``save(path, value, **options)``: one process, no process group."""

    def act(path, value, **options):
        with makers.foreign_warnings():
            import torch
            import torch.distributed.checkpoint as dcp

            dcp.save(
                {"w": torch.full((1000,), float(value)), "step": value}, checkpoint_id=path, no_dist=True, **options
            )

    return act


def loaded(path, makers):
    with makers.foreign_warnings():
        import torch
        import torch.distributed.checkpoint as dcp

        state = {"w": torch.zeros(1000), "step": 0}
        dcp.load(state, checkpoint_id=path, no_dist=True)
    return state["step"], float(state["w"][0])


def test_directories_are_pruned_and_the_newest_is_loaded(tmp_path, makers, save, prune_run, seen):
    for step in range(1, 7):
        save(tmp_path / "run" / f"step_{step}", step)
    assert ("dcp", {f"step_{s}": ("complete", s) for s in range(1, 7)}) == seen(tmp_path / "run")
    assert {"step_3", "step_6"} == prune_run(tmp_path / "run", "every(steps=3)")
    assert (6, 6.0) == loaded(tmp_path / "run" / "step_6", makers)
    assert (3, 3.0) == loaded(tmp_path / "run" / "step_3", makers)


def test_torchtitans_names_are_torchtitans(tmp_path, save, prune_run, seen):
    for step in (10, 20, 30):
        save(tmp_path / "checkpoint" / f"step-{step}", step)
    assert ("torchtitan", {f"step-{s}": ("complete", s) for s in (10, 20, 30)}) == seen(tmp_path / "checkpoint")
    assert {"step-30"} == prune_run(tmp_path / "checkpoint", "latest(1)")


def test_one_file_for_each_tensor_and_many_files_are_whole(tmp_path, makers):
    with makers.foreign_warnings():
        import torch
        import torch.distributed.checkpoint as dcp

        writer = dcp.FileSystemWriter(tmp_path / "run" / "step_1", single_file_per_rank=False)
        dcp.save({f"w{i}": torch.ones(5) for i in range(20)}, storage_writer=writer, no_dist=True)
    (found,) = scan(tmp_path / "run").checkpoints
    assert "complete" == found.status
    max((tmp_path / "run" / "step_1").glob("*.distcp")).unlink()
    assert "partial" == scan(tmp_path / "run").checkpoints[0].status


def test_saving_over_an_old_one_that_was_interrupted_is_partial(tmp_path, save):
    save(tmp_path / "run" / "step_1", 1)
    marker = tmp_path / "run" / "step_1" / ".metadata"
    old = marker.read_bytes()
    save(tmp_path / "run" / "step_1", 2)
    marker.write_bytes(old)
    os.utime(marker, (1_700_000_000, 1_700_000_000))
    (found,) = scan(tmp_path / "run").checkpoints
    assert ("partial", True) == (found.status, "written again" in found.why)
