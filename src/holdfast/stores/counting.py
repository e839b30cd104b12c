"""A store that counts what is asked of another: which files were opened, how many requests were made."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, final

from holdfast.stores.base import Entry, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.errors import StoreError


@final
class CountingStore(Store):
    """How often was each method called, and for which path? Wraps a store. Safe with threads.

    ``calls`` counts by method and path: ``calls["read", "7/metrics/metrics"]``. Paths are as given to this store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.uri = store.uri
        self.facts = store.facts
        self.calls: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def total(self, method: str) -> int:
        """How many calls of this method were there?"""
        return sum(count for (name, _), count in self.calls.items() if name == method)

    def paths(self, method: str) -> set[str]:
        """For which paths was this method called?"""
        return {path for name, path in self.calls if name == method}

    def _count(self, method: str, path: str) -> None:
        with self._lock:
            self.calls[method, path] += 1

    def list(self, path: str, *, stat: bool = False) -> Sequence[Entry]:
        """Counted, then as the store within."""
        self._count("list", path)
        return self.store.list(path, stat=stat)

    def tree(self, path: str, *, limit: int = 1_000_000) -> Sequence[Entry]:
        """Counted, then as the store within."""
        self._count("tree", path)
        return self.store.tree(path, limit=limit)

    def stat(self, path: str) -> Entry | None:
        """Counted, then as the store within."""
        self._count("stat", path)
        return self.store.stat(path)

    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes:
        """Counted, then as the store within."""
        self._count("read", path)
        return self.store.read(path, start=start, limit=limit)

    def write(self, path: str, data: bytes, *, replace: bool = False) -> None:
        """Counted, then as the store within."""
        self._count("write", path)
        self.store.write(path, data, replace=replace)

    def move(self, source: str, target: str) -> None:
        """Counted by its source, then as the store within."""
        self._count("move", source)
        self.store.move(source, target)

    def delete(self, paths: Iterable[str]) -> dict[str, StoreError]:
        """One call, counted by each path, then as the store within."""
        chosen = tuple(paths)
        for path in chosen:
            self._count("delete", path)
        return self.store.delete(chosen)
