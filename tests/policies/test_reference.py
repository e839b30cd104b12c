"""The drop-in: what the reference promises, and each corner where it crashes, contradicts itself or loses data."""

import copy
import dataclasses
import datetime as dt
import inspect
import math
import pickle
from unittest import mock

import numpy as np
import pytest

from holdfast import preservation_policies as pp
from holdfast.errors import MetricWarning, PolicyError, PolicyTypeError

NAMES = (
    "PreservationPolicy PreserveAll LatestN EveryNSeconds EveryNSteps EveryNStepsClosest CustomSteps BestN"
    " LatestDuration AnyPreservationPolicy PreservationContext"
)


def loss(metrics):
    return metrics["loss"]


def best(n, **more):
    return pp.BestN(get_metric_fn=loss, n=n, **more)


# The module ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES.split())
def test_every_name_and_signature_is_the_reference_s(name):
    theirs = pytest.importorskip("orbax.checkpoint._src.checkpoint_managers.preservation_policy")
    peer, mine = getattr(theirs, name), getattr(pp, name)
    if name == "PreservationPolicy":
        peer, mine = peer.should_preserve, mine.should_preserve
    expected = [(p.name, p.kind, p.default) for p in inspect.signature(peer).parameters.values()]
    found = [(p.name, p.kind, p.default) for p in inspect.signature(mine).parameters.values()]
    if name == "PreservationContext":
        found = [p for p in found if p[0] != "now"]
    assert expected == found


def test_datetime_is_reachable_through_the_module():
    assert pp.datetime is dt


def test_the_context_compares_by_value_and_cannot_be_hashed():
    assert pp.PreservationContext() == pp.PreservationContext()
    with pytest.raises(TypeError):
        hash(pp.PreservationContext())
    with pytest.raises(TypeError):
        pp.PreservationContext(dt.datetime.now(dt.UTC))


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (pp.PreserveAll(), "PreserveAll()"),
        (pp.LatestN(3), "LatestN(n=3)"),
        (pp.EveryNSeconds(60), "EveryNSeconds(interval_secs=60)"),
        (pp.EveryNSteps(7), "EveryNSteps(interval_steps=7, exact_interval=True, max_to_keep=None)"),
        (pp.EveryNStepsClosest(7, 2), "EveryNStepsClosest(interval_steps=7, max_to_keep=2)"),
        (pp.CustomSteps([2, 1, 2]), "CustomSteps(steps=(1, 2))"),
        (pp.AnyPreservationPolicy([pp.LatestN(1)]), "AnyPreservationPolicy(policies=(LatestN(n=1),))"),
    ],
)
def test_policies_are_values(policy, text):
    again = copy.deepcopy(policy)
    assert text == repr(policy)
    assert policy == again
    assert hash(policy) == hash(again)
    assert policy == pickle.loads(pickle.dumps(policy))
    assert isinstance(policy, pp.PreservationPolicy)
    assert policy, "a policy must be true: the reference writes `policy or default`"
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.n = 1


def test_a_class_that_inherits_the_protocol_keeps_its_own_init(checkpoints, kept):
    class Mine(pp.PreservationPolicy):
        def __init__(self, wanted):
            self.wanted = wanted

        def should_preserve(self, checkpoints, *, context):
            return [c.step == self.wanted for c in checkpoints]

    assert [2, 4] == kept(pp.AnyPreservationPolicy([Mine(2), pp.LatestN(1)]), checkpoints([1, 2, 3, 4]))


# Counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "expected"), [(None, [0, 1, 2, 3]), (3, [1, 2, 3]), (15, [0, 1, 2, 3]), (1, [3]), (0, [])]
)
def test_latest_n_keeps_the_last_n(n, expected, checkpoints, kept):
    assert expected == kept(pp.LatestN(n), checkpoints([0, 1, 2, 3]))


def test_latest_n_goes_by_position_not_by_step(checkpoints, kept):
    assert [100, 200] == kept(pp.LatestN(2), checkpoints([500, 400, 100, 200]))


@pytest.mark.parametrize(
    ("n", "error"), [(-1, PolicyError), (2.0, PolicyTypeError), (True, PolicyTypeError), ("3", PolicyTypeError)]
)
def test_latest_n_refuses_what_it_cannot_mean(n, error):
    with pytest.raises(error, match="latest"):
        pp.LatestN(n)


