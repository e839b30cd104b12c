"""How are the bytes of what is out of sight freed: fast, and never anything else?

Everything is reached from directory handles (``dir_fd``), so that a directory that is swapped for a link meanwhile
leads nowhere: a link is unlinked, never followed. No mount is crossed. What is gone already is a success.
Several threads share the work, also that of one directory: unlinking waits for the file system, not for Python.
"""

from __future__ import annotations

import errno
import secrets
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, final

from holdfast.prune import files
from holdfast.stores.posix import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from holdfast.stores.posix import Posix

THREADS = 8
CHUNK = 64
"""Files that one thread unlinks in one go."""
DEEP = 100
"""A directory that lies deeper is moved up first: each level costs an open handle."""


class _Directory:
    """A directory that is being emptied. It is removed when nothing in it is left to do."""

    __slots__ = ("above", "depth", "fd", "left", "name", "top")

    def __init__(self, fd: int, name: str, top: str, above: _Directory | None) -> None:
        self.fd, self.name, self.top, self.above = fd, name, top, above
        self.depth: int = 0 if above is None else above.depth + 1
        self.left = 0


@final
class Eraser:
    """Removes trees below one directory handle. Made for one use."""

    def __init__(
        self, fs: Posix, *, threads: int = THREADS, paced: bool = False, told: Callable[[], None] = lambda: None
    ) -> None:
        self._fs, self._threads, self._paced, self._told = fs, max(1, threads), paced, told
        self._todo: list[Callable[[], None]] = []
        self._open = 0
        self._changed = threading.Condition()
        self.errors: defaultdict[str, list[OSError]] = defaultdict(list)
        """What could not be removed, by the name that was given."""

    def erase(self, fd: int, names: Sequence[str]) -> Mapping[str, list[OSError]]:
        """Remove these names in the directory ``fd``, with all that they hold; the errors by name."""
        base = _Directory(fd, "", "", None)
        for name in reversed(names):
            self._push(self._remove(base, name, name))
        helpers = [threading.Thread(target=self._work, name="holdfast-purge") for _ in range(self._threads - 1)]
        for helper in helpers:
            helper.start()
        self._work()
        for helper in helpers:
            helper.join()
        return self.errors

    def _push(self, task: Callable[[], None]) -> None:
        with self._changed:
            self._todo.append(task)
            self._open += 1
            self._changed.notify()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            began = time.monotonic()
            try:
                task()
            finally:
                with self._changed:
                    self._open -= 1
                    if not self._open:
                        self._changed.notify_all()
            if self._paced:
                time.sleep(min(0.1, time.monotonic() - began))

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._todo and self._open:
                self._changed.wait()
            return self._todo.pop() if self._todo else None

    def _remove(self, above: _Directory, name: str, top: str) -> Callable[[], None]:
        """The task to remove one entry that may be a directory."""

        def task() -> None:
            try:
                self._enter(above, name, top)
            except OSError as cause:
                if cause.errno in {errno.ENOTDIR, errno.ELOOP}:
                    self._unlink(above, [name], top)
                else:
                    self._fail(top, cause)
                self._done(above)

        return task

    def _enter(self, above: _Directory, name: str, top: str) -> None:
        fd = self._fs.beneath(name, DIRECTORY, dir_fd=above.fd)
        here = _Directory(fd, name, top, above)
        try:
            found = self._fs.scan(fd)
            folders = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
        except OSError:
            self._fs.close(fd)
            raise
        inside = set(folders)
        plain = [entry.name for entry in found if entry.name not in inside]
        chunks = [plain[i : i + CHUNK] for i in range(0, len(plain), CHUNK)]
        here.left = len(folders) + len(chunks)
        for folder in folders:
            self._descend(here, folder, top)
        for chunk in chunks[1:]:
            self._push(self._chunk(here, chunk, top))
        if chunks:
            self._chunk(here, chunks[0], top)()
        elif not folders:
            self._close(here)

    def _descend(self, here: _Directory, folder: str, top: str) -> None:
        """Empty a directory inside; one that lies too deep is moved up to the top first."""
        above = here
        if here.depth >= DEEP:
            while above.depth > 1:
                above = above.above or above
            new = f"deep-{secrets.token_hex(8)}"
            try:
                self._fs.rename(folder, new, source_fd=here.fd, target_fd=above.fd)
            except OSError:  # then it is emptied where it lies
                above = here
            else:
                folder = new
                with self._changed:
                    above.left += 1
                self._done(here)
        self._push(self._remove(above, folder, top))

    def _chunk(self, here: _Directory, names: Sequence[str], top: str) -> Callable[[], None]:
        def task() -> None:
            self._unlink(here, names, top)
            self._done(here)

        return task

    def _unlink(self, here: _Directory, names: Sequence[str], top: str) -> None:
        for name in names:
            try:
                self._fs.unlink(name, dir_fd=here.fd)
            except OSError as cause:
                self._fail(top, cause)

    def _fail(self, top: str, cause: OSError) -> None:
        if cause.errno not in files.GONE:
            with self._changed:
                self.errors[top].append(cause)

    def _done(self, here: _Directory) -> None:
        """One of the tasks in this directory is done; after the last one it goes, and its own directory is told."""
        if here.above is None:
            return self._told()
        with self._changed:
            here.left -= 1
            if here.left:
                return None
        return self._close(here)

    def _close(self, here: _Directory) -> None:
        if (above := here.above) is not None:
            try:
                self._fs.close(here.fd)
                self._fs.rmdir(here.name, dir_fd=above.fd)
            except OSError as cause:
                self._fail(here.top, cause)
            self._done(above)
