"""Rules that space: every so many steps, at least so far apart, nearest to a grid, denser early than late."""

from __future__ import annotations

import dataclasses
import datetime
import math
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.history import MICROSECOND, UNKNOWN
from holdfast.policies.base import Facts, Needs, Rule, put, whole
from holdfast.policies.calendar import from_units
from holdfast.policies.text import are
from holdfast.units import ordinal, rough_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from holdfast.history import Column, History, Mask
    from holdfast.policies.base import Teller

_LARGEST: Final = 2**62
"""Steps and intervals up to this are reckoned with in int64, larger ones in Python's own integers."""
_DENSE: Final = 16
"""A chain that keeps more than one in so many is followed link by link, a sparser one by bisection."""


# A greedy chain --------------------------------------------------------------------------------------------------


def _chain(values: Column, gap: int) -> npt.NDArray[np.intp]:
    """Where are the first, and then each that is at least ``gap`` (> 0) after the one before it in the chain?

    The first value at or above the last link plus the gap is the first place where the running maximum is, since
    everything before it was below: so one bisection per link, in any order of values.
    """
    reached = np.maximum.accumulate(values)
    last, links = int(reached[-1]), [0]
    target = int(reached[0]) + gap
    while target <= last:
        links.append(int(reached.searchsorted(target)))
        if len(links) > 8 + len(values) // _DENSE:
            links += _follow(reached, gap, links[-1])
            break
        target = int(reached[links[-1]]) + gap
    return np.array(links, dtype=np.intp)


def _follow(reached: Column, gap: int, at: int) -> list[int]:
    """The links after ``at``: where each place would lead is worked out for all at once."""
    leap = reached[-1] - gap
    onward = reached.searchsorted(np.minimum(reached, leap) + gap)
    onward[reached > leap] = len(reached)
    leads, links = onward.tolist(), []
    at = leads[at]
    while at < len(leads):
        links.append(at)
        at = leads[at]
    return links


def _chain_teller(
    label: str,
    chain: npt.NDArray[np.intp],
    values: Column,
    history: History,
    show: Callable[[int], str],
    keep: int | None = None,
) -> Teller:
    """Why does the i-th stay or go, under a rule that keeps a chain (its last ``keep`` links)?"""

    def tell(i: int) -> tuple[str]:
        link = int(chain.searchsorted(i, side="right")) - 1
        on_chain = link >= 0 and chain[link] == i
        before = link - 1 if on_chain else link
        if before < 0:
            place = "the first"
        else:
            gap = int(values[i]) - int(values[chain[before]])
            side = "after" if gap >= 0 else "before"
            short = "" if on_chain else "only " if gap >= 0 else ""
            place = f"{short}{show(abs(gap))} {side} step {history.steps[chain[before]]}"
        if on_chain and keep is not None:
            place += f"; {ordinal(len(chain) - link)} newest, {are(keep)} kept"
        return (f"{label}: {place}",)

    return tell


def _last(indices: npt.NDArray[np.intp], keep: int | None) -> npt.NDArray[np.intp]:
    return indices if keep is None else indices[-keep:]


def _flags(count: int, indices: npt.NDArray[np.intp]) -> Mask:
    kept = np.zeros(count, dtype=np.bool_)
    kept[indices] = True
    return kept


# By time ---------------------------------------------------------------------------------------------------------


@final
@dataclasses.dataclass(frozen=True)
class EveryNSeconds(Rule):
    """Which stay? The first; then each saved at least so long after the last one that stays.

    Seconds as int or float, or a ``timedelta``; 0 keeps all. A checkpoint of unknown time stays. Stable as
    checkpoints arrive in order, but not path independent: ``daily`` and ``hourly`` are. Written ``spaced(hours=6)``.
    """

    interval_secs: int | float | datetime.timedelta

    def __post_init__(self) -> None:
        put(self, interval_secs=_seconds(self.interval_secs))

    def _facts(self) -> Facts:
        return Facts(needs=Needs.TIMES, path_independent=False, total=self._gap == 0)

    @property
    def _gap(self) -> int:
        return datetime.timedelta(seconds=self._secs) // MICROSECOND

    @property
    def _secs(self) -> int | float:
        return self.interval_secs  # type: ignore[return-value]  # made a number when made

    def _links(self, history: History) -> npt.NDArray[np.intp]:
        times = history.times
        known = np.flatnonzero(times != UNKNOWN)
        return known[_chain(times[known], self._gap)] if len(known) and self._gap else known

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        kept: Mask = history.times == UNKNOWN
        kept[self._links(history)] = True
        return kept

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        label = f"spaced by {_show_time(self._gap)}"
        tell = _chain_teller(label, self._links(history), history.times, history, _show_time)
        return lambda i: (f"{label}: its time is not known",) if history.times[i] == UNKNOWN else tell(i)

    def _spelled(self) -> str:
        seconds = self._secs
        for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if seconds and seconds % length == 0:
                return f"spaced({unit}={seconds // length})"
        return f"spaced(seconds={seconds})"


