"""Every verdict has its reasons: ordinal and cut-off for what is kept, the nearest miss for what is not."""

import datetime as dt
import warnings

import pytest

from holdfast.history import History
from holdfast.policies import best, judge, parse, where
from holdfast.preservation_policies import BestN, PreservationContext


@pytest.fixture
def reasons(checkpoints, start):
    """By step: the reasons, under a policy given as text."""

    def ask(policy, steps=range(0, 60, 10), now=start + dt.timedelta(minutes=9), **columns):
        run = checkpoints(list(steps), **columns)
        policy = parse(policy) if isinstance(policy, str) else policy
        verdicts = judge(policy, History.of(run), PreservationContext(now=now))
        assert policy.should_preserve(run, context=PreservationContext(now=now)) == verdicts.kept.tolist()
        return {c.step: verdicts.reasons(i) for i, c in enumerate(run)}

    return ask


LOSSES = [2.5, 2.31, 2.41, 2.37, None, 2.6]


@pytest.mark.parametrize(
    ("policy", "step", "told"),
    [
        ("latest(3)", 50, "latest: 1st of 3"),
        ("latest(3)", 40, "latest: 2nd of 3"),
        ("latest(3)", 20, "latest: 4th newest; 3 are kept"),
        ("latest(1)", 20, "latest: 4th newest; 1 is kept"),
        ("latest()", 20, "latest: all are kept"),
        ("everything()", 20, "everything is kept"),
        ("every(steps=20)", 40, "every 20 steps"),
        ("every(steps=20)", 30, "every 20 steps: 30 lies between 20 and 40"),
        ("every(steps=20, keep=2)", 40, "every 20 steps: 1st of 2"),
        ("every(steps=20, keep=2)", 0, "every 20 steps: 3rd newest; 2 are kept"),
        ("spaced(steps=25)", 0, "spaced by 25 steps: the first"),
        ("spaced(steps=25)", 30, "spaced by 25 steps: 30 steps after step 0"),
        ("spaced(steps=25)", 50, "spaced by 25 steps: only 20 steps after step 30"),
        ("spaced(steps=20, keep=1)", 20, "spaced by 20 steps: 20 steps after step 0; 2nd newest, 1 is kept"),
        ("spaced(minutes=2)", 10, "spaced by 2m: only 1m after step 0"),
        ("closest(steps=25)", 20, "closest to 25: 5 away; step 30 is 5 away and later"),
        ("closest(steps=30)", 40, "closest to 30: 10 away; step 30 is exactly there"),
        ("closest(steps=25)", 50, "closest to 50: exactly there"),
        ("closest(steps=100)", 50, "closest: the last is always kept"),
        ("closest(steps=10, keep=2)", 10, "closest to 10: exactly there, but not among the last 2"),
        ("at(10, 30)", 10, "at 10"),
        ("at(10, 31)", 30, "at: 30 is not listed; 31 is"),
        ("at()", 30, "at: no step is listed"),
        ('best(3, "loss", mode="min")', 10, "best by loss: 1st of 5, 2.31; cut-off 2.41"),
        ('best(3, "loss", mode="min")', 0, "best by loss: 4th of 5, 2.5; the 3rd has 2.41"),
        ('best(1, "loss", mode="max")', 50, "best by loss: 1st of 5, 2.6; cut-off 2.6"),
        ('best(3, "loss", mode="min")', 40, "best by loss: has no such metric; kept all the same"),
        (
            'best(3, "loss", mode="min", unmeasured="drop")',
            40,
            'best by loss: has no such metric, and unmeasured="drop"',
        ),
        ('best(9, "loss", mode="min")', 50, "best by loss: 5th of 5, 2.6"),
        ('best(None, "loss", mode="min")', 50, "best by loss: all are kept"),
        ('best(0, "loss", mode="min")', 50, "best by loss: none is kept"),
        ("daily(7)", 50, "daily: newest of 2026-05-01, 1st of 7"),
        ("daily(7)", 40, "daily: step 50 is newer in 2026-05-01"),
        ('hourly(7, tz="Europe/Berlin")', 50, "hourly: newest of 2026-05-01 02:00 Europe/Berlin, 1st of 7"),
        ("within(minutes=2)", 50, "within 2m of the newest: the newest"),
        ("within(minutes=2)", 30, "within 2m of the newest: 2m before it"),
        ("within(minutes=2)", 10, "within 2m of the newest: 4m before it, 2m too old"),
        ('latest_duration("7m")', 50, "latest duration 7m: 4m old"),
        ('latest_duration("7m")', 10, "latest duration 7m: 8m old, 1m too old"),
        ("log_spaced(2)", 30, "log-spaced: nearest to 32"),
        ("log_spaced(2)", 40, "log-spaced: step 30 is nearer to 32"),
        ("before(step=20)", 10, "before step 20"),
        ("before(step=20)", 20, "not before step 20"),
        ("after(step=20)", 20, "not after step 20"),
        ('has("loss")', 40, "has no loss"),
        ('has("loss")', 50, "has loss"),
        ("~at(10)", 20, "not at(10): at: 20 is not listed; 10 is"),
        ("~at(10)", 10, "excluded by ~at(10): at 10"),
        ("after(step=5) & before(step=20)", 10, "after step 5 and before step 20"),
        ("after(step=5) & before(step=20)", 30, "not before step 20"),
        ("every(steps=20) & latest(2)", 20, "latest: 2nd of 2, among every(steps=20)"),
        ("every(steps=20) & latest(2)", 0, "latest: 3rd newest; 2 are kept, among every(steps=20)"),
        ("every(steps=20) & latest(2)", 30, "every 20 steps: 30 lies between 20 and 40"),
    ],
)
def test_a_verdict_reads(policy, step, told, reasons):
    assert (told,) == reasons(policy, losses=LOSSES)[step]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (0, "latest 100 B: 3rd newest; with it 160 B, and only 2 fit"),
        (10, "latest 100 B: 2nd newest; with those after it 90 B"),
        (20, "latest 100 B: 1st newest; with those after it 30 B"),
    ],
)
def test_a_verdict_by_size_reads(step, told, reasons):
    assert (told,) == reasons("latest(bytes=100)", steps=(0, 10, 20), sizes=[70, 60, 30])[step]


