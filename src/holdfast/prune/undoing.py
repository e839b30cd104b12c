"""How does a dropped checkpoint come back? Byte for byte, with its times, over nothing, and pinned for a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.checkpoint import Hold
from holdfast.errors import NotFoundError
from holdfast.prune import batch as batches
from holdfast.prune import holding, journal, move, waiting
from holdfast.prune.batch import State
from holdfast.prune.lock import TTL, locked
from holdfast.prune.recovery import recover
from holdfast.prune.report import Done, Item, Report
from holdfast.prune.state import home as opened
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from holdfast.prune.batch import Batch, Place, Unit
    from holdfast.prune.lock import Clock
    from holdfast.prune.state import Home

PINNED_FOR = timedelta(days=7)
"""So long does the next prune leave alone what an undo brought back."""


def undo(
    root: str | os.PathLike[str],
    names: Iterable[str] = (),
    *,
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
    now: datetime | None = None,
    ttl: float = TTL,
    clock: Clock | None = None,
) -> Report:
    """Bring back what the last prune dropped, or these checkpoints by name (each from the newest that there is).

    Never overwrites: where something has the name by now, that one stays in the trash, and the report says so.
    What comes back is pinned for 7 days, else the next prune would drop it again. ``NotFoundError`` if nothing
    waits, or a name does not.
    """
    moment = now or datetime.now(UTC)
    with opened(root, fs=fs or Posix(), state_dir=state_dir, trash_dir=trash_dir) as home:
        if home.trash_fd is None:
            raise _nothing(home)
        with locked(home, ttl=ttl, clock=clock):
            told = recover(home, moment)
            chosen = _chosen(home, list(names))
            items = [_bring_back(home, place, unit, moment) for place, unit in chosen]
            for place in {place for place, _ in chosen}:
                batches.drop_empty(home, place)
            journal.append(home, "undone", [{"name": i.name, "outcome": i.outcome, "why": i.why} for i in items])
            journal.settle(home)
        left = waiting.total(home)
    return Report(root=home.root, action="undo", items=tuple(items), waiting=left, warnings=tuple(told))


def _nothing(home: Home) -> NotFoundError:
    return NotFoundError(f"nothing waits in the trash of {home.root}: only what was pruned with a grace can be undone")


def _chosen(home: Home, names: list[str]) -> list[tuple[Place, Unit]]:
    newest_first = sorted(waiting.loaded(home, State.WAITING), key=lambda pair: pair[1].made, reverse=True)
    if not names:
        found = next((units for pair in newest_first if (units := _waiting(home, *pair))), [])
        if not found:
            raise _nothing(home)
        return found
    everything = [one for pair in newest_first for one in _waiting(home, *pair)]
    return [_newest(everything, name, home) for name in dict.fromkeys(names)]


def _waiting(home: Home, place: Place, batch: Batch) -> list[tuple[Place, Unit]]:
    return [(place, unit) for unit in batches.lying(home, place, batch)]


def _newest(everything: list[tuple[Place, Unit]], name: str, home: Home) -> tuple[Place, Unit]:
    for place, unit in everything:
        if unit.name == name:
            return place, unit
    there = ", ".join(repr(unit.name) for _, unit in everything[:10]) or "nothing"
    raise NotFoundError(f"{name!r} does not wait in the trash of {home.root}; what does: {there}")


def _bring_back(home: Home, place: Place, unit: Unit, now: datetime) -> Item:
    """Pin first, then move: were it the other way round, a crash between the two would leave it to the next prune."""
    pinned = Hold(
        name=unit.name,
        kind="pin",
        owner=journal.who(),
        reason="brought back by undo",
        until=now + PINNED_FOR,
        fingerprint=unit.fingerprint,
    )
    spots = move.in_batch(home, place, unit)
    try:
        move.check_free(home, unit, spots)
        if unit.name not in {hold.name for hold in holding.in_force(home, now) if hold.kind == "pin"}:
            holding.write_pin(home, pinned)
        move.back(home, unit, spots)
    except FileExistsError:
        why = "something else has its name by now; it stays in the trash"
        return Item(name=unit.name, step=unit.step, outcome=Done.FAILED, why=why)
    except OSError as cause:
        why = f"{cause.strerror}; what did not come back stays in the trash"
        return Item(name=unit.name, step=unit.step, outcome=Done.FAILED, why=why)
    return Item(name=unit.name, step=unit.step, outcome=Done.RESTORED, bytes=unit.size)
