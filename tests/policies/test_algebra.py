"""``|``, ``&``, ``~``: what they keep, what they refuse, what they declare."""

import pytest

from holdfast.errors import MetricError, PolicyError, PolicyTypeError
from holdfast.history import History
from holdfast.policies import (
    AllFilters,
    Among,
    Needs,
    NotFilter,
    after,
    at,
    before,
    best,
    check_metrics,
    closest,
    daily,
    every,
    everything,
    has,
    latest,
    latest_duration,
    log_spaced,
    metrics_wanted,
    needs_of,
    parse,
    spaced,
    void_reason,
    where,
    within,
)


class Mine:
    def should_preserve(self, checkpoints, *, context):
        return [c.step == 5 for c in checkpoints]


def test_a_filter_restricts_what_the_chooser_chooses_among(checkpoints, kept):
    run = checkpoints(range(8), losses=[1, 9, 8, 7, 6, 5, 4, 3])
    assert [0, 6] == kept(every(steps=2) & best(2, "loss", mode="min"), run)
    assert [0, 6] == kept(best(2, "loss", mode="min") & every(steps=2), run), "either way round"
    assert [4, 6] == kept(every(steps=2) & latest(2), run)
    assert [5] == kept(after(3) & Mine(), run), "a user's own class may be restricted too"


def test_filters_are_closed_under_and_or_and_not(checkpoints, kept):
    run = checkpoints(range(10))
    assert [0, 2, 4] == kept(before(5) & every(steps=2), run)
    assert [0, 2, 4, 9] == kept((before(5) & every(steps=2)) | at(9), run)
    assert [1, 3, 5, 7, 9] == kept(~every(steps=2), run)
    assert [0, 1, 6, 7, 8, 9] == kept(~(after(1) & before(6)), run)
    assert [4] == kept((at(1) | at(4)) & latest(1), run), "a union of filters is a filter"
    assert [6] == kept(where(lambda c: c.step == 6), run)


def test_dense_early_and_sparse_later(checkpoints, kept):
    policy = (before(step=100) & every(steps=50)) | every(steps=100)
    assert [0, 50, 100, 200] == kept(policy, checkpoints([0, 25, 50, 100, 150, 200]))


@pytest.mark.parametrize("one", [latest(4), every(steps=2, keep=3), daily(2), Mine(), latest(1) | at(2)])
def test_two_choosers_are_refused_and_told_what_to_write(one):
    with pytest.raises(PolicyError, match=r"write .* \| .*restrict by a filter"):
        _ = best(2, "loss", mode="min") & one
    with pytest.raises(PolicyError, match="restrict by a filter"):
        _ = one & best(2, "loss", mode="min")


@pytest.mark.parametrize("policy", [latest(2), every(steps=2, keep=3), latest(1) | at(3), at(1) & latest(2)])
def test_a_chooser_cannot_be_negated(policy):
    with pytest.raises(PolicyError, match="only a filter can be negated"):
        _ = ~policy


@pytest.mark.parametrize("other", ["every(steps=2)", 3, None, type(latest(2))])
def test_only_policies_combine(other):
    for combine in (lambda a, b: a | b, lambda a, b: b | a, lambda a, b: a & b, lambda a, b: b & a):
        with pytest.raises(PolicyTypeError):
            combine(latest(2), other)


def test_being_a_filter_is_a_property_of_the_value():
    assert isinstance(every(steps=10) & latest(1), Among)
    assert isinstance(every(steps=10) & at(1), AllFilters)
    with pytest.raises(PolicyError):
        _ = every(steps=10, keep=5) & latest(1)
    with pytest.raises(PolicyError):
        _ = spaced(steps=10) & latest(1)


def test_combinations_flatten():
    assert (latest(1), at(2), daily(3)) == ((latest(1) | at(2)) | daily(3)).policies
    assert latest(1) | (at(2) | daily(3)) == (latest(1) | at(2)) | daily(3)
    assert at(1) & (at(2) & at(3)) == (at(1) & at(2)) & at(3)
    assert at(1) & (at(2) & latest(3)) == Among(at(1) & at(2), latest(3))
    assert (at(1) & latest(3)) & at(2) == Among(at(1) & at(2), latest(3))
    assert Among(at(1), Among(at(2), latest(3))) == at(1) & at(2) & latest(3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AllFilters(()),
        lambda: AllFilters((latest(1),)),
        lambda: NotFilter(latest(1)),
        lambda: Among(latest(1), at(2)),
        lambda: Among(at(1), at(2)),
    ],
)
def test_the_classes_refuse_what_the_operators_refuse(make):
    with pytest.raises(PolicyError, match="filter"):
        make()


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("latest(3) | every(steps=1000)", Needs.NOTHING),
        ('latest(3) | best(1, "a", mode="min")', Needs.METRICS),
        ("every(steps=10) & daily(1)", Needs.TIMES),
        ('~has("a")', Needs.METRICS),
        ('latest(bytes=1) | within("1d")', Needs.SIZES | Needs.TIMES),
    ],
)
def test_a_policy_declares_what_it_reads(text, needs):
    assert needs == needs_of(parse(text)) == parse(text).needs


def test_a_user_s_own_class_may_read_everything():
    assert Needs.TIMES | Needs.METRICS | Needs.SIZES == needs_of(Mine()) == needs_of(latest(1) | Mine())


@pytest.mark.parametrize(
    "policy",
    [
        latest(0),
        at(),
        every(steps=0),
        closest(steps=0),
        best(0, "a", mode="min"),
        latest(0) | at(),
        at() & latest(3),
        at(1) & latest(0),
        ~everything(),
        ~(~at()),
        every(steps=2) & at(),
    ],
    ids=str,
)
def test_what_can_keep_nothing_says_so(policy):
    assert void_reason(policy)


@pytest.mark.parametrize(
    "policy",
    [
        latest(1),
        latest(),
        latest(0) | at(1),
        everything(),
        ~at(1),
        ~at(),
        every(steps=1),
        within("0s"),
        log_spaced(2),
        Mine(),
    ],
    ids=str,
)
def test_what_can_keep_something_does_not(policy):
    assert "" == void_reason(policy)


def test_the_metrics_that_a_policy_wants_are_listed_once():
    policy = best(1, "a", mode="min") | (has("b") & best(1, "a", mode="max")) | best(1, len, mode="min") | Mine()
    assert ("a", "b", len) == metrics_wanted(policy)


def test_a_metric_that_no_checkpoint_has_is_an_error_that_lists_those_there_are(checkpoints):
    history = History.of(checkpoints([1, 2], losses=[1, {"deep": 2}]))
    with pytest.raises(MetricError, match=r"'eval/loss'; the metrics there are: loss, loss/deep"):
        check_metrics(best(1, "eval/loss", mode="min"), history)
    with pytest.raises(MetricError, match="no checkpoint has any metrics"):
        check_metrics(latest(1) | has("a"), History.of(checkpoints([1, 2])))
    with pytest.raises(MetricError, match="KeyError"):
        check_metrics(best(1, lambda m: m["typo"], mode="min"), history)


def test_a_metric_that_one_checkpoint_has_is_enough(checkpoints):
    check_metrics(best(1, "loss", mode="min"), History.of(checkpoints([1, 2], losses=[None, float("nan")])))
    check_metrics(latest_duration("1d"), History.of(checkpoints([1])))
