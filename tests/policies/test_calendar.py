"""Rules of time: calendar periods in zones whose clocks change, and those that count from the newest."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.policies import CalendarN, Within, daily, hourly, monthly, weekly, within, yearly
from holdfast.preservation_policies import PreservationContext

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.fixture
def at_times(info, kept):
    """The places that a policy keeps of checkpoints saved at these times (UTC, ``05-01 12:00`` of 2026)."""

    def run(policy, *texts):
        times = [dt.datetime.fromisoformat(f"2026-{text}+00:00") for text in texts]
        return kept(policy, [info(i, time) for i, time in enumerate(times)])

    return run


def test_daily_keeps_the_newest_of_each_of_the_newest_days_that_have_one(at_times):
    times = "05-01 10:00", "05-01 23:59", "05-02 00:00", "05-04 05:00", "05-04 06:00"
    assert [1, 2, 4] == at_times(daily(7), *times)
    assert [2, 4] == at_times(daily(2), *times), "days without a checkpoint do not count"
    assert [4] == at_times(daily(1), *times)


def test_hourly_weekly_monthly_yearly(at_times):
    assert [1, 2] == at_times(hourly(9), "05-01 10:00", "05-01 10:59", "05-01 11:00")
    assert [0, 2] == at_times(weekly(9), "05-03 23:00", "05-04 00:00", "05-10 23:59")  # 2026-05-04 is a Monday
    assert [1, 2] == at_times(monthly(9), "05-01 10:00", "05-31 23:59", "06-01 00:00")
    assert [1] == at_times(yearly(9), "05-01 10:00", "12-31 23:59")


def test_iso_weeks_cross_the_year(info, kept):
    times = [
        dt.datetime(2026, 12, 31, tzinfo=dt.UTC),
        dt.datetime(2027, 1, 3, tzinfo=dt.UTC),
        dt.datetime(2027, 1, 4, tzinfo=dt.UTC),
    ]
    assert [1, 2] == kept(weekly(9), [info(i, t) for i, t in enumerate(times)])


def test_a_day_is_a_day_of_the_zone(at_times):
    times = "05-01 21:00", "05-01 22:30", "05-02 21:30"
    assert [1, 2] == at_times(daily(9), *times)
    assert [0, 2] == at_times(daily(9, tz="Europe/Berlin"), *times), "22:30 UTC is the next day in Berlin"


def test_the_day_on_which_clocks_change_is_one_day(at_times):
    times = "03-28 23:00", "03-29 00:30", "03-29 21:59", "03-29 22:00", "10-24 22:00", "10-25 22:59", "10-25 23:00"
    assert [2, 3, 5, 6] == at_times(daily(9, tz="Europe/Berlin"), *times)


def test_the_hour_that_comes_twice_is_two_hours(at_times):
    times = "10-25 00:10", "10-25 00:50", "10-25 01:10", "10-25 01:50"  # 02:10 to 02:50 in Berlin, twice
    assert [1, 3] == at_times(hourly(9, tz="Europe/Berlin"), *times)


def test_zones_of_half_an_hour_have_their_own_hours(at_times):
    assert [0, 1] == at_times(hourly(9, tz="Asia/Kolkata"), "05-01 10:20", "05-01 10:40")


def test_order_does_not_decide_what_is_newest_but_breaks_ties(info, kept, start):
    early, late = start, start + dt.timedelta(hours=3)
    assert [1] == kept(daily(1), [info(1, late), info(2, early)])
    assert [2] == kept(daily(1), [info(1, late), info(2, late)])


@settings(max_examples=150, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 400 * 24 * 60), max_size=12),
    n=st.integers(1, 5),
    tz=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"]),
)
def test_periods_are_those_of_the_calendar(minutes, n, tz, info):
    """The columns against the calendar of the standard library."""
    zone = zoneinfo.ZoneInfo(tz)
    run = [info(i, dt.datetime(2025, 12, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=m)) for i, m in enumerate(minutes)]
    keys = {
        "hour": lambda t: (t.replace(minute=0, fold=0, tzinfo=None) - t.utcoffset(), t.utcoffset()),
        "day": lambda t: t.date(),
        "week": lambda t: t.isocalendar()[:2],
        "month": lambda t: (t.year, t.month),
        "year": lambda t: t.year,
    }
    for period, key in keys.items():
        newest = {}
        for c in sorted(run, key=lambda c: (c.time, c.step)):
            newest[key(c.time.astimezone(zone))] = c.step
        expected = {newest[k] for k in sorted(newest)[-n:]}
        flags = CalendarN(period, n, tz).should_preserve(run, context=PreservationContext())
        assert expected == {c.step for c, flag in zip(run, flags, strict=True) if flag}


def test_times_without_a_zone_have_no_calendar(info, kept):
    with pytest.raises(PolicyError, match="step 7 has no zone"):
        kept(daily(1), [info(7, dt.datetime(2026, 5, 1))])


@pytest.mark.parametrize(
    "given",
    [
        {"period": "fortnight", "n": 1},
        {"period": "day", "n": 0},
        {"period": "day", "n": -1},
        {"period": "day", "n": 1, "tz": "Nowhere"},
        {"period": "day", "n": 1, "tz": ""},
        {"period": "day", "n": 1, "tz": None},
        {"period": "day", "n": 1, "tz": "../etc"},
    ],
)
def test_what_is_no_calendar_rule_is_refused(given):
    with pytest.raises(PolicyError):
        CalendarN(**given)


def test_one_of_unknown_time_is_kept_and_counts_for_nothing(info, kept, start):
    run = [info(1, start), info(2, None), info(3, start + dt.timedelta(days=1))]
    assert [2, 3] == kept(daily(1), run)
    assert [2, 3] == kept(within("1h"), run)


def test_within_counts_from_the_newest_not_from_the_clock(checkpoints, kept, start):
    run = checkpoints(range(5))
    for now in (start, start + dt.timedelta(days=3650)):
        assert [2, 3, 4] == kept(within("2m"), run, now=now)
    assert [4] == kept(within("0s"), run)
    assert [0, 1, 2, 3, 4] == kept(Within(dt.timedelta.max), run)


def test_within_takes_the_newest_by_time_in_any_order(checkpoints, kept):
    assert [1, 3] == kept(within("2m"), checkpoints([1, 2, 3], minutes=[9, 1, 10]))


@pytest.mark.parametrize("duration", [dt.timedelta(-1), "7d", 7])
def test_within_refuses_what_is_no_duration(duration):
    with pytest.raises(PolicyError):
        Within(duration)


@pytest.mark.parametrize(
    "units", [{"days": -1}, {"days": True}, {"days": "7"}, {"days": float("nan")}, {"days": 1e12}, {"fortnights": 1}]
)
def test_units_of_time_are_checked(units):
    with pytest.raises(PolicyError):
        within(**units)
    with pytest.raises(PolicyTypeError):
        within(7)