def test_refusals_are_value_errors_and_wrong_types_are_type_errors_too():
    with pytest.raises(ValueError, match="give a whole number"):
        pp.LatestN(-1)
    with pytest.raises(TypeError, match="give a whole number"):
        pp.LatestN(2.5)


def test_a_numpy_count_is_a_count(checkpoints, kept):
    assert [2, 3] == kept(pp.LatestN(np.int64(2)), checkpoints([1, 2, 3]))


# Spacing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "expected"), [(60, [0, 1, 2, 3, 4]), (180, [0, 3]), (360, [0]), (0, [0, 1, 2, 3, 4])]
)
def test_every_n_seconds_keeps_the_first_and_each_far_enough_after(interval, expected, checkpoints, kept):
    assert expected == kept(pp.EveryNSeconds(interval), checkpoints(range(5)))


def test_every_n_seconds_takes_a_timedelta_and_a_float(checkpoints, kept):
    run = checkpoints(range(5))
    assert kept(pp.EveryNSeconds(120), run) == kept(pp.EveryNSeconds(dt.timedelta(minutes=2)), run)
    assert kept(pp.EveryNSeconds(90.0), run) == [0, 2, 4]


def test_every_n_seconds_waits_for_a_clock_that_went_back(checkpoints, kept):
    assert [0] == kept(pp.EveryNSeconds(3600), checkpoints([0, 1, 2, 3], minutes=[600, 0, 60, 120]))


@pytest.mark.parametrize("interval", [-5, math.nan, math.inf, "60", True, None, 1e300])
def test_every_n_seconds_refuses_what_is_no_duration(interval):
    with pytest.raises(PolicyError, match="interval_secs"):
        pp.EveryNSeconds(interval)


def test_every_n_seconds_works_on_times_that_all_lack_a_zone(checkpoints, kept):
    run = checkpoints(range(4))
    for c in run:
        c.time = c.time.replace(tzinfo=None)
    assert [0, 2] == kept(pp.EveryNSeconds(120), run)


@pytest.mark.parametrize("policy", [pp.EveryNSeconds(120), pp.LatestDuration(dt.timedelta(hours=1))])
@pytest.mark.parametrize("which", [1, 0])
def test_times_with_and_without_a_zone_are_not_mixed(policy, which, checkpoints, kept):
    run = checkpoints([70, 80, 90])
    run[which].time = run[which].time.replace(tzinfo=None)
    with pytest.raises(PolicyError, match="step 80"):
        kept(policy, run)


@pytest.mark.parametrize(
    ("steps", "interval", "more", "expected"),
    [
        ([0, 1, 2, 3], 1, {}, [0, 1, 2, 3]),
        ([0, 1, 2, 4], 3, {}, [0]),
        ([0, 1, 2, 4], 3, {"exact_interval": False}, [0, 4]),
        ([0, 1, 2, 4, 5, 8, 9, 13, 14, 25], 3, {"exact_interval": False}, [0, 4, 8, 13, 25]),
        ([0, 1, 2, 4, 5, 8, 9, 13, 14, 25], 3, {"exact_interval": False, "max_to_keep": 3}, [8, 13, 25]),
        ([0, 1, 2, 3, 4], 1, {"max_to_keep": 3}, [2, 3, 4]),
        ([10, 105, 115, 210, 220, 325], 100, {"exact_interval": False}, [10, 115, 220, 325]),
        ([500, 100, 200, 300], 100, {"exact_interval": False}, [500]),
        ([999, 2001, 2999], 1000, {}, []),
    ],
)
def test_every_n_steps(steps, interval, more, expected, checkpoints, kept):
    assert expected == kept(pp.EveryNSteps(interval, **more), checkpoints(steps))


@pytest.mark.parametrize(
    ("steps", "interval", "keep", "expected"),
    [
        ([0, 1, 2, 4], 3, None, [0, 4]),
        ([0, 1, 2, 4, 5, 8, 9, 13, 14, 25], 3, None, [0, 4, 5, 9, 13, 14, 25]),
        ([0, 1, 2, 4, 5, 8, 9, 13, 14, 25], 3, 3, [13, 14, 25]),
        ([50, 150, 250, 350, 450], 100, None, [50, 250, 450]),
        ([10, 900, 1000], 1000, None, [10, 1000]),
        ([100, 200, 210], 100, 1, [210]),
        ([400, 100, 390, 110], 100, None, [400, 100, 110]),
        ([2**53 + 1, 2**53 + 2, 2**53 + 3, 2**53 + 4], 3, None, [2**53 + 1, 2**53 + 4]),
    ],
)
def test_every_n_steps_closest(steps, interval, keep, expected, checkpoints, kept):
    assert expected == kept(pp.EveryNStepsClosest(interval, keep), checkpoints(steps))


