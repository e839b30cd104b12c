"""Histories: columns that are read once, when asked for, and grow with the run."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.checkpoint import Checkpoint
from holdfast.errors import PolicyTypeError
from holdfast.history import EPOCH, FAULTY, MEASURED, MICROSECOND, NAN, UNKNOWN, UNMEASURED, History


class Counting:
    """A checkpoint that counts how often each of its attributes is read."""

    def __init__(self, step):
        self.reads = []
        self._step = step

    def __getattr__(self, name):
        if name == "reads":
            raise AttributeError(name)
        self.reads.append(name)
        return {"step": self._step, "time": EPOCH, "size": 1, "metrics": {"a": 1.0}, "name": "x"}[name]


def test_nothing_is_read_before_it_is_asked_for_and_then_once():
    run = [Counting(i) for i in range(4)]
    history = History.of(run)
    assert not any(c.reads for c in run)
    for _ in range(2):
        _ = history.steps, history.metric("a")
    history.append(Counting(4))
    _ = history.steps, history.metric("a")
    _ = history.take([0, 2]).steps
    assert all(["step", "metrics"] == c.reads for c in history.items)


def test_appending_reads_only_the_new_one_and_keeps_old_views():
    history = History.of([Counting(0)])
    views = []
    for i in range(1, 40):
        views.append(history.steps)
        history.append(Counting(i))
    assert list(range(40)) == history.steps.tolist()
    assert all(list(range(len(view))) == view.tolist() for view in views)
    assert 40 == len(history)


def test_the_list_that_was_given_is_not_touched(checkpoints):
    run = checkpoints([1, 2])
    history = History.of(run)
    history.append(run[0])
    assert 2 == len(run)


def test_a_checkpoint_of_holdfast_s_own_is_accepted():
    history = History.of([Checkpoint(name="a/7", step=7, time=EPOCH, size=3, metrics={"x": 1})])
    assert ([7], [0], [3], ["a/7"]) == (
        history.steps.tolist(),
        history.times.tolist(),
        history.sizes.tolist(),
        history.names,
    )
    assert [{"x": 1}] == history.metrics


def test_what_is_missing_is_unknown(info):
    history = History.of([info(1), object()])
    assert UNKNOWN == History.of([info(1)]).sizes[0]
    assert ["1"] == History.of([info(1)]).names
    assert [None, None] == history.metrics
    assert [UNMEASURED, UNMEASURED] == history.metric("a").states.tolist()


@given(
    st.lists(
        st.datetimes(dt.datetime(1, 1, 2), timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=14))])),
        min_size=1,
    )
)
def test_times_are_exact_to_the_microsecond(times):
    history = History.of([Checkpoint(name="a", step=0, time=time) for time in times])
    assert [(time - EPOCH) // MICROSECOND for time in times] == history.times.tolist()
    assert not history.naive


@given(st.lists(st.datetimes(dt.datetime(1, 1, 2)), min_size=1))
def test_times_without_a_zone_are_taken_as_they_are(times):
    history = History.of([Checkpoint(name="a", step=0, time=time) for time in times])
    assert [(time - EPOCH.replace(tzinfo=None)) // MICROSECOND for time in times] == history.times.tolist()
    assert history.naive


@pytest.mark.parametrize("time", [5, "2026", dt.date(2026, 5, 1)])
def test_what_is_no_time_is_refused(time, info):
    with pytest.raises(PolicyTypeError, match="step 3"):
        _ = History.of([info(3, time)]).times


def test_zones_may_not_change_as_the_history_grows(info):
    history = History.of([info(1, EPOCH)])
    _ = history.times
    history.append(info(2, EPOCH.replace(tzinfo=None)))
    with pytest.raises(ValueError, match="step 2 has no zone"):
        _ = history.times


@given(st.lists(st.integers(-(2**70), 2**70) | st.integers(0, 9), max_size=8), st.integers(0, 8))
def test_steps_of_any_size_are_exact(steps, cut):
    history = History.of([Checkpoint(name="a", step=s) for s in steps[:cut]])
    _ = history.steps
    for step in steps[cut:]:
        history.append(Checkpoint(name="a", step=step))
    assert steps == history.steps.tolist()


values = st.one_of(
    st.none(), st.floats(), st.integers(-9, 9), st.integers(2**53, 2**60), st.booleans(), st.text(max_size=1)
)


@given(st.lists(values, max_size=8), st.integers(0, 8))
def test_metric_keys_sort_as_the_values_do_however_the_history_grew(found, cut):
    run = [Checkpoint(name="a", step=0, metrics={"m": value}) for value in found]
    history = History.of(run[:cut])
    history.metric("m")
    for checkpoint in run[cut:]:
        history.append(checkpoint)
    for metric in (history.metric("m"), history.take(np.arange(len(found))).metric("m")):
        assert [UNMEASURED] * found.count(None) == [s for s in metric.states.tolist() if s == UNMEASURED]
        ranked = [i for i, s in enumerate(metric.states) if s == MEASURED]
        for i in ranked:
            for j in ranked:
                assert (found[i] < found[j]) == bool(metric.keys[i] < metric.keys[j])
        assert all(found[i] != found[i] for i, s in enumerate(metric.states) if s == NAN)
        assert set(metric.faults) == {i for i, s in enumerate(metric.states) if s == FAULTY}


@given(st.lists(st.booleans(), max_size=40))
def test_taking_by_mask_and_by_index_is_the_same(mask):
    history = History.of([Counting(i) for i in range(len(mask))])
    _ = history.steps
    chosen = np.flatnonzero(np.array(mask, dtype=bool))
    by_mask, by_index = history.take(np.array(mask, dtype=bool)), history.take(chosen.tolist())
    assert chosen.tolist() == by_mask.steps.tolist() == by_index.steps.tolist()
    assert [history.items[i] for i in chosen] == by_mask.items == by_index.items


def test_taking_in_another_order_keeps_that_order(checkpoints):
    taken = History.of(checkpoints([1, 2, 3, 4])).take([3, 0, -1])
    assert [4, 1, 4] == taken.steps.tolist()
    assert "3 checkpoints" in repr(taken)


def test_an_unhashable_function_is_asked_each_time(checkpoints):
    class Unhashable:
        __hash__ = None

        def __call__(self, metrics):
            return metrics["loss"]

    history = History.of(checkpoints([1, 2], losses=[3, 4]))
    assert [3.0, 4.0] == history.metric(Unhashable()).keys.tolist()
