"""Orbax: ``CheckpointManager`` (v0) and ``training.Checkpointer`` (v1), also under Flax, MaxText and Keras.

Read from ``orbax/checkpoint/_src/path/{step,atomicity,temporary_paths}.py``, ``_src/metadata/checkpoint.py``,
``checkpoint_manager.py`` and ``experimental/v1/_src/{training,saving,deletion}`` of 0.12.8, with 0.11.33 beside it.

A checkpoint is one directory: ``7``, ``0007``, ``ckpt_7``. It is written as ``7.orbax-checkpoint-tmp`` and renamed
last; on ``gs://`` and in commit-file mode it has its final name from the start, and ``commit_success.txt`` comes last.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, final

from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, loads, partial, unknown
from holdfast.layouts.integrity import SLACK_NS, rewritten
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_NAME = re.compile(
    r"(?:(?P<prefix>.+)_)?(?P<step>\d{1,18}(?:\.\d{1,18})?)(?P<tmp>\.orbax-checkpoint-tmp(?:-\d+)?)?",
    re.DOTALL | re.ASCII,
)
_TMP = ".orbax-checkpoint-tmp"
_METADATA = "_CHECKPOINT_METADATA"
_COMMIT = "commit_success.txt"
_DELETION = "_CHECKPOINT_DELETION"
_SIGNS = frozenset({_METADATA, _COMMIT, _DELETION, "_METADATA", "orbax.checkpoint"})
_ITEM_SIGNS = frozenset({"_METADATA", "manifest.ocdbt", "_sharding", "metrics", _COMMIT})
_ITEMS = ("default", "state", "metrics", "params", "items")
"""Names of items in which to look where nothing at the top says that it is Orbax's (half deleted, or before 0.5.11)."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@final
class Orbax(Layout):
    """How does Orbax write checkpoints?"""

    name = "orbax"
    title = "Orbax CheckpointManager / Checkpointer"
    verified = "orbax-checkpoint 0.12.8 and 0.11.33, run"
    atomic = True
    time_with_status = True
    nests = False

    def candidates(self, entries: Sequence[Entry]) -> Iterator[Candidate]:
        """Directories called ``7``, ``0007``, ``ckpt_7``, or so with ``.orbax-checkpoint-tmp``."""
        for entry in entries:
            if entry.kind is not Kind.DIR:
                continue
            name = entry.path
            if name.isdecimal() and name.isascii() and len(name) <= 18:
                yield Candidate(name, int(name), (name,), "{step}")
            elif (match := _NAME.fullmatch(name)) is not None:
                prefix = match["prefix"]
                template = "{step}" if prefix is None else f"{prefix}_{{step}}"
                step = None if "." in match["step"] else int(match["step"])  # Flax allows fractions
                yield Candidate(name, step, (name,), template, committed=match["tmp"] is None)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By Orbax's own files at the top, by its temporary name, or by an item of Orbax's inside."""
        if not candidate.committed:
            return True
        inside = look.names(candidate.name)
        if not _SIGNS.isdisjoint(inside):
            return True
        items = (look.names(f"{candidate.name}/{item}") for item in _ITEMS if item in inside)
        return any(not _ITEM_SIGNS.isdisjoint(item) for item in items)

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Committed, every item there, and nothing written after the commit."""
        if not candidate.committed:
            return partial("not committed: its name still ends in .orbax-checkpoint-tmp")
        top = {entry.path: entry.kind for entry in look.list(candidate.name)}
        if _DELETION in top:
            return partial(f"a deletion of a part of it is unfinished ({_DELETION})")
        if any(_TMP in name for name in top):
            return partial("an item is still being written")
        known = look.json(f"{candidate.name}/{_METADATA}") if _METADATA in top else {}
        if not isinstance(known, dict):
            return unknown(f"{_METADATA} is no JSON")
        if not known:
            return unknown(f"{_METADATA} is missing: half deleted, or written before Orbax 0.5.11")
        items = {item: look.names(f"{candidate.name}/{item}") for item, kind in top.items() if kind is Kind.DIR}
        if isinstance(known.get("item_handlers"), str):  # a single item, directly in the directory
            items[""] = look.names(candidate.name)
        return _committed(known, top, items, look) or _husk(known, items) or _rewritten(candidate, known, look)

    def marker(self, candidate: Candidate, look: Look) -> str:
        """``commit_success.txt`` (since 0.12.3 everywhere), before that the metadata with the commit time."""
        inside = look.names(candidate.name)
        return next((f"{candidate.name}/{name}" for name in (_COMMIT, _METADATA) if name in inside), "")

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """The commit time in the metadata."""
        known = look.json(f"{candidate.name}/{_METADATA}")
        nanoseconds = known.get("commit_timestamp_nsecs") if isinstance(known, dict) else None
        if type(nanoseconds) is not int:
            return None
        try:
            return _EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)
        except OverflowError:
            return None

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """What ``save(metrics=…)`` wrote into the item ``metrics``; NaN and Infinity are read as such."""
        data = look.read(f"{candidate.name}/metrics/metrics", limit=1 << 20)
        found = None if data is None else loads(data)
        return found if isinstance(found, dict) else None


def _committed(
    known: Mapping[str, Any], top: Collection[str], items: Mapping[str, Collection[str]], look: Look
) -> Finding | None:
    """None: it is. A commit time alone proves nothing where the name is final from the start.

    That is so on an object store, and since 0.12.3, which marks each item, wherever an item is marked.
    """
    if _COMMIT in top:
        return None
    if not look.store.facts.directories or any(_COMMIT in inside for inside in items.values()):
        return partial(f"not committed: there is no {_COMMIT}")
    if type(known.get("commit_timestamp_nsecs")) is not int:
        return partial(f"not committed: no {_COMMIT} and no commit time")
    return None


def _husk(known: Mapping[str, Any], items: Mapping[str, Collection[str]]) -> Finding | None:
    """None: each item that the metadata names is there and was finished. A deletion killed midway leaves others."""
    handlers = known.get("item_handlers")
    named = [""] if isinstance(handlers, str) else handlers if isinstance(handlers, dict) else []
    marked = any(_COMMIT in items.get(item, ()) for item in named)
    for item in named:
        inside = items.get(item, ())
        if not inside:
            return partial(f"the item {item!r} is missing: half deleted")
        if marked and _COMMIT not in inside:
            return partial(f"the item {item!r} has no {_COMMIT}, others have: half deleted")
        if "manifest.ocdbt" in inside and not {"_METADATA", "d"} <= set(inside):
            return partial(f"the item {item!r} has lost files: half deleted")
    return None


def _rewritten(candidate: Candidate, known: Mapping[str, Any], look: Look) -> Finding:
    """Is an item newer than the commit? Not asked of a copy: there the marker itself is newer than the commit."""
    name = candidate.name
    marker = next(path for path in (f"{name}/{_COMMIT}", f"{name}/{_METADATA}") if path in look.files)
    committed = known.get("commit_timestamp_nsecs")
    if type(committed) is int and look.files[marker].mtime_ns > committed + SLACK_NS:
        return COMPLETE
    inside = (path for path, entry in look.files.items() if entry.kind is Kind.FILE and path.count("/") > 1)
    return rewritten(look, marker, inside)