@pytest.mark.parametrize("big", [2**53, 2**62, 2**63, 10**30])
def test_closest_is_exact_at_any_size(big, checkpoints, kept):
    steps = [big * 3 - 2, big * 3 + 1, big * 4 - 1, big * 4 + 1]
    assert [big * 3 + 1, big * 4 + 1] == kept(pp.EveryNStepsClosest(big), checkpoints(steps))
    assert [steps[0], steps[2]] == kept(pp.EveryNSteps(big - 3, exact_interval=False), checkpoints(steps))
    assert [] == kept(pp.EveryNSteps(big), checkpoints(steps))


@pytest.mark.parametrize("make", [pp.EveryNSteps, pp.EveryNStepsClosest])
def test_an_interval_of_zero_is_refused_when_asked_not_when_made(make, checkpoints, kept):
    policy = make(0)
    with pytest.raises(ValueError, match=r"interval_steps must not be 0.*steps=1000"):
        kept(policy, checkpoints([1, 2]))


@pytest.mark.parametrize("make", [pp.EveryNSteps, pp.EveryNStepsClosest])
@pytest.mark.parametrize("interval", [-100, 2.5, True, "100", None, math.nan])
def test_other_intervals_are_refused_when_made(make, interval):
    with pytest.raises(PolicyError, match="interval_steps"):
        make(interval)


def test_an_interval_written_as_a_float_is_that_whole_number():
    assert pp.EveryNSteps(1e4) == pp.EveryNSteps(10_000)


@pytest.mark.parametrize("make", [pp.EveryNSteps, pp.EveryNStepsClosest])
@pytest.mark.parametrize("keep", [0, -1, 1.5, True])
def test_max_to_keep_of_zero_is_refused_and_says_what_to_write(make, keep):
    with pytest.raises(PolicyError, match=r"LatestN\(0\).*None to keep all"):
        make(100, max_to_keep=keep)


# Steps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "expected"), [([0, 2, 3], [0, 2, 3]), ([14, 13], []), ([], [])])
def test_custom_steps(steps, expected, checkpoints, kept):
    assert expected == kept(pp.CustomSteps(steps), checkpoints(range(5)))


def test_custom_steps_are_readable_and_equal_whatever_their_order():
    assert (1, 2) == pp.CustomSteps([2, 1, 2]).steps
    assert pp.CustomSteps({1, 2}) == pp.CustomSteps(s for s in (2, 1))


@pytest.mark.parametrize("steps", ["12", 7, [1.5], [True], ["1"], None])
def test_custom_steps_refuses_what_are_no_steps(steps):
    with pytest.raises(PolicyTypeError, match="steps"):
        pp.CustomSteps(steps)


def test_custom_steps_beyond_int64(checkpoints, kept):
    assert [2**70] == kept(pp.CustomSteps([2**70, 5]), checkpoints([1, 2**70]))
    assert [5] == kept(pp.CustomSteps([2**70, 5]), checkpoints([5, 6]))


@pytest.mark.parametrize("step", [np.int32(7), np.array(7), 7.0, np.float64(7)])
def test_a_step_may_be_anything_that_is_a_whole_number(step, info, kept):
    assert 1 == len(kept(pp.EveryNSteps(7), [info(step)]))


@pytest.mark.parametrize("step", [7.5, "7", None, math.nan])
def test_what_is_no_step_is_refused(step, info, kept):
    with pytest.raises(PolicyTypeError, match="no step"):
        kept(pp.EveryNSteps(7), [info(step)])


