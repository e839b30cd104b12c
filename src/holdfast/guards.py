"""What no plan may drop, whatever the policy says.

Each guard is a function from what is known of a run to reasons by checkpoint name. They only ever keep: adding one
can never make a plan drop more. They are checked here, in the library, so that no front end can forget them.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.checkpoint import Checkpoint, Hold, Pointer

FUTURE = timedelta(hours=24)
"""A checkpoint dated further ahead of ``now`` than this is set aside: its clock was wrong."""
LIVE = timedelta(hours=1)
"""A run in which anything changed within this is being trained in."""
MIN_AGE = timedelta(minutes=10)
"""Younger checkpoints of a layout without an atomic commit are left alone, unless told otherwise."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guarded:
    """What do the guards look at? ``orders`` hold the countable checkpoints, each oldest first."""

    now: datetime
    orders: Sequence[Sequence[Checkpoint]]
    pointers: Sequence[Pointer] = ()
    holds: Sequence[Hold] = ()
    resumed_from: Sequence[str] = ()
    min_age: timedelta = timedelta(0)
    repoint: bool = False


def newest(look: Guarded) -> Iterator[tuple[str, str]]:
    """Which is the newest, by time and by step, and the newest from which training can go on? (S1)."""
    for order in (*look.orders, *_timed(look.orders[0])):
        told: dict[str, str] = {}
        for kind, able in _KINDS:
            found = next((c for c in reversed(order) if able(c)), None)
            if found is not None:
                told.setdefault(found.name, f"the newest {kind} is never dropped")
        yield from told.items()


def _timed(order: Sequence[Checkpoint]) -> Iterator[list[Checkpoint]]:
    """Where some times are not known there is no order of time of all: that of those which have one."""
    known = [(c.time, i) for i, c in enumerate(order) if c.time is not None]
    if len(known) < len(order):
        yield [order[i] for _, i in sorted(known)]


_KINDS: tuple[tuple[str, Callable[[Checkpoint], bool]], ...] = (
    ("complete checkpoint", lambda _: True),
    ("that may be resumed from", lambda c: c.resumable is not False),
    ("known to be resumable", lambda c: c.resumable is True),
)


def pointed_at(look: Guarded) -> Iterator[tuple[str, str]]:
    """Which does a pointer name? With ``repoint``, only those whose pointer cannot be rewritten. (S11)."""
    for pointer in look.pointers:
        if not (look.repoint and pointer.repointable):
            for name in pointer.names:
                yield name, f"named by {pointer.path}"


def held(look: Guarded) -> Iterator[tuple[str, str]]:
    """Which are pinned by a person, leased by a job, or pinned by the framework's own marker? (S12)."""
    for hold in look.holds:
        if hold.until is None or hold.until > look.now:
            yield hold.name, _told(hold)
    for checkpoint in look.orders[0]:
        if checkpoint.pinned:
            yield checkpoint.name, checkpoint.pinned


def _told(hold: Hold) -> str:
    verb = {"pin": "pinned", "lease": "leased"}.get(hold.kind, hold.kind)
    until = f" until {hold.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if hold.until else ""
    reason = f": {hold.reason}" if hold.reason else ""
    return f"{verb} by {hold.owner}{until}{reason}"


def young(look: Guarded) -> Iterator[tuple[str, str]]:
    """Which changed so lately that their writer may not be done? (S2)."""
    for checkpoint in look.orders[0]:
        age = None if checkpoint.touched is None else look.now - checkpoint.touched
        if age is not None and age < look.min_age:
            yield (
                checkpoint.name,
                f"too young: changed {_ago(age)}; the least age is {format_duration(look.min_age)}",
            )


def _ago(age: timedelta) -> str:
    if age < timedelta(0):
        return "in the future"
    return f"{format_duration(timedelta(seconds=int(age.total_seconds())))} ago"


def parents(look: Guarded) -> Iterator[tuple[str, str]]:
    """Which one did this run resume from? (S10)."""
    for name in look.resumed_from:
        yield name, "this run resumed from it"


GUARDS = (newest, pointed_at, held, young, parents)


def guard(look: Guarded) -> dict[str, list[str]]:
    """Which checkpoints may not be dropped, and why? By name, each reason once, in the order of ``GUARDS``."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    if look.orders:
        for one in GUARDS:
            for name, why in one(look):
                if why not in reasons[name]:
                    reasons[name].append(why)
    return dict(reasons)


def linked(checkpoints: Iterable[Checkpoint], kept: Iterable[str]) -> dict[str, str]:
    """Which are needed because a kept one links to their files, through any number of links? (S19)."""
    refs = {c.name: c.refs for c in checkpoints}
    todo, needed = list(kept), dict[str, str]()
    seen = set(todo)
    while todo:
        name = todo.pop()
        for other in refs.get(name, ()):
            if other not in seen:
                seen.add(other)
                needed[other] = f"{name} links to its files"
                todo.append(other)
    return needed


def misdated(checkpoint: Checkpoint, now: datetime) -> bool:
    """Is it dated so far ahead that its clock must have been wrong? (S8)."""
    return checkpoint.time is not None and checkpoint.time - now > FUTURE