def test_the_newest_is_kept_though_it_does_not_fit(reasons):
    told = reasons("latest(bytes=1)", steps=(0,), sizes=[2048])[0]
    assert ("latest 1 B: the newest is kept, though it has 2.0 KiB",) == told


def test_a_union_gives_every_reason_to_keep_and_every_near_miss(reasons):
    told = reasons('latest(1) | every(steps=20) | best(1, "loss", mode="min")', losses=LOSSES)
    assert ("every 20 steps", "best by loss: has no such metric; kept all the same") == told[40]
    assert (
        "latest: 3rd newest; 1 is kept",
        "every 20 steps: 30 lies between 20 and 40",
        "best by loss: 2nd of 5, 2.37; the 1st has 2.31",
    ) == told[30]


def test_nan_is_told(reasons):
    nan = float("nan")
    told = reasons('best(2, "loss", mode="min")', steps=(0, 1, 2, 3), losses=[nan, 1.0, nan, nan])
    assert ("best by loss: 2nd of 4, NaN; nothing better is left",) == told[3]
    assert ("best by loss: 3rd of 4, NaN; the 2nd has NaN",) == told[2]


def test_a_metric_that_cannot_be_read_is_told_without_a_warning(checkpoints):
    run = checkpoints([0, 1, 2], losses=[1, 2, 3])
    run[1].metrics = {}

    def loss(metrics):
        return metrics["loss"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = judge(BestN(get_metric_fn=loss, n=1), History.of(run), PreservationContext()).reasons(1)
    assert ("best by loss: loss raised KeyError: 'loss'; kept, as nobody can tell",) == told


def test_an_unknown_time_is_told(checkpoints):
    run = checkpoints([0, 1, 2])
    run[1].time = None
    for text in ("daily(1)", "within(days=1)", "spaced(hours=1)", 'latest_duration("1h")'):
        told = judge(parse(text), History.of(run), PreservationContext()).reasons(1)[0]
        assert told.endswith("its time is not known")


def test_a_user_s_own_class_can_only_say_that_it_does(checkpoints):
    class Mine:
        def should_preserve(self, checkpoints, *, context):
            return [True, False]

    verdicts = judge(Mine(), History.of(checkpoints([1, 2])), PreservationContext())
    assert ("Mine: keeps it",) == verdicts.reasons(0)
    assert ("Mine: does not keep it",) == verdicts.reasons(1)


def test_where_tells_its_function_s_name(reasons):
    def early(checkpoint):
        return checkpoint.step < 20

    told = reasons(where(early))
    assert ("where early",) == told[10]
    assert ("not where early",) == told[20]


def test_a_callable_metric_tells_its_name(reasons):
    def accuracy(metrics):
        return metrics["loss"]

    assert "best by accuracy: 1st of" in reasons(best(1, accuracy, mode="max"), losses=LOSSES)[50][0]


def test_an_empty_history_has_no_verdicts():
    for text in ("latest(3)", "latest(1) | at(2)", "at(1) & latest(2)", "~at(1)"):
        verdicts = judge(parse(text), History.of([]), PreservationContext())
        assert 0 == len(verdicts.kept)


def test_a_long_history_is_judged_in_one_go(checkpoints):
    """Ranks are worked out once: ranking anew for each would run into the timeout of all tests."""
    n = 20_000
    run = checkpoints(range(n), losses=[float(i * 7919 % 10_007) for i in range(n)])
    policy = parse('latest(3) | best(2, "loss", mode="min") | daily(7) | closest(steps=500) | spaced(steps=700)')
    verdicts = judge(policy, History.of(run), PreservationContext())
    assert all(verdicts.reasons(i) for i in range(n))
