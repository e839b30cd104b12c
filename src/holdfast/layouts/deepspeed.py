"""DeepSpeed: a directory for each tag, ``global_step1000``, and beside them ``latest``, which names one.

Read: deepspeed 0.19.8 (``runtime/engine.py``, ``checkpoint/ds_to_universal.py``), which was run with two ranks under
ZeRO 0, 1, 3 and as universal. Tags are free; DeepSpeed's own end in the step. There is no marker: the ranks save side
by side, and ``latest`` names a tag *before* the other ranks' files are there. How many there must be stands in
``*_model_states.pt``, which is read as opcodes. DeepSpeed never deletes anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.checkpoint import Pointer
from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.integrity import all_whole, torch_file
from holdfast.layouts.names import folders
from holdfast.layouts.opcodes import none_after, torch_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from holdfast.stores.base import Entry

_MODEL = re.compile(r"(?:zero_pp_rank_(?P<dp>\d{1,6})_)?mp_rank_(?P<mp>\d{2,6})_model_states\.pt")
_OPTIM = re.compile(
    r"(?:bf16_)?(?:zero_pp_rank_(?P<dp>\d{1,6})_|expp_rank_\d+_)mp_rank_(?P<mp>\d{2,6})_optim_states\.pt"
)
_LAYER = re.compile(r"layer_\d+.*-?model_states\.pt|layer_\d+_expert_\d+_mp_rank_\d+_model_states\.pt")
_UNIVERSAL = re.compile(r"global_step(\d{1,18})_universal")
_POINTERS = ("latest", "latest_universal")
_DEEP = 8 << 20


def holds_deepspeed(names: Iterable[str]) -> bool:
    """Do these names, of what lies directly in a directory, show DeepSpeed at work?"""
    return any(_MODEL.fullmatch(name) or _OPTIM.fullmatch(name) for name in names)


def deepspeed_status(look: Look, folder: str) -> Finding:
    """Is a tag's directory whole: every rank's model and optimizer states there, as many as they count, and whole?"""
    names = sorted(look.names(folder))
    models = [match for match in map(_MODEL.fullmatch, names) if match]
    if not models:
        return partial(f"{folder} holds no model states")
    ours = [name for name in names if holds_deepspeed([name]) or _LAYER.fullmatch(name)]
    cut = all_whole(torch_file(look, f"{folder}/{name}") for name in ours)
    return cut if cut != COMPLETE else _ranks(folder, models, names, look)


@final
class DeepSpeed(Layout):
    """Directories of DeepSpeed's shards, of any ZeRO stage, and universal ones."""

    name = "deepspeed"
    title = "DeepSpeed"
    verified = "deepspeed 0.19.8, run; pipeline and MoE files from the source"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Any directory. Universal ones are a series of their own."""
        return folders(entries, _UNIVERSAL, "global_step{step}_universal")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By a file of model or optimizer states."""
        return holds_deepspeed(look.names(candidate.name))

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Every rank's model and optimizer states there, as many as the first one says, and all whole."""
        return deepspeed_status(look, candidate.name)

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Are there optimizer states, in files of their own or (ZeRO 0) inside?"""
        names = look.names(candidate.name)
        if any(map(_OPTIM.fullmatch, names)) or "zero" in names:
            return True
        inside = none_after(look, f"{candidate.name}/{_first(names)}", "optimizer", limit=_DEEP)
        return None if inside is None else not inside

    def resume_only(self, candidate: Candidate, look: Look) -> Sequence[str]:
        """The optimizer states that are files of their own."""
        return [f"{candidate.name}/{name}" for name in look.names(candidate.name) if _OPTIM.fullmatch(name)]

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """``latest`` and ``latest_universal``: text files with a tag; empty for a moment while being written."""
        del newest
        there = {entry.path for entry in entries}
        return [
            Pointer(path=path, names=tuple(filter(None, [_tag(look, path)])), repointable=True)
            for path in _POINTERS
            if path in there
        ]

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """The tag alone, without a line's end, as DeepSpeed writes it."""
        del look, without
        return None if to is None else {pointer.path: to.encode()}


def _tag(look: Look, path: str) -> str:
    return (look.read(path, limit=4096) or b"").decode("utf-8", "replace").strip()


def _first(names: Iterable[str]) -> str:
    return min(filter(_MODEL.fullmatch, names), default="")


def _ranks(folder: str, models: Sequence[re.Match[str]], names: Sequence[str], look: Look) -> Finding:
    """Are all the ranks there that the first file of model states counts?"""
    first = f"{folder}/{models[0][0]}"
    sizes = torch_numbers(look, first, ("dp_world_size", "mp_world_size"), limit=_DEEP)
    optims = [match for match in map(_OPTIM.fullmatch, names) if match]
    if "zero" in names:
        return _universal(folder, look)
    checks = (_grid(folder, models, sizes), _grid(folder, optims, sizes), _optimizer(look, first, optims))
    return all_whole(checks)


def _grid(folder: str, found: Sequence[re.Match[str]], sizes: Mapping[str, float]) -> Finding:
    """Is there a file for each pair of data and model parallel ranks?"""
    models = {int(match["mp"]) for match in found}
    gone = _gap(models, sizes.get("mp_world_size")) if found else None
    if gone is not None:
        return partial(f"{folder} lacks the files of model rank {gone:02}")
    for model in sorted(models):
        ranks = {int(match["dp"]) for match in found if match["dp"] and int(match["mp"]) == model}
        gone = _gap(ranks, sizes.get("dp_world_size")) if ranks else None
        if gone is not None:
            return partial(f"{folder} lacks a file of rank {gone}")
    return COMPLETE


def _gap(ranks: Collection[int], world: float | None) -> int | None:
    """Which is the first rank that is missing below ``world``, or else below the highest there is?"""
    stop = world if isinstance(world, int) else max(ranks)
    return next((rank for rank in range(stop) if rank not in ranks), None)


def _optimizer(look: Look, first: str, optims: Sequence[re.Match[str]]) -> Finding:
    """With no optimizer state inside the model states there must be files of it, unless nothing tells."""
    if optims or not none_after(look, first, "optimizer", limit=_DEEP):
        return COMPLETE
    stage = torch_numbers(look, first, ("stage",), limit=_DEEP).get("stage")
    if stage:
        return partial(f"the optimizer states of ZeRO {stage:g} are missing")
    return unknown("it holds no optimizer state, and nothing says that there is none")


def _universal(folder: str, look: Look) -> Finding:
    """A universal checkpoint: each parameter's ``fp32.pt``, and ``optimizer_state.pt``, whole."""
    inside = f"{folder}/zero/"
    files = [path for path in look.files if path.startswith(inside) and path.endswith(".pt")]
    parameters = {path.rpartition("/")[0] for path in files} - {inside.rstrip("/")}
    wanted = [f"{inside}optimizer_state.pt", *(f"{path}/fp32.pt" for path in sorted(parameters))]
    return all_whole(torch_file(look, path) for path in [*wanted, *sorted(set(files) - set(wanted))])
