"""Steps, times, metrics, resumability and parts are read as each framework records them."""

import datetime

import pytest

from holdfast.stores.memory import MemoryStore

UTC = datetime.UTC


# --- Lightning -----------------------------------------------------------------------------------------------------


def test_lightning_steps_come_from_the_name_else_from_inside(real, claims):
    assert {"epoch=1-step=8.ckpt": 8, "epoch=2-step=12.ckpt": 12} == {
        n: c.step for n, c in claims(real / "lightning/link").items()
    }
    topk = claims(real / "lightning/topk")
    assert (None, 12) == (topk["epoch=02-val_loss=0.50.ckpt"].candidate.step, topk["epoch=02-val_loss=0.50.ckpt"].step)


def test_lightning_metrics_are_the_pairs_of_the_name_also_with_a_slash(real, claims):
    assert {"val_loss": 0.5} == claims(real / "lightning/topk")["epoch=02-val_loss=0.50.ckpt"].ask("metrics")
    assert {"val/acc": 0.1} == claims(real / "lightning/slash")["m-epoch=0-val"].ask("metrics")
    assert claims(real / "lightning/link")["epoch=1-step=8.ckpt"].ask("metrics") is None


@pytest.mark.parametrize(
    ("name", "template", "step"),
    [("epoch=1-step=8-v2.ckpt", "epoch={epoch}-step={step}.ckpt", 8), ("step=5-val_loss=-0.5e-3.ckpt", "step={step}-val_loss={val_loss}.ckpt", 5),
     ("x-epoch=3-val_loss=nan.ckpt", "x-epoch={epoch}-val_loss={val_loss}.ckpt", None), ("step00000004.ckpt", "step{step}.ckpt", 4),
     ("03-0.50.ckpt", "{number}-{number}.ckpt", None), ("hpc_ckpt_3.ckpt", "hpc_ckpt_{number}.ckpt", None),
     ("epoch=0-step=nan.ckpt", "epoch={epoch}-step={step}.ckpt", None), ("step=inf.ckpt", "step={step}.ckpt", None),
     ("step=1e999.ckpt", "step={step}.ckpt", None), ("step=1.5.ckpt", "step={step}.ckpt", None),
     ("step=9007199254740993.ckpt", "step={step}.ckpt", 2**53 + 1), ("step=99999999999999999999.ckpt", "step={step}.ckpt", None)],
)  # fmt: skip
def test_lightning_names_say_series_and_step(name, template, step):
    from holdfast.layouts.registry import layout
    from holdfast.stores.base import Entry, Kind

    (candidate,) = layout("lightning").candidates([Entry(name, Kind.FILE)])
    assert (template, step, False) == (candidate.template, candidate.step, candidate.alias)


@pytest.mark.parametrize(
    "name", ["last.ckpt", "last-v1.ckpt", "epoch=3-last.ckpt", "best.ckpt", "best-v1.ckpt", "model.ckpt"]
)
def test_lightning_names_without_a_number_are_aliases(name):
    from holdfast.layouts.registry import layout
    from holdfast.stores.base import Entry, Kind

    (candidate,) = layout("lightning").candidates([Entry(name, Kind.FILE)])
    assert candidate.alias


def test_lightning_weights_only_cannot_be_resumed(claims, torch_bytes):
    bare = {"epoch": 1, "global_step": 8, "pytorch-lightning_version": "2.6.6", "state_dict": {}}
    full = {**bare, "optimizer_states": [], "lr_schedulers": []}
    found = claims({"epoch=1-step=8.ckpt": torch_bytes(bare), "epoch=2-step=9.ckpt": torch_bytes(full)})
    assert {"epoch=1-step=8.ckpt": False, "epoch=2-step=9.ckpt": True} == {
        n: c.ask("resumable") for n, c in found.items()
    }


def test_a_ckpt_that_lightning_did_not_write_is_not_lightnings(claims, torch_bytes):
    found = claims({"epoch=1-step=8.ckpt": torch_bytes({"model": 1}), "sd-v1-4.ckpt": torch_bytes({"state_dict": {}})})
    assert all(claim.layout.name != "lightning" for claim in found.values())


# --- torch: DCP, torchtitan, Accelerate ----------------------------------------------------------------------------


def test_torchtitan_last_save_of_the_model_alone_cannot_be_resumed(real, claims):
    found = claims(real / "tt/checkpoint")
    assert {"step-30": True, "step-40": True, "step-50": False} == {n: c.ask("resumable") for n, c in found.items()}


