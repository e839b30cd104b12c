"""Metrics from a file that lies beside the checkpoints, as a training script logs them: JSON lines or CSV. Pure.

``metrics.jsonl`` takes every number of every line that has a ``step``; ``metrics.jsonl:iter,val/loss`` says which
column is the step and which are the metrics.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
from typing import TYPE_CHECKING, Any

from holdfast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.checkpoint import Run

LIMIT = 256 << 20
"""A log larger than this is refused."""
_EXACT = 1 << 53


@dataclasses.dataclass(frozen=True, slots=True)
class Sidecar:
    """Which file, which of its columns is the step, and which are metrics (none named: all numbers)?"""

    file: str
    step: str = "step"
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Sidecar:
        """Which sidecar does ``FILE``, ``FILE:step`` or ``FILE:step,NAME,...`` speak of?"""
        file, _, columns = text.partition(":")
        step, *names = [c.strip() for c in columns.split(",")] if columns else ["step"]
        if not file or not step or not all(names):
            raise UsageError(f"--metrics {text}: give FILE, or FILE:step,NAME, as metrics.jsonl:step,eval/loss")
        return cls(file, step, tuple(names))

    def by_step(self, data: bytes) -> dict[int, dict[str, float]]:
        """What was logged at each step? Where a step was logged again, the later value of each metric counts."""
        found: dict[int, dict[str, float]] = {}
        for row in self._rows(data.decode("utf-8-sig", "replace")):
            step = _whole(row.get(self.step))
            if step is not None:
                found.setdefault(step, {}).update(self._numbers(row))
        if not found:
            raise UsageError(f"--metrics {self.file}: no line has a whole number in the column {self.step!r}")
        return found

    def _rows(self, text: str) -> Iterator[Mapping[str, Any]]:
        try:
            yield from _json_lines(text) if text.lstrip().startswith("{") else csv.DictReader(io.StringIO(text))
        except csv.Error as cause:
            raise UsageError(f"--metrics {self.file} cannot be read as CSV: {cause}") from cause

    def _numbers(self, row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        for name, value in row.items():
            if (name in self.names or not self.names) and name != self.step:
                number = _float(value)
                if number is not None:
                    yield name, number

    def attach(self, run: Run, data: bytes) -> Run:
        """What is the run with these metrics? Each checkpoint gets those of its step besides what it has."""
        found = self.by_step(data)
        checkpoints = (
            dataclasses.replace(c, metrics={**(c.metrics or {}), **found[c.step]}) if c.step in found else c
            for c in run.checkpoints
        )
        return dataclasses.replace(run, checkpoints=tuple(checkpoints))


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    """A line that is cut short, as a crash leaves it, is passed over. Only a newline ends a line, as in JSON lines."""
    for line in text.split("\n"):
        try:
            row = json.loads(line)
            if isinstance(row, dict):
                row = dict(_flat(row))
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _float(value: object) -> float | None:
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # what has no float raises
    except (TypeError, ValueError, OverflowError):
        return None


def _whole(value: object) -> int | None:
    """Which whole number is it, exactly? A step beyond 2^53 has neighbours that a float cannot tell from it."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            return int(value)
    number = _float(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < _EXACT else None
