"""What a prune, an undo or a purge did, for reading: in the past tense."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from holdfast.prune.report import Done, Item, Report
from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, lines_of, table
from holdfast.report.timeline import heading, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from holdfast.errors import HoldfastError
    from holdfast.plan import Plan

_LOOKS = {
    Done.PRUNED: ("○ dropped", "bad"),
    Done.SKIPPED: ("◌ skipped", "warn"),
    Done.FAILED: ("✗ failed", "bad"),
    Done.RESTORED: ("● restored", "good"),
    Done.PURGED: ("○ purged", "bad"),
}
_PAST = {
    Done.PRUNED: "dropped",
    Done.RESTORED: "restored",
    Done.PURGED: "purged",
    Done.SKIPPED: "skipped",
    Done.FAILED: "failed",
}


def pruned(plan: Plan, report: Report, screen: Screen, *, headed: bool = True) -> Iterator[str]:
    """What became of each checkpoint that was to be dropped, and what does it come to?

    ``headed``: False where the plan was printed just before.
    """
    if headed:
        yield from heading(plan, screen)
        yield ""
    place = {d.name: i for i, d in enumerate(plan.decisions)}
    reasons = {d.name: d.reasons for d in plan.dropped}
    newest_first = sorted(report.items, key=lambda item: place.get(item.name, -1))
    told = {
        i.name: named(i.name, str(i.step or ""), [i.why] if i.why else reasons.get(i.name, ())) for i in newest_first
    }
    yield from _items(newest_first, screen, "why", told)
    yield from _warnings(report, screen)
    if report.items or report.warnings:
        yield ""
    yield from lines_of(_sum(plan, report), screen, "bold")


def _sum(plan: Plan, report: Report) -> Iterator[str]:
    """``kept 9 (112 GiB) · dropped 31 (388 GiB freed) · set aside 2``."""
    kept = plan.kept
    yield f"kept {len(kept)} ({words.total(d.size for d in kept)})"
    dropped = report.of(Done.PRUNED)
    bound = "up to " if plan.bytes_shared else ""
    freed = f"{bound}{words.size(report.freed)} freed"
    moved = f"in the trash; purging frees {bound}{words.size(sum(i.bytes for i in dropped))}"
    yield f"dropped {len(dropped)}" + (f" ({freed if report.freed else moved})" if dropped else "")
    for outcome in (Done.SKIPPED, Done.FAILED):
        if some := report.of(outcome):
            yield f"{_PAST[outcome]} {len(some)}"
    if plan.set_aside:
        yield f"set aside {len(plan.set_aside)}"


def done(report: Report, screen: Screen) -> Iterator[str]:
    """What did an undo, a purge or a cleaning do? Each item, and the sum."""
    newest_first = sorted(report.items, key=lambda item: (item.step or 0, item.name), reverse=True)
    told = {item.name: f"{item.name}: {item.why}" if item.why else item.name for item in report.items}
    yield from _items(newest_first, screen, "name", told)
    yield from _warnings(report, screen)
    if report.items or report.warnings:
        yield ""
    counts = [f"{_PAST[o]} {len(some)}" for o in Done if (some := report.of(o))] or ["nothing to do"]
    freed = [f"{words.size(report.freed)} freed"] if report.freed else []
    waiting = [f"{words.size(report.waiting)} still in the trash"] if report.waiting else []
    yield from lines_of([*counts, *freed, *waiting], screen, "bold")


def _items(items: Sequence[Item], screen: Screen, last: str, told: Mapping[str, str]) -> Iterator[str]:
    if items:
        heads = [Column("outcome"), Column("step", right=True), Column("size", right=True), Column(last)]
        yield from table(heads, [_row(item, told[item.name]) for item in items], screen)


def _row(item: Item, told: str) -> list[Cell]:
    text, style = _LOOKS[item.outcome]
    return [Cell(text, style), Cell(_step(item) or words.NONE), Cell(words.size(item.bytes or None)), Cell(told, "dim")]


def _step(item: Item) -> str:
    return "" if item.step is None else str(item.step)


def _warnings(report: Report, screen: Screen) -> Iterator[str]:
    for warning in report.warnings:
        yield from lines_of([f"note: {warning}"], screen, "warn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """One of several runs: what was planned, what was done, or why not?"""

    name: str
    plan: Plan | None = None
    report: Report | None = None
    error: HoldfastError | None = None

    @property
    def code(self) -> int:
        """Which exit code would this run alone have?"""
        if self.error is not None:
            return self.error.exit_code
        return self.report.exit_code if self.report is not None else 0


def runs(units: Sequence[Unit], screen: Screen) -> Iterator[str]:
    """What would go from each of several runs, what went, or why did nothing? One line for each."""
    heads = [Column("outcome"), Column("keep", right=True), Column("drop", right=True), Column("size", right=True)]
    yield from table([*heads, Column("run")], [_unit(u, screen) for u in units], screen, indent="")
    for unit in units:
        if unit.error is not None:
            yield from lines_of([f"{screen.place(unit.name)}: {unit.error}"], screen, "warn")
    yield ""
    acted = any(u.report for u in units)
    dropped = sum(len(u.report.of(Done.PRUNED) if u.report else u.plan.dropped if u.plan else ()) for u in units)
    refused = sum(u.error is not None for u in units)
    parts = [words.count(len(units), "run"), f"{'dropped' if acted else 'would drop'} {dropped}"]
    yield from lines_of([*parts, *([f"not done {refused}"] if refused else [])], screen, "bold")


def _unit(unit: Unit, screen: Screen) -> list[Cell]:
    if unit.plan is None or unit.error is not None:
        return [
            Cell("✗ not done", "warn"),
            Cell(words.NONE),
            Cell(words.NONE),
            Cell(words.NONE),
            Cell(screen.place(unit.name)),
        ]
    dropped = unit.report.of(Done.PRUNED) if unit.report else unit.plan.dropped
    size = sum(i.bytes for i in unit.report.of(Done.PRUNED)) if unit.report else unit.plan.bytes_to_free
    word = "○ dropped" if unit.report else "○ would drop"
    return [
        Cell(word if dropped else "● all kept", "bad" if dropped else "good"),
        Cell(str(len(unit.plan.kept))),
        Cell(str(len(dropped))),
        Cell(words.size(size)),
        Cell(screen.place(unit.name)),
    ]