# The best --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "more", "expected"),
    [
        ([5, None, 3, None, 7], {"n": None}, [0, 1, 2, 3, 4]),
        ([7, None, 4, None, 5], {"n": 1, "reverse": True}, [1, 2, 3]),
        ([5, None, 4, None, 7], {"n": 4, "reverse": True}, [0, 1, 2, 3, 4]),
        ([5, None, 4, None, 7], {"n": 4, "keep_checkpoints_without_metrics": False}, [0, 2, 4]),
        ([5, None, 4, None, 7], {"n": 5, "keep_checkpoints_without_metrics": False}, [0, 1, 2, 3, 4]),
        ([5, None, 4, None, 7], {"n": 0}, []),
        ([1, 9, 2, 8, 3], {"n": 2}, [1, 3]),
        ([1, 9, 2, 8, 3], {"n": 2, "reverse": True}, [0, 2]),
        ([4, 4, 4, 4, 4], {"n": 2}, [3, 4]),
        ([4, 4, 4, 4, 4], {"n": 2, "reverse": True}, [3, 4]),
    ],
)
def test_best_n(losses, more, expected, checkpoints, kept):
    assert expected == kept(pp.BestN(get_metric_fn=loss, **more), checkpoints(range(5), losses=losses))


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("losses", "reverse", "expected"),
    [
        ([1, 5, NAN, 2, 3], False, [1, 4]),
        ([1, 5, NAN, 2, 3], True, [0, 3]),
        ([NAN, NAN, NAN, 2, NAN], False, [3, 4]),
        ([NAN, NAN, INF, -INF, NAN], True, [2, 3]),
        ([NAN, NAN, INF, -INF, NAN], False, [2, 3]),
        ([NAN, NAN, NAN, NAN, NAN], False, [3, 4]),
    ],
)
def test_best_ranks_nan_below_every_number(losses, reverse, expected, checkpoints, kept):
    assert expected == kept(best(2, reverse=reverse), checkpoints(range(5), losses=losses))


@pytest.mark.parametrize("nan", [np.float32("nan"), np.array(math.nan), (1.0, math.nan)])
def test_best_knows_nan_in_any_dress(nan, checkpoints, kept):
    ordinary = (2.0, 2.0) if isinstance(nan, tuple) else 2.0
    assert [1] == kept(best(1), checkpoints([0, 1, 2], losses=[nan, ordinary, nan]))


@pytest.mark.parametrize(
    "values",
    [
        [(1, "a"), (2, "a"), (2, "b")],
        ["a", "b", "c"],
        [2**60, 2**60 + 1, 2**60 + 2],
        [np.float32(1), np.float64(2), 3],
        [np.array([1.0]), np.array(2.0), 3.0],
        [False, True, 2],
        [10**400, 10**400 + 1, 10**401],
    ],
)
def test_best_ranks_anything_that_sorts(values, checkpoints, kept):
    assert [2] == kept(best(1), checkpoints([0, 1, 2], losses=values))
    assert [0] == kept(best(1, reverse=True), checkpoints([0, 1, 2], losses=values))


def test_a_metric_function_that_raises_keeps_that_checkpoint_and_warns(checkpoints, kept):
    run = checkpoints([10, 20, 30, 40], losses=[1, 2, 3, 4])
    run[1].metrics = {"accuracy": 1}
    with pytest.warns(MetricWarning, match=r"step 20.*KeyError.*Return None"):
        assert [20, 40] == kept(best(1), run)


@pytest.mark.parametrize("odd", ["text", {"a": 1}, np.array([1.0, 2.0]), {1, 2}, 1j, [3, "x"]])
def test_a_value_that_cannot_be_ordered_keeps_that_checkpoint_and_warns(odd, checkpoints, kept):
    with pytest.warns(MetricWarning, match="step 20"):
        assert [20, 40] == kept(best(1), checkpoints([10, 20, 30, 40], losses=[1, odd, 3, 4]))


def test_sets_have_no_order_though_they_compare(checkpoints, kept):
    with pytest.warns(MetricWarning, match=r"step 1.*and 2 more"):
        assert [1, 2, 3] == kept(best(1), checkpoints([1, 2, 3], losses=[{1}, {1, 2}, {3}]))


def test_a_comparison_that_raises_keeps_all(checkpoints, kept):
    class Odd:
        def __lt__(self, other):
            raise RuntimeError("no order")

    with pytest.warns(MetricWarning, match="no order"):
        assert [1, 2, 3] == kept(best(1), checkpoints([1, 2, 3], losses=[Odd(), Odd(), Odd()]))


def test_a_function_that_returns_none_means_without_metrics(checkpoints, kept):
    policy = pp.BestN(get_metric_fn=lambda m: m.get("other"), n=1)
    assert [1, 2] == kept(policy, checkpoints([1, 2], losses=[3, 4]))