def test_a_dcp_metadata_that_is_cut_is_partial_and_one_that_names_nothing_unknown(real, claims, files_of):
    files = {f"step_1/{path}": data for path, data in files_of(real / "dcp/step_1").items()}
    for metadata, status in ((files["step_1/.metadata"][:-1], "partial"), (b"", "partial"), (b"\x80\x04N.", "unknown")):
        assert status == claims({**files, "step_1/.metadata": metadata})["step_1"].status


def test_accelerate_counts_saves_not_steps(real, claims):
    claim = claims(real / "accel/auto/checkpoints")["checkpoint_3"]
    assert ("checkpoint_{save}", 3, True) == (claim.candidate.template, claim.step, claim.ask("resumable"))
    parts = {path.rpartition("/")[2] for path in claim.ask("resume_only")}
    assert {"optimizer.bin", "scheduler.bin", "random_states_0.pkl"} == parts


def test_accelerate_needs_each_ranks_random_states(real, claims, files_of):
    files = {f"step_1/{path}": data for path, data in files_of(real / "accel/manual/step_1").items()}
    files["step_1/random_states_2.pkl"] = files["step_1/random_states_0.pkl"]
    finding = claims(files)["step_1"].finding
    assert ("partial", "step_1/random_states_1.pkl is missing") == (finding.status, finding.why)


def test_a_run_with_its_final_model_beside_its_checkpoints_is_no_checkpoint(real, claims, files_of):
    files = {f"out/{path}": data for path, data in files_of(real / "hf/final_model").items()}
    assert "safetensors" == claims(files)["out"].layout.name
    files |= {f"out/checkpoint-8/{path}": data for path, data in files_of(real / "hf/steps/checkpoint-8").items()}
    assert "out" not in claims(files)
    assert {"checkpoint-8"} <= set(claims(files, "out"))


@pytest.mark.parametrize(
    ("name", "template", "step"),
    [("step_100", "step_{step}", 100), ("epoch_3", "epoch_{epoch}", 3), ("epoch_1_step_500", "epoch_{epoch}_step_{step}", 500),
     ("global_step4", "global_step{step}", 4), ("async_5", "async_{number}", 5), ("5", "{number}", 5), ("step-10-seed-3", "step-{step}-seed-3", 10),
     ("ckpt7", "ckpt{number}", 7), ("run_1", "run_1", None), ("seed-3", "seed-3", None), ("resnet50", "resnet50", None), ("llama7b", "llama7b", None),
     ("exp3", "exp3", None), ("1_2", "1_2", None), ("run_1_step_5", "run_1_step_{step}", 5), ("", "", None), ("step_" + "9" * 40, "step_{step}", None)],
)  # fmt: skip
def test_a_free_name_says_which_series_and_step(name, template, step):
    from holdfast.layouts.names import read

    assert (template, step) == read(name)


def test_models_beside_one_another_are_no_series(real, claims, files_of):
    """``llama-2`` and ``llama-3`` are two models: a policy that keeps the latest must not see them as one run."""
    for folder, names in (
        ("st", ("llama-2", "llama-3")),
        ("dcp/step_1", ("run_1", "run_2")),
        ("dcp/step_1", ("exp1", "exp2")),
    ):
        inside = files_of(real / folder)
        found = claims({f"{name}/{path}": data for name in names for path, data in inside.items()})
        assert dict.fromkeys(names, True) == {name: claim.candidate.alias for name, claim in found.items()}
    keras = (real / "keras/no_epoch/model.keras").read_bytes()
    assert all(claim.candidate.alias for claim in claims({"resnet50.keras": keras, "resnet101.keras": keras}).values())
    lightning = (real / "lightning/link/epoch=1-step=8.ckpt").read_bytes()
    assert all(
        claim.candidate.alias for claim in claims({"resnet50.ckpt": lightning, "vit16.ckpt": lightning}).values()
    )


def test_decorated_directories_are_aliases(real, claims, files_of):
    inside = files_of(real / "dcp/step_1")
    found = claims(
        {
            f"{name}/{path}": data
            for name in ("best-step-50", "step-100-backup", "step_7")
            for path, data in inside.items()
        }
    )
    assert {"best-step-50": True, "step-100-backup": True, "step_7": False} == {
        n: c.candidate.alias for n, c in found.items()
    }


