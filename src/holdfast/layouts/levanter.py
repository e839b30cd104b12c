"""Levanter: ``step-N`` directories of TensorStore arrays with a ``metadata.json``, written last.

Read, not run: levanter of 2025-09-26 (``checkpoint.py``). ``metadata.json`` has ``step``, ``timestamp`` (local time
without a zone, read as UTC) and ``is_temporary``: a time-based save, which Levanter itself deletes after the next
one.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, final

from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial
from holdfast.layouts.names import numbered
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAME = re.compile(r"step-(\d{1,18})")
_PARTS = frozenset({"model", "opt_state", "training_step", "training_key"})


@final
class Levanter(Layout):
    """Levanter's ``step-N`` directories."""

    name = "levanter"
    title = "Levanter"
    verified = "levanter of 2025-09-26, from its source"
    time_with_status = True
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Directories named ``step-N``."""
        return numbered(entries, _NAME, "step-{step}")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``step`` and ``timestamp`` in ``metadata.json``; before that is written, by the parts of its state."""
        if "metadata.json" in look.names(candidate.name):
            return {"step", "timestamp"} <= _metadata(candidate, look).keys()
        return bool(_PARTS & look.names(candidate.name))

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """``metadata.json`` there, and of its own step, with arrays beside it."""
        metadata = _metadata(candidate, look)
        if not metadata:
            return partial(f"{candidate.name}/metadata.json, written last, is missing or cut")
        if metadata.get("step") != candidate.step:
            return partial(f"metadata.json speaks of step {metadata.get('step')!r}"[:80])
        return COMPLETE if len(look.names(candidate.name)) > 1 else partial("its arrays are missing")

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``metadata.json``."""
        return f"{candidate.name}/metadata.json" if "metadata.json" in look.names(candidate.name) else ""

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """``timestamp``; without a zone it is read as UTC."""
        try:
            moment = datetime.datetime.fromisoformat(str(_metadata(candidate, look).get("timestamp")))
            return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            return None

    def resume_only(self, candidate: Candidate, look: Look) -> Sequence[str]:
        """The optimizer's arrays."""
        start = f"{candidate.name}/opt_state/"
        return [path for path, entry in look.files.items() if path.startswith(start) and entry.kind is Kind.FILE]

    def limits(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[str]:
        """Is the newest a temporary one, which Levanter deletes by itself?"""
        del entries
        temporary = newest is not None and _metadata(newest, look).get("is_temporary") is True
        return ["save_interval (a temporary checkpoint goes after the next one)"] if temporary else []


def _metadata(candidate: Candidate, look: Look) -> dict[str, Any]:
    found = look.json(f"{candidate.name}/metadata.json", limit=1 << 20)
    return found if isinstance(found, dict) else {}
