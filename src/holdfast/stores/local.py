"""The store that is a directory of the local file system.

Every path is walked from one handle of the base, never through a link and never into another mount: what is swapped
for a link in the middle of a walk leads nowhere. See :class:`holdfast.stores.base.Store` for the contract.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat as modes
import threading
import weakref
from typing import TYPE_CHECKING, final

from holdfast.errors import ExistsError, NotFoundError, StoreError
from holdfast.stores.base import Entry, Kind, Store, StoreFacts, checked, shown
from holdfast.stores.posix import DIRECTORY, FILE, NEW, Posix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}
_NO_DIRECTORY = {errno.ENOTDIR, errno.ELOOP}
_PRESENT = {errno.EEXIST, errno.ENOTEMPTY}


def translated(error: OSError, where: str) -> StoreError:
    """Which of our errors is this one of the operating system? To be raised ``from`` it."""
    said = f"{shown(where)}: {error.strerror or error}"
    if error.errno in _ABSENT:
        return NotFoundError(said)
    if error.errno in _PRESENT:
        return ExistsError(said)
    if error.errno == errno.EXDEV:
        return StoreError(f"{said} (another mount, which is never crossed)")
    return StoreError(said)


_KINDS = {modes.S_IFREG: Kind.FILE, modes.S_IFDIR: Kind.DIR, modes.S_IFLNK: Kind.LINK}


def kind_of(mode: int) -> Kind:
    """Which kind of entry has this ``st_mode``?"""
    return _KINDS.get(modes.S_IFMT(mode), Kind.OTHER)


def _named(found: list[os.DirEntry[str]]) -> Sequence[Entry]:
    """The entries by name and kind: a scan by names alone spends most of its time here, so no call is wasted."""
    make, directory = tuple.__new__, Kind.DIR
    return [
        make(Entry, (e.name, directory if e.is_dir(follow_symlinks=False) else _no_directory(e), -1, -1, 1, ""))
        for e in found
    ]


def _no_directory(entry: os.DirEntry[str]) -> Kind:
    if entry.is_file(follow_symlinks=False):
        return Kind.FILE
    return Kind.LINK if entry.is_symlink() else Kind.OTHER


@final
class LocalStore(Store):
    """Which bytes lie below a directory of this machine?

    The base is resolved (links in it are followed once, here) and opened at the first use; from then on the store
    means that directory, even if another one takes its name. ``close`` gives the handle back; so does forgetting it.
    """

    facts = StoreFacts(atomic_move=True, directories=True, whole_objects=False)

    def __init__(self, base: str | os.PathLike[str], fs: Posix | None = None) -> None:
        self.uri = os.path.realpath(base)
        self.fs = Posix() if fs is None else fs
        self._opening = threading.Lock()
        self._handle = -1
        self._close: weakref.finalize[..., LocalStore] | None = None

    def close(self) -> None:
        """Give the handle of the base back. The next use opens it again."""
        with self._opening:
            self._handle = -1
            if self._close is not None:
                self._close()

    def at(self, path: str) -> tuple[Store, str]:
        """A store whose base is that directory: each use walks less."""
        return (LocalStore(self._where(path), self.fs), "") if path else (self, "")

    def _where(self, path: str) -> str:
        return f"{self.uri.rstrip('/')}/{path}" if path else self.uri

    @property
    def _base(self) -> int:
        return self._handle if self._handle >= 0 else self._open_base()

    def _open_base(self) -> int:
        with self._opening:
            if self._handle < 0:
                handle = self.fs.open(self.uri, DIRECTORY)
                self._close = weakref.finalize(self, os.close, handle)
                self._handle = handle
            return self._handle

    @contextlib.contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        if not path:
            yield self._base
            return
        fd = self.fs.beneath(path, DIRECTORY, dir_fd=self._base)
        try:
            yield fd
        finally:
            self.fs.close(fd)

    @contextlib.contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The handle of the directory that holds it, and its name there."""
        parent, _, name = checked(path).rpartition("/")
        if not name:
            raise StoreError(f"{shown(self.uri)}: the base of a store is never written, moved or deleted")
        if make and parent and self.stat(parent) is None:
            self._make(parent)
        with self._directory(parent) as fd:
            yield fd, name

    def _make(self, path: str) -> None:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            with self._directory("/".join(parts[: depth - 1])) as fd, contextlib.suppress(FileExistsError):
                self.fs.mkdir(parts[depth - 1], dir_fd=fd)

    def list(self, path: str, *, stat: bool = False) -> Sequence[Entry]:
        """What lies directly in ``path``? See :meth:`Store.list`."""
        try:
            return self._inside(checked(path), stat=stat)
        except OSError as error:
            raise translated(error, self._where(path)) from error

    def _inside(self, path: str, before: str = "", *, stat: bool = True) -> Sequence[Entry]:
        """What lies directly in a directory, with ``before`` put before each name: one open, one listing."""
        fd = self.fs.beneath(path or ".", DIRECTORY, dir_fd=self._base)
        try:
            found = self.fs.scan(fd)
            if not stat:
                return _named(found)
            return [known for entry in found if (known := self._known(entry.name, fd, before)) is not None]
        finally:
            self.fs.close(fd)

    def _known(self, name: str, fd: int, before: str = "") -> Entry | None:
        try:
            info = self.fs.stat(name, dir_fd=fd)
            kind = kind_of(info.st_mode)
            target = self.fs.readlink(name, dir_fd=fd) if kind is Kind.LINK else ""
        except FileNotFoundError:
            return None
        size, links = (0, 1) if kind is Kind.DIR else (info.st_size, info.st_nlink)
        return Entry(before + name, kind, size, info.st_mtime_ns, links, target)

    def tree(self, path: str, *, limit: int = 1_000_000) -> Sequence[Entry]:
        """What lies in ``path`` at any depth? See :meth:`Store.tree`."""
        found: list[Entry] = []
        waiting = [""]
        try:
            while waiting:
                before = waiting.pop()
                inside = self._inside(f"{path}/{before}".strip("/") if before else checked(path), before)
                found += inside
                waiting += [f"{entry.path}/" for entry in inside if entry.kind is Kind.DIR]
                if len(found) > limit:
                    raise StoreError(f"{shown(self._where(path))}: more than {limit} entries")
        except OSError as error:
            top = None if found or error.errno not in _NO_DIRECTORY else self.stat(path)
            if top is not None and top.kind is not Kind.DIR:
                return [top]
            raise translated(error, self._where(path)) from error
        return found

    def stat(self, path: str) -> Entry | None:
        """What is at ``path``? See :meth:`Store.stat`."""
        try:
            if not path:
                return Entry("", Kind.DIR, 0, self.fs.fstat(self._base).st_mtime_ns)
            if "/" not in path:
                return self._known(checked(path), self._base)
            with self._parent(path) as (fd, name):
                return self._known(name, fd)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise translated(error, self._where(path)) from error

    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes:
        """Which bytes does the file hold? See :meth:`Store.read`."""
        try:
            fd = self.fs.beneath(checked(path), FILE, dir_fd=self._base)
            try:
                info = self.fs.fstat(fd)
                if not modes.S_ISREG(info.st_mode):
                    raise NotFoundError(f"{shown(self._where(path))}: not a regular file")
                size = info.st_size
                first = start if start >= 0 else max(0, size + start)
                return self._bytes(fd, first, min(limit, size - first))
            finally:
                self.fs.close(fd)
        except OSError as error:
            raise translated(error, self._where(path)) from error

    def _bytes(self, fd: int, start: int, count: int) -> bytes:
        data = self.fs.read(fd, count, start) if count > 0 else b""
        while 0 < len(data) < count and (more := self.fs.read(fd, count - len(data), start + len(data))):
            data += more
        return data

    def write(self, path: str, data: bytes, *, replace: bool = False) -> None:
        """Put a whole file there, atomically and durably. See :meth:`Store.write`."""
        try:
            with self._parent(path, make=True) as (fd, name):
                draft = f".holdfast-{secrets.token_hex(6)}.tmp"
                try:
                    self._draft(draft, data, fd, like=name)
                    rename = self.fs.rename if replace else self.fs.rename_exclusive
                    rename(draft, name, source_fd=fd, target_fd=fd)
                except BaseException:
                    with contextlib.suppress(OSError):
                        self.fs.unlink(draft, dir_fd=fd)
                    raise
                self.fs.fsync(fd)
        except OSError as error:
            raise translated(error, self._where(path)) from error

    def _draft(self, draft: str, data: bytes, fd: int, *, like: str) -> None:
        """A new file with these bytes on the disk, with the mode of the file that it may replace."""
        new = self.fs.open(draft, NEW, dir_fd=fd)
        try:
            with contextlib.suppress(FileNotFoundError):
                old = self.fs.stat(like, dir_fd=fd)
                if modes.S_ISREG(old.st_mode):
                    self.fs.chmod(new, modes.S_IMODE(old.st_mode))
            while data:
                data = data[self.fs.write(new, data) :]
            self.fs.fsync(new)
        finally:
            self.fs.close(new)

    def move(self, source: str, target: str) -> None:
        """Give it another name, never over something. See :meth:`Store.move`."""
        try:
            with self._parent(source) as (old_fd, old), self._parent(target) as (new_fd, new):
                self.fs.rename_exclusive(old, new, source_fd=old_fd, target_fd=new_fd)
        except OSError as error:
            raise translated(error, f"{self._where(source)} -> {target}") from error

    def delete(self, paths: Iterable[str]) -> dict[str, StoreError]:
        """Remove these. See :meth:`Store.delete`."""
        failed: dict[str, StoreError] = {}
        for path in paths:
            try:
                self._delete(path)
            except StoreError as error:
                failed[path] = error
        return failed

    def _delete(self, path: str) -> None:
        try:
            with contextlib.ExitStack() as opened:
                try:
                    fd, name = opened.enter_context(self._parent(path))
                except OSError as error:
                    if error.errno in _ABSENT:
                        return
                    raise
                remove(self.fs, name, fd)
        except OSError as error:
            raise translated(error, self._where(path)) from error


