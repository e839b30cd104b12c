"""Hugging Face Accelerate's ``save_state``: ``checkpoints/checkpoint_N``, or any directory that its user named.

Read: accelerate 1.15.0 (``accelerator.py``, ``checkpointing.py``, ``utils/constants.py``) and what it wrote. N counts
saves, it is no step; no file says the step (the ``step`` in ``random_states_0.pkl`` goes back to 0 each epoch). There
is no marker and no rename: ``random_states_R.pkl`` is each rank's last file, before objects that the user registered.
Accelerate deletes *before* it saves, and dies of any foreign entry in ``checkpoints/``.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, final

from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.dcp import dcp_status, holds_dcp
from holdfast.layouts.deepspeed import deepspeed_status, holds_deepspeed
from holdfast.layouts.integrity import all_whole, ranks_missing, torch_file, weights
from holdfast.layouts.names import folders
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_AUTOMATIC = re.compile(r"checkpoint_(\d{1,18})")
_RANDOM = re.compile(r"random_states_(\d{1,6})\.pkl")
_STATE = re.compile(r"(?:optimizer|scheduler|sampler)(?:_\d+)?\.bin|custom_checkpoint_\d+\.pkl|random_states_\d+\.pkl")
_FSDP = re.compile(r"optimizer_\d+/")
_WEIGHTS = frozenset({"model.safetensors", "pytorch_model.bin", "pytorch_model_fsdp_0"})


@final
class Accelerate(Layout):
    """Directories that ``Accelerator.save_state`` wrote."""

    name = "accelerate"
    title = "Hugging Face Accelerate save_state"
    verified = "accelerate 1.15.0, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Any directory. ``checkpoint_N`` counts saves: its template is ``checkpoint_{save}``."""
        return folders(entries, _AUTOMATIC, "checkpoint_{save}")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``random_states_R.pkl``. A younger one, under the automatic name, by its optimizer or bare weights."""
        names = look.names(candidate.name)
        if any(map(_RANDOM.fullmatch, names)):
            return True
        bare = bool(names & _WEIGHTS) and "config.json" not in names
        return bool(_AUTOMATIC.fullmatch(candidate.name)) and (bare or any(map(_STATE.fullmatch, names)))

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``random_states_0.pkl``: rank 0 writes it last."""
        path = f"{candidate.name}/random_states_0.pkl"
        return path if path in look.files else ""

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Weights and every state file whole, and ``random_states_R.pkl`` there for ranks 0, 1, ..."""
        names = look.names(candidate.name)
        ranks = {int(match[1]) for match in map(_RANDOM.fullmatch, names) if match}
        gone = ranks_missing(ranks) if ranks else [0]
        if gone:
            return partial(f"{candidate.name}/random_states_{gone[0]}.pkl is missing")
        if not any(name.startswith(("model", "pytorch_model")) for name in names):
            return partial(f"{candidate.name} holds no model")
        if not any(name.startswith("optimizer") for name in names) and "pytorch_model" not in names:
            return unknown("it holds no optimizer: half deleted, or none was prepared")
        files = (torch_file(look, f"{candidate.name}/{name}") for name in sorted(names) if _STATE.fullmatch(name))
        return all_whole(itertools.chain([weights(look, candidate.name)], files, _inside(candidate, look)))

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Always, if it is whole: ``save_state`` is there to resume."""
        return any(map(_RANDOM.fullmatch, look.names(candidate.name)))

    def resume_only(self, candidate: Candidate, look: Look) -> Sequence[str]:
        """Optimizers (FSDP's directory too), schedulers, samplers, random states, the user's registered objects."""
        start = f"{candidate.name}/"
        return [
            path
            for path, entry in look.files.items()
            if entry.kind is Kind.FILE
            and (_STATE.fullmatch(path.removeprefix(start)) or _FSDP.match(path.removeprefix(start)))
        ]


def _inside(candidate: Candidate, look: Look) -> Iterator[Finding]:
    """What do the directories inside say: FSDP's of DCP shards, DeepSpeed's under one tag?"""
    for entry in look.list(candidate.name):
        path = f"{candidate.name}/{entry.path}"
        if entry.kind is Kind.DIR and holds_dcp(look.names(path)):
            yield dcp_status(look, path)
        elif entry.kind is Kind.DIR and holds_deepspeed(look.names(path)):
            yield deepspeed_status(look, path)
