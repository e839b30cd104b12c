"""At each moment of a recorded save the checkpoint is partial or not seen, until its framework itself would load it.

The orders were recorded by watching the real frameworks write (Orbax and HF Trainer have theirs elsewhere). An event is
``+path`` (created, half written), ``=path`` (closed, whole), ``a>b`` (renamed) or ``-path`` (deleted).
"""

import pytest

from holdfast.stores.memory import MemoryStore

ORDERS = {
    "accelerate": ("accel/auto/checkpoints", "checkpoint_2", """
        +checkpoint_2/.tmpOzD8cX =checkpoint_2/.tmpOzD8cX checkpoint_2/.tmpOzD8cX>checkpoint_2/model.safetensors
        +checkpoint_2/optimizer.bin =checkpoint_2/optimizer.bin +checkpoint_2/scheduler.bin =checkpoint_2/scheduler.bin
        +checkpoint_2/random_states_0.pkl =checkpoint_2/random_states_0.pkl"""),
    "megatron": ("mcore", "iter_0000100", """
        +iter_0000100/common.pt =iter_0000100/common.pt +iter_0000100/__0_0.distcp =iter_0000100/__0_0.distcp
        +iter_0000100/.metadata.tmp =iter_0000100/.metadata.tmp iter_0000100/.metadata.tmp>iter_0000100/.metadata
        +iter_0000100/metadata.json =iter_0000100/metadata.json"""),
    "tensorflow": ("tf/manager", "ckpt-4", """
        +ckpt-4_temp/part-00000-of-00001.data-00000-of-00001.tempstate1042
        =ckpt-4_temp/part-00000-of-00001.data-00000-of-00001.tempstate1042
        ckpt-4_temp/part-00000-of-00001.data-00000-of-00001.tempstate1042>ckpt-4_temp/part-00000-of-00001.data-00000-of-00001
        +ckpt-4_temp/part-00000-of-00001.index.tempstate1326 =ckpt-4_temp/part-00000-of-00001.index.tempstate1326
        ckpt-4_temp/part-00000-of-00001.index.tempstate1326>ckpt-4_temp/part-00000-of-00001.index
        ckpt-4_temp/part-00000-of-00001.data-00000-of-00001>ckpt-4.data-00000-of-00001 +ckpt-4.index =ckpt-4.index"""),
    "dcp": ("dcp", "step_1", """
        +step_1/__1_0.distcp +step_1/__0_0.distcp =step_1/__1_0.distcp =step_1/__0_0.distcp
        +step_1/.metadata.tmp =step_1/.metadata.tmp step_1/.metadata.tmp>step_1/.metadata"""),
    "torchtitan": ("tt/checkpoint", "step-30", """
        +step-30/__0_0.distcp =step-30/__0_0.distcp
        +step-30/.metadata.tmp =step-30/.metadata.tmp step-30/.metadata.tmp>step-30/.metadata"""),
    "safetensors": ("", "st", """
        +st/config.json =st/config.json +st/generation_config.json =st/generation_config.json
        +st/.tmpkNp88M =st/.tmpkNp88M st/.tmpkNp88M>st/model-00001-of-00002.safetensors
        +st/.tmp3uUHo1 =st/.tmp3uUHo1 st/.tmp3uUHo1>st/model-00002-of-00002.safetensors
        +st/model.safetensors.index.json =st/model.safetensors.index.json"""),
    "lightning": ("lightning/link", "epoch=1-step=8.ckpt", "+epoch=1-step=8.ckpt =epoch=1-step=8.ckpt"),
    "keras": ("keras/templated", "model.01-8.90.keras", "+model.01-8.90.keras =model.01-8.90.keras"),
    "keras-weights": ("keras/weights_only", "w-1.weights.h5", "+w-1.weights.h5 =w-1.weights.h5"),
}  # fmt: skip


def final_names(events):
    """Which final file does each path become?"""
    becomes = dict(event.split(">") for event in events if ">" in event)

    def final(path):
        while path in becomes:
            path = becomes[path]
        return path

    return final


def apply(store, event, content):
    if ">" in event:
        store.move(*event.split(">"))
    elif event.startswith("-"):
        store.delete([event[1:]])
    else:
        data = content(event[1:])
        store.write(event[1:], data if event.startswith("=") else data[: len(data) // 2], replace=True)


@pytest.mark.parametrize("order", ORDERS)
def test_every_prefix_of_a_recorded_save_is_not_yet_complete(order, real, claims):
    folder, name, text = ORDERS[order]
    events, store = text.split(), MemoryStore()
    final = final_names(events)

    def content(path):
        where = real / folder / final(path)
        return where.read_bytes() if where.is_file() else b"x" * 100  # temporary files that are deleted again

    for event in events[:-1]:
        apply(store, event, content)
        found = claims(store)
        assert name not in found or found[name].status != "complete", f"complete already after {event}"
    apply(store, events[-1], content)
    assert claims(store)[name].status == "complete"


def test_a_dcp_checkpoint_that_is_being_written_over_is_partial(real, claims, files_of):
    store = MemoryStore({f"step_1/{path}": data for path, data in files_of(real / "dcp/step_1").items()})
    for at, path in enumerate(("step_1/.metadata", "step_1/__0_0.distcp", "step_1/__1_0.distcp")):
        store.touch(path, (at != 0) * 3 * 10**9)
    assert claims(store)["step_1"].status == "partial"
    assert "written again" in claims(store)["step_1"].finding.why


def test_saving_a_set_again_with_fewer_shards_is_partial_from_the_first_deletion_on(real, claims, files_of):
    files = {f"st/{path}": data for path, data in files_of(real / "st").items()}
    for gone in ("st/model-00002-of-00002.safetensors", "st/model-00001-of-00002.safetensors"):
        del files[gone]
        assert claims(files)["st"].status == "partial"


def test_torchtitan_may_delete_an_old_one_while_the_newest_is_unfinished(real, claims, files_of):
    files = {f"step-{n}/{path}": data for n in (20, 30) for path, data in files_of(real / f"tt/async/step-{n}").items()}
    del files["step-30/.metadata"]
    assert {"step-20": "complete", "step-30": "partial"} == {n: c.status for n, c in claims(files).items()}


def test_half_deleted_checkpoints_are_not_complete(real, claims, files_of):
    """Whatever order a recursive deletion takes: without its first file none is complete."""
    for folder, name in (("mcore", "iter_0000100"), ("dcp", "step_1"), ("tt/async", "step-20")):
        files = files_of(real / folder / name)
        for gone in files:
            if gone != "common.pt":  # newer megatron-core writes none
                left = {f"{name}/{path}": data for path, data in files.items() if path != gone}
                assert claims(left)[name].status != "complete", gone
