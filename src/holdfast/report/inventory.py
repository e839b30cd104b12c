"""What a scan found, for reading: the checkpoints of one run, or one line for each of many runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from holdfast.checkpoint import Checkpoint, Run, Status
from holdfast.plan import numbers
from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, lines_of, table
from holdfast.report.timeline import labels, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

_LOOKS = {Status.COMPLETE: ("●", "good"), Status.PARTIAL: ("◐", "warn"), Status.UNKNOWN: ("◌", "warn")}
_MOST_METRICS = 3


def inventory(
    run: Run, screen: Screen, *, now: datetime, zone: str, parts: Mapping[str, int] | None = None
) -> Iterator[str]:
    """What is there? Each checkpoint of a run with its status, newest first, and what else lies there.

    ``parts``: by name, how many bytes are needed only to resume.
    """
    head = [f"run {screen.place(run.root)}", f"{run.layout} {run.template}", f"now {words.moment(now, zone)}"]
    yield from lines_of(head, screen, "bold")
    yield ""
    found = sorted(run.checkpoints, key=_place, reverse=True)
    metrics = _common(found)
    heads = [
        Column("status"),
        Column("step", right=True),
        Column("age", right=True),
        Column("size", right=True),
        *([Column("to resume", right=True)] if parts is not None else []),
        *(Column(name, right=True) for name in metrics),
        Column("remarks"),
    ]
    called = labels(found)
    cells = [_row(c, now, called[c.name], metrics, parts) for c in found]
    yield from table(heads, cells, screen)
    yield from _besides(run, screen)
    yield ""
    yield from lines_of(_sum(run), screen, "bold")


def _place(checkpoint: Checkpoint) -> tuple[int, str]:
    return (-1 if checkpoint.step is None else checkpoint.step, checkpoint.name)


def _common(found: Sequence[Checkpoint]) -> list[str]:
    """The metrics that most have; at most three."""
    often = Counter(name for c in found for name in numbers(c.metrics))
    return [name for name, _ in often.most_common(_MOST_METRICS)]


def _row(
    checkpoint: Checkpoint, now: datetime, label: str, metrics: Sequence[str], parts: Mapping[str, int] | None
) -> list[Cell]:
    glyph, style = _LOOKS[checkpoint.status]
    values = numbers(checkpoint.metrics)
    part = [] if parts is None else [Cell(words.size(parts.get(checkpoint.name)))]
    return [
        Cell(f"{glyph} {checkpoint.status}", style),
        Cell(label or words.NONE, "bold"),
        Cell(words.age(checkpoint.time, now, checkpoint.time_source)),
        Cell(words.size(checkpoint.size)),
        *part,
        *(Cell(words.number(values.get(name))) for name in metrics),
        Cell(named(checkpoint.name, label, list(_remarks(checkpoint))), "dim"),
    ]


def _remarks(checkpoint: Checkpoint) -> Iterator[str]:
    if checkpoint.why:
        yield checkpoint.why
    if checkpoint.resumable is False:
        yield "weights only: training cannot go on from it"
    if checkpoint.pinned:
        yield checkpoint.pinned
    if checkpoint.shared:
        yield f"{words.size(checkpoint.shared)} shared by hard links"
    if checkpoint.refs:
        yield f"needs {', '.join(checkpoint.refs)}"


def _besides(run: Run, screen: Screen) -> Iterator[str]:
    lines = list(_told(run))
    if lines:
        yield ""
    yield from (part for line in lines for part in lines_of([line], screen, "dim"))


def _told(run: Run) -> Iterator[str]:
    for pointer in run.pointers:
        yield f"{pointer.path} → {', '.join(pointer.names) or 'nothing'} ({pointer.kind})"
    yield from (f"note: {note}" for note in run.notes)
    yield from (f"note: the trainer's own limit is on as well: {limit}" for limit in run.limits)
    if run.foreign:
        shown = ", ".join(f"{f.path} ({f.why})" if f.why else f.path for f in run.foreign[:4])
        more = f", and {len(run.foreign) - 4} more" if len(run.foreign) > 4 else ""
        yield f"not a checkpoint of this run: {shown}{more}"


def _sum(run: Run) -> Iterator[str]:
    statuses = Counter(c.status for c in run.checkpoints)
    yield f"{words.count(len(run.checkpoints), 'checkpoint')} ({words.total(c.size for c in run.checkpoints)})"
    yield from (f"{statuses[s]} {s}" for s in Status if statuses[s])


def overview(runs: Sequence[Run], screen: Screen, *, now: datetime) -> Iterator[str]:
    """Which runs are there? One line for each, and the sum."""
    heads = [
        Column("framework"),
        Column("checkpoints", right=True),
        Column("steps", right=True),
        Column("size", right=True),
        Column("oldest", right=True),
        Column("newest", right=True),
        Column("partial", right=True),
        Column("run"),
    ]
    yield from table(heads, [_line(run, now, screen) for run in runs], screen, indent="")
    yield ""
    checkpoints = [c for run in runs for c in run.checkpoints]
    size = words.total(c.size for c in checkpoints)
    sums = [words.count(len(runs), "run"), words.count(len(checkpoints), "checkpoint"), size]
    yield from lines_of(sums, screen, "bold")


def _line(run: Run, now: datetime, screen: Screen) -> list[Cell]:
    steps = [c.step for c in run.checkpoints if c.step is not None]
    dated = sorted((c for c in run.checkpoints if c.time is not None), key=lambda c: (c.time, c.name))
    partial = sum(c.status is not Status.COMPLETE for c in run.checkpoints)
    ages = [words.age(c.time, now, c.time_source) for c in (dated[0], dated[-1])] if dated else [words.NONE] * 2
    return [
        Cell(run.layout, "name"),
        Cell(f"{len(run.checkpoints):,}"),
        Cell("-".join(map(str, sorted({min(steps), max(steps)}))) if steps else words.NONE),
        Cell(words.least(c.size for c in run.checkpoints)),
        *(Cell(text) for text in ages),
        Cell(str(partial) if partial else words.NONE, "warn" if partial else "dim"),
        Cell(f"{screen.place(run.root)}/{run.template}"),
    ]
