"""A store in memory: for tests of your own, and to try a policy without a disk.

    store = MemoryStore({"1/commit_success.txt": b"", "1/metrics/metrics": b'{"loss": 2.5}'})

With ``directories=False`` it stands for an object store: names with slashes and nothing else, so that a directory
without a file is not there, and a move of many names is not one step.
"""

from __future__ import annotations

import bisect
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, final

from holdfast.errors import ExistsError, NotFoundError, StoreError
from holdfast.stores.base import Entry, Kind, Store, StoreFacts, checked, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


class _Node(NamedTuple):
    kind: Kind
    data: bytes = b""
    mtime_ns: int = 0
    target: str = ""

    def entry(self, path: str) -> Entry:
        return Entry(path, self.kind, len(self.data), self.mtime_ns, 1, self.target)


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


@final
class MemoryStore(Store):
    """Which bytes were put here? Safe with threads. ``clock`` gives modification times, in nanoseconds."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        directories: bool = True,
        uri: str = "memory://",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.uri = uri
        self.facts = StoreFacts(atomic_move=directories, directories=directories, whole_objects=True, batch_delete=1000)
        self._clock = clock
        self._lock = threading.RLock()
        self._nodes: dict[str, _Node] = {}
        self._order: list[str] = []
        """The paths, sorted: what lies below one follows it."""
        for path, data in (files or {}).items():
            self.write(path, data)

    def mkdir(self, path: str) -> None:
        """Make a directory with its parents (nothing, where there are none)."""
        with self._lock:
            self._make([checked(path), *_parents(path)])

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link there, for tests of what follows none."""
        with self._lock:
            self._make(_parents(checked(path)))
            self._put(path, _Node(Kind.LINK, b"", self._clock(), target))

    def touch(self, path: str, mtime_ns: int) -> None:
        """Set a modification time."""
        with self._lock:
            self._nodes[path] = self._nodes[path]._replace(mtime_ns=mtime_ns)

    def _make(self, paths: Iterable[str]) -> None:
        for path in sorted(paths):  # the outermost first
            there = self._node(path)
            if there is not None and there.kind is not Kind.DIR:
                raise StoreError(f"{shown(path)}: is a file, so nothing can lie in it")
            if there is None and self.facts.directories:
                self._put(path, _Node(Kind.DIR, b"", self._clock()))

    def _put(self, path: str, node: _Node) -> None:
        if path not in self._nodes:
            bisect.insort(self._order, path)
        self._nodes[path] = node

    def _take(self, path: str) -> _Node:
        del self._order[bisect.bisect_left(self._order, path)]
        return self._nodes.pop(path)

    def _node(self, path: str) -> _Node | None:
        if path in self._nodes:
            return self._nodes[path]
        implied = not path or (not self.facts.directories and any(self._below(path)))
        return _Node(Kind.DIR) if implied else None

    def _below(self, path: str) -> Iterator[tuple[str, _Node]]:
        """All at any depth below it, by path relative to it."""
        start = f"{path}/" if path else ""
        for at in range(bisect.bisect_left(self._order, start), len(self._order)):
            name = self._order[at]
            if not name.startswith(start):
                return
            yield name[len(start) :], self._nodes[name]

    def _all_of(self, path: str) -> list[str]:
        """It and all below it."""
        below = [f"{path}/{name}" for name, _ in self._below(path)]
        return [path, *below] if path in self._nodes else below

    def _there(self, path: str) -> _Node:
        node = self._node(checked(path))
        if node is None:
            raise NotFoundError(f"{shown(path)}: nothing is there")
        return node

    def list(self, path: str, *, stat: bool = False) -> Sequence[Entry]:
        """What lies directly in ``path``? See :meth:`Store.list`."""
        del stat
        with self._lock:
            if self._there(path).kind is not Kind.DIR:
                raise NotFoundError(f"{shown(path)}: is no directory")
            direct: dict[str, Entry] = {}
            for below, node in self._below(path):
                name, deeper, _ = below.partition("/")
                direct[name] = direct.get(name, Entry(name, Kind.DIR, 0, 0)) if deeper else node.entry(name)
            return list(direct.values())

    def tree(self, path: str, *, limit: int = 1_000_000) -> Sequence[Entry]:
        """What lies in ``path`` at any depth? See :meth:`Store.tree`."""
        with self._lock:
            top = self._there(path)
            if top.kind is not Kind.DIR:
                return [top.entry(path.rpartition("/")[2])]
            found = {below: node.entry(below) for below, node in self._below(path)}
            for below in [*found]:
                for parent in _parents(below):
                    found.setdefault(parent, Entry(parent, Kind.DIR, 0, 0))
            if len(found) > limit:
                raise StoreError(f"{shown(path)}: more than {limit} entries")
            return list(found.values())

    def stat(self, path: str) -> Entry | None:
        """What is at ``path``? See :meth:`Store.stat`."""
        with self._lock:
            node = self._node(checked(path))
            return None if node is None else node.entry(path.rpartition("/")[2])

    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes:
        """Which bytes does the file hold? See :meth:`Store.read`."""
        with self._lock:
            node = self._there(path)
            if node.kind is not Kind.FILE:
                raise NotFoundError(f"{shown(path)}: not a regular file")
            first = max(0, len(node.data) + start) if start < 0 else start
            return node.data[first : first + limit]

    def write(self, path: str, data: bytes, *, replace: bool = False) -> None:
        """Put a whole file there. See :meth:`Store.write`."""
        with self._lock:
            there = self._node(self._inner(path))
            if there is not None and (there.kind is Kind.DIR or not replace):
                raise ExistsError(f"{shown(path)}: something is there already")
            self._make(_parents(path))
            self._put(path, _Node(Kind.FILE, bytes(data), self._clock()))

    def move(self, source: str, target: str) -> None:
        """Give it another name, never over something. See :meth:`Store.move`."""
        with self._lock:
            self._there(self._inner(source))
            if self._node(self._inner(target)) is not None:
                raise ExistsError(f"{shown(target)}: something is there already")
            if f"{target}/".startswith(f"{source}/"):
                raise StoreError(f"{shown(source)}: cannot be moved into itself")
            if self.facts.directories and self._there(target.rpartition("/")[0]).kind is not Kind.DIR:
                raise NotFoundError(f"{shown(target)}: what is to hold it is no directory")
            for path in self._all_of(source):
                self._put(target + path[len(source) :], self._take(path))

    def delete(self, paths: Iterable[str]) -> dict[str, StoreError]:
        """Remove these. See :meth:`Store.delete`."""
        failed: dict[str, StoreError] = {}
        for path in paths:
            try:
                self._inner(path)
            except StoreError as error:
                failed[path] = error
                continue
            with self._lock:
                for name in self._all_of(path):
                    self._take(name)
        return failed

    @staticmethod
    def _inner(path: str) -> str:
        if not checked(path):
            raise StoreError("the base of a store is never written, moved or deleted")
        return path
