"""fairseq: ``checkpoint12.pt`` (an epoch), ``checkpoint_3_1000.pt`` (epoch and updates), ``checkpoint_last.pt``.

Read, not run: fairseq of 2025-09-30 (``checkpoint_utils.py``, ``trainer.py``). The first name of a save is renamed
into place, the others are plain copies of it. ``-shardR`` files of one stem are one checkpoint. ``checkpoint_last``,
``checkpoint_best`` and ``checkpoint.best_loss_2.3104`` (whose last digit breaks ties) are full copies: aliases.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, final

from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial
from holdfast.layouts.integrity import all_whole, ranks_missing, torch_file
from holdfast.layouts.opcodes import torch_head
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAME = re.compile(
    r"(?P<stem>checkpoint(?:(?P<only>\d{1,18})|_(?P<epoch>\d{1,18})_(?P<updates>\d{1,18})|_(?P<alias>last|best)"
    r"|\.best_(?P<metric>[\w.]{1,99})_(?P<value>\d{1,18}\.\d{3})\d))(?:-shard(?P<shard>\d{1,6}))?\.pt"
)


@final
class Fairseq(Layout):
    """fairseq's files, the shards of one stem together."""

    name = "fairseq"
    title = "fairseq"
    verified = "fairseq of 2025-09-30, from its source"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Names of fairseq. Those by epoch and those by updates are two series."""
        sets: dict[str, list[re.Match[str]]] = {}
        for entry in entries:
            match = _NAME.fullmatch(entry.path)
            if match and entry.kind is Kind.FILE:
                sets.setdefault(match["stem"], []).append(match)
        return [_candidate(matches) for matches in sets.values()]

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``args`` and ``cfg`` at the start of its state; one that is cut before them, by ``checkpoint_last.pt``."""
        head = torch_head(look, candidate.members[0])
        if head:
            return b"args" in head and b"cfg" in head
        return any(name.startswith("checkpoint_last") for name in look.names())

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Every shard there, and whole by its zip's end."""
        matches = [match for match in map(_NAME.fullmatch, candidate.members) if match]
        gone = ranks_missing({int(match["shard"]) for match in matches if match["shard"]})
        if gone:
            return partial(f"shard {gone[0]} is missing")
        return all_whole(torch_file(look, member) for member in candidate.members)

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """The metric in the name of a best one."""
        del look
        match = _NAME.fullmatch(candidate.members[0])
        return {match["metric"]: float(match["value"])} if match and match["metric"] else None


def _candidate(matches: Sequence[re.Match[str]]) -> Candidate:
    ordered = sorted(matches, key=lambda match: int(match["shard"] or 0))
    first = ordered[0]
    members = tuple(match[0] for match in ordered)
    shard = "-shard{shard}" if first["shard"] else ""
    if first["only"]:
        return Candidate(first[0], int(first["only"]), members, f"checkpoint{{epoch}}{shard}.pt")
    if first["updates"]:
        return Candidate(first[0], int(first["updates"]), members, f"checkpoint_{{epoch}}_{{step}}{shard}.pt")
    return Candidate(first[0], None, members, first[0], alias=True)
