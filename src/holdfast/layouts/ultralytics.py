"""Ultralytics YOLO: ``weights/epoch10.pt`` beside ``last.pt`` and ``best.pt``.

Read: ultralytics 8.4.190 (``engine/trainer.py``, ``utils/torch_utils.py``) and what it wrote. Epochs in names count
from 0, those of ``results.csv`` from 1: ``epoch0.pt`` belongs to the row of epoch 1. Files are written in place. When
training ends, the optimizer is stripped from ``last.pt`` and ``best.pt``: they can then no longer be resumed from.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, final

from holdfast.layouts.base import Candidate, Finding, Layout, Look
from holdfast.layouts.integrity import ZIP, torch_file
from holdfast.layouts.opcodes import has_key, none_after, torch_head
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAME = re.compile(r"(?:last|best|epoch(?P<epoch>\d{1,18}))\.pt")
_RESULTS = "results.csv"


@final
class Ultralytics(Layout):
    """``epochN.pt`` files; ``last.pt`` and ``best.pt`` are aliases."""

    name = "ultralytics"
    title = "Ultralytics YOLO"
    verified = "ultralytics 8.4.190, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Files of exactly these names."""
        for entry in entries:
            match = _NAME.fullmatch(entry.path)
            if match and entry.kind is Kind.FILE:
                alias = match["epoch"] is None
                step = None if alias else int(match["epoch"])
                yield Candidate(
                    entry.path, step, (entry.path,), entry.path if alias else "epoch{epoch}.pt", alias=alias
                )

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``best_fitness`` at the start of its state; one cut before that, by ``results.csv`` above."""
        head = torch_head(look, candidate.name)
        if head:
            return b"best_fitness" in head
        start = look.read(candidate.name, limit=4)
        return start is not None and ZIP.startswith(start) and bool(_rows(look))

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """By the zip's end record."""
        return torch_file(look, candidate.name)

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """The row of its epoch in ``results.csv``, one directory up (within reach only if the scan began there)."""
        return None if candidate.step is None else _rows(look).get(candidate.step + 1)

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Is its optimizer still there? Stripped ones have ``None`` in its place."""
        stripped = none_after(look, candidate.name, "optimizer", limit=8 << 20)
        return has_key(look, candidate.name, "optimizer", limit=8 << 20) if stripped is None else not stripped


def _rows(look: Look) -> dict[int, dict[str, float]]:
    above = look.above()
    return {} if above is None else above.beside(_RESULTS, _read)


def _read(data: bytes) -> dict[int, dict[str, float]]:
    """The rows of a CSV by their epoch; cells that are no numbers are left out."""
    try:
        rows = list(
            csv.DictReader(data.decode("utf-8", "replace").replace("\0", "").splitlines(), skipinitialspace=True)
        )
    except csv.Error:
        return {}
    numbers = [
        {str(key).strip(): value for key, cell in row.items() if (value := _number(cell)) is not None} for row in rows
    ]
    return {int(row["epoch"]): row for row in numbers if "epoch" in row and abs(row["epoch"]) < 10**12}


def _number(cell: object) -> float | None:
    try:
        return float(str(cell))
    except ValueError:
        return None
