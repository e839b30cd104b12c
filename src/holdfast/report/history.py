"""What was done to a run, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHOWN_ALREADY = {"time", "event", "who"}


def history(records: Sequence[Mapping[str, Any]], screen: Screen) -> Iterator[str]:
    """One line for each record of the journal, the oldest first."""
    if not records:
        yield "nothing was ever done here"
        return
    heads = [Column("time"), Column("event"), Column("who"), Column("what")]
    yield from table(heads, [_row(r) for r in records], screen, indent="")


def _row(record: Mapping[str, Any]) -> list[Cell]:
    time = str(record.get("time", words.NONE))
    told = " · ".join(f"{k} {_short(v)}" for k, v in record.items() if k not in _SHOWN_ALREADY and v not in ("", None))
    return [
        Cell(time[:19].replace("T", " "), "dim"),
        Cell(str(record.get("event", words.NONE)), "name"),
        Cell(str(record.get("who", words.NONE))),
        Cell(told),
    ]


def _short(value: object) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
