"""Every system call with which Holdfast touches a file system, one method each.

The local store and the pruning call the file system through this object and in no other way, so that a test can
count each effect, make it fail, or stop the process at it (:class:`holdfast.stores.faults.Faults` wraps it). All
take a directory handle (``dir_fd``), none follows a link in the last component unless it says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import sys
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags for a handle of a directory, never through a link."""
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Flags for reading a file, never through a link; a FIFO does not block."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags for a new file: fails if anything is there."""
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags for adding to a file."""

_ENCODING = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_RENAME_NOREPLACE = 1  # linux/fs.h
_RENAME_EXCL = 4  # macOS sys/stdio.h
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
_OPENAT2 = 437  # the same number on every architecture of Linux
_BENEATH = 0x01 | 0x04 | 0x08  # linux/openat2.h: RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@functools.cache
def _openat2() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    call: Callable[..., int] = ctypes.CDLL(None, use_errno=True).syscall
    handle = call(_OPENAT2, -100, b".", *_how(DIRECTORY))
    if handle < 0:
        return None  # an old kernel, or a sandbox that does not know the call
    os.close(handle)
    return call


@functools.cache
def _how(flags: int) -> tuple[Any, int]:
    """The last two arguments of openat2: where the structure is, and how large."""
    return ctypes.byref(_How(flags, 0, _BENEATH)), ctypes.sizeof(_How)


def _exclusive_rename() -> tuple[Callable[..., int], int] | None:
    libc: Any = ctypes.CDLL(None, use_errno=True)
    for name, flag in (("renameat2", _RENAME_NOREPLACE), ("renameatx_np", _RENAME_EXCL)):
        if hasattr(libc, name):
            return getattr(libc, name), flag
    return None


@final
class Posix:
    """Which effects are there? Each method is one call, with the errors of ``os`` (``OSError``)."""

    def open(self, path: str, flags: int, mode: int = 0o666, *, dir_fd: int | None = None) -> int:
        """A handle. The caller closes it."""
        return os.open(path, flags, mode, dir_fd=dir_fd)

    def beneath(self, path: str, flags: int, *, dir_fd: int) -> int:
        """A handle of what lies at ``path`` below a directory handle, to read it. The caller closes it.

        No component may be a link (``ELOOP`` or ``ENOTDIR``), climb (``..``) or lie on another mount (``EXDEV``).
        One call where the kernel can promise that (Linux 5.6: bind mounts included); elsewhere one call for each
        component, where another mount is known by its device.
        """
        call = _openat2()
        if call is None:
            return self._walk(path, flags, dir_fd)
        where = path.encode(*_ENCODING)
        how, size = _how(flags)
        while (fd := call(_OPENAT2, dir_fd, where, how, size)) < 0:
            code = ctypes.get_errno()
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code), path)
        return fd

    def _walk(self, path: str, flags: int, dir_fd: int) -> int:
        device = os.fstat(dir_fd).st_dev
        parts = path.split("/")
        with contextlib.ExitStack() as opened:
            for depth, part in enumerate(parts, 1):
                if part == "..":
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
                dir_fd = os.open(part, flags if depth == len(parts) else DIRECTORY, dir_fd=dir_fd)
                opened.callback(os.close, dir_fd)
                if os.fstat(dir_fd).st_dev != device:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
            return os.dup(dir_fd)

    def close(self, fd: int) -> None:
        """Give a handle back."""
        os.close(fd)

    def read(self, fd: int, count: int, offset: int) -> bytes:
        """At most ``count`` bytes at ``offset``."""
        return os.pread(fd, count, offset)

    def write(self, fd: int, data: bytes) -> int:
        """How many bytes were written (maybe fewer than given)."""
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        """Wait until a file, or a directory's names, are on the disk."""
        os.fsync(fd)

    def fstat(self, fd: int) -> os.stat_result:
        """What a handle stands for."""
        return os.fstat(fd)

    def stat(self, path: str, *, dir_fd: int | None = None) -> os.stat_result:
        """What is there, the link itself if it is one."""
        return os.stat(path, dir_fd=dir_fd, follow_symlinks=False)

    def scan(self, fd: int) -> list[os.DirEntry[str]]:
        """The entries of a directory handle, all at once."""
        with os.scandir(fd) as entries:
            return list(entries)

    def readlink(self, path: str, *, dir_fd: int | None = None) -> str:
        """Where a link points, as written."""
        return os.readlink(path, dir_fd=dir_fd)

    def mkdir(self, path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Make one directory."""
        os.mkdir(path, mode, dir_fd=dir_fd)

    def rmdir(self, path: str, *, dir_fd: int | None = None) -> None:
        """Remove one empty directory."""
        os.rmdir(path, dir_fd=dir_fd)

    def unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        """Remove one name of a file or link."""
        os.unlink(path, dir_fd=dir_fd)

    def link(self, source: str, target: str, *, source_fd: int | None = None, target_fd: int | None = None) -> None:
        """Give a file a second name; fails if anything is there. Never follows a link."""
        os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)

    def symlink(self, value: str, target: str, *, dir_fd: int | None = None) -> None:
        """Make a link that points at ``value``; fails if anything is there."""
        os.symlink(value, target, dir_fd=dir_fd)

    def rename(self, source: str, target: str, *, source_fd: int | None = None, target_fd: int | None = None) -> None:
        """Give it another name, replacing a file (or empty directory) that has it."""
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)

    def rename_exclusive(
        self, source: str, target: str, *, source_fd: int | None = None, target_fd: int | None = None
    ) -> None:
        """Give it another name; ``FileExistsError`` if anything has it.

        Atomic where the kernel and the file system know an exclusive rename (Linux 3.15 with ext4, xfs, btrfs,
        tmpfs; macOS APFS); elsewhere a look and then a rename, which only an empty directory could lose.
        """
        exclusive = _exclusive_rename()
        if exclusive is not None:
            call, flag = exclusive
            here = -2 if sys.platform == "darwin" else -100
            source_at, target_at = (here if fd is None else fd for fd in (source_fd, target_fd))
            if call(source_at, os.fsencode(source), target_at, os.fsencode(target), flag) == 0:
                return
            code = ctypes.get_errno()
            if code not in _UNSUPPORTED:
                raise OSError(code, os.strerror(code), source, None, target)
        try:
            self.stat(target, dir_fd=target_fd)
        except FileNotFoundError:
            self.rename(source, target, source_fd=source_fd, target_fd=target_fd)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)

    def utime(self, path: str, times_ns: tuple[int, int], *, dir_fd: int | None = None) -> None:
        """Set access and modification time."""
        os.utime(path, ns=times_ns, dir_fd=dir_fd, follow_symlinks=False)

    def chown(self, path: str, uid: int, gid: int, *, dir_fd: int | None = None) -> None:
        """Set owner and group (-1: leave as it is)."""
        os.chown(path, uid, gid, dir_fd=dir_fd, follow_symlinks=False)

    def chmod(self, fd: int, mode: int) -> None:
        """Set the mode of what a handle stands for."""
        os.fchmod(fd, mode)
