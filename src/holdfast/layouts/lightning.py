"""Lightning's ``ModelCheckpoint``: ``epoch=3-step=900.ckpt``, a file, or a directory of shards.

Read: lightning 2.6.6 (``pytorch/callbacks/model_checkpoint.py``, ``fabric/plugins/io/torch_io.py``,
``pytorch/strategies/fsdp.py``) and what it wrote. The step is ``global_step``, the number of optimizer steps: from
the name, or read from the file's first opcodes. A file is moved into place from ``$TMPDIR``: only on the same file
system is that one rename. ``last.ckpt`` is a copy, or a link that dangles for a moment at each save; it is not always
of the last step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, final

from holdfast.checkpoint import Pointer
from holdfast.layouts import names
from holdfast.layouts.base import Candidate, Finding, Layout, Look, unknown
from holdfast.layouts.dcp import dcp_status
from holdfast.layouts.deepspeed import deepspeed_status, holds_deepspeed
from holdfast.layouts.integrity import TORCH_LEGACY, ZIP, all_whole, torch_file
from holdfast.layouts.opcodes import has_key, mentions, text_after, torch_head, torch_numbers
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

FILE = re.compile(r"(?P<stem>.+?)(?:-v\d+)?\.ckpt")
PAIR = re.compile(r"([A-Za-z_][\w/.]{0,99})=([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf)(?=-|\Z)")
SPLIT = re.compile(r".*\b(?:epoch|step)=\d+(?:-[^=]*)?-[A-Za-z_][\w.]*")
"""A metric's name with ``/`` makes a directory: ``m-epoch=0-val`` of ``m-epoch=0-val/acc=0.100.ckpt``."""
_NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?:\.\d+)?")
_STEP = re.compile(r"\d{1,18}", re.ASCII)
_HEAD = 4 << 20
_TAG = "checkpoint"
"""The tag under which Lightning lets DeepSpeed save, in a directory of its own."""


def pairs(stem: str) -> dict[str, float]:
    """Which values does a name carry? ``epoch=1-val_loss=0.50``: epoch 1, val_loss 0.5."""
    return {key: float(value) for key, value in PAIR.findall(stem)}


def template_of(stem: str) -> tuple[str, int | None]:
    """Which series does a stem belong to, and which step does it carry?"""
    found = pairs(stem)
    if found:
        return PAIR.sub(lambda match: f"{match[1]}={{{match[1]}}}", stem), _step_of(stem)
    read = names.read(stem)
    several = read.step is None or "{step}" not in read.template
    return (_NUMBER.sub("{number}", stem), None) if several else (read.template, read.step)


def _step_of(stem: str) -> int | None:
    """Which step does the pair ``step=`` carry? None for ``nan``, a fraction, or more digits than a step has."""
    text = dict(PAIR.findall(stem)).get("step", "")
    return int(text) if _STEP.fullmatch(text) else None