def _show_time(microseconds: int) -> str:
    return rough_duration(datetime.timedelta(microseconds=microseconds))


def _seconds(interval: Any) -> int | float:  # noqa: ANN401 - whatever was given
    instead = "give seconds (21600), or a timedelta; 0 keeps all"
    if isinstance(interval, datetime.timedelta):
        interval = interval.total_seconds()
    if isinstance(interval, bool | np.bool_ | str) or not hasattr(interval, "__float__"):
        raise PolicyTypeError(f"interval_secs={interval!r}: {instead}")
    number = float(interval)
    if math.isnan(number) or number < 0:
        raise PolicyError(f"interval_secs={interval!r}: {instead}")
    if number > datetime.timedelta.max.total_seconds():
        raise PolicyError(f"interval_secs={interval!r} is longer than any duration: {instead}")
    return int(interval) if number == int(number) else number


# By step ---------------------------------------------------------------------------------------------------------


@final
@dataclasses.dataclass(frozen=True)
class EveryNSteps(Rule):
    """Which stay? Those whose step is a multiple of the interval; of these the last ``max_to_keep``.

    With ``exact_interval=False``: the first, then each at least the interval after the last one that stays; that is
    stable as checkpoints arrive in order, but not path independent (``closest`` is). An interval of 0 can be made,
    but is refused when asked. Written ``every(steps=1000, keep=5)`` and ``spaced(steps=1000, keep=5)``.
    """

    interval_steps: int
    exact_interval: bool = True
    max_to_keep: int | None = None

    def __post_init__(self) -> None:
        put(
            self,
            interval_steps=_interval(self.interval_steps, "every(steps=1000)"),
            exact_interval=bool(self.exact_interval),
            max_to_keep=_keep(self.max_to_keep),
        )

    def _facts(self) -> Facts:
        is_filter = self.exact_interval and self.max_to_keep is None
        return Facts(
            is_filter=is_filter,
            path_independent=self.exact_interval,
            union_stable=self.exact_interval or self.max_to_keep is None,
            void=_no_interval(self.interval_steps, "every(steps=1000)"),
            total=is_filter and self.interval_steps == 1,
        )

    def _links(self, history: History) -> npt.NDArray[np.intp]:
        """All that are on the grid, or on the chain, whether or not ``max_to_keep`` lets them stay."""
        _refuse_zero(self.interval_steps, "every(steps=1000)")
        if self.exact_interval:
            return np.flatnonzero(_fitting(history.steps, self.interval_steps) % self.interval_steps == 0)
        return _chain(history.steps, self.interval_steps)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        if self.exact_interval and self.max_to_keep is None and self.interval_steps:
            on_grid: Mask = _fitting(history.steps, self.interval_steps) % self.interval_steps == 0
            return on_grid
        return _flags(len(history), _last(self._links(history), self.max_to_keep))

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        links, keep = self._links(history), self.max_to_keep
        if not self.exact_interval:
            label = f"spaced by {self.interval_steps} steps"
            return _chain_teller(label, links, history.steps, history, lambda gap: f"{gap} steps", keep)
        return self._grid_teller(history, links)

    def _grid_teller(self, history: History, links: npt.NDArray[np.intp]) -> Teller:
        label, steps, interval, keep = (
            f"every {self.interval_steps} steps",
            history.steps,
            self.interval_steps,
            self.max_to_keep,
        )

        def tell(i: int) -> tuple[str]:
            below = int(steps[i]) // interval * interval
            if below != int(steps[i]):
                return (f"{label}: {steps[i]} lies between {below} and {below + interval}",)
            if keep is None:
                return (label,)
            rank = len(links) - int(links.searchsorted(i))
            return (
                f"{label}: {ordinal(rank)} of {keep}"
                if rank <= keep
                else f"{label}: {ordinal(rank)} newest; {are(keep)} kept",
            )

        return tell

    def _spelled(self) -> str:
        word = "every" if self.exact_interval else "spaced"
        return f"{word}(steps={self.interval_steps}{_spelled_keep(self.max_to_keep)})"


