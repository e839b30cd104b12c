"""Rules of time: the newest of each hour to year, those near the newest, those near the clock."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import zoneinfo
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.history import EPOCH, MICROSECOND, UNKNOWN
from holdfast.policies.base import Facts, Needs, Rule, microseconds_of, now_of, put, whole
from holdfast.policies.text import are, quote
from holdfast.units import format_duration, ordinal, parse_duration, rough_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from holdfast.history import Column, History, Mask
    from holdfast.policies.base import Teller

_SECOND: Final = 10**6
_HOUR: Final = 3_600 * _SECOND
_DAY: Final = 24 * _HOUR
_EARLIEST: Final = UNKNOWN + 1


# Calendar periods ------------------------------------------------------------------------------------------------


def _hours(times: Column, offsets: Column) -> Column:
    return (times + offsets) // _HOUR * _HOUR - offsets


def _days(times: Column, offsets: Column) -> Column:
    return (times + offsets) // _DAY


def _weeks(times: Column, offsets: Column) -> Column:
    return (_days(times, offsets) + 3) // 7  # day 0 was a Thursday; ISO weeks begin on Monday


def _months(times: Column, offsets: Column) -> Column:
    return _days(times, offsets).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _years(times: Column, offsets: Column) -> Column:
    return _days(times, offsets).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)


_PERIODS: Final[dict[str, tuple[str, Callable[[Column, Column], Column], str]]] = {
    "hour": ("hourly", _hours, "%Y-%m-%d %H:00"),
    "day": ("daily", _days, "%Y-%m-%d"),
    "week": ("weekly", _weeks, "%G-W%V"),
    "month": ("monthly", _months, "%Y-%m"),
    "year": ("yearly", _years, "%Y"),
}
"""By period: its word, the number of the period that a time lies in, how the period is called."""


@final
@dataclasses.dataclass(frozen=True)
class CalendarN(Rule):
    """Which stay? The newest in each of the newest ``n`` periods that have one.

    ``period``: hour, day, week (ISO), month, year, of the calendar in the zone ``tz``: a day is a day there, also
    one of 23 or 25 hours. One of unknown time stays and does not count. Several such rules are united, none uses up
    what another keeps. Written ``daily(7)``, ``hourly(24, tz="Europe/Berlin")``.
    """

    period: str
    n: int
    tz: str = "UTC"

    def __post_init__(self) -> None:
        if self.period not in _PERIODS:
            raise PolicyError(f"period={self.period!r}: give one of {', '.join(_PERIODS)}")
        put(self, n=whole(self.n, f"{self._word}: n", f"write {self._word}(7)", least=1))
        _zone(self.tz)

    def _facts(self) -> Facts:
        return Facts(needs=Needs.TIMES)

    @property
    def _word(self) -> str:
        return _PERIODS[self.period][0]

    def _periods(self, history: History) -> tuple[npt.NDArray[np.intp], Column]:
        """The newest of each period, newest period first; and the period of each (0 where the time is unknown)."""
        times = history.times
        known = np.flatnonzero(times != UNKNOWN)
        periods = np.zeros(len(times), dtype=np.int64)
        if not len(known):
            return known, periods
        if history.naive:
            raise PolicyError(
                f"{self}: the time of step {history.steps[known[0]]} has no zone; give all times with one"
            )
        periods[known] = _PERIODS[self.period][1](times[known], _offsets(times[known], self.tz))
        order = known[np.lexsort((known, times[known], periods[known]))][::-1]
        first = np.concatenate(([True], periods[order[1:]] != periods[order[:-1]]))
        return order[first], periods

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        newest, _ = self._periods(history)
        kept: Mask = history.times == UNKNOWN
        kept[newest[: self.n]] = True
        return kept

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        newest, periods = self._periods(history)
        ranks = {int(periods[i]): (rank, int(i)) for rank, i in enumerate(newest)}

        def tell(i: int) -> tuple[str]:
            if history.times[i] == UNKNOWN:
                return (f"{self._word}: its time is not known",)
            rank, winner = ranks[int(periods[i])]
            called = self._called(int(history.times[i]))
            if winner != i:
                return (f"{self._word}: step {history.steps[winner]} is newer in {called}",)
            if kept[i]:
                return (f"{self._word}: newest of {called}, {ordinal(rank + 1)} of {self.n}",)
            return (
                f"{self._word}: newest of {called}, the {ordinal(rank + 1)} newest {self.period}; {are(self.n)} kept",
            )

        return tell

    def _called(self, microseconds: int) -> str:
        moment = EPOCH + microseconds * MICROSECOND
        name = moment.astimezone(_zone(self.tz)).strftime(_PERIODS[self.period][2])
        return name if self.tz == "UTC" else f"{name} {self.tz}"

    def _spelled(self) -> str:
        zone = "" if self.tz == "UTC" else f", tz={quote(self.tz)}"
        return f"{self._word}({self.n}{zone})"


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> datetime.tzinfo:
    if name == "UTC":
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError, AttributeError):
        raise PolicyError(
            f"tz={name!r} is no time zone known here: give a name as 'Europe/Berlin' or 'UTC'"
            " (where the system has none: pip install tzdata)"
        ) from None


def _offsets(times: Column, tz: str) -> Column:
    """How far ahead of UTC is the zone at each time? Asked once per day, except on days when it changes."""
    if tz == "UTC":
        return np.zeros_like(times)
    zone = _zone(tz)
    days, inverse = np.unique(times // _DAY, return_inverse=True)
    begin = np.array([_offset(int(day) * _DAY, zone) for day in days], dtype=np.int64)
    end = np.array([_offset((int(day) + 1) * _DAY - 1, zone) for day in days], dtype=np.int64)
    offsets = begin[inverse]
    for i in np.flatnonzero((begin != end)[inverse]):
        offsets[i] = _offset(int(times[i]), zone)
    return offsets


def _offset(microseconds: int, zone: datetime.tzinfo) -> int:
    offset = (EPOCH + microseconds * MICROSECOND).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // MICROSECOND


def hourly(n: int, *, tz: str = "UTC") -> CalendarN:
    """Which stay? The newest in each of the newest ``n`` hours that have one."""
    return CalendarN("hour", n, tz)


def daily(n: int, *, tz: str = "UTC") -> CalendarN:
    """Which stay? The newest on each of the newest ``n`` days that have one."""
    return CalendarN("day", n, tz)


def weekly(n: int, *, tz: str = "UTC") -> CalendarN:
    """Which stay? The newest in each of the newest ``n`` ISO weeks that have one."""
    return CalendarN("week", n, tz)


def monthly(n: int, *, tz: str = "UTC") -> CalendarN:
    """Which stay? The newest in each of the newest ``n`` months that have one."""
    return CalendarN("month", n, tz)


def yearly(n: int, *, tz: str = "UTC") -> CalendarN:
    """Which stay? The newest in each of the newest ``n`` years that have one."""
    return CalendarN("year", n, tz)


# Durations -------------------------------------------------------------------------------------------------------


def _checked(duration: Any, what: str) -> datetime.timedelta:  # noqa: ANN401 - whatever was given
    instead = "give a timedelta of zero or more, as timedelta(days=7)"
    if not isinstance(duration, datetime.timedelta):
        raise PolicyTypeError(f"{what}={duration!r}: {instead}")
    if duration < datetime.timedelta(0):
        raise PolicyError(f"{what}={duration!r}: {instead}")
    return duration


def _since(moment: int, duration: datetime.timedelta) -> int:
    return max(moment - duration // MICROSECOND, _EARLIEST)


def _show(microseconds: int) -> str:
    return rough_duration(microseconds * MICROSECOND)


@final
@dataclasses.dataclass(frozen=True)
class Within(Rule):
    """Which stay? Those at most ``duration`` older than the newest of them all.

    Counts from the newest, not from the clock: a stalled trainer loses nothing, and the moment of pruning does not
    matter. One of unknown time stays. Written ``within("7d")`` or ``within(days=7)``.
    """

    duration: datetime.timedelta

    def __post_init__(self) -> None:
        _checked(self.duration, "within: duration")

    def _facts(self) -> Facts:
        return Facts(needs=Needs.TIMES)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        times = history.times
        kept: Mask = (times == UNKNOWN) | (times >= _since(int(times.max()), self.duration))
        return kept

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        times, label = history.times, f"within {format_duration(self.duration)} of the newest"
        newest = int(times.max())

        def tell(i: int) -> tuple[str]:
            if times[i] == UNKNOWN:
                return (f"{label}: its time is not known",)
            age = newest - int(times[i])
            if kept[i]:
                return (f"{label}: {_show(age)} before it" if age else f"{label}: the newest",)
            return (f"{label}: {_show(age)} before it, {_show(age - self.duration // MICROSECOND)} too old",)

        return tell

    def _spelled(self) -> str:
        return f'within("{format_duration(self.duration)}")'


@final
@dataclasses.dataclass(frozen=True)
class LatestDuration(Rule):
    """Which stay? The first, in order, that is at most ``duration`` older than now, and all after it.

    Counts from the clock: after a long pause it preserves nothing, and what it keeps depends on when one asks.
    ``Within`` counts from the newest. One of unknown time stays. Written ``latest_duration("7d")``.
    """

    duration: datetime.timedelta

    def __post_init__(self) -> None:
        _checked(self.duration, "duration")

    def _facts(self) -> Facts:
        return Facts(needs=Needs.TIMES, path_independent=False, clocked=True)

    def _mask(self, history: History, context: object) -> Mask:
        times = history.times
        since = _since(microseconds_of(now_of(context), history, self), self.duration)
        kept: Mask = times == UNKNOWN
        fresh = times >= since
        if fresh.any():
            kept[int(fresh.argmax()) :] = True
        return kept

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:
        times, label = history.times, f"latest duration {format_duration(self.duration)}"
        now = microseconds_of(now_of(context), history, self)

        def tell(i: int) -> tuple[str]:
            if times[i] == UNKNOWN:
                return (f"{label}: its time is not known",)
            age = now - int(times[i])
            over = age - self.duration // MICROSECOND
            old = f"{_show(age)} old" if age >= 0 else f"dated {_show(-age)} ahead"
            if over <= 0:
                return (f"{label}: {old}",)
            return (
                f"{label}: {old}, but after one that is young enough"
                if kept[i]
                else f"{label}: {old}, {_show(over)} too old",
            )

        return tell

    def _spelled(self) -> str:
        return f'latest_duration("{format_duration(self.duration)}")'


def within(duration: str | datetime.timedelta | None = None, **units: float) -> Within:
    """Which stay? Those at most so much older than the newest: ``within("7d")``, ``within(days=7)``."""
    return Within(_duration("within", duration, units))


def latest_duration(duration: str | datetime.timedelta | None = None, **units: float) -> LatestDuration:
    """Which stay? Those saved in the last ``"7d"`` by the clock, and all after them in order."""
    return LatestDuration(_duration("latest_duration", duration, units))


_UNITS: Final = ("weeks", "days", "hours", "minutes", "seconds")


def _duration(word: str, duration: str | datetime.timedelta | None, units: dict[str, float]) -> datetime.timedelta:
    if (duration is None) is (not units):
        raise PolicyError(f'{word}(): give one duration, as {word}("7d") or {word}(days=7, hours=12)')
    return from_units(word, units) if duration is None else parse_duration(duration)


def from_units(word: str, units: dict[str, float]) -> datetime.timedelta:
    """How long are so many ``weeks``, ``days``, ``hours``, ``minutes``, ``seconds``?"""
    for unit, count in units.items():
        if unit not in _UNITS:
            raise PolicyError(f"{word}() has no {unit!r}: its units are {', '.join(_UNITS)}")
        if isinstance(count, bool) or not isinstance(count, int | float) or not 0 <= count < float("inf"):
            raise PolicyError(f"{word}({unit}={count!r}): give a number of {unit} of zero or more")
    try:
        return datetime.timedelta(**units)
    except OverflowError:
        raise PolicyError(f"{word}(): that is longer than any duration; the longest is 999999999 days") from None
