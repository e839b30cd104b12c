"""How does a checkpoint get out of sight, and back?

The ladder, tried by really renaming: 1. into the trash; 2. beside the run, as ``.holdfast-<run>-<token>-<n>of<m>-…``,
from where it is purged at once (works on a full disk); 3. nowhere, unless ``in_place`` was asked for. The
completeness marker goes first and comes back last, so that at no moment a part is taken for the whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from holdfast.errors import StoreError
from holdfast.prune import batch as batches
from holdfast.prune import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.prune.batch import Member, Place, Unit
    from holdfast.prune.state import Home
    from holdfast.stores.posix import Posix

NO_WAY = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOTSUP, errno.EMLINK}
)
"""What says that this rung of the ladder does not bear, and the next one may."""


class ChangedError(StoreError):
    """Which member is another file now than the one that was looked at?"""


def identify(home: Home, path: str) -> Member | None:
    """Which file or directory lies at ``path`` in the run? None: nothing."""
    try:
        with files.parent_of(home.fs, path, home.root_fd) as (fd, name):
            about = files.here(home.fs, name, fd)
    except OSError as cause:
        if cause.errno in files.GONE:
            return None
        raise
    return None if about is None else batches.Member(path, about.st_dev, about.st_ino, about.st_mtime_ns)


class Spot(NamedTuple):
    """Where does a member lie while it is out of sight? A name below a directory handle."""

    fd: int
    name: str


def in_batch(home: Home, place: Place, unit: Unit) -> list[Spot]:
    """Rung 1: one spot in the trash for each member."""
    trash_fd = batches.trash(home)
    return [Spot(trash_fd, f"{place.name}/{unit.entry(i)}") for i in range(len(unit.members))]


def beside(home: Home, unit: Unit) -> list[Spot]:
    """Rung 2: one spot beside the run for each member."""
    mark = f"{home.beside}{secrets.token_hex(4)}"
    count = len(unit.members)
    return [Spot(home.parent_fd, _fit(f"{mark}-{i}of{count}-", m.path)) for i, m in enumerate(unit.members)]


def _fit(start: str, path: str) -> str:
    """The member's path after ``start``; cut to what a name may have, with a lone ``%`` at its end then."""
    told = quote_from_bytes(os.fsencode(path), safe="")
    room = 250 - len(os.fsencode(start))
    return start + (told if len(told) <= room else told[:room].rpartition("%")[0] + "%")


@dataclasses.dataclass(frozen=True, slots=True)
class Stray:
    """What lies beside the run since a prune was stopped?"""

    mark: str
    index: int
    count: int
    path: str
    """Where it came from; empty if the name was too long to tell."""
    name: str


def strays(home: Home) -> dict[str, list[Stray]]:
    """Which members lie beside the run, undecided, by the mark of their checkpoint?"""
    pattern = re.compile(re.escape(home.beside) + r"([0-9a-f]{8})-(\d+)of(\d+)-(.*)", re.DOTALL)
    found: dict[str, list[Stray]] = {}
    for name in files.names(home.fs, ".", home.parent_fd):
        if match := pattern.fullmatch(name):
            mark, index, count, told = match.groups()
            path = "" if told.endswith("%") else os.fsdecode(unquote_to_bytes(told))
            found.setdefault(mark, []).append(Stray(mark, int(index), int(count), path, name))
    return found


def out(home: Home, unit: Unit, spots: Sequence[Spot]) -> None:
    """Move every member to its spot, the marker first; all or none.

    ``FileNotFoundError`` if it is gone already (or the lock was taken over, and the batch with it),
    :class:`ChangedError` if it is another one now; any other ``OSError`` means that it stays where it was.
    """
    done: list[tuple[Member, Spot]] = []
    try:
        for member, spot in zip(unit.members, spots, strict=True):
            _out(home, member, spot, first=not done)
            done.append((member, spot))
    except BaseException:
        for member, spot in reversed(done):
            _back(home, member, spot)
        raise


