"""Hugging Face ``Trainer``: directories ``checkpoint-500``.

Read from ``transformers/trainer.py`` (``_save_checkpoint``), ``trainer_utils.py`` (``rotate_checkpoints``,
``get_last_checkpoint``) and ``trainer_callback.py`` (``TrainerState``) of 5.23.0; ``tmp-checkpoint-N`` from 4.36-4.38.

There is no marker and no rename: config, weights, arguments, optimizer, scheduler and RNG states are written under
their final names, ``trainer_state.json`` last. What DeepSpeed or FSDP write lies inside: the outer directory is one
checkpoint.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, final

from holdfast.checkpoint import Pointer
from holdfast.layouts import integrity
from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.opcodes import operations, torch_head
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAME = re.compile(r"(?P<staged>tmp-)?checkpoint-(?P<step>\d{1,18})", re.ASCII)
_STATE, _ARGS = "trainer_state.json", "training_args.bin"
_STATE_LIMIT = 256 << 20
_RANK = re.compile(r"rng_state_(\d{1,9})\.pth", re.ASCII)
_UNFINISHED = re.compile(r"\.tmp\w{6}")
_WEIGHTS = re.compile(
    r"(?:model|pytorch_model|adapter_model)\b.*\.(?:safetensors|bin)|tf_model\.h5|flax_model\.msgpack"
)
_SHARDED = re.compile(r"global_step\d+|pytorch_model_fsdp_\d+|optimizer_\d+")
_OPTIMIZERS = ("optimizer.pt", "optimizer.bin")
_TORCH = (*_OPTIMIZERS, "scheduler.pt", "rng_state.pth")
_NO_METRICS = frozenset({"step", "epoch"})


@final
class HFTrainer(Layout):
    """How does the Hugging Face Trainer write checkpoints?"""

    name = "hf"
    title = "Hugging Face Trainer"
    verified = "transformers 5.23.0, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterator[Candidate]:
        """Directories ``checkpoint-N``; ``tmp-checkpoint-N`` is one being staged."""
        for entry in entries:
            match = _NAME.fullmatch(entry.path) if entry.kind is Kind.DIR else None
            if match is not None:
                committed = match["staged"] is None
                yield Candidate(entry.path, int(match["step"]), (entry.path,), "checkpoint-{step}", committed=committed)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``trainer_state.json``; one that is not there yet, by the arguments or weights that come before it."""
        names = look.names(candidate.name)
        if _STATE in names or not candidate.committed:
            return True
        return _ARGS in names or any(_WEIGHTS.fullmatch(name) or _UNFINISHED.fullmatch(name) for name in names)

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Its state parses (it is written last), the weights are whole, and so is what is needed to resume."""
        names = look.names(candidate.name)
        left = next((name for name in names if _UNFINISHED.fullmatch(name)), "")
        if not candidate.committed or left:
            return partial(f"being written: {left or 'staged as tmp-checkpoint-N'}")
        if _STATE not in names:
            return partial(f"{_STATE}, which is written last, is missing")
        if inner := next((name for name in names if _NAME.fullmatch(name)), ""):
            return unknown(f"it is the root of a run of its own, which holds {inner}")
        if _state(candidate, look) is None:
            return unknown(f"{_STATE} is no JSON, or too large to read")
        checks = (_weights(candidate, names, look), _to_resume(candidate, names, look), _ranks(names))
        return integrity.all_whole((*checks, _rewritten(candidate, names, look)))

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``trainer_state.json``."""
        return f"{candidate.name}/{_STATE}" if _STATE in look.names(candidate.name) else ""

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """What the log says of this very step: training and evaluation entries together, later ones first."""
        state = _state(candidate, look)
        log = state.get("log_history") if state else None
        if state is None or not isinstance(log, list):
            return None
        here = [row for row in log if isinstance(row, dict) and row.get("step") == state.get("global_step")]
        merged = {key: value for row in here for key, value in row.items() if key not in _NO_METRICS}
        return merged or None

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Is there an optimizer? ``save_only_model=True`` writes none."""
        return _has_optimizer(look.names(candidate.name))

    def resume_only(self, candidate: Candidate, look: Look) -> list[str]:
        """Optimizer, scheduler and RNG states, and what FSDP wrote as the optimizer."""
        wanted = re.compile(r"optimizer\.(?:pt|bin)|scheduler\.pt|rng_state(?:_\d+)?\.pth|optimizer_\d+/.*", re.DOTALL)
        start = f"{candidate.name}/"
        return [path for path in look.files if path.startswith(start) and wanted.fullmatch(path[len(start) :])]

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> list[Pointer]:
        """The best checkpoint, as the newest complete one names it: by its last component, for runs get moved."""
        state = _state(newest, look) if newest else None
        best = state.get("best_model_checkpoint") if state else None
        if newest is None or not isinstance(best, str):
            return []
        name = posixpath.basename(best.replace("\\", "/").rstrip("/"))
        there = any(entry.path == name for entry in entries)
        return [Pointer(path=f"{newest.name}/{_STATE}", names=(name,), kind="best")] if there else []

    def limits(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> list[str]:
        """``save_total_limit``, from the arguments that lie in the newest checkpoint."""
        del entries
        limit = _argument(newest, look, "save_total_limit") if newest else None
        return [f"save_total_limit={limit}"] if isinstance(limit, int) and not isinstance(limit, bool) else []


def _state(candidate: Candidate, look: Look) -> dict[str, Any] | None:
    state = look.json(f"{candidate.name}/{_STATE}", limit=_STATE_LIMIT)
    return state if isinstance(state, dict) else None


def _has_optimizer(names: frozenset[str]) -> bool:
    return any(name in _OPTIMIZERS or _SHARDED.fullmatch(name) for name in names)


def _weights(candidate: Candidate, names: frozenset[str], look: Look) -> Finding:
    if not any(_WEIGHTS.fullmatch(name) or _SHARDED.fullmatch(name) for name in names):
        return partial("there are no weights in it")
    return integrity.weights(look, candidate.name)


def _to_resume(candidate: Candidate, names: frozenset[str], look: Look) -> Finding:
    """Optimizer, scheduler and RNG states are whole; or there is none, because none was to be saved."""
    if not _has_optimizer(names) and ("scheduler.pt" in names or any(name.startswith("rng_state") for name in names)):
        return partial("the optimizer is missing: half deleted")
    if not _has_optimizer(names) and _argument(candidate, look, "save_only_model") is False:
        return partial("the optimizer is missing, though save_only_model was off: half deleted")
    if "optimizer.pt" in names and "scheduler.pt" not in names:
        return partial("scheduler.pt is missing: half deleted")
    files = (name for name in sorted(names) if name in _TORCH or _RANK.fullmatch(name))
    return integrity.all_whole(integrity.torch_file(look, f"{candidate.name}/{name}") for name in files)


def _ranks(names: frozenset[str]) -> Finding:
    ranks = [int(match[1]) for name in names if (match := _RANK.fullmatch(name))]
    gone = integrity.ranks_missing(ranks)
    return partial(f"rng_state_{gone[0]}.pth is missing") if gone else COMPLETE


def _rewritten(candidate: Candidate, names: frozenset[str], look: Look) -> Finding:
    """Only what one process writes before the state counts: other ranks' RNG states may come after it."""
    ours = [name for name in names if _WEIGHTS.fullmatch(name) or name in (*_OPTIMIZERS, "scheduler.pt")]
    found = integrity.rewritten(look, f"{candidate.name}/{_STATE}", (f"{candidate.name}/{name}" for name in ours))
    if found is COMPLETE:
        return COMPLETE
    return partial(f"{found.why} (or copied without its times: then touch {_STATE})")


def _argument(candidate: Candidate, look: Look, key: str) -> object:
    """The value of a training argument, read from the pickle's operations. None: not there, or no bool or number."""
    values = {"NEWTRUE": True, "NEWFALSE": False}
    at = False
    for name, argument in operations(torch_head(look, f"{candidate.name}/{_ARGS}", limit=1 << 16)):
        if at and name not in {"BINPUT", "LONG_BINPUT", "MEMOIZE"}:
            return values.get(name, argument if isinstance(argument, int) else None)
        at = at or (name == "BINUNICODE" and argument == key)
    return None
