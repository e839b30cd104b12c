"""The table "Where it differs from Orbax" of the README, row by row, on the real Orbax and on ours."""

import datetime
import math
import pathlib
import re
from types import SimpleNamespace

import pytest

from holdfast import preservation_policies as ours
from holdfast.errors import MetricWarning, PolicyError

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("orbax.checkpoint")
    from orbax.checkpoint import v1

    return v1.training.preservation_policies


def history(metrics):
    hour = datetime.timedelta(hours=1)
    return [SimpleNamespace(step=i, time=START + i * hour, metrics={"m": m}) for i, m in enumerate(metrics)]


FIVE = history([1.0, 5.0, math.nan, 2.0, 3.0])


def preserved(module, policy, checkpoints=FIVE):
    return policy.should_preserve(checkpoints, context=module.PreservationContext())


def by_m(metrics):
    return metrics["m"]


def test_nan_is_the_worst_metric(theirs):
    kept_by_orbax, kept = (preserved(module, module.BestN(get_metric_fn=by_m, n=2)) for module in (theirs, ours))
    assert kept_by_orbax == [False, False, False, True, True]
    assert kept == [False, True, False, False, True]


def test_a_negative_count_is_refused(theirs):
    assert len(preserved(theirs, theirs.LatestN(-1))) == 6
    assert preserved(theirs, theirs.BestN(get_metric_fn=by_m, n=-1), history([1.0, 5.0, 2.0])) == [False, True, True]
    with pytest.raises(PolicyError):
        ours.LatestN(-1)
    with pytest.raises(PolicyError):
        ours.BestN(get_metric_fn=by_m, n=-1)


def test_max_to_keep_of_zero_is_refused(theirs):
    assert preserved(theirs, theirs.EveryNSteps(2, max_to_keep=0)) == [True, False, True, False, True]
    with pytest.raises(PolicyError):
        ours.EveryNSteps(2, max_to_keep=0)


def test_a_negative_interval_is_refused(theirs):
    assert all(preserved(theirs, theirs.EveryNSeconds(-1)))
    with pytest.raises(PolicyError):
        ours.EveryNSeconds(-1)


def test_an_empty_union_is_refused(theirs):
    assert preserved(theirs, theirs.AnyPreservationPolicy([])) is False
    with pytest.raises(PolicyError):
        ours.AnyPreservationPolicy([])


def test_a_metric_that_cannot_be_read_keeps_the_checkpoint(theirs):
    def missing(metrics):
        return metrics["loss"]

    with pytest.raises(KeyError):
        preserved(theirs, theirs.BestN(get_metric_fn=missing, n=1))
    with pytest.warns(MetricWarning):
        assert all(preserved(ours, ours.BestN(get_metric_fn=missing, n=1)))


def test_the_steps_of_custom_steps_can_be_read(theirs):
    assert not hasattr(theirs.CustomSteps([1, 2]), "steps")
    assert ours.CustomSteps([1, 2]).steps == (1, 2)


def test_a_paused_run_is_emptied_by_a_policy_on_the_clock_but_not_by_a_plan(theirs):
    from holdfast.checkpoint import Checkpoint, Run, Status, TimeSource
    from holdfast.plan import plan

    day = datetime.timedelta(days=1)
    assert not any(preserved(theirs, theirs.LatestDuration(day)))
    assert not any(preserved(ours, ours.LatestDuration(day)))
    checkpoints = tuple(
        Checkpoint(name=str(c.step), step=c.step, time=c.time, time_source=TimeSource.RECORDED, status=Status.COMPLETE)
        for c in FIVE
    )
    run = Run(root="/r", layout="orbax", template="{step}", checkpoints=checkpoints, atomic=True)
    made = plan(run, ours.LatestDuration(day), now=START + 365 * day)
    assert [d.step for d in made.kept] == [4]


def test_every_row_of_the_table_has_a_test_here():
    table = README.read_text(encoding="utf-8").split("## Where it differs from Orbax")[1].split("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert all(len(tests) == 1 for tests in named)
    assert sorted(t for tests in named for t in tests) == sorted(
        name for name in globals() if name.startswith("test_") and "every_row" not in name
    )
