"""How much of each checkpoint is needed only to resume (optimizer, scheduler, random states)?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.layouts import registry
from holdfast.layouts.base import Candidate, Look
from holdfast.stores.local import LocalStore

if TYPE_CHECKING:
    from holdfast.checkpoint import Run
    from holdfast.stores.base import Store


def resume_bytes(run: Run, store: Store | None = None) -> dict[str, int]:
    """How many bytes, by checkpoint, does inference not need? Only what lies in files of its own counts.

    Lists every checkpoint in full; only reads.
    """
    layout = registry.layout(run.layout)
    directory = Look(store or LocalStore(run.root), "")
    found = {}
    for checkpoint in run.checkpoints:
        candidate = Candidate(checkpoint.name, checkpoint.step, checkpoint.members, run.template)
        look = directory.within(checkpoint.members)
        files = look.files
        found[checkpoint.name] = sum(files[p].size for p in layout.resume_only(candidate, look) if p in files)
    return found
