"""The laws, over the list of all policies: what is left must not depend on the rhythm of pruning."""

import dataclasses
import datetime as dt
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from holdfast.history import History
from holdfast.policies import (
    ALL_POLICIES,
    AllFilters,
    Among,
    AnyPreservationPolicy,
    BestN,
    EveryNSteps,
    NotFilter,
    Where,
    after,
    at,
    before,
    best,
    closest,
    daily,
    every,
    everything,
    facts_of,
    has,
    hourly,
    judge,
    latest,
    latest_duration,
    log_spaced,
    monthly,
    parse,
    spaced,
    weekly,
    where,
    within,
    yearly,
)
from holdfast.preservation_policies import PreservationContext

START = dt.datetime(2026, 3, 28, 20, tzinfo=dt.UTC)
"""A few hours before clocks change in Europe."""
NOW = START + dt.timedelta(days=3)


@dataclasses.dataclass(frozen=True)
class Saved:
    step: int
    time: Any
    metrics: Any
    size: int
    name: str = ""


def even(checkpoint):
    return checkpoint.step % 2 == 0


def a(metrics):
    return metrics["a"]


CASES = [
    everything(),
    latest(0),
    latest(2),
    latest(),
    spaced(hours=6),
    spaced(seconds=0),
    every(steps=3),
    every(steps=3, keep=2),
    spaced(steps=5),
    spaced(steps=5, keep=2),
    closest(steps=4),
    closest(steps=5, keep=2),
    at(),
    at(0, 3, 7, 40),
    best(2, "a", mode="min"),
    best(1, "b", mode="max"),
    best(2, "a", mode="min", unmeasured="drop"),
    best(None, "a", mode="max", unmeasured="drop"),
    best(0, "a", mode="max"),
    BestN(get_metric_fn=a, n=1),
    latest_duration("2d"),
    hourly(3),
    hourly(3, tz="Europe/Berlin"),
    daily(2),
    daily(2, tz="Europe/Berlin"),
    weekly(1),
    monthly(2),
    yearly(1),
    within("1d12h"),
    within("0s"),
    latest(bytes=250),
    log_spaced(2),
    log_spaced(3),
    before(9),
    after(9),
    has("a"),
    where(even),
    before(20) & every(steps=2),
    ~at(3, 7),
    ~(every(steps=2) & after(4)),
    every(steps=2) | at(3),
    latest(1) | every(steps=4) | best(1, "a", mode="min"),
    spaced(steps=5) | latest(2),
    spaced(steps=5, keep=2) | latest(1) | at(1),
    latest_duration("1d") | best(1, "a", mode="max"),
    latest(bytes=150) | at(3),
    closest(steps=5, keep=2) | daily(1),
    best(1, "a", mode="min", unmeasured="drop") | latest(1),
    every(steps=2) & best(2, "a", mode="min"),
    every(steps=2) & latest_duration("1d"),
    has("a") & spaced(steps=5),
    (before(20) | at(30)) & (latest(2) | daily(1)),
    AnyPreservationPolicy([closest(steps=5, keep=1)]),
]


def ids(policies):
    return [str(p) if not isinstance(p, BestN | Where) else repr(p)[:40] for p in policies]


