"""t5x's legacy checkpoints: ``checkpoint_N`` directories with a msgpack file ``checkpoint`` and TensorStore arrays.

Read, not run: t5x of 2026-04-21 (``checkpoints.py``, ``checkpoint_utils.py``). Written as
``checkpoint_N.tmp-<seconds>`` and renamed; on an object store that is a move of one object after the other, so
nothing says that all have arrived. A file ``PINNED`` inside protects one from t5x's own deletion: it is honoured.
Newer t5x writes Orbax' checkpoints.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.integrity import all_whole, msgpack
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAME = re.compile(r"checkpoint_(\d{1,18})(?P<tmp>\.tmp-\d+)?")


@final
class T5X(Layout):
    """t5x's ``checkpoint_N`` directories."""

    name = "t5x"
    title = "t5x (legacy checkpointer)"
    verified = "t5x of 2026-04-21, from its source"
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Directories ``checkpoint_N``; with ``.tmp-`` they are not committed."""
        for entry in entries:
            match = _NAME.fullmatch(entry.path)
            if match and entry.kind is Kind.DIR:
                committed = match["tmp"] is None
                yield Candidate(entry.path, int(match[1]), (entry.path,), "checkpoint_{step}", committed=committed)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By the file ``checkpoint`` inside, or by the name while it is being written."""
        return not candidate.committed or "checkpoint" in look.names(candidate.name)

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """The final name, the msgpack file whole, and each array with its ``.zarray``."""
        if not candidate.committed:
            return partial("not committed: its name still ends in .tmp")
        bare = [path for path in _arrays(candidate, look) if f"{path}/.zarray" not in look.files]
        if bare:
            return partial(f"{bare[0]} is no whole array")
        moved = unknown("moved object by object: nothing says that all arrays have arrived")
        main = msgpack(look, f"{candidate.name}/checkpoint")
        return main if look.store.facts.directories else all_whole([main, moved])

    def marker(self, candidate: Candidate, look: Look) -> str:
        """The file ``checkpoint``, without which t5x sees none."""
        return f"{candidate.name}/checkpoint" if "checkpoint" in look.names(candidate.name) else ""

    def resume_only(self, candidate: Candidate, look: Look) -> Sequence[str]:
        """The data iterator's files, and the arrays of the optimizer's state."""
        start = f"{candidate.name}/"
        parts = ("train_ds", "state.param_states", "optimizer.state.param_states")
        return [
            path
            for path, entry in look.files.items()
            if entry.kind is Kind.FILE and path.startswith(tuple(start + part for part in parts))
        ]

    def pinned(self, candidate: Candidate, look: Look) -> str:
        """Does a file ``PINNED`` lie inside?"""
        return "pinned by t5x: it holds a file PINNED" if "PINNED" in look.names(candidate.name) else ""


def _arrays(candidate: Candidate, look: Look) -> list[str]:
    folders = [entry.path for entry in look.list(candidate.name) if entry.kind is Kind.DIR]
    return sorted(f"{candidate.name}/{name}" for name in folders if not name.startswith("train_ds"))