@pytest.mark.parametrize(
    ("path", "metrics"),
    [
        ("eval/loss", {"eval/loss": 1.0}),
        ("eval.loss", {"eval": {"loss": 1.0}}),
        ("eval/loss", {"eval": {"loss": 1.0}}),
        ("a.b.c", {"a.b": {"c": 1.0}}),
        ("a.b", {"a.b": 1.0, "a": {"b": 99.0}}),
    ],
)
def test_a_metric_may_be_named_by_its_path(path, metrics, info, kept):
    others = [info(2, None, {"x": 1}), info(3, None, 5), info(4, None, None), info(5, None, {"eval": 3})]
    policy = pp.BestN(get_metric_fn=path, n=1, keep_checkpoints_without_metrics=False)
    assert [1] == kept(policy, [info(1, None, metrics), *others])


@pytest.mark.parametrize("n", [-1, 1.5, True])
def test_best_refuses_what_is_no_count(n):
    with pytest.raises(PolicyError, match="best: n"):
        best(n)


@pytest.mark.parametrize("ref", [None, 3, ""])
def test_best_refuses_what_is_no_metric(ref):
    with pytest.raises(PolicyTypeError, match="get_metric_fn"):
        pp.BestN(get_metric_fn=ref, n=1)


# The clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "expected"), [(24, [2, 3]), (28, [1, 2, 3]), (5, []), (100, [0, 1, 2, 3])])
def test_latest_duration_through_a_patched_clock_without_zones(hours, expected, info, kept):
    now = dt.datetime(2026, 5, 29, 12)
    run = [info(i, now - dt.timedelta(hours=h)) for i, h in enumerate((30, 25, 23, 10))]
    policy = pp.LatestDuration(dt.timedelta(hours=hours))
    with mock.patch.object(pp.datetime, "datetime") as patched:
        patched.now.return_value = now
        assert expected == kept(policy, run)
        patched.now.assert_called_once_with(tz=dt.timezone.utc)  # noqa: UP017 - as the reference spells it


def test_latest_duration_takes_now_from_the_context(checkpoints, kept, start):
    policy = pp.LatestDuration(dt.timedelta(minutes=2))
    run = checkpoints(range(5))
    assert [2, 3, 4] == kept(policy, run, now=start + dt.timedelta(minutes=4))
    assert [] == kept(policy, run, now=start + dt.timedelta(days=9))
    assert [] == kept(policy, run), "without one, the clock's"


def test_a_context_without_now_is_accepted(checkpoints):
    assert [False] == pp.LatestDuration(dt.timedelta(1)).should_preserve(checkpoints([1]), context=object())


def test_latest_duration_keeps_all_after_the_first_fresh_one(checkpoints, kept, start):
    run = checkpoints([1, 2, 3], minutes=[0, -400_000, -500_000])
    assert [1, 2, 3] == kept(pp.LatestDuration(dt.timedelta(hours=1)), run, now=start)


@pytest.mark.parametrize("zoned", [True, False])
def test_latest_duration_refuses_a_zone_on_one_side_only(zoned, checkpoints, kept, start):
    run, now = checkpoints([70]), start
    if zoned:
        now = now.replace(tzinfo=None)
    else:
        run[0].time = run[0].time.replace(tzinfo=None)
    with pytest.raises(PolicyError, match="step 70"):
        kept(pp.LatestDuration(dt.timedelta(hours=1)), run, now=now)


@pytest.mark.parametrize("duration", [dt.timedelta(hours=-1), 3600, "1h", None])
def test_latest_duration_refuses_what_is_no_duration(duration):
    with pytest.raises(PolicyError, match="timedelta"):
        pp.LatestDuration(duration)


def test_the_longest_duration_keeps_all(checkpoints, kept, start):
    assert [1, 2] == kept(pp.LatestDuration(dt.timedelta.max), checkpoints([1, 2]), now=start)


# Times that are not known ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", [dt.datetime.min, dt.datetime.min.replace(tzinfo=dt.UTC), None])
@pytest.mark.parametrize("policy", [pp.EveryNSeconds(10**6), pp.LatestDuration(dt.timedelta(0))])
def test_one_of_unknown_time_is_kept(unknown, policy, checkpoints, kept, start):
    run = checkpoints(range(4))
    run[2].time = unknown
    assert 2 in kept(policy, run, now=start + dt.timedelta(days=1))
    assert 1 not in kept(policy, run, now=start + dt.timedelta(days=1))