def _out(home: Home, member: Member, spot: Spot, *, first: bool) -> None:
    with files.parent_of(home.fs, member.path, home.root_fd) as (fd, name):
        about = files.here(home.fs, name, fd)
        if about is None and first:
            raise FileNotFoundError(errno.ENOENT, "gone already", member.path)
        if about is None:
            raise ChangedError(f"{member.path} went while it was being dropped")
        if not member.is_(about):
            raise ChangedError(f"{member.path} is another file than the one that was looked at")
        home.fs.rename(name, spot.name, source_fd=fd, target_fd=spot.fd)


def rest(home: Home, unit: Unit, spots: Sequence[Spot]) -> None:
    """Move out what a stopped prune left of this checkpoint. What is another file by now stays."""
    for member, spot in zip(unit.members, spots, strict=True):
        if files.here(home.fs, spot.name, spot.fd) is None:
            with contextlib.suppress(ChangedError):
                _out(home, member, spot, first=False)


def back(home: Home, unit: Unit, spots: Sequence[Spot]) -> None:
    """Bring every member back that lies at its spot, the marker last, byte for byte and with its time.

    Never overwrites: ``FileExistsError`` if something has its name by now, and then nothing was moved.
    Members that are back already (an undo that was stopped) are left as they are.
    """
    check_free(home, unit, spots)
    for member, spot in reversed(list(zip(unit.members, spots, strict=True))):
        if files.here(home.fs, spot.name, spot.fd) is not None:
            _back(home, member, spot)


def check_free(home: Home, unit: Unit, spots: Sequence[Spot]) -> None:
    """``FileExistsError`` if something else has the name of a member that is out of sight."""
    for member, spot in zip(unit.members, spots, strict=True):
        there, taken = files.here(home.fs, spot.name, spot.fd), identify(home, member.path)
        if there is not None and taken is not None and (taken.device, taken.inode) != (there.st_dev, there.st_ino):
            raise FileExistsError(errno.EEXIST, "something else has this name by now", member.path)


def _back(home: Home, member: Member, spot: Spot) -> None:
    with _made_parent(home, member.path) as (fd, name):
        restore(home.fs, spot, Spot(fd, name))
        about = home.fs.stat(name, dir_fd=fd)
        if about.st_mtime_ns != member.mtime_ns and stat.S_ISDIR(about.st_mode):
            home.fs.utime(name, (about.st_atime_ns, member.mtime_ns), dir_fd=fd)


@contextlib.contextmanager
def _made_parent(home: Home, path: str) -> Iterator[tuple[int, str]]:
    """The directory that is to hold ``path``, made again if it went."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        with files.parent_of(home.fs, "/".join(parts[:depth]), home.root_fd) as (fd, name):
            files.make(home.fs, name, fd)
    with files.parent_of(home.fs, path, home.root_fd) as found:
        yield found


def restore(fs: Posix, source: Spot, target: Spot) -> None:
    """Rename without ever overwriting: exclusive for a directory, link and unlink for all else."""
    about = fs.stat(source.name, dir_fd=source.fd)
    if not stat.S_ISDIR(about.st_mode):
        try:
            return _relink(fs, source, target, about)
        except OSError as cause:
            if cause.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
                raise  # else: a file system without hard links
    return fs.rename_exclusive(source.name, target.name, source_fd=source.fd, target_fd=target.fd)


def _relink(fs: Posix, source: Spot, target: Spot, about: os.stat_result) -> None:
    try:
        fs.link(source.name, target.name, source_fd=source.fd, target_fd=target.fd)
    except FileExistsError:
        there = fs.stat(target.name, dir_fd=target.fd)
        if (there.st_dev, there.st_ino) != (about.st_dev, about.st_ino):
            raise
    fs.unlink(source.name, dir_fd=source.fd)