@final
class Lightning(Layout):
    """PyTorch Lightning's checkpoints: files, directories of shards, versions, and ``last`` as a copy or a link."""

    name = "lightning"
    title = "PyTorch Lightning ModelCheckpoint"
    verified = "lightning 2.6.6, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """``*.ckpt``, files and directories, without links; and the directory that a ``/`` in a metric makes."""
        for entry in entries:
            match = FILE.fullmatch(entry.path)
            if match and entry.kind in (Kind.FILE, Kind.DIR):
                yield _candidate(entry.path, match["stem"])
            elif entry.kind is Kind.DIR and SPLIT.fullmatch(entry.path):
                template, step = template_of(entry.path)
                yield Candidate(entry.path, step, (entry.path,), template + "/{metric}.ckpt")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``pytorch-lightning_version`` in the file; a cut or empty file by the pairs in its name."""
        path = _path(candidate, look)
        inside = look.names(path)
        if not path or inside:
            shards = "meta.pt" in inside or any(name.endswith((".distcp", ".metadata")) for name in inside)
            return shards or holds_deepspeed(look.names(f"{path}/{_TAG}"))
        if b"pytorch-lightning_version" in torch_head(look, path):
            return True
        head = look.read(path, limit=8)
        young = head is not None and (head == TORCH_LEGACY or ZIP.startswith(head[:4]) or not head.strip(b"\0"))
        return young and bool(pairs(path)) and not torch_head(look, path)

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``meta.pt`` of a directory; a file is its own."""
        path = _path(candidate, look)
        return f"{path}/meta.pt" if path and "meta.pt" in look.names(path) else ""

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """A file by its zip's end; a directory by ``meta.pt``, written last, and DCP's rule; or by DeepSpeed's."""
        path = _path(candidate, look)
        if not path:
            return unknown("it holds several files")
        if _TAG in look.names(path):
            return deepspeed_status(look, f"{path}/{_TAG}")
        if look.names(path):
            return all_whole(
                check(look, where) for check, where in ((dcp_status, path), (torch_file, f"{path}/meta.pt"))
            )
        return torch_file(look, path)

    def step(self, candidate: Candidate, look: Look) -> int | None:
        """The name's, else ``global_step`` from the file's first opcodes (one read of 4 KiB)."""
        if candidate.step is not None:
            return candidate.step
        step = torch_numbers(look, _main(candidate, look), ("global_step",)).get("global_step")
        return step if isinstance(step, int) else None

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """The pairs in the name that are no epoch and no step. Rounded as the name has them."""
        stem = (_path(candidate, look) or candidate.name).removesuffix(".ckpt")
        found = {key: value for key, value in pairs(stem).items() if key not in ("epoch", "step")}
        return found or None

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Is there optimizer state in it? ``save_weights_only`` leaves it out."""
        path = _path(candidate, look)
        if _TAG in look.names(path):
            return True
        if look.names(path):
            return mentions(look, f"{path}/.metadata", b"optimizer")
        return has_key(look, _main(candidate, look), "optimizer_states", limit=_HEAD)

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """Links named ``*.ckpt`` (``save_last="link"``), and the best path that the newest checkpoint records."""
        there = {entry.path for entry in entries}
        links = [e.path for e in entries if e.kind is Kind.LINK and FILE.fullmatch(e.path)]
        found = [Pointer(path=path, names=_named(look.link(path), there), repointable=True) for path in links]
        best = text_after(look, _main(newest, look), "best_model_path", limit=_HEAD) if newest else ""
        named = _named(best, there)
        return [*found, Pointer(path=newest.name, names=named, kind="best")] if newest and named else found

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """A link to ``to``; relative, as Lightning makes it. A path inside a checkpoint cannot be rewritten."""
        del without
        return {pointer.path: to} if to is not None and look.link(pointer.path) else None


def _candidate(name: str, stem: str) -> Candidate:
    template, step = template_of(stem)
    words = names.is_alias(stem) and (not pairs(stem) or stem.endswith("last"))
    alias = words or (step is None and "{" not in template and not pairs(stem))
    return Candidate(name, step, (name,), template + ".ckpt", alias=alias)


def _path(candidate: Candidate, look: Look) -> str:
    """The ``.ckpt`` itself; empty if it is a directory of several."""
    if FILE.fullmatch(candidate.name):
        return candidate.name
    inside = [name for name in look.names(candidate.name) if FILE.fullmatch(name)]
    return f"{candidate.name}/{inside[0]}" if len(inside) == 1 == len(look.names(candidate.name)) else ""


def _main(candidate: Candidate, look: Look) -> str:
    """The torch file that holds epoch, step and callback state."""
    path = _path(candidate, look)
    if _TAG in look.names(path):
        return f"{path}/{_TAG}/mp_rank_00_model_states.pt"
    return f"{path}/meta.pt" if look.names(path) else path


def _named(target: str, there: Collection[str]) -> tuple[str, ...]:
    """Which checkpoint of this directory does a path name? By its last component: runs get moved."""
    name = target.rstrip("/").rpartition("/")[2]
    return (name,) if name and (name in there or "/" not in target) else ()
