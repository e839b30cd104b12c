"""Flag for flag the same as the installed Orbax, on thousands of random histories without the corners."""

import datetime as dt
import random

import pytest

from holdfast import preservation_policies as ours

theirs = pytest.importorskip("orbax.checkpoint._src.checkpoint_managers.preservation_policy")
pytestmark = pytest.mark.framework("orbax")

START = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def loss(metrics):
    return metrics["loss"]


def a_policy(pick, module_pair, *, depth=0):
    """The same random policy from both modules."""
    keep = pick.choice([None, 1, 2, 5])
    kind = pick.choice(
        ["all", "latest", "seconds", "steps", "closest", "custom", "best", "union"][: 8 if depth < 2 else 7]
    )
    given = {
        "all": ("PreserveAll", {}),
        "latest": ("LatestN", {"n": pick.choice([None, 0, 1, 3, 10])}),
        "seconds": ("EveryNSeconds", {"interval_secs": pick.choice([1, 59, 60, 61, 300, 3600, 0.5])}),
        "steps": (
            "EveryNSteps",
            {
                "interval_steps": pick.choice([1, 2, 3, 7, 100, 10**12]),
                "exact_interval": pick.random() < 0.5,
                "max_to_keep": keep,
            },
        ),
        "closest": ("EveryNStepsClosest", {"interval_steps": pick.choice([1, 2, 3, 4, 7, 100]), "max_to_keep": keep}),
        "custom": ("CustomSteps", {"steps": [pick.randrange(200) for _ in range(pick.randrange(30))]}),
        "best": (
            "BestN",
            {
                "get_metric_fn": loss,
                "reverse": pick.random() < 0.5,
                "n": pick.choice([None, 0, 1, 2, 5]),
                "keep_checkpoints_without_metrics": pick.random() < 0.5,
            },
        ),
    }
    if kind == "union":
        parts = [a_policy(pick, module_pair, depth=depth + 1) for _ in range(pick.randrange(1, 4))]
        return tuple(module.AnyPreservationPolicy([part[i] for part in parts]) for i, module in enumerate(module_pair))
    name, arguments = given[kind]
    return tuple(getattr(module, name)(**arguments) for module in module_pair)


def a_history(pick, info, *, zoned):
    count, steps, now = pick.choice([0, 1, 2, 5, 12, 40]), [], START if zoned else START.replace(tzinfo=None)
    made = []
    values = pick.choice([[0.5, 1.5, 2.5], [1, 2, 3, 2.5, -1], [float("inf"), float("-inf"), 0.0, -0.0, 3]])
    backwards = pick.random() < 0.3
    step = 0
    for _ in range(count):
        step = pick.randrange(200) if backwards else step + pick.randrange(0, 9)
        now += dt.timedelta(
            seconds=pick.choice([0, 1, 30, 60, 300]) - (600 if backwards and pick.random() < 0.2 else 0),
            microseconds=pick.choice([0, 0, 1, 999_999]),
        )
        made.append(info(step, now, {"loss": pick.choice(values)} if pick.random() < 0.8 else None))
        steps.append(step)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_flags_are_the_same_as_orbax_s(seed, info):
    pick = random.Random(seed)
    for _ in range(500):
        mine, peer = a_policy(pick, (ours, theirs))
        run = a_history(pick, info, zoned=pick.random() < 0.8)
        expected = list(peer.should_preserve(run, context=theirs.PreservationContext()))
        found = mine.should_preserve(run, context=theirs.PreservationContext())
        assert expected == found, (mine, [(c.step, c.time, c.metrics) for c in run])


@pytest.mark.parametrize("seed", range(4))
def test_latest_duration_is_the_same_as_orbax_s(seed, info):
    pick = random.Random(seed)
    for _ in range(100):
        span = dt.timedelta(minutes=pick.choice([0, 30, 90, 600]))
        now = dt.datetime.now(dt.UTC)
        run = [
            info(i, now - dt.timedelta(minutes=pick.choice([-60, 5, 45, 120, 700])), None)
            for i in range(pick.randrange(7))
        ]
        expected = list(theirs.LatestDuration(span).should_preserve(run, context=theirs.PreservationContext()))
        assert expected == ours.LatestDuration(span).should_preserve(run, context=theirs.PreservationContext())