# --- DeepSpeed, Megatron -------------------------------------------------------------------------------------------


def test_deepspeed_ranks_are_counted_by_the_world_size_inside(samples, claims):
    for key, lost, rank in (
        ("zero1", "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt", 1),
        ("zero3", "zero_pp_rank_1_mp_rank_00_model_states.pt", 1),
    ):
        finding = claims(samples["deepspeed", key].store(**{f"global_step4/{lost}": None}))["global_step4"].finding
        assert ("partial", f"global_step4 lacks a file of rank {rank}") == (finding.status, finding.why)


def test_deepspeed_without_any_optimizer_file_is_partial_under_zero_1(samples, claims):
    lost = {f"global_step4/bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt": None for rank in range(2)}
    finding = claims(samples["deepspeed", "zero1"].store(**lost))["global_step4"].finding
    assert ("partial", "the optimizer states of ZeRO 1 are missing") == (finding.status, finding.why)


def test_deepspeed_hostile_world_sizes_cost_nothing(claims, torch_bytes):
    data = torch_bytes({"module": {}, "optimizer": {}, "dp_world_size": 10**18, "mp_world_size": 10**18})
    assert "partial" == claims({"global_step1/mp_rank_00_model_states.pt": data})["global_step1"].status


def test_deepspeed_tags_may_be_anything_and_universal_ones_are_a_series_of_their_own(claims, samples):
    inside = samples["deepspeed", "zero0"].files["step_9/mp_rank_00_model_states.pt"]
    names = ("global_step4", "best_model", "global_step4_universal")
    found = claims({f"{name}/mp_rank_00_model_states.pt": inside for name in names})
    seen = {name: (c.candidate.template, c.candidate.alias) for name, c in found.items()}
    assert {"global_step4": ("global_step{step}", False), "best_model": ("best_model", True),
            "global_step4_universal": ("global_step{step}_universal", False)} == seen  # fmt: skip


def test_deepspeed_parts_and_resumability(samples, claims):
    assert 2 == len(claims(samples["deepspeed", "zero1"].store())["global_step4"].ask("resume_only"))
    assert claims(samples["deepspeed", "zero0"].store())["step_9"].ask("resumable")


def test_megatron_old_format_counts_only_what_the_tracker_reached(samples, claims):
    sample = samples["megatron", "old"]
    tracker = "latest_checkpointed_iteration.txt"
    for text, status in (
        (b"100", "complete"),
        (b"200", "complete"),
        (b"50", "unknown"),
        (b"", "unknown"),
        (b"release", "unknown"),
    ):
        assert status == claims(sample.store(**{tracker: text}))["iter_0000100"].status


def test_levanters_and_megatrons_metadata_json_are_told_apart(samples, claims):
    assert "levanter" == claims(samples["levanter", "step"].store())["step-10"].layout.name
    assert "megatron" == claims(samples["megatron", "core"].store())["iter_0000100"].layout.name


# --- TensorFlow, Keras, Flax ---------------------------------------------------------------------------------------


def test_tensorflow_times_are_the_state_files(real, claims):
    found = claims(real / "tf/manager_hours")
    assert datetime.datetime(2026, 11, 24, 2, 17, 28, 630683, UTC) == found["ckpt-10"].ask("time")
    assert found["ckpt-9"].ask("time") is None, "not every one on disk is listed"


def test_tensorflow_needs_every_shard_and_all_their_bytes(real, claims, files_of):
    files = files_of(real / "tf/manager")
    data = files.pop("ckpt-4.data-00000-of-00001")
    lost = claims({**files, "ckpt-4.data-00000-of-00002": data})["ckpt-4"].finding
    assert ("partial", "ckpt-4.data-00001-of-00002 is missing") == (lost.status, lost.why)
    cut = claims({**files, "ckpt-4.data-00000-of-00001": data[:-1]})["ckpt-4"].finding
    assert ("partial", "ckpt-4.data-00000-of-00001 is shorter than its index says") == (cut.status, cut.why)


