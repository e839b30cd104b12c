"""``torch.distributed.checkpoint``: a directory of ``__R_I.distcp`` shards and, written last, ``.metadata``.

Read: torch 2.13.0 (``torch/distributed/checkpoint/filesystem.py``, ``hf_storage.py``) and what two ranks of it wrote.
The directory's name is its user's, so its number is what the user meant. ``.metadata`` is written beside its place
and renamed after all shards; but saving over an old checkpoint leaves the *old* ``.metadata`` there while shards
change. Saved through the Hugging Face writer there is no ``.metadata``, and nothing says how many shards there must
be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.integrity import ZIP, all_whole, entry_of, rewritten, whole
from holdfast.layouts.names import folders
from holdfast.layouts.opcodes import names_in_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.stores.base import Entry

SHARD = re.compile(r".*__\d+_\d+\.distcp")
HF_SHARD = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
METADATA = re.compile(r"\.metadata|__\d+\.metadata")


def holds_dcp(names: Iterable[str]) -> bool:
    """Do these names, of what lies directly in a directory, show DCP's writer at work?"""
    return any(map(SHARD.fullmatch, names))


def marker_of(look: Look, folder: str) -> str:
    """Which file of a DCP directory is written last? Empty: it is not there."""
    return next((f"{folder}/{name}" for name in sorted(look.names(folder)) if METADATA.fullmatch(name)), "")


def dcp_status(look: Look, folder: str) -> Finding:
    """Is a DCP directory whole: ``.metadata`` there, every shard that it names there, whole, and not newer?"""
    markers = sorted(name for name in look.names(folder) if METADATA.fullmatch(name))
    if not markers:
        return partial(f"{folder}/.metadata, written last, is missing")
    return all_whole(_named_by(look, folder, f"{folder}/{marker}") for marker in markers)


def _named_by(look: Look, folder: str, marker: str) -> Finding:
    names = names_in_metadata(look, marker)
    if names is None:
        return partial(f"{marker} is cut short")
    if not names:
        return unknown(f"{marker} names no shard")
    paths = sorted(f"{folder}/{name}" for name in names)
    return all_whole([rewritten(look, marker, paths), *(_shard(look, path) for path in paths)])


def _shard(look: Look, path: str) -> Finding:
    """Does a shard end where one of its parts does? It is one ``torch.save`` file after the other."""
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    head = look.read(path, limit=4) or b""
    if len(head) == 4 and head != ZIP:  # compressed by an extension of DCP
        return COMPLETE
    end = look.read(path, start=-22, limit=22) or b""
    return COMPLETE if end[:4] == b"PK\x05\x06" and end[-2:] == b"\0\0" else partial(f"{path} is cut short")


@final
class DCP(Layout):
    """Directories that ``torch.distributed.checkpoint.save`` wrote, under any name."""

    name = "dcp"
    title = "PyTorch distributed checkpoint (DCP)"
    verified = "torch 2.13.0, two ranks run"
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Any directory: what lies inside decides."""
        return folders(entries)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By a shard inside, DCP's own or the Hugging Face writer's."""
        names = look.names(candidate.name)
        return holds_dcp(names) or any(map(HF_SHARD.fullmatch, names))

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``.metadata``."""
        return marker_of(look, candidate.name)

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """By ``.metadata`` and the shards that it names. Hugging Face's shards: unknown, unless one is cut."""
        if holds_dcp(look.names(candidate.name)):
            return dcp_status(look, candidate.name)
        shards = [name for name in look.names(candidate.name) if HF_SHARD.fullmatch(name)]
        cut = all_whole(whole(look, f"{candidate.name}/{name}") for name in sorted(shards))
        return cut if cut != COMPLETE else unknown("no file says how many shards there must be")
