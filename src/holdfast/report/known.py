"""The frameworks whose checkpoints are recognised, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.report.screen import Cell, Column, Screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.layouts.base import Layout


def known(layouts: Sequence[Layout], screen: Screen) -> Iterator[str]:
    """What is recognised? One line for each layout, in the order in which they are asked."""
    rows = [[Cell(one.name, "name"), Cell(one.title), Cell(one.verified, "dim")] for one in layouts]
    yield from table([Column("layout"), Column("framework"), Column("verified against")], rows, screen, indent="")