@pytest.mark.parametrize(
    ("name", "template", "step"),
    [("model.01-8.90.keras", "model.{epoch}-{value}.keras", 1), ("ck-003-00004.keras", "ck-{epoch}-{batch}.keras", 3_000_004),
     ("w-7.weights.h5", "w-{epoch}.weights.h5", 7), ("epoch=3-val_loss=0.5.keras", "epoch={}-val_loss={}.keras", 3),
     ("m_step_500.keras", "m_step_{step}.keras", 500)],
)  # fmt: skip
def test_keras_names_say_series_and_epoch(name, template, step):
    from holdfast.layouts.registry import layout
    from holdfast.stores.base import Entry, Kind

    (candidate,) = layout("keras").candidates([Entry(name, Kind.FILE)])
    assert (template, step, False) == (candidate.template, candidate.step, candidate.alias)


def test_keras_times_and_metrics_are_read_where_they_are_spelt_out(real, claims):
    found = claims(real / "keras/templated")
    assert datetime.datetime(2026, 11, 24, 2, 19, 13, tzinfo=UTC) == found["model.01-8.90.keras"].ask("time")
    assert found["model.01-8.90.keras"].ask("metrics") is None
    data = (real / "keras/templated/model.01-8.90.keras").read_bytes()
    assert {"val_loss": 8.9} == claims({"m-epoch=1-val_loss=8.90.keras": data})["m-epoch=1-val_loss=8.90.keras"].ask(
        "metrics"
    )


def test_a_keras_backup_whose_weights_are_newer_than_its_epoch_is_partial(real, claims, files_of):
    store = MemoryStore({f"bk/{path}": data for path, data in files_of(real / "keras/backup_interrupted").items()})
    store.touch("bk/training_metadata.json", 0)
    store.touch("bk/latest.weights.h5", 5 * 10**9)
    assert "partial" == claims(store)["bk"].status


def test_flax_steps_may_be_negative_but_a_fraction_is_no_step(claims, real):
    data = (real / "flax_legacy/legacy/keep2/checkpoint_3").read_bytes()
    found = claims({f"checkpoint_{n}": data for n in ("-3", "1e3", "0.5", "7")})
    assert {"checkpoint_-3": -3, "checkpoint_1e3": 1000, "checkpoint_0.5": None, "checkpoint_7": 7} == {
        n: c.step for n, c in found.items()
    }


def test_flax_arrays_without_their_file_are_partial_and_with_it_are_one(claims, real):
    data = (real / "flax_legacy/legacy/keep2/checkpoint_3").read_bytes()
    found = claims(
        {"checkpoint_3": data, "checkpoint_3_gda/w": b"x", "checkpoint_4_gda/w": b"x", "checkpoint_tmp": data}
    )
    assert {"checkpoint_3": "complete", "checkpoint_4_gda": "partial"} == {n: c.status for n, c in found.items()}
    assert ("checkpoint_3", "checkpoint_3_gda") == found["checkpoint_3"].candidate.members


def test_flax_arrays_on_an_object_store_need_their_commit(claims, real):
    data = (real / "flax_legacy/legacy/keep2/checkpoint_3").read_bytes()
    files = {"checkpoint_3": data, "checkpoint_3_gda/w": b"x"}
    assert "partial" == claims(MemoryStore(files, directories=False))["checkpoint_3"].status
    files["checkpoint_3_gda/commit_success.txt"] = b""
    assert "complete" == claims(MemoryStore(files, directories=False))["checkpoint_3"].status


def test_a_text_called_checkpoint_10_is_not_flaxs(claims):
    assert {} == claims({"checkpoint_10": b"hello", "checkpoint_11": b"", "notes_12": b"\x82\x01\x02"})


# --- The others ----------------------------------------------------------------------------------------------------


def test_nemo_marker_beside_it_means_unfinished(samples, claims):
    name = samples["nemo", "directory"].names[0]
    claim = claims(samples["nemo", "directory"].store(**{f"{name}-unfinished": b""}))[name]
    assert ("partial", False) == (claim.status, claim.candidate.committed)


def test_nemo_step_and_metrics_come_from_the_name(samples, claims):
    claim = claims(samples["nemo", "directory"].store())[samples["nemo", "directory"].names[0]]
    assert (100, {"val_loss": 0.5, "consumed_samples": 800.0}) == (claim.step, claim.ask("metrics"))


