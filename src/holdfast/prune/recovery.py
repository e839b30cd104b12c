"""What did a prune that was stopped leave half done, and how does it end?

Run under the lock, so whatever is held by another token is nobody's any more. A batch that was being filled is
settled checkpoint by checkpoint: not begun stays; begun is finished; held by a pin or lease by now comes back. An
undo that was stopped is finished. Nothing is freed here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast.errors import FormatError
from holdfast.prune import batch as batches
from holdfast.prune import beside, files, holding, inplace, journal, move
from holdfast.prune.batch import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdfast.checkpoint import Hold
    from holdfast.prune.batch import Place, Unit
    from holdfast.prune.state import Home


OLD = timedelta(days=2)
"""A half-written file or a lapsed lease that is older than this is nobody's any more."""


def recover(home: Home, now: datetime) -> list[str]:
    """Finish or roll back what is half done; one sentence for each thing that was."""
    held = holding.by_name(holding.in_force(home, now))
    told = beside.settle(home, held)
    for place in list(batches.places(home, State.HELD, State.LOST)):
        # Renamed away first: should its pruner only have been silent, its next move finds no destination.
        lost = place if place.state is State.LOST else batches.become(home, place, State.LOST)
        told += _settled(home, lost, held)
    for place in list(batches.places(home, State.WAITING)):
        told += _finish_undo(home, place)
    if told:
        journal.append(home, "recovered", [{"what": one} for one in told])
    _sweep(home, now)
    return told


def _sweep(home: Home, now: datetime) -> None:
    """Remove what processes that were killed left in the state: half-written files, and leases that lapsed long ago."""
    if home.fd is None:
        return
    spare = holding.lapsed(home, now - OLD)
    for folder in ("", f"{holding.PINS}/", f"{holding.LEASES}/"):
        spare += [f"{folder}{name}" for name in files.names(home.fs, folder or ".", home.fd) if name.endswith(".new")]
    for path in spare:
        about = files.here(home.fs, path, home.fd)
        if about is not None and now.timestamp() - about.st_mtime > OLD.total_seconds():
            files.remove(home.fs, path, home.fd)


def _settled(home: Home, place: Place, held: Mapping[str, Hold]) -> list[str]:
    try:
        batch = batches.load(home, place)
    except FormatError as cause:
        return [str(cause)]
    if batch is None:
        return _without_record(home, place)
    there = batches.present(home, place)
    told = [_settle(home, place, unit, len(there.get(unit.key, ())), held) for unit in batch.units]
    told += [_in_place(home, place, unit, held) for unit in batch.units if batch.in_place and unit.key not in there]
    if not batches.drop_empty(home, place):
        batches.become(home, place, State.WAITING)
    return [one for one in told if one]


def _without_record(home: Home, place: Place) -> list[str]:
    """Nothing was moved before the record was written: the directory is empty, or somebody else's doing."""
    if batches.drop_empty(home, place):
        return []
    return [f"{place.name} in the trash holds files but no {batches.MANIFEST}; left alone, `holdfast purge` frees it"]


def _settle(home: Home, place: Place, unit: Unit, count: int, held: Mapping[str, Hold]) -> str:
    if count == 0:
        return ""
    spots = move.in_batch(home, place, unit)
    try:
        if unit.name in held:
            move.back(home, unit, spots)
            return f"{unit.name}: an earlier prune was stopped; moved back: {holding.told(held[unit.name])}"
        move.rest(home, unit, spots)
    except (OSError, move.ChangedError) as cause:
        return f"{unit.name}: an earlier prune was stopped, and it could not be settled: {cause}"
    return f"{unit.name}: an earlier prune was stopped while it dropped this; finished"


def _in_place(home: Home, place: Place, unit: Unit, held: Mapping[str, Hold]) -> str:
    """Finish what was being dropped where it lies, unless a file in it is newer than that: somebody writes there."""
    since = batches.marked(home, place, unit)
    if since is None or unit.name in held:
        return ""
    try:
        if not inplace.untouched(home, unit, since):
            return f"{unit.name}: an earlier prune was stopped while it dropped this in place; written to since, left"
        inplace.erase(home, unit)
    except (OSError, move.ChangedError) as cause:
        return f"{unit.name}: an earlier prune was stopped while it dropped this in place; it is partial: {cause}"
    return f"{unit.name}: an earlier prune was stopped while it dropped this in place; finished"


def _finish_undo(home: Home, place: Place) -> list[str]:
    """A checkpoint of which only a part waits was being brought back: its pin is there, the rest follows."""
    try:
        batch = batches.load(home, place)
    except FormatError as cause:
        return [str(cause)]
    if batch is None:
        return []
    there = batches.present(home, place)
    parts = [unit for unit in batch.units if unit.key in there and _half_back(home, unit, there[unit.key])]
    return [_bring_back(home, place, unit) for unit in parts]


def _half_back(home: Home, unit: Unit, there: Mapping[int, str]) -> bool:
    """Do some of its members wait, and lie all the others in the run again?"""
    missing = [member for i, member in enumerate(unit.members) if i not in there]
    found = [move.identify(home, member.path) for member in missing]
    pairs = zip(missing, found, strict=True)
    return bool(missing) and all(now is not None and now.same_as(member) for member, now in pairs)


def _bring_back(home: Home, place: Place, unit: Unit) -> str:
    try:
        move.back(home, unit, move.in_batch(home, place, unit))
    except OSError as cause:
        return f"{unit.name}: an earlier undo was stopped, and it cannot be finished: {cause.strerror}"
    return f"{unit.name}: an earlier undo was stopped; finished"
