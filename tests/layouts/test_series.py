"""Plain files: which numbers make a series, and which do not."""

from __future__ import annotations

import pytest

from holdfast.checkpoint import Status
from holdfast.errors import UsageError
from holdfast.layouts.series import Series
from holdfast.scan import scan
from holdfast.stores import Entry, Kind


def of(name, pattern="", kind=Kind.FILE):
    return next(iter(Series(pattern).candidates([Entry(name, kind)])), None)


@pytest.mark.parametrize(
    ("name", "step", "template"),
    [
        ("model_1000.pt", 1000, "model_{step}.pt"),
        ("step_500.safetensors", 500, "step_{step}.safetensors"),
        ("net-iter-7.pth", 7, "net-iter-{step}.pth"),
        ("global_step100.pt", 100, "global_step{step}.pt"),
        ("ckpt.0042.ckpt", 42, "ckpt.{step}.ckpt"),
        ("checkpoint_7.pt", 7, "checkpoint_{step}.pt"),
        ("epoch_3.pt", 3, "epoch_{epoch}.pt"),
        ("Epoch12.pth", 12, "Epoch{epoch}.pth"),
        ("net_ep9.pt", 9, "net_ep{epoch}.pt"),
        ("epoch_3_step_500.pt", 500, "epoch_{epoch}_step_{step}.pt"),
        ("ckpt_epoch_3_loss_0.25.pt", 3, "ckpt_epoch_{epoch}_loss_{value}.pt"),
        ("v2_seed1_step_5.pt", 5, "v2_seed1_step_{step}.pt"),
        ("optimizer_step_5.pt", 5, "optimizer_step_{step}.pt"),
    ],
)
def test_a_number_that_counts_training_makes_a_series(name, step, template):
    candidate = of(name)
    assert (step, template, False) == (candidate.step, candidate.template, candidate.alias)
    assert of(name, template) == candidate, "the template is a pattern that finds the same"


@pytest.mark.parametrize(
    "name",
    ["model-00001-of-00003.safetensors", "llama-7b.safetensors", "sd-v1-4.ckpt", "rng_state_0.pth",
     "mp_rank_00_model_states.pt", "model_7b.pt", "model-1000.pt", "my_model_1000.pt", "steps_5.pt", "misstep_5.pt",
     "fold_3.pt", "seed_1.pt", "v3.pt", "1000.pt", "step_5.bin", "step_5.h5", "step_5.npz", "step_5.pt.tmp", "step_5",
     "step_5_rank_0.pt", "step_5_shard_1.pt", "step_5-of-8.pt", "step-100-backup.pt", "step_5.json",
     "step_1234567890123456789.pt", "model_-5.pt", "schema_1000.pt"],
)  # fmt: skip
def test_other_numbers_make_none(name):
    assert of(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "best.pt",
        "last.ckpt",
        "model_best.pth",
        "best-step-50.pt",
        "ema_step_5.pt",
        "final.safetensors",
        "swa-model.pt",
        "Latest.pt",
        "best.h5",
    ],
)
def test_an_alias_is_none_of_the_series(name):
    assert of(name).alias


def test_directories_and_links_are_no_series():
    for kind in (Kind.DIR, Kind.LINK, Kind.OTHER):
        assert of("model_1000.pt", kind=kind) is None


def test_a_pattern_finds_what_its_user_names():
    assert (5, "net_{step}.bin") == of("net_5.bin", "net_{step}.bin")[1:4:2]
    assert of("xnet_5.bin", "net_{step}.bin") is None
    assert of("net_5.bin.tmp", "net_{step}.bin") is None
    assert of("net_5xbin", "net_{step}.bin") is None
    assert 7 == of("run-7", "run-{step}", Kind.DIR).step


@pytest.mark.parametrize(
    "pattern", ["net.bin", "{step}{step}", "a/{step}", "1{step}", "{step}2", "{step}{epoch}", "{value}"]
)
def test_a_pattern_that_cannot_be_says_how_one_looks(pattern):
    with pytest.raises(UsageError, match=r"net_\{step\}\.bin"):
        Series(pattern)


def test_hostile_names_take_no_time():
    for name in ("epoch_" * 40 + ".pt", "1." * 120 + "pt", "step_" + "9" * 240 + ".pt", "_" * 250, "-of-" * 60 + ".pt"):
        of(name)
        of(name, "a{value}b{value}c{step}")


def test_a_series_on_disk(makers, tmp_path):
    root = makers.make_series(tmp_path / "run", name="model_{step}.pt")
    (root / "model_400.pt").write_bytes((root / "model_300.pt").read_bytes()[:-30])
    (root / "best.pt").write_bytes(b"")
    (root / "last.pt").symlink_to("model_300.pt")
    run = scan(root)
    assert {100: Status.COMPLETE, 200: Status.COMPLETE, 300: Status.COMPLETE, 400: Status.PARTIAL} == {
        one.step: one.status for one in run.checkpoints
    }
    assert [("last.pt", ("model_300.pt",))] == [(pointer.path, pointer.names) for pointer in run.pointers]
    assert ["best.pt"] == [foreign.path for foreign in run.foreign]
    assert "protected" in run.foreign[0].why


def test_an_alias_that_is_a_link_elsewhere_points_at_nothing_here(makers, tmp_path):
    root = makers.make_series(tmp_path / "run")
    (root / "last.pt").symlink_to("../other/model_300.pt")
    assert () == scan(root).pointers


def test_safetensors_are_checked_to_the_byte(makers, tmp_path):
    root = makers.make_series(tmp_path / "run", name="step_{step}.safetensors")
    (root / "step_300.safetensors").write_bytes((root / "step_300.safetensors").read_bytes() + b"x")
    assert {100: "complete", 200: "complete", 300: "partial"} == {
        one.step: str(one.status) for one in scan(root).checkpoints
    }


def test_a_pattern_of_directories_checks_what_lies_inside(makers, tmp_path):
    for step in (1, 2):
        makers.make_series(tmp_path / "run" / f"out-{step}", steps=(step,), name="weights_{step}.pt")
    inside = tmp_path / "run/out-2/weights_2.pt"
    inside.write_bytes(inside.read_bytes()[:100])
    (tmp_path / "run/out-3").mkdir()
    found = {one.step: str(one.status) for one in scan(tmp_path / "run", pattern="out-{step}").checkpoints}
    assert {1: "complete", 2: "partial", 3: "partial"} == found