def test_composer_ranks_of_one_batch_are_one_checkpoint(claims, torch_bytes):
    data = torch_bytes({"state": {}})
    found = claims({f"ep1-ba6-rank{rank}.pt": data for rank in (0, 1, 3)} | {"ep1-ba9-rank0.pt.zst": b"(\xb5/\xfd"})
    assert {"ep1-ba6-rank0.pt": "partial", "ep1-ba9-rank0.pt.zst": "unknown"} == {n: c.status for n, c in found.items()}
    assert (6, "the file of rank 2 is missing") == (
        found["ep1-ba6-rank0.pt"].step,
        found["ep1-ba6-rank0.pt"].finding.why,
    )


def test_ray_complete_means_listed(samples, claims):
    sample = samples["ray", "v2"]
    claim = claims(sample.store())[sample.names[0]]
    assert (3, {"loss": 2.5}) == (claim.step, claim.ask("metrics"))
    assert datetime.datetime(2026, 11, 24, 2, 33, 6, 11990, UTC) == claim.ask("time")
    other = "checkpoint_2026-11-24_02-33-09.000001"
    assert "partial" == claims(sample.store(**{f"{other}/model.pt": b"x"}))[other].status


def test_ray_tune_reads_step_time_and_metrics_from_its_results(samples, claims):
    claim = claims(samples["ray-tune", "v1"].store())["checkpoint_000000"]
    assert (1, {"loss": 2.5, "training_iteration": 1}) == (claim.step, claim.ask("metrics"))
    assert datetime.datetime.fromtimestamp(1795487973, UTC) == claim.ask("time")
    other = claims(samples["ray-tune", "v1"].store(**{"checkpoint_000001/model.pt": b"x"}))["checkpoint_000001"]
    assert ("partial", None) == (other.status, other.step)


def test_levanter_time_step_and_temporary_saves(samples, claims):
    claim = claims(samples["levanter", "step"].store())["step-10"]
    assert datetime.datetime(2025, 9, 26, 12, 34, 56, 789012, UTC) == claim.ask("time")
    assert ["step-10/opt_state/w/.zarray"] == claim.ask("resume_only")
    assert 1 == len(claim.layout.limits(claim.look, [], claim.candidate))
    young = claims(samples["levanter", "step"].store(**{"step-10/metadata.json": None}))["step-10"]
    assert "partial" == young.status


def test_t5x_pinned_is_honoured_and_a_temporary_name_is_partial(samples, claims):
    sample = samples["t5x", "step"]
    assert "" == claims(sample.store())["checkpoint_100"].ask("pinned")
    pinned = claims(sample.store(**{"checkpoint_100/PINNED": b""}))["checkpoint_100"]
    assert "pinned by t5x: it holds a file PINNED" == pinned.ask("pinned")
    young = claims(sample.store(**{"checkpoint_200.tmp-1700000000/checkpoint": b""}))["checkpoint_200.tmp-1700000000"]
    assert ("t5x", "partial", 200) == (young.layout.name, young.status, young.step)


def test_t5x_on_an_object_store_is_never_known_to_be_whole(samples, claims):
    store = MemoryStore(samples["t5x", "step"].files, directories=False)
    assert "unknown" == claims(store)["checkpoint_100"].status


def test_fairseq_epochs_updates_and_full_copies(claims, samples):
    data = samples["fairseq", "updates"].files["checkpoint_last.pt"]
    names = (
        "checkpoint12.pt",
        "checkpoint_3_1000.pt",
        "checkpoint_last.pt",
        "checkpoint_best.pt",
        "checkpoint.best_loss_2.3104.pt",
    )
    found = claims(dict.fromkeys(names, data))
    assert {"checkpoint12.pt": ("checkpoint{epoch}.pt", 12, False), "checkpoint_3_1000.pt": ("checkpoint_{epoch}_{step}.pt", 1000, False),
            **{name: (name, None, True) for name in names[2:]}} == {n: (c.candidate.template, c.step, c.candidate.alias) for n, c in found.items()}  # fmt: skip
    assert {"loss": 2.31} == found["checkpoint.best_loss_2.3104.pt"].ask("metrics")


def test_fairseq_names_without_fairseqs_content_are_left_to_others(claims, torch_bytes):
    assert "series" == claims({"checkpoint_3.pt": torch_bytes({"model": {}})})["checkpoint_3.pt"].layout.name
    assert all(c.layout.name != "fairseq" for c in claims({"checkpoint12.pt": torch_bytes({"model": {}})}).values())


