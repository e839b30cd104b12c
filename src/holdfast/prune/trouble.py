"""What in a run is not as it should be: broken checkpoints, dangling pointers, what crashes left behind?"""

from __future__ import annotations

import dataclasses
import enum
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast.checkpoint import Status
from holdfast.errors import NotFoundError, StoreError
from holdfast.prune import batch as batches
from holdfast.prune import beside, files, move, waiting
from holdfast.prune.batch import State
from holdfast.prune.state import home as opened
from holdfast.scan import scan
from holdfast.stores.base import Entry, Kind
from holdfast.stores.local import LocalStore
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from holdfast.checkpoint import Checkpoint, Run
    from holdfast.prune.state import Home

LEFTOVER = re.compile(
    r"""  .+\.orbax-checkpoint-tmp(-\d+)?   # Orbax
        | \.tmp\w{6}                      # safetensors
        | checkpoint_\d+\.tmp-\d+         # t5x
        | tmp-checkpoint-\d+              # Hugging Face Trainer 4.36 to 4.38
        | checkpoint_tmp                  # Flax
        | .+\.index_temp | .+_temp        # TensorFlow
        | .+\.pt\.tmp                     # fairseq
        | .*\.metadata\.tmp               # torch DCP
    """,
    re.VERBOSE | re.DOTALL,
)
"""Names under which frameworks write what they rename when it is whole: without a writer, a leftover of a crash."""


_FREEING = "being freed, or a purge was stopped"
_AT_WORK = "a prune is at work, or was stopped"


class Trouble(enum.StrEnum):
    """What kind of trouble is it?"""

    PARTIAL = "partial checkpoint"
    UNKNOWN = "checkpoint of unknown completeness"
    SAVE = "leftover of a save"
    POINTER = "dangling pointer"
    PRUNE = "leftover of a prune"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is not as it should be, where, and since when?"""

    kind: Trouble
    path: str
    """Within the run; for leftovers of a prune, within the trash or beside the run."""
    why: str
    bytes: int = 0
    touched: datetime | None = None
    """When anything in it changed last."""


def check(
    root: str | os.PathLike[str],
    *,
    pattern: str | None = None,
    layout: str | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> list[Finding]:
    """What is not as it should be in this run? Only reads; every checkpoint's completeness is verified.

    A checkpoint that is being saved at this moment is partial too: look at ``touched``.
    """
    calls = fs or Posix()
    run = scan(str(root), pattern=pattern, layout=layout)
    with opened(run.root, fs=calls, state_dir=state_dir, trash_dir=trash_dir) as home:
        found = [*_checkpoints(run), *leftovers(run, calls), *_pointers(run, home), *_prunes(home)]
    return sorted(found, key=lambda finding: (finding.kind, finding.path))


def _checkpoints(run: Run) -> Iterator[Finding]:
    for one in run.checkpoints:
        if one.status is not Status.COMPLETE:
            yield Finding(
                kind=_kind(one),
                path=one.name,
                why=one.why or str(one.status),
                bytes=one.size or 0,
                touched=one.touched,
            )


def _kind(one: Checkpoint) -> Trouble:
    if LEFTOVER.fullmatch(one.name):
        return Trouble.SAVE
    return Trouble.PARTIAL if one.status is Status.PARTIAL else Trouble.UNKNOWN


def leftovers(run: Run, fs: Posix) -> Iterator[Finding]:
    """What else in the run's directory bears the name of something half written?"""
    store = LocalStore(run.root, fs=fs)
    known = {member for one in run.checkpoints for member in one.members}
    for foreign in run.foreign:
        if LEFTOVER.fullmatch(foreign.path) and foreign.path not in known:
            size, touched = measure(store, foreign.path)
            why = "written under a name that is changed when it is whole; no framework loads it"
            yield Finding(kind=Trouble.SAVE, path=foreign.path, why=why, bytes=size, touched=touched)


def measure(store: LocalStore, path: str) -> tuple[int, datetime | None]:
    """How many bytes lie there, and when did anything there change last?"""
    top = store.stat(path)
    if top is None:
        return 0, None
    found: list[Entry] = [top]
    if top.kind is Kind.DIR:
        try:
            found += store.tree(path)
        except NotFoundError:
            return 0, None
    newest = max(entry.mtime_ns for entry in found)
    size = sum(entry.size for entry in found if entry.kind is Kind.FILE)
    return size, datetime.fromtimestamp(newest / 1e9, UTC)


def _pointers(run: Run, home: Home) -> Iterator[Finding]:
    there = {one.name for one in run.checkpoints}
    for pointer in run.pointers:
        for name in pointer.names:
            if name not in there and move.identify(home, name) is None:
                yield Finding(kind=Trouble.POINTER, path=pointer.path, why=f"names {name}, which is not there")


def _prunes(home: Home) -> Iterator[Finding]:
    """What stopped prunes and purges left: the next prune deals with it."""
    for place in list(batches.places(home, State.HELD, State.LOST, State.PURGING)):
        size = sum(entry.bytes for entry in _of(home, place))
        why = _FREEING if place.state is State.PURGING else _AT_WORK
        yield Finding(kind=Trouble.PRUNE, path=place.name, why=why, bytes=size, touched=_when(home, place.name))
    for found in move.strays(home).values():
        for stray in found:
            yield Finding(kind=Trouble.PRUNE, path=stray.name, why=_AT_WORK)
    for name in beside.claimed(home):
        yield Finding(kind=Trouble.PRUNE, path=name, why=_FREEING)


def _of(home: Home, place: batches.Place) -> list[waiting.TrashEntry]:
    found = (batch for where, batch in waiting.loaded(home, place.state) if where == place)
    return [entry for batch in found for entry in waiting.entries(home, place, batch)]


def _when(home: Home, name: str) -> datetime | None:
    try:
        about = files.here(home.fs, name, batches.trash(home))
    except OSError as cause:
        raise StoreError(f"{name} in the trash cannot be looked at: {cause.strerror}") from cause
    return None if about is None else datetime.fromtimestamp(about.st_mtime_ns / 1e9, UTC)