def all_parts(policy):
    yield type(policy)
    for field in dataclasses.fields(policy):
        value = getattr(policy, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(part):
                yield from all_parts(part)


def test_every_policy_is_among_the_cases():
    assert set(ALL_POLICIES) == {part for case in CASES for part in all_parts(case)}
    assert {NotFilter, AllFilters, Among} <= set(ALL_POLICIES)


numbers = st.sampled_from([1.0, 2, 3.0, 3.5, -1, math.nan, math.inf, None])
trees = st.one_of(st.none(), st.fixed_dictionaries({"a": numbers}, optional={"b": numbers}))
saves = st.builds(
    Saved,
    step=st.integers(0, 20) | st.integers(0, 40),
    time=st.builds(lambda minutes: START + dt.timedelta(minutes=minutes), st.integers(0, 4000))
    | st.builds(lambda hours: START + dt.timedelta(hours=hours), st.integers(0, 24))
    | st.sampled_from([None, dt.datetime.min]),
    metrics=trees,
    size=st.integers(0, 120),
)
unsorted = st.lists(saves, max_size=9)
runs = st.one_of(
    unsorted,
    unsorted.map(lambda run: sorted(run, key=lambda s: s.step)),
    unsorted.map(lambda run: sorted(run, key=lambda s: START if s.time in (None, dt.datetime.min) else s.time)),
)
timed = st.lists(saves.filter(lambda s: s.time not in (None, dt.datetime.min)), max_size=9)


def in_order(run):
    """The same checkpoints with steps and times that never go back."""
    steps, times = sorted(s.step for s in run), sorted(s.time for s in run)
    return [dataclasses.replace(s, step=step, time=time) for s, step, time in zip(run, steps, times, strict=True)]


ordered = timed.map(in_order)


def left(policy, run, now=NOW):
    """Which are left, as places in the run that are given with them."""
    history = History.of([checkpoint for _, checkpoint in run])
    mask = policy.mask(history, context=PreservationContext(now=now))
    return [pair for pair, kept in zip(run, mask, strict=True) if kept]


def merged(*parts):
    return sorted({place: pair for part in parts for pair in part for place in [pair[0]]}.values(), key=lambda p: p[0])


law = settings(max_examples=20, deadline=None)
quiet = pytest.mark.filterwarnings("ignore::holdfast.errors.MetricWarning")  # a function of metrics that lack "a"
each = pytest.mark.parametrize("policy", CASES, ids=ids(CASES))


def where_declared(fact):
    chosen = [p for p in CASES if getattr(facts_of(p), fact)]
    return pytest.mark.parametrize("policy", chosen, ids=ids(chosen))


@each
@quiet
@law
@given(run=runs)
def test_law_1_and_2_one_flag_each_and_pure(policy, run):
    before_it, context = list(run), PreservationContext(now=NOW)
    flags = policy.should_preserve(run, context=context)
    assert type(flags) is list
    assert len(run) == len(flags)
    assert all(type(flag) is bool for flag in flags)
    assert flags == policy.should_preserve(tuple(run), context=context)
    assert before_it == run
    assert PreservationContext(now=NOW) == context


def check_path_independence(policy, run, sides):
    pairs = list(enumerate(run))
    first = [pair for pair, side in zip(pairs, sides, strict=False) if side != "later"]
    later = [pair for pair, side in zip(pairs, sides, strict=False) if side != "first"]
    assert left(policy, pairs) == left(policy, merged(left(policy, first), later))


some_first = st.lists(st.sampled_from(["first", "later", "both"]), min_size=9, max_size=9)


@where_declared("path_independent")
@quiet
@settings(max_examples=60, deadline=None)
@given(run=runs, sides=some_first)
def test_law_3_path_independence_over_any_interleaving(policy, run, sides):
    check_path_independence(policy, run, sides)


@pytest.mark.parametrize(
    "policy",
    [
        spaced(steps=5),
        spaced(steps=5) | latest(1),
        spaced(hours=6),
        closest(steps=5, keep=2),
        best(2, "a", mode="min", unmeasured="drop"),
        latest_duration("2d"),
        latest(bytes=150),
    ],
    ids=str,
)
@quiet
def test_law_3_would_find_a_false_declaration(policy):
    """The same check on rules that do not declare it: it must fail, or it proves nothing of the others."""
    assert not policy.path_independent

    @settings(max_examples=20_000, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False)
    @given(run=runs, sides=some_first)
    def check(run, sides):
        check_path_independence(policy, run, sides)

    with pytest.raises(AssertionError):
        check()


@where_declared("append_stable")
@quiet
@law
@given(run=ordered)
def test_law_4_pruning_after_every_save_leaves_what_pruning_once_leaves(policy, run):
    present = []
    for pair in enumerate(run):
        present = left(policy, [*present, pair])
    assert left(policy, list(enumerate(run))) == present


@quiet
@law
@given(run=ordered, keeps=st.lists(st.booleans(), min_size=9, max_size=9))
@where_declared("union_stable")
def test_law_4_holds_in_a_union_too_where_declared(policy, run, keeps):
    """Another rule keeps some more at each prune: what this one keeps of them at the end is the same."""
    present = []
    for pair in enumerate(run):
        chosen = left(policy, [*present, pair])
        present = [p for p in [*present, pair] if p in chosen or keeps[p[0]]]
    assert left(policy, list(enumerate(run))) == left(policy, present)


@pytest.mark.parametrize(
    ("one", "other"), [(latest(2), every(steps=3)), (best(1, "a", mode="min"), daily(1)), (at(3), spaced(steps=5))]
)
@law
@given(run=runs)
def test_law_5_a_union_keeps_exactly_what_either_keeps(one, other, run):
    context = PreservationContext(now=NOW)
    either = [
        x or y
        for x, y in zip(
            one.should_preserve(run, context=context), other.should_preserve(run, context=context), strict=True
        )
    ]
    assert either == (one | other).should_preserve(run, context=context)


@each
def test_law_5_what_the_language_spells_it_reads_back(policy):
    if "function" in str(policy) or str(policy) == repr(policy):
        pytest.skip("the language cannot spell it")
    assert policy == parse(str(policy))
    assert str(policy) == str(parse(str(policy)))


@each
def test_law_5_pickle_brings_it_back(policy):
    assert policy == pickle.loads(pickle.dumps(policy))
    assert hash(policy) == hash(pickle.loads(pickle.dumps(policy)))


@each
@quiet
@law
@given(run=runs, cuts=st.lists(st.integers(0, 8), max_size=3))
def test_law_6_columns_and_objects_agree_however_the_history_grew(policy, run, cuts):
    context = PreservationContext(now=NOW)
    grown = History.of([])
    for i, checkpoint in enumerate(run):
        grown.append(checkpoint)
        if i in cuts:
            policy.mask(grown, context=context)
    objects = policy.should_preserve(run, context=context)
    assert objects == policy.mask(grown, context=context).tolist()
    chosen = np.arange(0, len(run), 2)
    assert (
        policy.should_preserve(run[::2], context=context) == policy.mask(grown.take(chosen), context=context).tolist()
    )
    verdicts = judge(policy, grown, context)
    assert objects == verdicts.kept.tolist()
    for i in range(len(run)):
        assert verdicts.reasons(i)
        assert all(isinstance(reason, str) and reason for reason in verdicts.reasons(i))


@where_declared("clock_stable")
@quiet
@law
@given(run=ordered, hours=st.lists(st.integers(0, 60), min_size=9, max_size=9))
def test_law_8_the_moments_of_earlier_prunes_do_not_matter(policy, run, hours):
    present, now = [], START
    for pair, wait in zip(enumerate(run), hours, strict=False):
        now = max(now, pair[1].time) + dt.timedelta(hours=wait)
        present = left(policy, [*present, pair], now=now)
    assert left(policy, list(enumerate(run)), now=now) == left(policy, present, now=now)


# Where a law is not declared, it does not hold ---------------------------------------------------------------------


def save(step, *, hours=0, loss=None, size=1):
    return Saved(step, START + dt.timedelta(hours=hours), None if loss is None else {"a": loss}, size)


@dataclasses.dataclass
class Breach:
    """Pruning with ``first`` there and then with all leaves something else than pruning once."""

    policy: Any
    run: list
    first: list

    def once(self):
        return [place for place, _ in left(self.policy, list(enumerate(self.run)))]

    def twice(self):
        pairs = list(enumerate(self.run))
        there = left(self.policy, [pairs[i] for i in self.first])
        later = [pair for pair in pairs if pair[0] not in self.first]
        return [place for place, _ in left(self.policy, merged(there, later))]


RUN_OUT = [save(0), save(6), save(11)]
BREACHES = [
    Breach(spaced(steps=10), RUN_OUT, [1, 2]),
    Breach(spaced(steps=10, keep=2), RUN_OUT, [1, 2]),
    Breach(spaced(hours=10), [save(0), save(1, hours=6), save(2, hours=11)], [1, 2]),
    Breach(closest(steps=1000, keep=3), [save(s) for s in (4000, 1000, 3500, 2001, 1001)], [1, 2, 3, 4]),
    Breach(best(2, "a", mode="min", unmeasured="drop"), [save(0), save(1), save(2), save(3, loss=1)], [0, 1, 3]),
    Breach(latest_duration("2d"), [save(1, hours=72), save(2, hours=0)], [1]),
    Breach(latest(bytes=10), [save(0, size=3), save(1, size=9), save(2, size=3)], [1, 2]),
    Breach(every(steps=1) & spaced(steps=10), RUN_OUT, [1, 2]),
    Breach(spaced(steps=10) | at(99), RUN_OUT, [1, 2]),
    Breach(AnyPreservationPolicy([spaced(steps=10)]), RUN_OUT, [1, 2]),
]


def shapes(policy):
    """What decides whether a policy is path independent: its class and how its fields are set, not their values."""
    flags = (getattr(policy, f.name) for f in dataclasses.fields(policy))
    return (type(policy), *(v if isinstance(v, bool) else v is None for v in flags))


@pytest.mark.parametrize("breach", BREACHES, ids=lambda b: str(b.policy))
def test_a_policy_that_declares_no_path_independence_has_a_counter_example(breach):
    assert not breach.policy.path_independent
    assert breach.once() != breach.twice()


def test_each_undeclared_rule_has_its_counter_example_here():
    undeclared = {shapes(p)[0] for p in CASES if not p.path_independent}
    assert undeclared == {type(b.policy) for b in BREACHES}
    assert {(EveryNSteps, None), (EveryNSteps, 2)} <= {
        (type(b.policy), getattr(b.policy, "max_to_keep", 0)) for b in BREACHES
    }


def test_a_spaced_rule_with_keep_loses_its_anchor_in_a_union():
    """Alone it is append-stable; beside a rule that keeps an older one, its chain begins elsewhere."""
    policy = spaced(steps=100, keep=2) | latest(3)
    assert not policy.append_stable
    present = []
    run = list(enumerate([save(1), save(100), save(150), save(400), save(460)]))
    for pair in run:
        present = left(policy, [*present, pair])
    assert left(policy, run) != present


def test_the_latest_bytes_in_a_union_only_ever_keep_more():
    policy = latest(bytes=10) | at(0)
    assert not policy.append_stable
    run = list(enumerate([save(0, size=1), save(1, size=3), save(2, size=8), save(3, size=1)]))
    present = []
    for pair in run:
        present = left(policy, [*present, pair])
    assert {p[0] for p in left(policy, run)} <= {p[0] for p in present}


def test_a_restricted_clock_promises_nothing():
    assert not facts_of(every(steps=1) & latest_duration("1d")).clock_stable