def test_yolo_epoch_0_belongs_to_the_row_of_epoch_1(samples, claims):
    sample = samples["ultralytics", "weights"]
    claim = claims(sample.store(), "weights")["epoch0.pt"]
    assert (0, {"epoch": 1.0, "time": 2.5, "metrics/mAP50(B)": 0.25}) == (claim.step, claim.ask("metrics"))
    assert claim.ask("resumable")


def test_yolo_stripped_of_its_optimizer_cannot_be_resumed(claims, torch_bytes):
    data = torch_bytes({"epoch": -1, "best_fitness": None, "model": {}, "optimizer": None})
    assert claims({"last.pt": data})["last.pt"].ask("resumable") is False


def test_safetensors_sets_hold_weights_alone(real, claims):
    assert claims(real)["st"].ask("resumable") is False


def test_accelerate_with_fsdp_or_deepspeed_inside_is_as_whole_as_they_are(real, claims, files_of, samples):
    files = {
        f"checkpoint_4/{path}": data for path, data in files_of(real / "accel/auto/checkpoints/checkpoint_2").items()
    }
    shards = files_of(real / "dcp/step_1")
    for own in ("model.safetensors", "optimizer.bin"):
        del files[f"checkpoint_4/{own}"]
    fsdp = files | {
        f"checkpoint_4/{folder}/{path}": data
        for folder in ("pytorch_model_fsdp_0", "optimizer_0")
        for path, data in shards.items()
    }
    claim = claims(fsdp)["checkpoint_4"]
    assert ("accelerate", "complete") == (claim.layout.name, claim.status)
    assert "checkpoint_4/optimizer_0/__0_0.distcp" in claim.ask("resume_only")
    assert (
        "partial"
        == claims({p: d for p, d in fsdp.items() if p != "checkpoint_4/optimizer_0/.metadata"})["checkpoint_4"].status
    )
    tag = {
        p.replace("global_step4", "checkpoint_4/pytorch_model"): d
        for p, d in samples["deepspeed", "zero1"].files.items()
        if "/" in p
    }
    assert "complete" == claims(files | tag)["checkpoint_4"].status
    assert "partial" == claims(files | dict(list(tag.items())[:-1]))["checkpoint_4"].status


def test_lightning_with_deepspeed_is_a_directory_that_is_as_whole_as_deepspeeds(claims, samples):
    tag = {
        p.replace("global_step4", "epoch=1-step=8.ckpt/checkpoint"): d
        for p, d in samples["deepspeed", "zero1"].files.items()
        if "/" in p
    }
    files = tag | {"epoch=1-step=8.ckpt/latest": b"checkpoint"}
    claim = claims(files)["epoch=1-step=8.ckpt"]
    assert ("lightning", "complete", 8, True) == (claim.layout.name, claim.status, claim.step, claim.ask("resumable"))
    assert "partial" == claims(dict(list(files.items())[1:]))["epoch=1-step=8.ckpt"].status


def test_megatrons_list_of_files_is_held_against_what_is_there(real, claims, files_of, as_json):
    files = {f"iter_0000100/{path}": data for path, data in files_of(real / "mcore/iter_0000100").items()}
    manifest = {"algorithm": "sha256", "files": {"common.pt": "00", "__0_0.distcp": "00"}}
    files["iter_0000100/integrity.json"] = as_json(manifest)
    assert "complete" == claims(files)["iter_0000100"].status
    del files["iter_0000100/common.pt"]
    assert "iter_0000100/common.pt, which integrity.json lists, is missing" == claims(files)["iter_0000100"].finding.why


def test_the_scan_does_not_enter_an_alias(real, files_of):
    from holdfast.scan import find_runs

    files = {f"run/best/{path}": data for path, data in files_of(real / "accel/auto/checkpoints/checkpoint_2").items()}
    files |= {
        f"run/best/optimizer_{i}/{path}": data for i in range(2) for path, data in files_of(real / "dcp/step_1").items()
    }
    assert [] == find_runs(store=MemoryStore(files))


def test_levanters_metadata_must_be_of_its_own_step_and_not_alone(samples, claims):
    sample = samples["levanter", "step"]
    metadata = sample.files["step-10/metadata.json"]
    assert (
        "partial"
        == claims(sample.store(**{"step-10/metadata.json": metadata.replace(b"10,", b"20,", 1)}))["step-10"].status
    )
    alone = claims({"step-10/metadata.json": metadata})["step-10"].finding
    assert ("partial", "its arrays are missing") == (alone.status, alone.why)
