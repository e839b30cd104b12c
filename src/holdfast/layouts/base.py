"""The seam behind which frameworks differ: how one of them writes checkpoints.

A layout says which names in a directory could be its checkpoints (``candidates``, names alone) and, looking into
one of them through a :class:`Look`, whether it is one (``recognises``), whether it is whole (``status``), and what
is recorded in it (``time``, ``metrics``). It never writes, never unpickles, never imports what a checkpoint names,
and every read is bounded. Names are matched whole (``re.fullmatch``). Adding a framework is one file that defines
one subclass, and one line in ``layouts/registry.py`` (or an entry point in the group ``holdfast.layouts``).
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import json
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from holdfast.checkpoint import Pointer, Status
from holdfast.errors import NotFoundError, StoreError
from holdfast.stores.base import Entry, Kind, Store

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """Which entries of a directory could be one checkpoint, by their names alone?"""

    name: str
    """Its identity within the run: mostly the entry's own name."""
    step: int | None
    members: tuple[str, ...]
    """The entries that make it, relative to the directory, the completeness marker first."""
    template: str
    """The series it belongs to, with ``{step}`` where the number was: ``checkpoint-{step}``."""
    committed: bool = True
    """False: the name itself says that it is still being written (``7.orbax-checkpoint-tmp``)."""
    alias: bool = False
    """True: ``best.pt``, ``last.ckpt``: protected and reported, never in the series."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Is it whole, and if not, what is missing?"""

    status: Status
    why: str = ""


COMPLETE = Finding(Status.COMPLETE)


def partial(why: str) -> Finding:
    """It is partial: ``why`` says what is missing, in a few words."""
    return Finding(Status.PARTIAL, why)


def unknown(why: str) -> Finding:
    """It cannot be told: ``why`` says what stands in the way."""
    return Finding(Status.UNKNOWN, why)


class Look:
    """What does one place of a store hold? Lazy, cached, bounded: the eyes of a layout.

    ``base`` is a directory of the store (the run's directory); paths are relative to it.
    """

    def __init__(self, store: Store, base: str, members: Sequence[str] = ()) -> None:
        self.store = store
        self.base = base
        self.members = tuple(members)
        self._beside: dict[str, Any] = {}
        self._listed: dict[str, Sequence[Entry]] = {}

    def _at(self, path: str) -> str:
        return f"{self.base}/{path}".strip("/")

    def within(self, members: Sequence[str]) -> Look:
        """The same directory, looking at these members only."""
        look = Look(self.store, self.base, members)
        look._beside, look._listed = self._beside, self._listed
        return look

    @functools.cached_property
    def files(self) -> Mapping[str, Entry]:
        """Everything below the members with sizes and times, by path relative to the base; only reads."""
        found: dict[str, Entry] = {}
        for member in self.members:
            top = self.store.stat(self._at(member))
            if top is None:
                continue
            found[member] = top._replace(path=member)
            if top.kind is Kind.DIR:
                for entry in self.store.tree(self._at(member)):
                    path = f"{member}/{entry.path}"
                    found[path] = entry._replace(path=path)
        return found

    def list(self, path: str = "") -> Sequence[Entry]:
        """The entries directly in ``path`` (names relative to it); empty if it is not there. Listed once for all."""
        if path not in self._listed:
            try:
                self._listed[path] = self.store.list(self._at(path))
            except NotFoundError:
                self._listed[path] = []
        return self._listed[path]

    def names(self, path: str = "") -> frozenset[str]:
        """What is directly in ``path``, by name?"""
        return frozenset(entry.path for entry in self.list(path))

    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes | None:
        """At most ``limit`` bytes; None if there is no such file."""
        try:
            return self.store.read(self._at(path), start=start, limit=limit)
        except NotFoundError:
            return None

    def json(self, path: str, *, limit: int = 16 << 20) -> Any:  # noqa: ANN401 - JSON is any
        """The parsed JSON (NaN and Infinity accepted); None if absent, too large, or not JSON."""
        data = self.read(path, limit=limit + 1)
        if data is None or len(data) > limit:
            return None
        return loads(data)

    def beside(self, path: str, parse: Callable[[bytes], _T], *, limit: int = 64 << 20) -> _T:
        """What does a file say that speaks of many checkpoints (``result.json``)? Read and parsed once for all.

        ``parse`` gets at most ``limit`` bytes, ``b""`` if there is no such file. Kept by path: one parser a file.
        """
        if path not in self._beside:
            self._beside[path] = parse(self.read(path, limit=limit) or b"")
        return cast("_T", self._beside[path])

    def link(self, path: str) -> str:
        """Where does the link point, as written? Empty: there is no link."""
        entry = self.store.stat(self._at(path))
        return entry.target if entry is not None and entry.kind is Kind.LINK else ""


def loads(data: bytes) -> Any:  # noqa: ANN401 - JSON is any
    """The parsed JSON, or None if it is none. NaN and Infinity are accepted: Orbax writes them."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


class Layout(abc.ABC):
    """How does one framework write checkpoints? Stateless."""

    name: ClassVar[str]
    """One word, as printed: ``orbax``."""
    title: ClassVar[str]
    """As its users call it: ``Orbax CheckpointManager / Checkpointer``."""
    verified: ClassVar[str]
    """The releases against which these rules were verified, and how."""
    atomic: ClassVar[bool] = False
    """Does it commit by one rename or marker? If not, a checkpoint younger than 10 minutes is left alone."""

    @abc.abstractmethod
    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Which of these names could be checkpoints of this framework? Names alone; pure."""

    @abc.abstractmethod
    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """Is it really one of this framework's, by what lies inside (or beside it)? Also for partial ones."""

    @abc.abstractmethod
    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Is it whole? Cheap exact checks only. ``StoreError`` passes through: the scan sets that one aside."""

    def step(self, candidate: Candidate, look: Look) -> int | None:
        """Which step is it of? The name's; a layout whose names have none reads it. None: cannot be told."""
        del look
        return candidate.step

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """When was it committed, as *recorded* inside it (aware UTC)? None: not recorded."""
        del candidate, look
        return None

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """Which metrics are recorded with it, flat or nested? None: none."""
        del candidate, look
        return None

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Does it hold more than weights, so that training can go on from it? None: cannot be told."""
        del candidate, look
        return None

    def resume_only(self, candidate: Candidate, look: Look) -> Sequence[str]:
        """Which of its files are needed only to resume (optimizer, scheduler, RNG)? Paths as in ``look.files``."""
        del candidate, look
        return ()

    def pinned(self, candidate: Candidate, look: Look) -> str:
        """Does the framework's own marker say to keep it? The reason, or empty."""
        del candidate, look
        return ""

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """What in the run's directory names checkpoints? ``newest``: the newest complete one, whose inside counts."""
        del look, entries, newest
        return ()

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """What would the pointer's file hold if it named ``to`` instead, and no longer ``without``?

        By path: the bytes of a file, or a link's target as str. None: this pointer cannot be rewritten.
        ``without`` are the dropped ones, for a file that lists several. Only reads: the prune writes.
        """
        del pointer, look, to, without
        return None

    def limits(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[str]:
        """Which retention settings of the trainer itself are on, where readable (``save_total_limit=3``)?"""
        del look, entries, newest
        return ()


__all__ = ["COMPLETE", "Candidate", "Finding", "Layout", "Look", "StoreError", "loads", "partial", "unknown"]
