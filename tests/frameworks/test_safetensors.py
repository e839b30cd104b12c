"""Sharded weights of ``save_pretrained``: saved, pruned, loaded."""

import pytest

pytestmark = pytest.mark.framework("transformers")


@pytest.fixture
def model(makers):
    with makers.foreign_warnings():
        from transformers import GPT2Config, GPT2LMHeadModel

        return GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=8, n_embd=16, n_layer=2, n_head=1))


@pytest.mark.parametrize("size", ["20KB", "1GB"])
def test_sets_and_single_files_are_pruned_and_loaded(tmp_path, makers, model, prune_run, seen, size):
    for step in (100, 200, 300):
        with makers.foreign_warnings():
            model.save_pretrained(tmp_path / f"step-{step}", max_shard_size=size)
    shards = len(list((tmp_path / "step-300").glob("*.safetensors")))
    assert (shards > 1) == (size == "20KB")
    assert ("safetensors", {f"step-{s}": ("complete", s) for s in (100, 200, 300)}) == seen(tmp_path)
    assert {"step-100", "step-300"} == prune_run(tmp_path, "latest(1) | at(100)")
    with makers.foreign_warnings():
        again = type(model).from_pretrained(tmp_path / "step-300")
    assert again.num_parameters() == model.num_parameters()
