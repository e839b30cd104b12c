"""How are checkpoints moved out of sight, under the lock, so that a crash at any point can be mended?

Intent first (the batch's own record, and the journal); then each one is looked at again and moved; then pins and
leases are read once more, and what is held by now comes back; only then may bytes be freed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from holdfast.errors import StoreError
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

    Without grace the batch is claimed for the purge before the lock is given back.
    """
    units, items = _units(home, doomed)
    batch = _batch(home, lock, intent, units)
    place = _intend(home, batch)
    warnings = [] if place else ["the disk is full: what is dropped cannot be undone"]
    if not journal.append(home, "prune", [_told(one) for one in doomed], plan=intent.plan, policy=intent.policy):
        warnings.append("the disk is full: the journal could not be written")
    moved: list[_Moved] = []
    for start in range(0, len(units), AT_ONCE):
        chunk = units[start : start + AT_ONCE]
        reasons = doubts([unit.name for unit in chunk])
        for unit in chunk:
            items.append(_drop_one(home, lock, intent, place, unit, reasons.get(unit.name, ""), moved))
        progress("drop", min(start + AT_ONCE, len(units)), len(units))
    items = _after(home, intent, moved, items)
    _publish(home, intent, place, moved)
    journal.append(home, "pruned", [_outcome(item) for item in items] or [{}], plan=intent.plan)
    journal.settle(home)
    at_once = sum(one.unit.size for one in moved if not (one.in_trash and one.spots))
    return Dropped(items=tuple(items), at_once=at_once, warnings=tuple(warnings))


def _told(one: Doomed) -> dict[str, object]:
    return {"name": one.name, "step": one.step, "bytes": one.size, "reasons": one.reasons}


def _outcome(item: Item) -> dict[str, object]:
    return {"name": item.name, "step": item.step, "outcome": item.outcome, "why": item.why, "bytes": item.bytes}


def _units(home: Home, doomed: Sequence[Doomed]) -> tuple[list[Unit], list[Item]]:
    """What is there of them, with its identity; a line for each that is gone already."""
    units, items = list[Unit](), list[Item]()
    for key, one in enumerate(doomed):
        try:
            members = [move.identify(home, path) for path in one.members]
        except OSError as cause:
            items.append(Item(name=one.name, step=one.step, outcome=Done.FAILED, why=cause.strerror or str(cause)))
            continue
        if not members or members[0] is None:
            items.append(Item(name=one.name, step=one.step, outcome=Done.SKIPPED, why="gone already"))
            continue
        there = tuple(member for member in members if member is not None)
        units.append(
            Unit(
                key=key,
                name=one.name,
                step=one.step,
                size=one.size,
                fingerprint=one.fingerprint,
                members=there,
            )
        )
    return units, items


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


def _drop_one(
    home: Home, lock: Lock, intent: Intent, place: Place | None, unit: Unit, why: str, moved: list[_Moved]
) -> Item:
    if why:
        return Item(name=unit.name, step=unit.step, outcome=Done.SKIPPED, why=why)
    lock.check()
    try:
        moved.append(_out(home, intent, place, unit))
    except move.ChangedError as cause:
        return Item(name=unit.name, step=unit.step, outcome=Done.SKIPPED, why=str(cause))
    except FileNotFoundError:
        lock.check()  # taken over: the batch is not ours any more
        return Item(name=unit.name, step=unit.step, outcome=Done.SKIPPED, why="gone already")
    except OSError as cause:
        return Item(name=unit.name, step=unit.step, outcome=Done.FAILED, why=_cannot(cause))
    return Item(name=unit.name, step=unit.step, outcome=Done.PRUNED, bytes=unit.size)


def _cannot(cause: OSError) -> str:
    told = cause.strerror or str(cause)
    if cause.errno in move.NO_WAY:
        return f"it cannot be moved out of sight ({told}); --in-place drops it where it lies, without undo"
    return f"{told}; tried again next time"


def _out(home: Home, intent: Intent, place: Place | None, unit: Unit) -> _Moved:
    """Try the rungs of the ladder, one after the other, by really renaming."""
    rungs = [(move.in_batch(home, place, unit), True)] if place else []
    rungs.append((move.beside(home, unit), False))
    for i, (spots, in_trash) in enumerate(rungs):
        try:
            move.out(home, unit, spots)
        except OSError as cause:
            last = i == len(rungs) - 1
            if cause.errno not in move.NO_WAY or (last and not intent.in_place):
                raise
        else:
            return _Moved(unit=unit, spots=spots, in_trash=in_trash)
    if place is not None:
        batches.mark(home, place, unit)
    inplace.erase(home, unit)
    return _Moved(unit=unit, spots=())


def _after(home: Home, intent: Intent, moved: list[_Moved], items: list[Item]) -> list[Item]:
    """Read pins and leases once more; what is held by now comes back. If they cannot be read, all comes back."""
    _sync(home, moved)
    try:
        held = holding.by_name(holding.in_force(home, intent.now))
    except Exception:
        for one in moved:
            move.back(home, one.unit, one.spots)
        raise
    lines = {item.name: item for item in items}
    for one in [one for one in moved if one.spots and one.unit.name in held]:
        lines[one.unit.name] = _bring_back(home, one, holding.told(held[one.unit.name]))
        moved.remove(one)
    return list(lines.values())


def _bring_back(home: Home, one: _Moved, why: str) -> Item:
    try:
        move.back(home, one.unit, one.spots)
    except OSError as cause:
        told = f"{why} meanwhile, and could not be moved back: {cause.strerror}; it is in the trash"
        return Item(name=one.unit.name, step=one.unit.step, outcome=Done.FAILED, why=told)
    return Item(name=one.unit.name, step=one.unit.step, outcome=Done.SKIPPED, why=f"{why} meanwhile: moved back")


def _sync(home: Home, moved: Sequence[_Moved]) -> None:
    """Wait until the moves are on the disk: owed before a byte is freed, not before the move."""
    if moved:
        home.fs.fsync(home.root_fd)
        home.fs.fsync(home.parent_fd if home.trash_fd is None else home.trash_fd)


def _publish(home: Home, intent: Intent, place: Place | None, moved: Sequence[_Moved]) -> None:
    """Without grace claim what was moved for the purge; with grace let it wait."""
    for one in moved:
        if not one.in_trash:
            beside.claim(home, one.spots)
    if place is not None and not batches.drop_empty(home, place):
        batches.become(home, place, State.WAITING if intent.grace else State.PURGING)
