"""What waits in the trash, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from holdfast.prune import TrashEntry


def waste(entries: Sequence[TrashEntry], screen: Screen, *, now: datetime) -> Iterator[str]:
    """What waits, until when, and how much does purging free? One line for each dropped checkpoint."""
    if not entries:
        yield "the trash is empty"
        return
    heads = [
        Column("state"),
        Column("step", right=True),
        Column("size", right=True),
        Column("dropped", right=True),
        Column("undo for", right=True),
        Column("name"),
    ]
    yield from table(heads, [_row(e, now) for e in entries], screen)
    yield ""
    told = f"{words.count(len(entries), 'checkpoint')} in the trash · purging frees {words.size(_bytes(entries))}"
    yield screen.paint(screen.plain(told), "bold")


def _bytes(entries: Sequence[TrashEntry]) -> int:
    return sum(e.bytes for e in entries)


def _row(entry: TrashEntry, now: datetime) -> list[Cell]:
    left = words.span_of(entry.until - now) if entry.until > now else "over"
    return [
        Cell(f"◌ {entry.state}", "warn"),
        Cell(words.NONE if entry.step is None else str(entry.step)),
        Cell(words.size(entry.bytes)),
        Cell(words.age(entry.dropped, now)),
        Cell(left),
        Cell(entry.name, "dim"),
    ]