def remove(fs: Posix, name: str, dir_fd: int) -> None:
    """Remove one entry of a directory with all that it holds, by handles alone.

    What is gone meanwhile is no error. All that can be removed is; then the first failure is raised (``OSError``).
    Never follows a link, never crosses into another mount.
    """
    try:
        fs.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    except OSError as error:
        if not _is_directory(fs, name, dir_fd, error):
            raise
        _remove_directory(fs, name, dir_fd)


def _is_directory(fs: Posix, name: str, dir_fd: int, error: OSError) -> bool:
    """Linux says EISDIR to an unlink of a directory, POSIX and macOS EPERM."""
    if error.errno not in {errno.EISDIR, errno.EPERM}:
        return False
    return modes.S_ISDIR(fs.stat(name, dir_fd=dir_fd).st_mode)


def _remove_directory(fs: Posix, name: str, dir_fd: int) -> None:
    first: OSError | None = None
    fd = fs.beneath(name, DIRECTORY, dir_fd=dir_fd)
    try:
        for entry in fs.scan(fd):
            try:
                remove(fs, entry.name, fd)
            except OSError as error:
                first = first or error
            except RecursionError as error:
                first = first or OSError(errno.ENAMETOOLONG, "directories nested too deep", name)
                first.__cause__ = error
    finally:
        fs.close(fd)
    if first is not None:
        raise first
    with contextlib.suppress(FileNotFoundError):
        fs.rmdir(name, dir_fd=dir_fd)
