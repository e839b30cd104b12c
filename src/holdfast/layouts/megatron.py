"""Megatron-LM, megatron-core and Megatron-Bridge: ``iter_0001000`` directories and a tracker file.

Read: megatron-core 0.16.1, which wrote files here (``dist_checkpointing/serialization.py``), and from source the
trainers: Megatron-LM of 2026-08-22 (``training/checkpointing.py``), Megatron-Bridge of the same day. In the
distributed format ``metadata.json`` is written last. In the old format (``mp_rank_*`` directories) nothing is: only
the tracker, ``latest_checkpointed_iteration.txt``, tells that an iteration was finished.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.checkpoint import Pointer
from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.dcp import dcp_status, holds_dcp
from holdfast.layouts.integrity import all_whole, ranks_missing, rewritten, torch_file
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_NAME = re.compile(r"iter_(\d{7,18})")
_RANK = re.compile(r"mp_rank_(\d{2,6})(?:_(\d{3,6}))?(?:_(\d{3,6}))?")
_TRACKER = "latest_checkpointed_iteration.txt"
_STATE = "latest_train_state.pt"
_OWN = frozenset({"metadata.json", "common.pt", ".metadata", "run_config.yaml", "train_state.pt"})


@final
class Megatron(Layout):
    """``iter_N`` directories, in the distributed format and in the old one; ``release`` is an alias."""

    name = "megatron"
    title = "Megatron-LM, megatron-core, Megatron-Bridge"
    verified = "megatron-core 0.16.1, run; the trainers' rules from the source of 2026-08-22"
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Directories named ``iter_`` with seven digits or more, or ``release``."""
        for entry in entries:
            match = _NAME.fullmatch(entry.path)
            if match and entry.kind is Kind.DIR:
                yield Candidate(entry.path, int(match[1]), (entry.path,), "iter_{step}")
            elif entry.path == "release" and entry.kind is Kind.DIR:
                yield Candidate(entry.path, None, (entry.path,), entry.path, alias=True)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By its own files at the top, shards, or ``mp_rank_*`` directories."""
        names = look.names(candidate.name)
        return bool(names & _OWN) or holds_dcp(names) or any(map(_RANK.fullmatch, names))

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """By ``metadata.json`` and the shards; the old format by its ranks' files and the tracker."""
        names = look.names(candidate.name)
        ranks = [match for match in map(_RANK.fullmatch, names) if match]
        return _ranked(candidate, ranks, look) if ranks else _distributed(candidate.name, names, look)

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``metadata.json``."""
        return f"{candidate.name}/metadata.json" if "metadata.json" in look.names(candidate.name) else ""

    def resume_only(self, candidate: Candidate, look: Look) -> Sequence[str]:
        """The old format's ``distrib_optim.pt`` files; the distributed one mixes everything in its shards."""
        start = f"{candidate.name}/"
        return [path for path in look.files if path.startswith(start) and path.endswith("/distrib_optim.pt")]

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """The tracker: an iteration, or ``release``."""
        del newest
        there = {entry.path for entry in entries}
        target = _tracked(look) if _TRACKER in there else ""
        return [Pointer(path=_TRACKER, names=(target,), repointable=True)] if target else []

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """The iteration as digits; where Bridge keeps ``latest_train_state.pt``, a copy of ``to``'s beside it."""
        del without
        match = _NAME.fullmatch(to or "")
        if to is None or not (match or to == "release"):
            return None
        tracker: dict[str, bytes | str] = {pointer.path: str(int(match[1])).encode() if match else b"release"}
        if look.read(_STATE, limit=1) is None:
            return tracker
        state = look.read(f"{to}/train_state.pt", limit=1 << 20)
        return None if state is None or len(state) == 1 << 20 else {_STATE: state, **tracker}


def _distributed(folder: str, names: Collection[str], look: Look) -> Finding:
    """Is a checkpoint in the distributed format whole? ``metadata.json`` last, the shards by DCP's ``.metadata``."""
    marker = f"{folder}/metadata.json"
    if not isinstance(look.json(marker), dict):
        return partial(f"{marker}, written last, is missing or cut")
    listed = _listed(folder, look)
    if lost := sorted(path for path in listed if path not in look.files):
        return partial(f"{lost[0]}, which integrity.json lists, is missing")
    extra = [f"{folder}/{name}" for name in ("common.pt", "train_state.pt") if name in names]
    if ".metadata" not in names:
        return unknown(f"{folder} has no .metadata: an older format, whose parts cannot be counted")
    return all_whole(
        [dcp_status(look, folder), *(torch_file(look, path) for path in extra), rewritten(look, marker, extra)]
    )


def _listed(folder: str, look: Look) -> list[str]:
    """Which files does ``integrity.json`` list, where it was asked for?"""
    manifest = look.json(f"{folder}/integrity.json")
    files = manifest.get("files") if isinstance(manifest, dict) else None
    return [f"{folder}/{name}" for name in files] if isinstance(files, dict) else []


def _ranked(candidate: Candidate, ranks: Sequence[re.Match[str]], look: Look) -> Finding:
    """Is a checkpoint in the old format whole? Every rank's files, and a tracker that has come as far."""
    for axis in (1, 2, 3):
        gone = ranks_missing({int(match[axis]) for match in ranks if match[axis]})
        if gone:
            return partial(f"{candidate.name} lacks the directory of rank {gone[0]:02}")
    files = sorted(path for path in look.files if path.startswith(f"{candidate.name}/") and path.endswith(".pt"))
    missing = next((m[0] for m in ranks if not any(f"/{m[0]}/" in path for path in files)), "")
    if missing:
        return partial(f"{candidate.name}/{missing} is empty")
    cut = all_whole(torch_file(look, path) for path in files)
    return cut if cut != COMPLETE else _finished(candidate, look)


def _finished(candidate: Candidate, look: Look) -> Finding:
    tracked = _tracked(look)
    match = _NAME.fullmatch(tracked)
    reached = tracked == candidate.name or (match and candidate.step is not None and candidate.step <= int(match[1]))
    return COMPLETE if reached else unknown(f"{_TRACKER} has not reached it: nothing else says that it was finished")


def _tracked(look: Look) -> str:
    """Which directory does the tracker name? Empty: it says nothing that could be one."""
    text = (look.read(_TRACKER, limit=64) or b"").decode("ascii", "replace").strip()
    return f"iter_{int(text):07}" if text.isascii() and text.isdecimal() else ("release" if text == "release" else "")
