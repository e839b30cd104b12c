"""What names checkpoints is found, and can be rewritten in its framework's own format."""

import json

import pytest

from holdfast.layouts.base import Look
from holdfast.layouts.registry import layout
from holdfast.layouts.tensorflow import format_state, parse_state
from holdfast.stores.local import LocalStore


def pointers(claims, store, name, base=""):
    claim = claims(store, base)[name]
    return claim.layout.pointers(claim.look, claim.look.list(), claim.candidate)


def repoint(pointer, name, store, to, without=()):
    return layout(name).repoint(pointer, Look(store, ""), to, without=without)


# --- TensorFlow ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["manager", "manager_hours", "manager_step", "bare_save", "v1_saver"])
def test_tensorflow_states_come_out_as_they_went_in(real, where):
    data = (real / "tf" / where / "checkpoint").read_bytes()
    assert data == format_state(parse_state(data))


def test_tensorflow_names_its_latest_and_no_older_one(samples, claims):
    store = samples["tensorflow", "manager"].store()
    (pointer,) = pointers(claims, store, "ckpt-4")
    assert ("checkpoint", ("ckpt-4",), True) == (pointer.path, pointer.names, pointer.repointable)


def test_tensorflow_repointed_names_the_older_one_with_its_time(samples, claims):
    store = samples["tensorflow", "manager"].store()
    (pointer,) = pointers(claims, store, "ckpt-4")
    state = parse_state(repoint(pointer, "tensorflow", store, "ckpt-3", {"ckpt-4"})["checkpoint"])
    assert ("ckpt-3", ("ckpt-3",), ("1795486648.5970755",)) == (state.latest, state.listed, state.times)


def test_tensorflow_repointed_keeps_absolute_paths_absolute(samples, claims):
    store = samples["tensorflow", "saver"].store()
    (pointer,) = pointers(claims, store, "model.ckpt-3")
    assert ("model.ckpt-3",) == pointer.names
    text = repoint(pointer, "tensorflow", store, "model.ckpt-2")["checkpoint"].decode()
    assert 'model_checkpoint_path: "/data/checkpoints/out/tf/v1_saver/model.ckpt-2"\n' in text
    assert "model.ckpt-3" not in text


def test_tensorflow_repointed_to_one_that_was_not_listed_lists_it(samples, claims, real):
    files = {path.name: path.read_bytes() for path in (real / "tf/manager_hours").iterdir()}
    from holdfast.stores.memory import MemoryStore

    store = MemoryStore(files)
    (pointer,) = pointers(claims, store, "ckpt-10")
    state = parse_state(repoint(pointer, "tensorflow", store, "ckpt-9")["checkpoint"])
    assert ("ckpt-9", ("ckpt-9",)) == (state.latest, state.listed)


# --- Lightning -----------------------------------------------------------------------------------------------------


def test_lightning_last_link_names_its_target_and_can_be_relinked(real, claims):
    store = LocalStore(real / "lightning/link")
    link = next(p for p in pointers(claims, store, "epoch=2-step=12.ckpt") if p.path == "last.ckpt")
    assert ("epoch=2-step=12.ckpt",) == link.names
    assert {"last.ckpt": "epoch=1-step=8.ckpt"} == repoint(link, "lightning", store, "epoch=1-step=8.ckpt")


def test_lightning_last_link_to_a_directory_is_a_pointer_too(real, claims):
    found = pointers(claims, LocalStore(real / "lightning/fsdp"), "epoch=1-step=8.ckpt")
    assert {("last.ckpt", ("epoch=1-step=8.ckpt",))} <= {(p.path, p.names) for p in found}


def test_lightning_newest_names_the_best_by_its_last_path_component(real, claims):
    found = pointers(claims, LocalStore(real / "lightning/topk"), "epoch=02-val_loss=0.50.ckpt")
    (best,) = [p for p in found if p.kind == "best"]
    assert ("epoch=02-val_loss=0.50.ckpt",) == best.names
    assert not best.repointable


def test_lightning_link_that_dangles_for_a_moment_still_names_its_target(samples, claims):
    store = samples["lightning", "files"].store(**{"epoch=2-step=12.ckpt": None})
    found = pointers(claims, store, "epoch=1-step=8.ckpt")
    assert ("epoch=2-step=12.ckpt",) in [p.names for p in found if p.path == "last.ckpt"]


def test_lightning_last_copy_is_an_alias_and_no_member_of_the_series(real, claims):
    last = claims(real / "lightning/topk")["last.ckpt"]
    assert last.candidate.alias
    assert "epoch={epoch}-val_loss={val_loss}.ckpt" != last.candidate.template


# --- DeepSpeed, Megatron, Composer, NeMo ---------------------------------------------------------------------------


def test_deepspeed_latest_is_a_tag_and_is_rewritten_as_one(samples, claims):
    store = samples["deepspeed", "zero1"].store()
    (pointer,) = pointers(claims, store, "global_step4")
    assert (("global_step4",), True) == (pointer.names, pointer.repointable)
    assert {"latest": b"global_step2"} == repoint(pointer, "deepspeed", store, "global_step2")