def _interval(value: Any, instead: str) -> int:  # noqa: ANN401 - whatever was given
    if isinstance(value, float | np.floating) and value == np.rint(value) and math.isfinite(value):
        value = int(value)
    return whole(value, "interval_steps", f"write {instead}", least=0)


def _keep(value: Any) -> int | None:  # noqa: ANN401 - whatever was given
    instead = "write latest(0), LatestN(0), to keep none; None to keep all"
    return None if value is None else whole(value, "max_to_keep", instead, least=1)


def _no_interval(interval: int, instead: str) -> str:
    return "" if interval else f"an interval of 0 steps has no multiples; write {instead}, or everything() to keep all"


def _refuse_zero(interval: int, instead: str) -> None:
    if not interval:
        raise PolicyError(f"interval_steps must not be 0: {_no_interval(interval, instead)}")


def _spelled_keep(keep: int | None) -> str:
    return "" if keep is None else f", keep={keep}"


def _fitting(steps: Column, interval: int) -> Column:
    """The steps, as Python's own integers if the interval is too large for int64."""
    return steps if interval <= _LARGEST else steps.astype(object)


@final
@dataclasses.dataclass(frozen=True)
class EveryNStepsClosest(Rule):
    """Which stay? For each multiple of the interval the checkpoint nearest to it, and the last of all.

    Nearest: among those whose step divided by the interval rounds (half to even) to that multiple; at an equal
    distance the later in order. Of all these the last ``max_to_keep``, the last of all among them. Exact at any
    size. Written ``closest(steps=1000, keep=5)``.
    """

    interval_steps: int
    max_to_keep: int | None = None

    def __post_init__(self) -> None:
        put(
            self,
            interval_steps=_interval(self.interval_steps, "closest(steps=1000)"),
            max_to_keep=_keep(self.max_to_keep),
        )

    def _facts(self) -> Facts:
        void = _no_interval(self.interval_steps, "closest(steps=1000)")
        return Facts(path_independent=self.max_to_keep is None, void=void)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        _refuse_zero(self.interval_steps, "closest(steps=1000)")
        kept = _flags(len(history), _nearest(*_grid(history.steps, self.interval_steps)))
        kept[-1] = True
        return kept if self.max_to_keep is None else _flags(len(kept), np.flatnonzero(kept)[-self.max_to_keep :])

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        steps, interval = history.steps, self.interval_steps
        multiples, away = _grid(steps, interval)
        winners = {int(multiples[w]): int(w) for w in _nearest(multiples, away)}
        count = int(np.count_nonzero(kept))

        def tell(i: int) -> tuple[str, ...]:
            target, winner = int(multiples[i]) * interval, winners[int(multiples[i])]
            told = f"closest to {target}: {_away(int(away[i]))}"
            if winner != i and not kept[i]:
                tie = " and later" if away[winner] == away[i] else ""
                return (f"{told}; step {steps[winner]} is {_away(int(away[winner]))}{tie}",)
            told = told if winner == i else "closest: the last is always kept"
            return (told,) if kept[i] else (f"{told}, but not among the last {count}",)

        return tell

    def _spelled(self) -> str:
        return f"closest(steps={self.interval_steps}{_spelled_keep(self.max_to_keep)})"


def _away(distance: int) -> str:
    return "exactly there" if distance == 0 else f"{distance} away"


def _grid(steps: Column, interval: int) -> tuple[Column, Column]:
    """For each step: which multiple it is nearest to (a tie goes to the even one), and how far away it is."""
    steps = _fitting(steps, interval)
    multiple = steps // interval
    over = steps - multiple * interval
    up = over + over + (multiple & 1) > interval  # past the middle, or on it below an even multiple
    return multiple + up, np.minimum(over, interval - over)


