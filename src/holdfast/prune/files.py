"""How are small files read and written through the system calls, so that a crash leaves the old one or the new one?"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from typing import TYPE_CHECKING, Any

from holdfast.errors import FormatError
from holdfast.stores.posix import DIRECTORY, FILE, NEW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.stores.posix import Posix

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a full disk, or a full quota, says."""
GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
"""What something says that is not there any more."""
LIMIT = 64 << 20
"""No file of Holdfast's own is larger."""


def token() -> str:
    """A name that nobody else uses: 16 hex digits."""
    return secrets.token_hex(8)


@contextlib.contextmanager
def opened(fs: Posix, path: str, flags: int = DIRECTORY, *, dir_fd: int | None = None) -> Iterator[int]:
    """A handle for as long as the block lasts; never through a link in the last component."""
    fd = fs.open(path, flags, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        fs.close(fd)


@contextlib.contextmanager
def parent_of(fs: Posix, path: str, root_fd: int) -> Iterator[tuple[int, str]]:
    """The directory (below ``root_fd``, through no link and no mount) that holds ``path``, and the last name."""
    above, _, name = path.rpartition("/")
    if not above:
        yield root_fd, name
        return
    fd = fs.beneath(above, DIRECTORY, dir_fd=root_fd)
    try:
        yield fd, name
    finally:
        fs.close(fd)


def here(fs: Posix, path: str, dir_fd: int) -> os.stat_result | None:
    """What is there (the link itself, if it is one)? None: nothing."""
    try:
        return fs.stat(path, dir_fd=dir_fd)
    except OSError as cause:
        if cause.errno in GONE:
            return None
        raise


def names(fs: Posix, path: str, dir_fd: int) -> list[str]:
    """The names in a directory, sorted; none if it is not there."""
    try:
        with opened(fs, path, dir_fd=dir_fd) as fd:
            return sorted(entry.name for entry in fs.scan(fd))
    except OSError as cause:
        if cause.errno in GONE:
            return []
        raise


def read(fs: Posix, path: str, dir_fd: int) -> bytes | None:
    """All bytes of a small file; None if it is not there. ``FormatError`` beyond ``LIMIT``."""
    try:
        fd = fs.open(path, FILE, dir_fd=dir_fd)
    except OSError as cause:
        if cause.errno in GONE:
            return None
        raise
    try:
        return _all(fs, fd, path)
    finally:
        fs.close(fd)


def _all(fs: Posix, fd: int, path: str) -> bytes:
    data = bytearray()
    while piece := fs.read(fd, 1 << 20, len(data)):
        data += piece
        if len(data) > LIMIT:
            raise FormatError(f"{path} is larger than {LIMIT} bytes: it is no file of Holdfast's; move it away")
    return bytes(data)


def read_json(fs: Posix, path: str, dir_fd: int) -> dict[str, Any] | None:
    """The object in a small JSON file; None if it is not there. ``FormatError`` if it is something else."""
    data = read(fs, path, dir_fd)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise FormatError(f"{path} is no JSON ({cause}); look at it, and remove it if it means nothing") from cause
    if not isinstance(found, dict):
        raise FormatError(f"{path} holds {type(found).__name__}, not an object; look at it, and remove it")
    return found


def write_all(fs: Posix, fd: int, data: bytes) -> None:
    """Write every byte, in as many calls as it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[fs.write(fd, bytes(rest)) :]


def create(fs: Posix, path: str, data: bytes, dir_fd: int) -> None:
    """Make a new file, durably, with its directory's group and mode; ``FileExistsError`` if anything is there."""
    fd = fs.open(path, NEW, 0o600, dir_fd=dir_fd)
    try:
        write_all(fs, fd, data)
        inherit(fs, fd, path, dir_fd, executable=False)
        fs.fsync(fd)
    finally:
        fs.close(fd)


def replace(fs: Posix, path: str, data: bytes, dir_fd: int) -> None:
    """Put a whole file there, atomically and durably, over the old one."""
    new = f".{token()}.new"
    try:
        create(fs, new, data, dir_fd)
        fs.rename(new, path, source_fd=dir_fd, target_fd=dir_fd)
    except BaseException:
        remove(fs, new, dir_fd)
        raise
    fs.fsync(dir_fd)


def replace_json(fs: Posix, path: str, value: dict[str, Any], dir_fd: int) -> None:
    """Put a whole JSON file there, as ``replace`` does."""
    replace(fs, path, json.dumps(value, ensure_ascii=True, indent=1).encode() + b"\n", dir_fd)


def remove(fs: Posix, path: str, dir_fd: int) -> None:
    """Remove a file of Holdfast's own as far as that is possible: what stays is swept up later."""
    with contextlib.suppress(OSError):
        fs.unlink(path, dir_fd=dir_fd)


def make(fs: Posix, path: str, dir_fd: int) -> None:
    """Make a directory with its parent's group and mode, unless it is there. Never accepts a link."""
    try:
        fs.mkdir(path, 0o700, dir_fd=dir_fd)
    except FileExistsError:
        return
    with opened(fs, path, dir_fd=dir_fd) as fd:
        inherit(fs, fd, path, dir_fd, executable=True)


def inherit(fs: Posix, fd: int, path: str, dir_fd: int, *, executable: bool) -> None:
    """Give it the group (as the superuser also the owner) and the mode of its directory."""
    above, mine = fs.fstat(dir_fd), fs.fstat(fd)
    owner = above.st_uid if os.geteuid() == 0 else mine.st_uid
    if (owner, above.st_gid) != (mine.st_uid, mine.st_gid):
        with contextlib.suppress(PermissionError):
            fs.chown(path, owner, above.st_gid, dir_fd=dir_fd)
    fs.chmod(fd, stat.S_IMODE(above.st_mode) & (0o2777 if executable else 0o666))
