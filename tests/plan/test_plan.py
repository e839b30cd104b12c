"""What a plan says: who stays, who goes, who is set aside, and why."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.checkpoint import Foreign, Hold, Pointer, Status, TimeSource
from holdfast.errors import FormatError, MetricError, PolicyError, PolicySyntaxError, RefusedError, UsageError
from holdfast.plan import Outcome, Plan, plan


def names(decisions):
    return [d.name for d in decisions]


def steps(decisions):
    return sorted(d.step for d in decisions)


def test_kept_dropped_and_set_aside_partition_what_was_found_s4(make_run, make_checkpoint, now):
    partial = make_checkpoint(4, status=Status.PARTIAL, why="no trainer_state.json")
    made = plan(make_run(1, 2, 3, partial), "latest(1)", now=now)
    assert steps(made.kept) == [3]
    assert steps(made.dropped) == [1, 2]
    assert steps(made.set_aside) == [4]
    assert made["checkpoint-4"].reasons == ("partial: no trainer_state.json",)


def test_every_kept_one_has_a_reason_with_its_ordinal_and_every_dropped_one_its_nearest_miss_s4(make_run, now):
    made = plan(make_run(1, 2, 3, 4), "latest(2)", now=now)
    assert made["checkpoint-3"].reasons == ("latest: 2nd of 2",)
    assert made["checkpoint-1"].outcome is Outcome.DROP
    assert "4th" in made["checkpoint-1"].reasons[0]


def test_a_newer_partial_does_not_displace_a_complete_one_s2(make_run, make_checkpoint, now):
    in_flight = make_checkpoint(9, status=Status.PARTIAL, why="being written")
    made = plan(make_run(1, 2, in_flight), "latest(1)", now=now)
    assert steps(made.kept) == [2]


@pytest.mark.parametrize("policy", ["at(1)", "latest_duration('1h')", "every(steps=1000)"])
def test_the_newest_complete_one_stays_whatever_the_policy_s1(policy, make_run, now):
    made = plan(make_run(1, 2, 3), policy, now=now)
    assert "checkpoint-3" in names(made.kept)
    assert any("newest" in g for g in made["checkpoint-3"].guards)


def test_the_newest_resumable_one_stays_beside_a_newer_model_only_one_s1(make_run, make_checkpoint, now):
    made = plan(make_run(1, 2, make_checkpoint(3, resumable=False)), "latest(1)", now=now)
    assert steps(made.kept) == [2, 3]


def test_the_newest_known_resumable_stays_beside_newer_ones_that_cannot_be_told_s1(make_run, make_checkpoint, now):
    made = plan(make_run(1, 2, make_checkpoint(3, resumable=None)), "latest(1)", now=now)
    assert steps(made.kept) == [2, 3]


def test_the_newest_by_time_stays_where_a_time_is_not_known_s1(make_run, make_checkpoint, now):
    unknown = make_checkpoint(1, time=None, time_source=TimeSource.NONE)
    rewound = make_checkpoint(2, time=now - timedelta(days=1))
    made = plan(make_run(unknown, rewound, 3, 4), "latest(1)", now=now)
    assert ["checkpoint-4", "checkpoint-2"] == [d.name for d in made.kept]


def test_a_rewound_run_keeps_the_newest_by_time_and_by_step_s1_s7(make_run, make_checkpoint, now):
    late = make_checkpoint(100).time + timedelta(days=1)
    rewound = make_checkpoint(50, time=late)
    made = plan(make_run(100, 200, 300, rewound), "latest(1)", now=now)
    assert steps(made.kept) == [50, 300]
    assert any("rewound" in note for note in made.notes)


def test_an_order_that_agrees_is_no_rewind_s7(make_run, now):
    assert plan(make_run(1, 2, 3), "latest(1)", now=now).notes == ()


@given(minutes=st.permutations([1, 2, 3, 4, 5, 6]))
def test_shuffled_file_times_never_drop_what_step_order_keeps_s7(make_run, make_checkpoint, now, minutes):
    base = now - timedelta(days=9)
    checkpoints = []
    for i, minute in enumerate(minutes):
        time = base + timedelta(minutes=minute)
        checkpoints.append(make_checkpoint(i + 1, time=time, time_source=TimeSource.FILE, touched=base))
    made = plan(make_run(*checkpoints), "latest(2)", now=now)
    assert {5, 6} <= set(steps(made.kept))


@pytest.mark.parametrize("policy", ["daily(7)", "spaced(hours=1)", "within('1d')", "latest_duration('7d')"])
def test_a_copied_run_is_refused_to_rules_that_need_times_s7(policy, make_run, make_checkpoint, now):
    copied = [
        make_checkpoint(i, time=now - timedelta(days=2, seconds=-i), time_source=TimeSource.FILE) for i in range(5)
    ]
    with pytest.raises(RefusedError, match=r"60 seconds.*--trust-file-times"):
        plan(make_run(*copied), policy, now=now)
    assert plan(make_run(*copied), policy, now=now, trust_file_times=True).kept


def test_file_times_that_contradict_the_steps_are_refused_to_rules_that_need_times_s7(make_run, make_checkpoint, now):
    mixed = [make_checkpoint(i, time=now - timedelta(days=i + 1), time_source=TimeSource.FILE) for i in range(4)]
    with pytest.raises(RefusedError, match="contradict"):
        plan(make_run(*mixed), "daily(2)", now=now)


def test_one_dated_in_the_future_is_set_aside_and_changes_no_other_verdict_s8(make_run, make_checkpoint, now):
    before = plan(make_run(1, 2, 3), "latest(2)", now=now)
    ahead = make_checkpoint(9, time=now + timedelta(hours=25))
    after = plan(make_run(1, 2, 3, ahead), "latest(2)", now=now)
    assert names(after.set_aside) == ["checkpoint-9"]
    assert [d for d in after.decisions if d.name != "checkpoint-9"] == list(before.decisions)


def test_one_without_a_step_is_set_aside_s8(make_run, make_checkpoint, now):
    made = plan(make_run(1, 2, make_checkpoint(None, time=now - timedelta(days=1))), "latest(1)", now=now)
    assert made["checkpoint-None"].reasons == ("no step can be read",)


def test_a_clock_ten_years_ahead_drops_nothing_that_within_keeps_s9(make_run, now):
    run = make_run(1, 2, 3)
    today, later = (plan(run, "within('7d')", now=t) for t in (now, now + timedelta(days=3650)))
    assert names(today.kept) == names(later.kept) == ["checkpoint-3", "checkpoint-2", "checkpoint-1"]


def test_what_the_run_resumed_from_stays_s10(make_run, now):
    made = plan(make_run(1, 2, 3, resumed_from=("checkpoint-1",)), "latest(1)", now=now)
    assert made["checkpoint-1"].guards == ("this run resumed from it",)


def test_what_a_pointer_names_stays_unless_it_can_be_repointed_s11(make_run, now):
    fixed = Pointer(path="best", names=("checkpoint-1",), kind="best")
    loose = Pointer(path="latest", names=("checkpoint-2",), repointable=True)
    run = make_run(1, 2, 3, pointers=(fixed, loose))
    assert steps(plan(run, "latest(1)", now=now).kept) == [1, 2, 3]
    repointed = plan(run, "latest(1)", now=now, repoint=True)
    assert steps(repointed.kept) == [1, 3]
    assert repointed["checkpoint-1"].guards == ("named by best",)


def test_repointing_a_live_run_is_refused_s11(make_run, make_checkpoint, now):
    with pytest.raises(RefusedError, match="live"):
        plan(make_run(1, make_checkpoint(2, touched=now)), "latest(1)", now=now, repoint=True)


def test_a_pin_and_a_lease_keep_and_name_their_owner_s12(make_run, now):
    holds = [
        Hold(name="checkpoint-1", kind="pin", owner="ada", reason="paper, table 2"),
        Hold(name="checkpoint-2", kind="lease", owner="eval-7", until=now + timedelta(hours=1)),
        Hold(name="checkpoint-3", kind="lease", owner="gone", until=now - timedelta(hours=1)),
    ]
    made = plan(make_run(1, 2, 3, 4), "latest(1)", now=now, holds=holds)
    assert made["checkpoint-1"].guards == ("pinned by ada: paper, table 2",)
    assert made["checkpoint-2"].guards == ("leased by eval-7 until 2026-06-01 13:00 UTC",)
    assert steps(made.dropped) == [3]


def test_the_frameworks_own_pin_is_honoured_s12(make_run, make_checkpoint, now):
    made = plan(make_run(make_checkpoint(1, pinned="pinned by its file PINNED"), 2), "latest(1)", now=now)
    assert made["checkpoint-1"].guards == ("pinned by its file PINNED",)


def test_a_young_one_stays_where_saves_are_not_atomic_s2(make_run, make_checkpoint, now):
    young = make_checkpoint(1, touched=now - timedelta(minutes=3))
    assert steps(plan(make_run(young, 2, atomic=False), "latest(1)", now=now).kept) == [1, 2]
    assert steps(plan(make_run(young, 2, atomic=True), "latest(1)", now=now).kept) == [2]
    asked = plan(make_run(young, 2, atomic=False), "latest(1)", now=now, min_age=timedelta(minutes=1))
    assert steps(asked.kept) == [2]


def test_what_a_kept_one_links_to_stays_through_any_number_of_links_s19(make_run, make_checkpoint, now):
    run = make_run(1, make_checkpoint(2, refs=("checkpoint-1",)), make_checkpoint(3, refs=("checkpoint-2",)), 4)
    holds = [Hold(name="checkpoint-3", kind="pin", owner="ada")]
    assert steps(plan(run, "latest(1)", now=now, holds=holds).kept) == [1, 2, 3, 4]
    assert steps(plan(run, "latest(1)", now=now).kept) == [4]


def test_what_one_set_aside_links_to_stays_s19(make_run, make_checkpoint, now):
    broken = make_checkpoint(2, status=Status.UNKNOWN, why="legacy", refs=("checkpoint-1",))
    assert steps(plan(make_run(1, broken, 3), "latest(1)", now=now).kept) == [1, 3]


@pytest.mark.parametrize("policy", ["latest(0)", "at()", "every(steps=0)", "best(0, 'loss', mode='min')"])
def test_a_policy_that_can_keep_nothing_is_refused_s3(policy, make_run, now):
    with pytest.raises(UsageError):
        plan(make_run(1, 2), policy, now=now)


@pytest.mark.parametrize(
    "policy", ["", "lastest(3)", "within('7dd')", "latest(-1)", "best(2, 'loss', mode='mni')", "3"]
)
def test_a_typo_is_an_error_and_no_plan_s3(policy, make_run, now):
    with pytest.raises((PolicySyntaxError, PolicyError)):
        plan(make_run(1, 2), policy, now=now)


def test_a_metric_that_no_checkpoint_has_is_an_error_that_lists_those_there_are_s3(make_run, make_checkpoint, now):
    run = make_run(make_checkpoint(1, metrics={"eval/loss": 1.0}), make_checkpoint(2, metrics={"eval/loss": 2.0}))
    with pytest.raises(MetricError, match="eval/loss"):
        plan(run, "best(1, 'eval/los', mode='min')", now=now)


def test_a_class_or_a_number_is_no_policy_s3(make_run, now):
    with pytest.raises(UsageError, match="no policy"):
        plan(make_run(1), 3, now=now)


def test_a_time_without_zone_is_refused(make_run):
    with pytest.raises(UsageError, match="time zone"):
        plan(make_run(1), "latest(1)", now=datetime(2026, 1, 1))


@pytest.mark.parametrize(("policy", "told"), [("at(77)", True), ("every(steps=1000)", True), ("at(2)", False)])
def test_a_policy_that_keeps_nothing_of_this_run_is_told_s3(policy, told, make_run, now):
    made = plan(make_run(1, 2, 3), policy, now=now)
    assert any("keeps none of these" in note for note in made.notes) is told


@pytest.mark.parametrize(("limit", "over"), [(0.5, True), (0.8, False), (2, True), (3, False), (0, True), (1.0, False)])
def test_a_plan_over_its_drop_limit_carries_a_refusal_s17(limit, over, make_run, now):
    made = plan(make_run(1, 2, 3, 4), "latest(1)", now=now, drop_limit=limit)
    assert bool(made.refusal) is over


@pytest.mark.parametrize(("limit", "count"), [(10**400, 2), (0.29, 100), (0.07, 100), (0.57, 100)])
def test_a_drop_limit_is_exact_and_may_be_large_s17(limit, count, make_run, now):
    share = round(limit * count) if limit < 1 else 1
    made = plan(make_run(*range(1, count + 1)), f"latest({count - share})", now=now, drop_limit=limit)
    assert (len(made.dropped), made.refusal) == (share, "")


@pytest.mark.parametrize("limit", [-1, 1.5, float("nan"), float("inf"), True])
def test_a_drop_limit_that_makes_no_sense_is_refused_s17(limit, make_run, now):
    with pytest.raises(UsageError, match="drop_limit"):
        plan(make_run(1), "latest(1)", now=now, drop_limit=limit)


def test_bytes_are_added_up_and_shared_ones_told_apart(make_run, make_checkpoint, now):
    made = plan(make_run(1, make_checkpoint(2, shared=30), 3), "latest(1)", now=now)
    assert (made.bytes_kept, made.bytes_to_free, made.bytes_shared) == (100, 200, 30)


def test_decisions_come_newest_first_with_those_set_aside_in_their_place(make_run, make_checkpoint, now):
    partial = make_checkpoint(2, status=Status.PARTIAL)
    lost = make_checkpoint(None)
    assert names(plan(make_run(1, partial, 3, lost), "latest(5)", now=now).decisions) == [
        "checkpoint-3", "checkpoint-2", "checkpoint-1", "checkpoint-None",
    ]  # fmt: skip


def test_the_trainers_own_limit_is_said(make_run, now):
    made = plan(make_run(1, limits=("save_total_limit=3",)), "latest(1)", now=now)
    assert "save_total_limit=3" in made.notes[0]


@given(
    order=st.permutations(range(8)),
    policy=st.sampled_from(["latest(3)", "every(steps=2)", "best(2, 'loss', mode='min')"]),
)
def test_the_order_of_the_input_changes_nothing_s5(make_run, make_checkpoint, now, order, policy):
    checkpoints = [make_checkpoint(i, metrics={"loss": float(i % 3)}) for i in range(8)]
    shuffled = make_run(*(checkpoints[i] for i in order))
    assert plan(make_run(*checkpoints), policy, now=now).to_json() == plan(shuffled, policy, now=now).to_json()


@given(
    present=st.sets(st.integers(0, 60), min_size=1),
    policy=st.sampled_from(["latest(3)", "closest(steps=7)", "log_spaced(2)"]),
)
def test_planning_again_after_the_prune_drops_nothing_more_s5(make_run, now, present, policy):
    first = plan(make_run(*present), policy, now=now)
    again = plan(make_run(*steps(first.kept)), policy, now=now)
    assert again.dropped == ()


@given(
    present=st.sets(st.integers(0, 60), min_size=1),
    one=st.sampled_from(["latest(2)", "every(steps=7)", "closest(steps=9)"]),
    other=st.sampled_from(["latest(5)", "at(3, 9)", "within('10m')"]),
)
def test_another_rule_never_drops_more_s6(make_run, now, present, one, other):
    run = make_run(*present)
    alone, both = plan(run, one, now=now), plan(run, f"{one} | {other}", now=now)
    assert set(names(alone.kept)) <= set(names(both.kept))


@given(present=st.sets(st.integers(0, 60), min_size=1), pinned=st.integers(0, 60))
def test_a_pin_never_drops_more_s6(make_run, now, present, pinned):
    run, hold = make_run(*present), Hold(name=f"checkpoint-{pinned}", kind="pin", owner="a")
    alone, held = (plan(run, "latest(2)", now=now, holds=h) for h in ((), (hold,)))
    assert set(names(alone.kept)) <= set(names(held.kept))


def test_a_plan_is_the_same_in_another_process_locale_zone_and_hash_seed_s5(tmp_path):
    code = (
        "from datetime import datetime, UTC\n"
        "from holdfast.checkpoint import *\n"
        "from holdfast.plan import plan\n"
        "cs = tuple(Checkpoint(name=f'c-{i}', step=i, status=Status.COMPLETE, metrics={'b': 1.5, 'a': 2}) for i in range(9))\n"
        "run = Run(root='/r', layout='x', template='c-{step}', checkpoints=cs)\n"
        'print(plan(run, \'latest(2) | best(1, "a", mode="min")\', now=datetime(2026, 1, 1, tzinfo=UTC)).to_json())\n'
    )
    seen = set()
    for seed, zone, locale in (("0", "UTC", "C"), ("7", "Asia/Tokyo", "C.UTF-8")):
        env = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}
        seen.add(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
    assert len(seen) == 1


def test_a_plan_survives_json_with_all_that_it_holds(make_run, make_checkpoint, now):
    odd = make_checkpoint(
        5, name="check\udcff\n5", metrics={"loss": float("nan"), "eval": {"acc": float("inf"), "t": "x"}}
    )
    run = make_run(
        1, 2, odd, make_checkpoint(None, status=Status.UNKNOWN),
        foreign=(Foreign(path="notes.txt", why="not recognised"),),
        pointers=(Pointer(path="latest", names=("checkpoint-2",), repointable=True),), limits=("keep=1",),
    )  # fmt: skip
    made = plan(run, "latest(1)", now=now, drop_limit=1)
    again = Plan.from_json(made.to_json())
    assert again.to_json() == made.to_json()
    assert again.id == made.id
    json.loads(made.to_json(), parse_constant=pytest.fail)


def test_a_changed_plan_is_no_plan(make_run, now):
    text = plan(make_run(1, 2), "latest(1)", now=now).to_json()
    with pytest.raises(FormatError, match="changed"):
        Plan.from_json(text.replace('"drop"', '"keep"'))
    with pytest.raises(FormatError, match="too large"):
        Plan.from_json(text.replace('"metrics": {}', f'"metrics": {{"a": 1{"0" * 400}}}'))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "holdfast.plan/1"}', "[" * 100_000, '{"schema": "holdfast.plan/2"}']
)
def test_what_is_no_plan_is_said_to_be_none(text):
    with pytest.raises(FormatError, match="--out"):
        Plan.from_json(text)
