"""How are the bytes in the trash freed?

In two steps: under the lock a batch is renamed to ``purging-…`` (from then on nobody undoes it), and without the
lock its bytes are freed. A purge that was stopped, or failed in part, is gone on with by the next one.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.errors import FormatError, UsageError
from holdfast.prune import batch as batches
from holdfast.prune import beside, files, holding, journal, move, waiting
from holdfast.prune.batch import State
from holdfast.prune.erase import THREADS, Eraser
from holdfast.prune.lock import TTL, locked
from holdfast.prune.recovery import recover
from holdfast.prune.report import Done, Item, Report
from holdfast.prune.state import home as opened
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from holdfast.prune.batch import Batch, Place, Unit
    from holdfast.prune.drop import Progress
    from holdfast.prune.lock import Clock
    from holdfast.prune.state import Home


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """How hard may the purge work? ``paced``: half of the time, so that a training loop does not feel it."""

    threads: int = THREADS
    paced: bool = False


def purge(
    root: str | os.PathLike[str],
    *,
    older_than: timedelta | None = None,
    keep_bytes: int | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    paced: bool = False,
    progress: Progress | None = None,
    fs: Posix | None = None,
    now: datetime | None = None,
    ttl: float = TTL,
    clock: Clock | None = None,
) -> Report:
    """Free what waits in the trash: all of it, or what was dropped longer than ``older_than`` ago.

    ``keep_bytes``: only as much, the oldest first, that no more than this stays. Cannot be undone.
    """
    if older_than is not None and older_than < timedelta(0):
        raise UsageError(f"older_than={older_than!r} is negative; give how long ago it was dropped at least")
    moment = now or datetime.now(UTC)
    with opened(root, fs=fs or Posix(), state_dir=state_dir, trash_dir=trash_dir) as home:
        if home.trash_fd is None and not beside.claimed(home) and not move.strays(home):
            return Report(root=home.root, action="purge")
        with locked(home, ttl=ttl, clock=clock):
            told = recover(home, moment)
            claim(home, _chosen(home, moment, older_than, keep_bytes))
        freed = free(home, Pace(threads or THREADS, paced), progress)
        journal.append(home, "purged", [{"name": i.name, "bytes": i.bytes, "why": i.why} for i in freed.items] or [{}])
        return Report(
            root=home.root,
            action="purge",
            items=freed.items,
            freed=freed.bytes,
            waiting=waiting.total(home),
            warnings=tuple(told),
        )


def _chosen(home: Home, now: datetime, older_than: timedelta | None, keep_bytes: int | None) -> list[Place]:
    found = sorted(_unheld(home, now, waiting.loaded(home, State.WAITING)), key=lambda pair: pair[1].made)
    if older_than is not None:
        found = [pair for pair in found if now - pair[1].made >= older_than]
    if keep_bytes is None:
        return [place for place, _ in found]
    chosen, left = [], waiting.total(home)
    for place, batch in found:
        if left > keep_bytes:
            chosen.append(place)
            left -= sum(unit.size for unit in batches.lying(home, place, batch))
    return chosen


def claim(home: Home, places: list[Place]) -> None:
    """From now on nobody undoes these. Under the lock."""
    for place in places:
        batches.become(home, place, State.PURGING)


def due(home: Home, now: datetime) -> list[Place]:
    """Which waiting batches have their grace behind them?"""
    found = [pair for pair in waiting.loaded(home, State.WAITING) if pair[1].until <= now]
    return [place for place, _ in _unheld(home, now, found)]


def _unheld(home: Home, now: datetime, found: list[tuple[Place, Batch]]) -> list[tuple[Place, Batch]]:
    """Without those in which a checkpoint waits that somebody holds by now (it could not be moved back)."""
    held = holding.by_name(holding.in_force(home, now))
    return [pair for pair in found if not any(unit.name in held for unit in batches.lying(home, *pair))]


@dataclasses.dataclass(frozen=True, slots=True)
class Freed:
    """What became of what was claimed?"""

    batches: Mapping[str, Sequence[Item]]
    """One line for each checkpoint, by the token of its batch."""
    beside: Sequence[Item]
    """One line for each failure beside the run."""

    @property
    def items(self) -> tuple[Item, ...]:
        """All lines."""
        return (*(item for found in self.batches.values() for item in found), *self.beside)

    @property
    def bytes(self) -> int:
        """What is free now; an upper bound if files had other hard links."""
        return sum(item.bytes for item in self.items if item.outcome is Done.PURGED)


def free(home: Home, pace: Pace, progress: Progress | None = None) -> Freed:
    """Free the bytes of everything that is claimed. Needs no lock; one failure is one line."""
    found = {
        place.token: _free_batch(home, place, pace, progress) for place in list(batches.places(home, State.PURGING))
    }
    return Freed(found, _free_beside(home, pace))


def _free_batch(home: Home, place: Place, pace: Pace, progress: Progress | None) -> list[Item]:
    try:
        batch = batches.load(home, place)
    except FormatError:
        batch = None
    units = {unit.key: unit for unit in batch.units} if batch else {}
    there = batches.present(home, place)
    errors = _erase(home, place, pace, progress)
    items = [_line(units.get(key), place, entries, errors) for key, entries in sorted(there.items())]
    if not errors:
        batches.drop_empty(home, place)
    return items


def _erase(home: Home, place: Place, pace: Pace, progress: Progress | None) -> Mapping[str, list[OSError]]:
    names = [name for name in files.names(home.fs, place.name, batches.trash(home)) if name != batches.MANIFEST]
    eraser = Eraser(home.fs, threads=pace.threads, paced=pace.paced, told=_counter(progress, len(names)))
    try:
        with files.opened(home.fs, place.name, dir_fd=batches.trash(home)) as fd:
            return eraser.erase(fd, names)
    except OSError as cause:
        if cause.errno in files.GONE:
            return {}
        return {name: [cause] for name in names}


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    done = iter(range(1, total + 1))
    return (lambda: progress("purge", next(done, total), total)) if progress else (lambda: None)


def _line(unit: Unit | None, place: Place, entries: Mapping[int, str], errors: Mapping[str, list[OSError]]) -> Item:
    """What became of one checkpoint in the batch?"""
    name = unit.name if unit else f"{place.name}/{entries[min(entries)]}"
    step, size = (unit.step, unit.size) if unit else (None, 0)
    failed = [error for entry in entries.values() for error in errors.get(entry, ())]
    if not failed:
        return Item(name=name, step=step, outcome=Done.PURGED, bytes=size)
    why = f"in the trash, not all of it freed: {failed[0].strerror or failed[0]}; tried again next time"
    return Item(name=name, step=step, outcome=Done.FAILED, why=why)


def _free_beside(home: Home, pace: Pace) -> list[Item]:
    names = beside.claimed(home)
    errors = Eraser(home.fs, threads=pace.threads, paced=pace.paced).erase(home.parent_fd, names) if names else {}
    return [
        Item(name=name, outcome=Done.FAILED, why=f"not all of it freed: {found[0].strerror}; tried again next time")
        for name, found in errors.items()
    ]
