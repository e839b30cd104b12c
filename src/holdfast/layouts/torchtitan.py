"""torchtitan: ``step-N`` directories, written by DCP; the last one may be of Hugging Face safetensors.

Read: torchtitan 0.3.0 (``components/checkpointer/dcp.py``, ``base.py``) and what it wrote. It resumes from the
highest ``step-N`` with a ``.metadata`` or an index. It deletes the oldest directories, whole or not, even while a
save is running; and its last save holds the model alone unless ``last_save_model_only`` is off.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.layouts.base import Candidate, Finding, Layout, Look
from holdfast.layouts.dcp import METADATA, dcp_status, holds_dcp, marker_of
from holdfast.layouts.integrity import INDEX, weights
from holdfast.layouts.names import numbered
from holdfast.layouts.opcodes import mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.stores.base import Entry

_NAME = re.compile(r"step-(\d{1,18})")


@final
class Torchtitan(Layout):
    """torchtitan's ``step-N`` directories."""

    name = "torchtitan"
    title = "torchtitan"
    verified = "torchtitan 0.3.0, run"
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Directories named ``step-N``, and nothing around it."""
        return numbered(entries, _NAME, "step-{step}")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By DCP's shards or marker, or by the shards of a last save for Hugging Face."""
        names = look.names(candidate.name)
        return holds_dcp(names) or any(map(METADATA.fullmatch, names)) or "sharded" in names

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``.metadata``, or the index of a Hugging Face save."""
        names = sorted(filter(INDEX.fullmatch, look.names(candidate.name)))
        return marker_of(look, candidate.name) or next((f"{candidate.name}/{name}" for name in names), "")

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """DCP's rule; a Hugging Face save by its index."""
        names = look.names(candidate.name)
        if any(map(INDEX.fullmatch, names)) and not holds_dcp(names):
            return weights(look, candidate.name)
        return dcp_status(look, candidate.name)

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Does ``.metadata`` mention the optimizer? Reads it, up to 64 MiB."""
        if not holds_dcp(look.names(candidate.name)):
            return False
        return mentions(look, f"{candidate.name}/.metadata", b"optimizer.")
