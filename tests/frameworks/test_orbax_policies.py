"""The policies inside the real Orbax: v1 ``training.Checkpointer`` and v0 ``CheckpointManager``, saving JAX arrays."""

import datetime as dt
import math

import numpy as np
import pytest

from holdfast import preservation_policies as pp
from holdfast.policies import at, best, closest, every, has, latest, log_spaced, spaced, where, within, yearly

pytest.importorskip("orbax.checkpoint")
pytestmark = pytest.mark.framework("orbax")

STEPS = (0, 10, 20, 25, 40, 50)
LOSSES = dict(zip(STEPS, (5.0, 1.0, 4.0, 6.0, 2.0, 3.0), strict=True))
NAN_LOSSES = dict(zip(STEPS, (1.0, 5.0, math.nan, 2.0, math.nan, 3.0), strict=True))


def loss(metrics):
    return metrics["loss"]


def on_disk(root):
    return sorted(int(entry.name) for entry in root.iterdir() if entry.name.isdigit())


@pytest.fixture(params=["v0", "v1"])
def train(request, makers, tmp_path):
    """Save every step through the real manager; the steps that are left on the disk."""

    def run(policy, losses=LOSSES, steps=STEPS):
        more = {"best_fn": loss} if request.param == "v0" else {}
        make = {"v0": makers.make_orbax_v0, "v1": makers.make_orbax_v1}[request.param]
        root = make(tmp_path / "run", steps, lambda step: {"loss": losses[step]}, preservation_policy=policy, **more)
        return on_disk(root)

    run.load = lambda: {"v0": makers.load_orbax_v0, "v1": makers.load_orbax_v1}[request.param](tmp_path / "run")
    return run


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (pp.PreserveAll(), [0, 10, 20, 25, 40, 50]),
        (pp.LatestN(2), [40, 50]),
        (pp.EveryNSeconds(3600), [0]),
        (pp.EveryNSteps(20), [0, 20, 40]),
        (pp.EveryNSteps(15, exact_interval=False), [0, 20, 40]),
        (pp.EveryNStepsClosest(20, max_to_keep=3), [20, 40, 50]),
        (pp.CustomSteps([10, 50, 99]), [10, 50]),
        (pp.BestN(get_metric_fn=loss, n=2), [0, 25]),
        (pp.BestN(get_metric_fn="loss", reverse=True, n=2), [10, 40]),
        (pp.LatestDuration(dt.timedelta(hours=1)), [0, 10, 20, 25, 40, 50]),
        (pp.AnyPreservationPolicy([pp.LatestN(1), pp.EveryNSteps(25)]), [0, 25, 50]),
        (latest(1) | best(1, "loss", mode="min"), [10, 50]),
        (every(steps=10) & best(1, "loss", mode="max"), [0]),
        (~at(10) & latest(3), [25, 40, 50]),
        (yearly(1) | spaced(steps=30), [0, 40, 50]),
        (within("1h"), [0, 10, 20, 25, 40, 50]),
        (log_spaced(2), [0, 10, 20, 25, 50]),
        (closest(steps=25), [0, 25, 50]),
        (has("accuracy") | where(lambda checkpoint: checkpoint.step == 20), [20]),
    ],
    ids=str,
)
def test_the_real_manager_leaves_what_the_policy_preserves(policy, expected, train):
    assert expected == train(policy)


def test_the_best_checkpoint_survives_a_metric_that_becomes_nan(train):
    assert [0, 25] == train(pp.BestN(get_metric_fn=loss, reverse=True, n=2), NAN_LOSSES)
    newest, state = train.load()
    assert 25 == newest
    np.testing.assert_array_equal(np.arange(6, dtype=np.float32) * 25, state["w"])


def test_orbax_s_own_policy_loses_the_best_to_nan(train):
    """The reason for the difference: if this fails, Orbax has mended it, and the docs should say so."""
    theirs = pytest.importorskip("orbax.checkpoint._src.checkpoint_managers.preservation_policy")
    losses = dict(zip(STEPS, (1.0, 5.0, math.nan, 2.0, 3.0, 0.5), strict=True))
    assert 10 not in train(theirs.BestN(get_metric_fn=loss, n=2), losses)


def test_a_metric_function_that_raises_does_not_end_the_saves(train):
    assert [0, 10, 20, 25, 40, 50] == train(pp.BestN(get_metric_fn=lambda metrics: metrics["typo"], n=1))


def test_a_manager_that_read_no_metadata_keeps_what_it_cannot_date(makers, tmp_path):
    makers.make_orbax_v0(tmp_path / "run", (1, 2, 3))
    makers.make_orbax_v0(
        tmp_path / "run", (4, 5, 6), preservation_policy=pp.EveryNSeconds(3600), lightweight_initialize=True
    )
    assert [1, 2, 3, 4] == on_disk(tmp_path / "run")