def test_a_commit_timestamp_stands_for_a_time(kept, start):
    @dataclasses.dataclass
    class Committed:
        step: int
        commit_timestamp_nsecs: int | None

    first = int(start.timestamp()) * 10**9
    run = [Committed(i, first + i * 60 * 10**9) for i in range(5)] + [Committed(9, None)]
    assert [0, 2, 4, 9] == kept(pp.EveryNSeconds(120), run)


def test_one_without_any_time_is_refused_only_by_who_needs_it(kept):
    @dataclasses.dataclass
    class Bare:
        step: int

    assert [2] == kept(pp.LatestN(1), [Bare(1), Bare(2)])
    with pytest.raises(PolicyTypeError, match="commit_timestamp_nsecs"):
        kept(pp.EveryNSeconds(60), [Bare(1), Bare(2)])


def test_what_a_policy_does_not_need_is_never_read(kept):
    class Guarded:
        def __init__(self, step):
            self.step = step

        def __getattr__(self, name):
            raise AssertionError(f"{name} was read")

    run = [Guarded(s) for s in (1, 2, 3)]
    for policy in (pp.PreserveAll(), pp.LatestN(1), pp.EveryNSteps(2), pp.EveryNStepsClosest(2), pp.CustomSteps([1])):
        kept(policy, run)
    assert [1, 2, 3] == kept(best(None), run)


# Unions ----------------------------------------------------------------------------------------------------------


def test_a_union_keeps_what_any_keeps(checkpoints, kept):
    policy = pp.AnyPreservationPolicy([pp.LatestN(1), pp.CustomSteps([0]), pp.EveryNSteps(2)])
    assert [0, 2, 4, 5] == kept(policy, checkpoints(range(6)))


def test_a_union_of_nothing_is_refused():
    with pytest.raises(PolicyError, match="at least one"):
        pp.AnyPreservationPolicy([])


@pytest.mark.parametrize("policies", [[pp.LatestN], ["latest(3)"], [3], "latest(3)", pp.LatestN(3)])
def test_a_union_takes_policies_only(policies):
    with pytest.raises(PolicyTypeError):
        pp.AnyPreservationPolicy(policies)


def test_unions_within_are_flattened():
    inner = pp.AnyPreservationPolicy([pp.LatestN(1), pp.LatestN(2)])
    assert (pp.LatestN(1), pp.LatestN(2), pp.LatestN(3)) == pp.AnyPreservationPolicy([inner, pp.LatestN(3)]).policies


def test_a_child_s_fault_names_the_child(checkpoints, kept):
    with pytest.raises(PolicyError, match=r"^every\(steps=0\): "):
        kept(pp.AnyPreservationPolicy([pp.LatestN(1), pp.EveryNSteps(0)]), checkpoints([1]))


class Answering:
    def __init__(self, answer):
        self.answer = answer

    def should_preserve(self, checkpoints, *, context):
        return self.answer


@pytest.mark.parametrize("answer", [[True, False], (True, False), np.array([True, False]), [np.True_, np.False_]])
def test_the_answer_of_a_user_s_class_may_be_any_sized_run_of_bools(answer, checkpoints, kept):
    assert [1] == kept(pp.AnyPreservationPolicy([Answering(answer)]), checkpoints([1, 2]))


@pytest.mark.parametrize(
    "answer",
    ["ab", {1: True, 2: False}, {True, False}, (b for b in (True, False)), True, None, [1, 0], [True], [None, None]],
)
def test_any_other_answer_is_refused_and_names_the_class(answer, checkpoints, kept):
    with pytest.raises(PolicyError, match=r"Answering.*2"):
        kept(pp.AnyPreservationPolicy([Answering(answer)]), checkpoints([1, 2]))


def test_a_child_that_raises_is_told_and_not_hidden(checkpoints, kept):
    class Broken:
        def should_preserve(self, checkpoints, *, context):
            raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order") as caught:
        kept(pp.AnyPreservationPolicy([Broken()]), checkpoints([1]))
    assert "Broken" in caught.value.__notes__[0]


def test_an_interval_of_no_seconds_keeps_all_also_where_the_clock_went_back(checkpoints, kept):
    """The reference drops a checkpoint that is older than the one before it, though nothing was asked of it."""
    assert [0, 1, 2] == kept(pp.EveryNSeconds(0), checkpoints([0, 1, 2], minutes=[5, 0, 9]))
