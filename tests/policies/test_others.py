"""Rules beyond the reference that go by steps, sizes and metrics."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.policies import LatestBytes, LogSpaced, after, at, before, has, latest, log_spaced, where
from holdfast.preservation_policies import PreservationContext


def test_latest_bytes_goes_back_while_it_fits(checkpoints, kept):
    run = checkpoints(range(5), sizes=[10, 10, 50, 30, 20])
    assert [2, 3, 4] == kept(latest(bytes=100), run)
    assert [3, 4] == kept(latest(bytes=99), run), "it stops at the first that does not fit, though an older one would"
    assert [4] == kept(latest(bytes=0), run), "always the newest"
    assert [0, 1, 2, 3, 4] == kept(latest(bytes="1TB"), run)
    assert [0, 1, 2, 3, 4] == kept(LatestBytes(10**30), run)


def test_latest_bytes_refuses_an_unknown_size_and_says_how_to_get_it(checkpoints, kept):
    with pytest.raises(PolicyError, match=r"step 1 is not known: scan with sizes"):
        kept(latest(bytes=5), checkpoints(range(3), sizes=[1, None, 1]))
    with pytest.raises(PolicyError, match=r"step 1 is not known"):
        kept(latest(bytes=5), checkpoints(range(2)))


@pytest.mark.parametrize("size", [-1, True, 1.5, "5 bananas", None])
def test_latest_bytes_refuses_what_is_no_size(size):
    with pytest.raises(PolicyError):
        LatestBytes(size)


def test_log_spaced_keeps_the_nearest_to_each_power_and_the_last(checkpoints, kept):
    assert [0, 1, 2, 4, 8, 16, 20] == kept(log_spaced(2), checkpoints(range(21)))
    assert [0, 1, 10, 99, 700, 650] == kept(LogSpaced(10), checkpoints([0, 1, 10, 99, 500, 700, 600, 650]))
    assert [3, 5] == kept(log_spaced(2), checkpoints([3, 3, 5]))[-2:]


def test_the_powers_go_on_for_ever_so_the_highest_step_stays(checkpoints, kept):
    assert [1000, 990] == kept(log_spaced(2), checkpoints([1000, 995, 990]))


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.integers(-5, 300) | st.integers(0, 10**25), min_size=1, max_size=12), base=st.integers(2, 5))
def test_log_spaced_is_the_nearest_by_brute_force(steps, base, info):
    targets = [0, *(base**j for j in range(90))]
    expected = {len(steps) - 1}
    for target in targets:
        expected.add(min(range(len(steps)), key=lambda i: (abs(steps[i] - target), -i)))
    flags = log_spaced(base).should_preserve([info(s) for s in steps], context=PreservationContext())
    assert expected == {i for i, flag in enumerate(flags) if flag}


@pytest.mark.parametrize("base", [1, 0, -2, 2.0, True])
def test_log_spaced_refuses_what_is_no_base(base):
    with pytest.raises(PolicyError):
        LogSpaced(base)


def test_before_and_after_leave_the_step_itself_out(checkpoints, kept):
    assert [1, 2] == kept(before(step=3), checkpoints([1, 2, 3, 4]))
    assert [4] == kept(after(step=3), checkpoints([1, 2, 3, 4]))
    assert [1, 2**70] == kept(before(2**71), checkpoints([1, 2**70, 2**71]))
    assert [1, 2] == kept(before(2**71), checkpoints([1, 2]))


def test_has_keeps_those_with_the_metric_nan_included(checkpoints, kept):
    run = checkpoints(range(4), losses=[1, None, float("nan"), "text"])
    assert [0, 2, 3] == kept(has("loss"), run)
    assert [1] == kept(~has("loss"), run)


def test_where_asks_of_each_checkpoint(checkpoints, kept):
    assert [2, 4] == kept(where(lambda c: c.step > 0 and c.step % 2 == 0), checkpoints(range(5)))


@pytest.mark.parametrize("answer", [None, 1, "yes"])
def test_where_wants_a_bool(answer, checkpoints, kept):
    with pytest.raises(PolicyTypeError, match="step 5; return True or False"):
        kept(where(lambda c: answer), checkpoints([5]))


def test_where_decides_nothing_when_it_raises(checkpoints, kept):
    with pytest.raises(PolicyError, match=r"raised ZeroDivisionError for step 0.*return True"):
        kept(~where(lambda c: 1 / c.step > 0), checkpoints([0]))


@pytest.mark.parametrize(
    "make",
    [lambda: where(3), lambda: has(3), lambda: has(""), lambda: before("3"), lambda: after(1.5), lambda: at("3")],
)
def test_filters_refuse_what_they_cannot_mean(make):
    with pytest.raises(PolicyTypeError):
        make()