def _nearest(multiples: Column, away: Column) -> npt.NDArray[np.intp]:
    """Which is nearest to each multiple? The later in order among equals.

    One number per checkpoint tells both distance and lateness; the least of each multiple wins.
    """
    count = len(multiples)
    order = None
    if (multiples[1:] < multiples[:-1]).any():
        order = np.argsort(multiples, kind="stable")
        multiples, away = multiples[order], away[order]
    if away.dtype == object or int(away.max()) >= _LARGEST // count:
        away = away.astype(object)
    first = np.ones(count, dtype=np.bool_)
    np.not_equal(multiples[1:], multiples[:-1], out=first[1:])
    least = np.minimum.reduceat(away * count + np.arange(count - 1, -1, -1), np.flatnonzero(first))
    winners = (count - 1 - least % count).astype(np.intp)
    return winners if order is None else order[winners]


@final
@dataclasses.dataclass(frozen=True)
class LogSpaced(Rule):
    """Which stay? For 0 and for every power of ``base`` the checkpoint nearest to it, and the last of all.

    The powers go on for ever, so the highest step stays too. At an equal distance the later in order. The schedule
    for looking at how training goes: dense early, sparse later. Written ``log_spaced(2)``.
    """

    base: int = 2

    def __post_init__(self) -> None:
        put(self, base=whole(self.base, "log_spaced: base", "write log_spaced(2)", least=2))

    def _winners(self, history: History) -> dict[int, int]:
        """By target: which is nearest."""
        steps = history.steps
        order = np.argsort(steps, kind="stable")
        ranked = steps[order]
        targets = [0, 1]
        while targets[-1] < int(ranked[-1]):
            targets.append(targets[-1] * self.base)
        return {target: _nearest_to(target, ranked, order) for target in targets}

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        return _flags(len(history), np.array([*self._winners(history).values(), len(history) - 1], dtype=np.intp))

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        winners = self._winners(history)
        steps = history.steps
        nearest_to = {i: target for target, i in reversed(winners.items())}

        def tell(i: int) -> tuple[str]:
            if kept[i]:
                target = nearest_to.get(i)
                return (
                    "log-spaced: the last is always kept" if target is None else f"log-spaced: nearest to {target}",
                )
            target = min(winners, key=lambda t: abs(int(steps[i]) - t))
            winner = int(steps[winners[target]])
            closer = "nearer" if abs(winner - target) < abs(int(steps[i]) - target) else "as near and later"
            return (f"log-spaced: step {winner} is {closer} to {target}",)

        return tell

    def _spelled(self) -> str:
        return f"log_spaced({self.base})"


def _nearest_to(target: int, ranked: Column, order: npt.NDArray[np.intp]) -> int:
    """Which is nearest to the target? The later in order among equals."""
    at = len(ranked) if target > int(ranked[-1]) else int(ranked.searchsorted(target))
    values = {int(ranked[j]) for j in (at - 1, at) if 0 <= j < len(ranked)}
    least = min(abs(v - target) for v in values)
    return max(int(order[ranked.searchsorted(v, side="right") - 1]) for v in values if abs(v - target) == least)


def every(*, steps: int, keep: int | None = None) -> EveryNSteps:
    """Which stay? Those whose step is a multiple of ``steps``; of these the last ``keep``."""
    return EveryNSteps(steps, max_to_keep=keep)


def spaced(*, steps: int | None = None, keep: int | None = None, **units: float) -> EveryNSteps | EveryNSeconds:
    """Which stay? The first, then each at least ``steps=1000``, or ``hours=6``, after the last one that stays."""
    if (steps is None) is (not units):
        raise PolicyError("spaced(): give a distance, as spaced(steps=1000) or spaced(hours=6)")
    if steps is not None:
        return EveryNSteps(steps, exact_interval=False, max_to_keep=keep)
    if keep is not None:
        raise PolicyError(f"spaced(keep={keep}) counts only with steps=; for so many days or hours write daily(7)")
    distance = from_units("spaced", units)
    return EveryNSeconds(units["seconds"] if units.keys() == {"seconds"} else distance)


def closest(*, steps: int, keep: int | None = None) -> EveryNStepsClosest:
    """Which stay? For each multiple of ``steps`` the checkpoint nearest to it, and the last; the last ``keep``."""
    return EveryNStepsClosest(steps, max_to_keep=keep)


def log_spaced(base: int = 2) -> LogSpaced:
    """Which stay? For 0 and each power of ``base`` the checkpoint nearest to it, and the last."""
    return LogSpaced(base)
