"""MosaicML Composer: ``ep2-ba12-rank0.pt`` files, or sharded directories ``ep2-ba12``.

Read: mosaicml 0.32.1 (``callbacks/checkpoint_saver.py``, ``utils/file_helpers.py``, ``utils/parallelism.py``), run
with one rank; sharded from its source. The batch is the step. Files are written in place. ``latest-rank0.pt`` is a
link; on an object store it is a text object ``latest-rank0.pt.symlink`` with the name. Remote copies are never
deleted by Composer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.checkpoint import Pointer
from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial, unknown
from holdfast.layouts.dcp import dcp_status, holds_dcp, marker_of
from holdfast.layouts.integrity import all_whole, ranks_missing, torch_file
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_FILE = re.compile(r"ep(\d{1,18})-ba(?P<batch>\d{1,18})-rank(?P<rank>\d{1,6})\.pt(?P<packed>\.[a-z0-9]{1,8})?")
_FOLDER = re.compile(r"ep(\d{1,18})-ba(?P<batch>\d{1,18})")
_LATEST = re.compile(r"latest-rank\d{1,6}(?:\.pt)?(?P<text>\.symlink)?")


@final
class Composer(Layout):
    """One file per rank, or a directory of shards."""

    name = "composer"
    title = "MosaicML Composer"
    verified = "mosaicml 0.32.1, one rank run; sharded from its source"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Files of all ranks with one epoch and batch together, the lowest rank giving the name; and directories."""
        sets: dict[tuple[str, str], list[re.Match[str]]] = {}
        for entry in entries:
            folder = _FOLDER.fullmatch(entry.path)
            match = _FILE.fullmatch(entry.path)
            if folder and entry.kind is Kind.DIR:
                yield Candidate(entry.path, int(folder["batch"]), (entry.path,), "ep{epoch}-ba{step}")
            elif match and entry.kind is Kind.FILE:
                sets.setdefault((match[1], match["batch"]), []).append(match)
        yield from (_candidate(matches) for matches in sets.values())

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """The name of a file says enough; a directory by its shards."""
        names = look.names(candidate.name)
        return holds_dcp(names) or bool(marker_of(look, candidate.name)) or bool(_FILE.fullmatch(candidate.name))

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Every rank's file by its zip's end (compressed: unknown); a directory by DCP's rule."""
        if _FOLDER.fullmatch(candidate.name):
            return dcp_status(look, candidate.name)
        matches = [match for match in map(_FILE.fullmatch, candidate.members) if match]
        gone = ranks_missing({int(match["rank"]) for match in matches})
        if gone:
            return partial(f"the file of rank {gone[0]} is missing")
        if any(match["packed"] for match in matches):
            return unknown("compressed: no cheap check tells whether it is whole")
        return all_whole(torch_file(look, member) for member in candidate.members)

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``.metadata`` of a directory; files have none."""
        return marker_of(look, candidate.name)

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """``latest-rank*``: a link, or on an object store a text object with a name."""
        del newest
        found = [(match, entry.kind) for entry in entries if (match := _LATEST.fullmatch(entry.path))]
        wanted = [match[0] for match, kind in found if (kind is Kind.LINK) != bool(match["text"])]
        return [
            Pointer(path=path, names=(name,), repointable=True)
            for path in wanted
            if (name := _target(look, path, {entry.path for entry in entries}))
        ]

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """The link, or the text, with its last component (and what a directory's link has below it) changed."""
        del without
        old = _written(look, pointer.path)
        name = pointer.names[0] if pointer.names else ""
        if to is None or not old or old.count(name) != 1:
            return None
        new = old.replace(name, to)
        return {pointer.path: new if look.link(pointer.path) else new.encode()}


def _candidate(matches: Sequence[re.Match[str]]) -> Candidate:
    ordered = sorted(matches, key=lambda match: int(match["rank"]))
    first = ordered[0]
    template = f"ep{{epoch}}-ba{{step}}-rank{first['rank']}.pt{first['packed'] or ''}"
    return Candidate(first[0], int(first["batch"]), tuple(match[0] for match in ordered), template)


def _written(look: Look, path: str) -> str:
    return look.link(path) or (look.read(path, limit=4096) or b"").decode("utf-8", "replace").strip()


def _target(look: Look, path: str, there: Collection[str]) -> str:
    """Which checkpoint does it name: its last component, or, for shards of a directory, the one before?"""
    parts = _written(look, path).split("/")
    known = [part for part in parts if part in there or _FILE.fullmatch(part) or _FOLDER.fullmatch(part)]
    return known[-1] if known else ""
