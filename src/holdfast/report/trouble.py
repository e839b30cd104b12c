"""What is not as it should be in a run, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from holdfast.prune import Finding


def trouble(findings: Sequence[Finding], screen: Screen, *, now: datetime) -> Iterator[str]:
    """What is wrong, and how much does it take? One line for each finding."""
    if not findings:
        yield "nothing is broken, dangling or left over"
        return
    heads = [Column("finding"), Column("unchanged for", right=True), Column("size", right=True), Column("what")]
    yield from table(heads, [_row(f, now) for f in findings], screen, indent="")
    yield ""
    told = f"{words.count(len(findings), 'finding')} · {words.size(sum(f.bytes for f in findings))}"
    yield screen.paint(screen.plain(told), "bold")


def _row(finding: Finding, now: datetime) -> list[Cell]:
    return [
        Cell(f"◐ {finding.kind}", "warn"),
        Cell(words.age(finding.touched, now)),
        Cell(words.size(finding.bytes)),
        Cell(f"{finding.path}: {finding.why}"),
    ]
