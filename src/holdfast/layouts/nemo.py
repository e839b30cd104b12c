"""NeMo 2 and NeMo's ``exp_manager``: ``model--val_loss=0.50-step=100-consumed_samples=800.0``, directory or ``.ckpt``.

Read, not run: NeMo of 2025-09-20 (``lightning/pytorch/callbacks/model_checkpoint.py``,
``utils/callbacks/nemo_model_checkpoint.py``, ``lightning/ckpt_utils.py``). A directory holds ``weights/`` (in
megatron-core's distributed format) and ``context/``. An empty file ``<name>-unfinished`` beside it says that it is
being saved, or deleted; NeMo deletes all such at its start, and everything beyond its own top k.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, final

from holdfast.checkpoint import Pointer
from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial
from holdfast.layouts.dcp import dcp_status
from holdfast.layouts.integrity import all_whole, json_file, torch_file
from holdfast.layouts.lightning import pairs, template_of
from holdfast.layouts.opcodes import torch_head
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_NAME = re.compile(r"(?P<model>.+?)--(?P<pairs>[^=]+=.*?)(?P<ema>-EMA)?(?P<last>-last)?(?P<file>\.ckpt)?", re.DOTALL)
_MARKER = "-unfinished"


@final
class NeMo(Layout):
    """NeMo's directories and files; those named ``-last`` and ``-EMA`` are aliases."""

    name = "nemo"
    title = "NVIDIA NeMo"
    verified = "NeMo of 2025-09-20, from its source"
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Names with ``--`` and ``key=value`` pairs. A marker beside one says that it is not committed."""
        there = {entry.path for entry in entries}
        for entry in entries:
            match = _NAME.fullmatch(entry.path)
            fits = entry.kind is Kind.DIR or (entry.kind is Kind.FILE and entry.path.endswith(".ckpt"))
            if match and fits and pairs(match["pairs"]):
                yield _candidate(match, _marker(entry.path) not in there)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """A directory by ``weights/`` or ``context/``; a file by Lightning's version in it."""
        names = look.names(candidate.name)
        return bool(names & {"weights", "context"}) or b"pytorch-lightning_version" in torch_head(look, candidate.name)

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """No marker beside it, and its weights whole."""
        marker = _marker(candidate.name)
        if look.read(marker, limit=1) is not None:
            return partial(f"{marker} lies beside it: it is being written or deleted")
        if candidate.name.endswith(".ckpt") and not look.names(candidate.name):
            return torch_file(look, candidate.name)
        gone = {"weights", "context"} - look.names(candidate.name)
        if gone:
            return partial(f"{candidate.name}/{min(gone)} is missing")
        return _weights(f"{candidate.name}/weights", look)

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """The pairs in the name, without the step and the epoch."""
        del look
        match = _NAME.fullmatch(candidate.name)
        found = pairs(match["pairs"]) if match else {}
        return {key: value for key, value in found.items() if key not in ("epoch", "step")} or None

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """Links named ``…-last`` (``save_last="link"``)."""
        del newest
        links = [e.path for e in entries if e.kind is Kind.LINK and _NAME.fullmatch(e.path)]
        targets = {path: look.link(path).rstrip("/").rpartition("/")[2] for path in links}
        return [Pointer(path=path, names=(name,), repointable=True) for path, name in targets.items() if name]

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """A relative link to ``to``."""
        del without
        return {pointer.path: to} if to is not None and look.link(pointer.path) else None


def _candidate(match: re.Match[str], committed: bool) -> Candidate:  # noqa: FBT001 - private, and one call
    template, step = template_of(match["pairs"])
    whole = f"{match['model']}--{template}{match['ema'] or ''}{match['last'] or ''}{match['file'] or ''}"
    alias = bool(match["last"] or match["ema"])
    return Candidate(match[0], step, (match[0],), whole, committed=committed, alias=alias)


def _marker(name: str) -> str:
    return name.removesuffix(".ckpt").removesuffix("-EMA") + _MARKER


def _weights(folder: str, look: Look) -> Finding:
    marker = f"{folder}/metadata.json"
    return all_whole([json_file(look, marker), dcp_status(look, folder)])
