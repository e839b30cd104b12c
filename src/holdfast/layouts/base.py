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
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, cast

from holdfast.checkpoint import Pointer, Status
from holdfast.errors import NotFoundError, StoreError
from holdfast.stores.base import Entry, Kind, Store

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_T = TypeVar("_T")
_decode = json.JSONDecoder().raw_decode


class Candidate(NamedTuple):
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

    ``base`` is a directory of the store (the run's directory); paths are relative to it. ``above`` looks at the
    directory that holds it, if there is one (``results.csv`` beside ``weights/``).
    """

    def __init__(self, store: Store, base: str, members: Sequence[str] = (), *, above: Look | None = None) -> None:
        self.store = store
        self.base = base
        self.members = tuple(members)
        self._above = above
        self._beside: dict[str, Any] = {}
        self._listed: dict[str, Sequence[Entry]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._json: dict[str, Any] = {}

    def _at(self, path: str) -> str:
        return (f"{self.base}/{path}" if self.base else path).strip("/")

    def within(self, members: Sequence[str]) -> Look:
        """The same directory, looking at these members only."""
        look = Look(self.store, self.base, members, above=self._above)
        look._beside = self._beside
        if "" in self._listed:  # of the rest each look keeps its own, or a large run would fill the memory
            look._listed[""] = self._listed[""]
        if "" in self._names:
            look._names[""] = self._names[""]
        return look

    @functools.cached_property
    def files(self) -> Mapping[str, Entry]:
        """Everything below the members with sizes and times, by path relative to the base; only reads."""
        found: dict[str, Entry] = {}
        for member in self.members:
            top = self.store.stat(self._at(member))
            if top is None:
                continue
            found[member] = _renamed(top, member)
            if top.kind is Kind.DIR:
                inside = [_renamed(entry, f"{member}/{entry.path}") for entry in self.store.tree(self._at(member))]
                found.update((entry.path, entry) for entry in inside)
        return found

    def list(self, path: str = "") -> Sequence[Entry]:
        """The entries directly in ``path`` (names relative to it); empty if it is not there. Listed once."""
        if path not in self._listed:
            self._listed[path] = self._children.get(path, []) if self._knows(path) else self._list(path)
        return self._listed[path]

    def _list(self, path: str) -> Sequence[Entry]:
        try:
            return self.store.list(self._at(path))
        except NotFoundError:
            return []

    def _knows(self, path: str) -> bool:
        """Is it among what was read already?"""
        return "files" in self.__dict__ and path in self.files

    @functools.cached_property
    def _children(self) -> Mapping[str, Sequence[Entry]]:
        children: dict[str, list[Entry]] = {path: [] for path, entry in self.files.items() if entry.kind is Kind.DIR}
        for path, entry in self.files.items():
            parent, _, name = path.rpartition("/")
            if parent in children:
                children[parent].append(_renamed(entry, name))
        return children

    def names(self, path: str = "") -> frozenset[str]:
        """What is directly in ``path``, by name?"""
        if path not in self._names:
            self._names[path] = frozenset(entry.path for entry in self.list(path))
        return self._names[path]

    def expect(self, path: str, entries: Sequence[Entry]) -> None:
        """Take these for what lies directly in ``path``: it was listed a moment ago."""
        self._listed[path] = entries

    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes | None:
        """At most ``limit`` bytes; None if there is no such file (not asked for again, if ``files`` has none)."""
        if "files" in self.__dict__ and path not in self.files and path.partition("/")[0] in self.members:
            return None
        try:
            return self.store.read(self._at(path), start=start, limit=limit)
        except NotFoundError:
            return None

    def json(self, path: str, *, limit: int = 16 << 20) -> Any:  # noqa: ANN401 - JSON is any
        """The parsed JSON (NaN and Infinity accepted); None if absent, too large, or not JSON. Read once."""
        if path not in self._json:
            data = self.read(path, limit=limit + 1)
            self._json[path] = None if data is None or len(data) > limit else loads(data)
        return self._json[path]

    def beside(self, path: str, parse: Callable[[bytes], _T], *, limit: int = 64 << 20) -> _T:
        """What does a file say that speaks of many checkpoints (``result.json``)? Read and parsed once for all.

        ``parse`` gets at most ``limit`` bytes, ``b""`` if there is no such file. Kept by path: one parser a file.
        """
        if path not in self._beside:
            self._beside[path] = parse(self.read(path, limit=limit) or b"")
        return cast("_T", self._beside[path])

    def above(self) -> Look | None:
        """The directory above. None: this is the store's own, and nothing above it is within reach."""
        if self._above is None and self.base:
            self._above = cast("Look", self._beside.setdefault("/", Look(self.store, self.base.rpartition("/")[0])))
        return self._above

    def stat(self, path: str) -> Entry | None:
        """What is at ``path``? None: nothing."""
        return self.store.stat(self._at(path))

    def link(self, path: str) -> str:
        """Where does the link point, as written? Empty: there is no link."""
        entry = self.stat(path)
        return entry.target if entry is not None and entry.kind is Kind.LINK else ""


def _renamed(entry: Entry, path: str) -> Entry:
    """As ``_replace(path=...)``, in a third of its time: a scan does it several times for each file."""
    return entry if entry.path == path else Entry(path, *entry[1:])


def loads(data: bytes) -> Any:  # noqa: ANN401 - JSON is any
    """The parsed JSON, or None if it is none. NaN and Infinity are accepted: Orbax writes them."""
    try:
        text = data.decode().strip(" \t\r\n")
        value, end = _decode(text)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) else None


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
    time_with_status: ClassVar[bool] = False
    """Is the time in what ``status`` reads anyway? Then it is read even for a policy that needs no times."""
    nests: ClassVar[bool] = True
    """Can a run lie below another of this layout? If not, what looks so is the trainer's own trash."""

    @abc.abstractmethod
    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Which of these names could be checkpoints of this framework? Names alone; pure."""

    @abc.abstractmethod
    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """Is it really one of this framework's, by what lies inside (or beside it)? Also for partial ones."""

    @abc.abstractmethod
    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Is it whole? Cheap exact checks only. ``StoreError`` passes through: the scan sets that one aside."""

    def marker(self, candidate: Candidate, look: Look) -> str:
        """Which file, written last, makes it complete? A path as in ``look.files``; empty: there is none.

        Its modification time is the checkpoint's where none is recorded; it is the first to go where a checkpoint
        cannot go in one step.
        """
        del look
        return candidate.members[0] if len(candidate.members) > 1 else ""

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