def test_deepspeed_latest_may_be_empty_for_a_moment(samples, claims):
    (pointer,) = pointers(claims, samples["deepspeed", "zero1"].store(latest=b""), "global_step4")
    assert () == pointer.names


@pytest.mark.parametrize(
    ("text", "names"), [(b"200", ("iter_0000200",)), (b"200\n", ("iter_0000200",)), (b"release", ("release",))]
)
def test_megatron_tracker_names_an_iteration(samples, claims, text, names):
    store = samples["megatron", "core"].store(**{"latest_checkpointed_iteration.txt": text})
    (pointer,) = pointers(claims, store, "iter_0000200")
    assert names == pointer.names


@pytest.mark.parametrize("text", [b"", b"x", b"-1", "\u0661".encode(), b"9" * 70])
def test_megatron_tracker_that_says_nothing_names_nothing_there(samples, claims, text):
    store = samples["megatron", "core"].store(**{"latest_checkpointed_iteration.txt": text})
    for pointer in pointers(claims, store, "iter_0000200"):
        assert not set(pointer.names) & {"iter_0000100", "iter_0000200"}


def test_megatron_repointed_writes_digits_and_bridges_state_beside_them(samples, claims):
    sample = samples["megatron", "core"]
    (pointer,) = pointers(claims, sample.store(), "iter_0000200")
    assert {pointer.path: b"100"} == repoint(pointer, "megatron", sample.store(), "iter_0000100")
    bridge = sample.store(**{"latest_train_state.pt": b"200s", "iter_0000100/train_state.pt": b"100s"})
    assert {pointer.path: b"100", "latest_train_state.pt": b"100s"} == repoint(
        pointer, "megatron", bridge, "iter_0000100"
    )
    without = sample.store(**{"latest_train_state.pt": b"200s"})
    assert repoint(pointer, "megatron", without, "iter_0000100") is None


def test_composer_latest_is_a_link_or_a_text_on_object_stores(samples, claims):
    link = samples["composer", "file"].store()
    (pointer,) = pointers(claims, link, "ep1-ba6-rank0.pt")
    assert ("ep1-ba6-rank0.pt",) == pointer.names
    assert {"latest-rank0.pt": "ep1-ba3-rank0.pt"} == repoint(pointer, "composer", link, "ep1-ba3-rank0.pt")
    text = samples["composer", "file"].store(
        **{"latest-rank0.pt": None, "latest-rank0.pt.symlink": b"run/ep1-ba6-rank0.pt"}
    )
    (pointer,) = pointers(claims, text, "ep1-ba6-rank0.pt")
    assert ("ep1-ba6-rank0.pt",) == pointer.names
    assert {"latest-rank0.pt.symlink": b"run/ep1-ba3-rank0.pt"} == repoint(
        pointer, "composer", text, "ep1-ba3-rank0.pt"
    )


def test_nemo_last_link_is_a_pointer(samples, claims):
    name = samples["nemo", "directory"].names[0]
    store = samples["nemo", "directory"].store(**{f"{name}-last": name})
    (pointer,) = pointers(claims, store, name)
    assert (f"{name}-last", (name,)) == (pointer.path, pointer.names)
    assert {f"{name}-last": "m--x=1"} == repoint(pointer, "nemo", store, "m--x=1")


# --- Ray -----------------------------------------------------------------------------------------------------------


def test_ray_names_all_that_its_snapshot_lists_and_takes_dropped_ones_off(samples, claims):
    sample = samples["ray", "v2"]
    old, new = sample.names
    (pointer,) = pointers(claims, sample.store(), new)
    assert ((old, new), "list", True) == (pointer.names, pointer.kind, pointer.repointable)
    after = json.loads(repoint(pointer, "ray", sample.store(), new, {old})[pointer.path])
    assert [new] == [row["checkpoint_dir_name"] for row in after["checkpoint_results"]]
    assert [4] == after["checkpoint_report_indices"]
    assert new == after["latest_checkpoint_result"]["checkpoint_dir_name"]


def test_ray_gives_the_place_of_the_latest_to_the_one_named_instead(samples, claims):
    sample = samples["ray", "v2"]
    old, new = sample.names
    (pointer,) = pointers(claims, sample.store(), new)
    after = json.loads(repoint(pointer, "ray", sample.store(), old, {new})[pointer.path])
    assert (old, 1) == (after["latest_checkpoint_result"]["checkpoint_dir_name"], len(after["checkpoint_results"]))
    assert repoint(pointer, "ray", sample.store(), None, {new, old}) is None


def test_ray_tune_guards_the_newest_reported_one(samples, claims):
    (pointer,) = pointers(claims, samples["ray-tune", "v1"].store(), "checkpoint_000000")
    assert (("checkpoint_000000",), False) == (pointer.names, pointer.repointable)


def test_a_pointer_is_never_rewritten_to_nothing(samples, claims):
    for key in (
        ("tensorflow", "manager"),
        ("lightning", "files"),
        ("deepspeed", "zero1"),
        ("megatron", "core"),
        ("composer", "file"),
    ):
        store = samples[key].store()
        for pointer in pointers(claims, store, samples[key].names[-1]):
            assert repoint(pointer, key[0], store, None) is None
