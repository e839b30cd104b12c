"""How are checkpoints moved out of sight, under the lock, so that a crash at any point can be mended?

Intent first (the batch's own record, and the journal); then each one is looked at again and moved; then pins and
leases are read once more, and what is held by now comes back; only then may bytes be freed.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, final

from holdfast.errors import LockedError, StoreError
from holdfast.prune import batch as batches
from holdfast.prune import beside, files, holding, inplace, journal, move
from holdfast.prune.batch import Batch, State, Unit
from holdfast.prune.report import Done, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from holdfast.prune.batch import Place
    from holdfast.prune.lock import Lock
    from holdfast.prune.move import Spot
    from holdfast.prune.state import Home

    Doubts = Callable[[Sequence[str]], Mapping[str, str]]
    Progress = Callable[[str, int, int], None]
    """Told what is being done (``look``, ``purge``), how many are done, and of how many."""

AT_ONCE = 16
"""Checkpoints that are looked at together, just before they are moved."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """Which checkpoint is to go, and why?"""

    name: str
    step: int | None
    size: int
    fingerprint: str
    members: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    marker: str = ""
    """The file that makes it complete; needed where it cannot be moved at once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """On whose behalf is something dropped?"""

    plan: str
    policy: str
    now: datetime
    grace: timedelta
    in_place: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What was moved out of sight, and what was not?"""

    items: tuple[Item, ...] = ()
    at_once: int = 0
    """Bytes of those that could not go into the trash: they are freed without waiting."""
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    unit: Unit
    spots: Sequence[Spot]
    """Empty: dropped in place."""
    in_trash: bool = True


def drop(
    home: Home, lock: Lock, intent: Intent, doomed: Sequence[Doomed], doubts: Doubts, progress: Progress
) -> Dropped:
    """Move them out of sight, each if nothing speaks against it.

    Without grace the batch is claimed for the purge before the lock is given back. An error that concerns all of
    them (the run cannot be listed, pins cannot be read) brings back what was moved, and is raised.
    """
    units, lines = _units(home, doomed)
    place = _intend(home, _batch(home, lock, intent, units))
    if units and place is None and intent.grace:
        raise StoreError(
            "the disk is full: nothing can wait in the trash, so nothing was dropped;"
            " without a grace it is freed at once, and cannot be undone"
        )
    warnings = [] if place or not units else ["the disk is full: what is dropped cannot be undone"]
    if not journal.append(home, "prune", [_told(one) for one in doomed], plan=intent.plan, policy=intent.policy):
        warnings.append("the disk is full: the journal could not be written")
    work = _Work(home, lock, intent, place, lines)
    try:
        work.move(units, doubts, progress)
        work.look_again()
    except LockedError:
        raise  # taken over: what was moved is the other one's to settle
    except Exception:
        work.bring_all_back()
        raise
    work.publish()
    items = list(work.lines.values())
    journal.append(home, "pruned", [_outcome(item) for item in items] or [{}], plan=intent.plan)
    journal.settle(home)
    return Dropped(items=tuple(items), at_once=work.at_once, warnings=tuple(warnings))


@final
class _Work:
    """What was moved so far, and what is to be said of each?"""

    def __init__(self, home: Home, lock: Lock, intent: Intent, place: Place | None, lines: dict[str, Item]) -> None:
        self._home, self._lock, self._intent, self._place = home, lock, intent, place
        self._moved: list[_Moved] = []
        self._stuck = False
        self.lines = lines

    @property
    def at_once(self) -> int:
        """How many bytes lie where they are freed without waiting?"""
        return sum(one.unit.size for one in self._moved if not (one.in_trash and one.spots))

    def move(self, units: Sequence[Unit], doubts: Doubts, progress: Progress) -> None:
        """Look at a few, move these few, and so on."""
        for start in range(0, len(units), AT_ONCE):
            chunk = units[start : start + AT_ONCE]
            reasons = doubts([unit.name for unit in chunk])
            for unit in chunk:
                self._one(unit, reasons.get(unit.name, ""))
            progress("drop", start + len(chunk), len(units))

    def _one(self, unit: Unit, why: str) -> None:
        if why:
            return self._say(unit, Done.SKIPPED, why)
        self._lock.check()
        try:
            self._moved.append(self._out(unit))
        except move.ChangedError as cause:
            self._say(unit, Done.SKIPPED, str(cause))
        except FileNotFoundError:
            self._lock.check()  # taken over: then it is the batch that is gone
            self._say(unit, Done.SKIPPED, "gone already")
        except OSError as cause:
            self._say(unit, Done.FAILED, _cannot(cause))
        else:
            self._say(unit, Done.PRUNED)
        return None

    def _say(self, unit: Unit, outcome: Done, why: str = "") -> None:
        size = unit.size if outcome is Done.PRUNED else 0
        self.lines[unit.name] = Item(name=unit.name, step=unit.step, outcome=outcome, why=why, bytes=size)

    def _out(self, unit: Unit) -> _Moved:
        """Try the rungs of the ladder, one after the other, by really renaming."""
        rungs = [(move.in_batch(self._home, self._place, unit), True)] if self._place else []
        if not self._intent.grace:  # what lies beside the run is freed at once: no undo
            rungs.append((move.beside(self._home, unit), False))
        for spots, in_trash in rungs:
            try:
                move.out(self._home, unit, spots)
            except OSError as cause:
                last = spots is rungs[-1][0]
                if cause.errno not in move.NO_WAY or (last and not self._intent.in_place):
                    raise
            else:
                return _Moved(unit=unit, spots=spots, in_trash=in_trash)
        if self._place is not None:
            batches.mark(self._home, self._place, unit)
        inplace.erase(self._home, unit)
        return _Moved(unit=unit, spots=())

    def look_again(self) -> None:
        """Read pins and leases once more, now that the moves are on the disk; what is held by now comes back."""
        if not self._moved:
            return
        self._home.fs.fsync(self._home.root_fd)
        self._home.fs.fsync(self._home.parent_fd if self._home.trash_fd is None else self._home.trash_fd)
        held = holding.by_name(holding.in_force(self._home, self._intent.now))
        for one in [one for one in self._moved if one.spots and one.unit.name in held]:
            self._bring_back(one, holding.told(held[one.unit.name]))

    def _bring_back(self, one: _Moved, why: str) -> None:
        try:
            move.back(self._home, one.unit, one.spots)
        except OSError as cause:
            self._stuck = True
            told = f"{why} meanwhile, and could not be moved back ({cause.strerror}); it is not freed"
            self._say(one.unit, Done.FAILED, told)
        else:
            self._say(one.unit, Done.SKIPPED, f"{why} meanwhile: moved back")
        self._moved.remove(one)

    def bring_all_back(self) -> None:
        """Undo every move, as far as that is possible: what stays behind is settled by the next prune."""
        for one in [one for one in self._moved if one.spots]:
            with contextlib.suppress(OSError):
                move.back(self._home, one.unit, one.spots)
        if self._place is not None:
            with contextlib.suppress(OSError):
                batches.drop_empty(self._home, self._place)

    def publish(self) -> None:
        """Without grace claim what was moved for the purge; with grace let it wait."""
        for one in self._moved:
            if one.spots and not one.in_trash:
                beside.claim(self._home, one.spots)
        if self._place is not None and not batches.drop_empty(self._home, self._place):
            waits = self._intent.grace or self._stuck
            batches.become(self._home, self._place, State.WAITING if waits else State.PURGING)


def _told(one: Doomed) -> dict[str, object]:
    return {"name": one.name, "step": one.step, "bytes": one.size, "reasons": one.reasons}


def _outcome(item: Item) -> dict[str, object]:
    return {"name": item.name, "step": item.step, "outcome": item.outcome, "why": item.why, "bytes": item.bytes}


def _units(home: Home, doomed: Sequence[Doomed]) -> tuple[list[Unit], dict[str, Item]]:
    """What is there of them, with its identity; a line for each that is gone already."""
    units, lines = list[Unit](), dict[str, Item]()
    for key, one in enumerate(doomed):
        try:
            members = [move.identify(home, path) for path in one.members]
        except OSError as cause:
            lines[one.name] = Item(name=one.name, step=one.step, outcome=Done.FAILED, why=cause.strerror or str(cause))
            continue
        if not members or members[0] is None:
            lines[one.name] = Item(name=one.name, step=one.step, outcome=Done.SKIPPED, why="gone already")
            continue
        there = tuple(member for member in members if member is not None)
        if len(there) < len(members):
            lines[one.name] = Item(
                name=one.name, step=one.step, outcome=Done.SKIPPED, why="a part of it is gone already"
            )
            continue
        units.append(
            Unit(
                key=key,
                name=one.name,
                step=one.step,
                size=one.size,
                fingerprint=one.fingerprint,
                members=there,
                marker=one.marker,
            )
        )
    return units, lines


def _batch(home: Home, lock: Lock, intent: Intent, units: Sequence[Unit]) -> Batch:
    return Batch(
        token=lock.token,
        root=home.root,
        plan=intent.plan,
        policy=intent.policy,
        owner=journal.who(),
        made=intent.now,
        until=intent.now + intent.grace,
        in_place=intent.in_place,
        units=tuple(units),
    )


def _intend(home: Home, batch: Batch) -> Place | None:
    """Write the intent down; None on a full disk, where the second rung of the ladder needs none."""
    if home.trash_fd is None or not batch.units:
        return None
    try:
        return batches.create(home, batch)
    except OSError as cause:
        if cause.errno in files.FULL:
            return None
        raise StoreError(
            f"the trash of {home.root} cannot be written ({cause.strerror}): nothing was dropped"
        ) from cause


def _cannot(cause: OSError) -> str:
    told = cause.strerror or str(cause)
    if cause.errno in move.NO_WAY:
        return f"it cannot be moved out of sight ({told}); without --grace, or --in-place, it goes without undo"
    return f"{told}; tried again next time"
