"""Pins and leases, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from holdfast.checkpoint import Hold


def held(holds: Sequence[Hold], screen: Screen, *, now: datetime) -> Iterator[str]:
    """What is held, by whom, how long, and why? One line for each pin and lease."""
    if not holds:
        yield "nothing is pinned or leased"
        return
    heads = [Column("hold"), Column("checkpoint"), Column("owner"), Column("until", right=True), Column("reason")]
    yield from table(heads, [_row(h, now) for h in holds], screen, indent="")


def _row(hold: Hold, now: datetime) -> list[Cell]:
    until = "unpinned" if hold.until is None else f"in {words.span_of(hold.until - now)}"
    return [
        Cell(hold.kind, "good"),
        Cell(hold.name, "bold"),
        Cell(hold.owner),
        Cell("ended" if hold.until is not None and hold.until <= now else until),
        Cell(hold.reason, "dim"),
    ]
