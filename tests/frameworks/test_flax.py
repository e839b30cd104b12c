"""Flax' legacy checkpoints: saved, pruned, restored."""

import numpy as np
import pytest

pytestmark = pytest.mark.framework("flax")


@pytest.fixture
def flax(makers):
    """The module, with its legacy backend."""
    with makers.foreign_warnings():
        module = pytest.importorskip("flax.training.checkpoints")
        import flax

        before = flax.config.flax_use_orbax_checkpointing
        flax.config.update("flax_use_orbax_checkpointing", False)
        yield module
        flax.config.update("flax_use_orbax_checkpointing", before)


def state(step):
    return {"w": np.full(300, float(step), np.float32), "step": step}


def test_files_are_pruned_and_the_latest_is_restored(tmp_path, flax, prune_run, seen):
    for step in range(1, 7):
        flax.save_checkpoint(tmp_path, state(step), step, keep=100)
    assert ("flax", {f"checkpoint_{s}": ("complete", s) for s in range(1, 7)}) == seen(tmp_path)
    assert {"checkpoint_3", "checkpoint_6"} == prune_run(tmp_path, "every(steps=3)")
    assert 6 == flax.restore_checkpoint(tmp_path, state(0))["step"]
    flax.save_checkpoint(tmp_path, state(7), 7, keep=100)
    assert 7 == flax.restore_checkpoint(tmp_path, state(0))["w"][0]


def test_two_prefixes_in_one_directory_are_two_runs(tmp_path, flax, prune_run):
    for step in range(3):
        flax.save_checkpoint(tmp_path, state(step), step, prefix="a_", keep=100)
        flax.save_checkpoint(tmp_path, state(step), step, prefix="b_", keep=100)
    assert {"a_2"} == prune_run(tmp_path, "latest(1)", template="a_{step}")
    assert str(tmp_path / "b_2") == flax.latest_checkpoint(tmp_path, "b_")
    assert {"a_2", "b_0", "b_1", "b_2"} == {path.name for path in tmp_path.iterdir()}
