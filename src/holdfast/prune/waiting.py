"""What waits in the trash of a run, until when, and how much does it take?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from holdfast.errors import FormatError
from holdfast.prune import batch as batches
from holdfast.prune.batch import State
from holdfast.prune.state import home
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    import os
    from datetime import datetime

    from holdfast.prune.batch import Batch, Place
    from holdfast.prune.state import Home


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrashEntry:
    """Which dropped checkpoint waits, since when, and until when can it be undone?"""

    name: str
    step: int | None
    bytes: int
    dropped: datetime
    until: datetime
    """From then on the next prune purges it."""
    state: str
    """``waiting``; ``held`` or ``lost``: a prune is at work, or was stopped; ``purging``: no undo any more."""
    batch: str
    """Which prune dropped it."""
    policy: str


def trash(
    root: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> list[TrashEntry]:
    """What waits in the trash of this run, the newest first? Only reads."""
    with home(root, fs=fs or Posix(), state_dir=state_dir, trash_dir=trash_dir) as place:
        found = [entry for where, batch in loaded(place, *State) for entry in entries(place, where, batch)]
    return sorted(found, key=lambda e: (e.dropped, e.step or 0, e.name), reverse=True)


def loaded(home: Home, *states: State) -> list[tuple[Place, Batch]]:
    """The readable batches in one of these states; a damaged one is left out (``recover`` tells of it)."""
    found = []
    for place in list(batches.places(home, *states)):
        try:
            batch = batches.load(home, place)
        except FormatError:
            continue
        if batch is not None:
            found.append((place, batch))
    return found


def entries(home: Home, place: Place, batch: Batch) -> list[TrashEntry]:
    """What of this batch lies in the trash?"""
    return [
        TrashEntry(
            name=unit.name,
            step=unit.step,
            bytes=unit.size,
            dropped=batch.made,
            until=batch.until,
            state=str(place.state),
            batch=batch.token,
            policy=batch.policy,
        )
        for unit in batches.lying(home, place, batch)
    ]


def total(home: Home) -> int:
    """How many bytes wait in the trash?"""
    return sum(unit.size for pair in loaded(home, State.WAITING) for unit in batches.lying(home, *pair))
