"""Faults on purpose: a file system, or a store, that fails or stops the process at the call that a test names.

    faults = Faults(at=7, act=OSError(errno.EIO, "test"))       # the 8th effect raises
    faults = Faults(at=7, act=lambda call: os._exit(9))         # the process ends before the 8th effect
    store = LocalStore(base, fs=faults.posix)
    ...; faults.calls                                           # what was done, in order

A matrix of all crashes is one run without ``at``, and one run for each of ``range(len(faults.calls))``.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

from holdfast.stores.base import Entry, Store
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from holdfast.errors import StoreError

NAMES = frozenset({"mkdir", "rmdir", "unlink", "link", "symlink", "rename", "rename_exclusive", "move", "delete"})
"""The calls that change which names there are."""
EFFECTS = NAMES | {"create", "write", "fsync", "utime", "chown", "chmod"}
"""The calls that change anything, or promise that it stays. ``create``: an ``open`` that may make a file."""
READS = frozenset({"open", "beneath", "close", "read", "fstat", "stat", "scan", "readlink", "list", "tree"})
"""The calls that only look."""


class Call(NamedTuple):
    """Which call was it?"""

    name: str
    args: tuple[Any, ...]


@final
class Trip:
    """Which call sets it off? Counts the calls it is told of; acts at number ``at`` (from 0), before or after it.

    ``act`` is an exception, which is raised, or a function of the call. ``watch`` says which calls count, ``where``
    narrows them further. ``again`` acts at every later call too: a disk that stays full. Safe with threads.
    """

    def __init__(
        self,
        at: int | None = None,
        act: BaseException | Callable[[Call], object] | None = None,
        *,
        watch: Collection[str] = EFFECTS,
        where: Callable[[Call], bool] = lambda call: True,  # noqa: ARG005 - the simplest answer
        after: bool = False,
        again: bool = False,
    ) -> None:
        self.calls: list[Call] = []
        self.at, self.act, self.watch, self.where, self.after, self.again = at, act, watch, where, after, again
        self._lock = threading.Lock()

    def through(self, call: Call, effect: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the call returns
        """Do it, unless it is the one; returns what it returned."""
        if not self._hit(call):
            return effect()
        if not self.after:
            self._go(call)
        result = effect()
        if self.after:
            self._go(call)
        return result

    def _hit(self, call: Call) -> bool:
        if call.name not in self.watch or not self.where(call):
            return False
        with self._lock:
            self.calls.append(call)
            number = len(self.calls) - 1
        return self.at is not None and (number == self.at or (self.again and number > self.at))

    def _go(self, call: Call) -> None:
        if isinstance(self.act, BaseException):
            raise self.act
        if self.act is not None:
            self.act(call)


@final
class Faults:
    """Which system call fails? Stands for a :class:`Posix`; takes what :class:`Trip` takes."""

    def __init__(
        self,
        at: int | None = None,
        act: BaseException | Callable[[Call], object] | None = None,
        *,
        fs: Posix | None = None,
        **trip: Any,  # noqa: ANN401 - the keywords of Trip
    ) -> None:
        self._fs = Posix() if fs is None else fs
        self.trip = Trip(at, act, **trip)

    @property
    def calls(self) -> list[Call]:
        """The calls that counted, in order."""
        return self.trip.calls

    @property
    def posix(self) -> Posix:
        """Itself, for whoever takes a ``Posix``."""
        return cast("Posix", self)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a method of Posix
        method = getattr(self._fs, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on as they are
            counted = "create" if name == "open" and _creates(args) else name
            return self.trip.through(Call(counted, args), lambda: method(*args, **kwargs))

        return call


def _creates(args: Sequence[Any]) -> bool:
    return len(args) > 1 and bool(args[1] & os.O_CREAT)


@final
class FaultyStore(Store):
    """Which call to a store fails? Wraps one; takes what :class:`Trip` takes."""

    def __init__(
        self,
        store: Store,
        at: int | None = None,
        act: BaseException | Callable[[Call], object] | None = None,
        **trip: Any,  # noqa: ANN401 - the keywords of Trip
    ) -> None:
        self.store = store
        self.uri = store.uri
        self.facts = store.facts
        self.trip = Trip(at, act, **trip)

    @property
    def calls(self) -> list[Call]:
        """The calls that counted, in order."""
        return self.trip.calls

    def list(self, path: str, *, stat: bool = False) -> Sequence[Entry]:
        """As the store within, or the fault."""
        result: Sequence[Entry] = self.trip.through(Call("list", (path,)), lambda: self.store.list(path, stat=stat))
        return result

    def tree(self, path: str, *, limit: int = 1_000_000) -> Sequence[Entry]:
        """As the store within, or the fault."""
        result: Sequence[Entry] = self.trip.through(Call("tree", (path,)), lambda: self.store.tree(path, limit=limit))
        return result

    def stat(self, path: str) -> Entry | None:
        """As the store within, or the fault."""
        result: Entry | None = self.trip.through(Call("stat", (path,)), lambda: self.store.stat(path))
        return result

    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes:
        """As the store within, or the fault."""
        call = Call("read", (path, start, limit))
        result: bytes = self.trip.through(call, lambda: self.store.read(path, start=start, limit=limit))
        return result

    def write(self, path: str, data: bytes, *, replace: bool = False) -> None:
        """As the store within, or the fault."""
        self.trip.through(Call("write", (path, data)), lambda: self.store.write(path, data, replace=replace))

    def move(self, source: str, target: str) -> None:
        """As the store within, or the fault."""
        self.trip.through(Call("move", (source, target)), lambda: self.store.move(source, target))

    def delete(self, paths: Iterable[str]) -> dict[str, StoreError]:
        """As the store within, or the fault."""
        chosen = tuple(paths)
        result: dict[str, StoreError] = self.trip.through(Call("delete", chosen), lambda: self.store.delete(chosen))
        return result
