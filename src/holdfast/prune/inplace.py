"""How is a checkpoint dropped where it lies, when nothing can be renamed? The last rung: no undo, said aloud.

The completeness marker goes first, so that from the first moment on nobody takes the rest for a checkpoint. For a
checkpoint of several members that is the first member. Inside a directory it is one of the files below by name, and
then the other files at its top, the smallest first; what lies deeper goes last.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from holdfast.prune import files, move
from holdfast.prune.erase import Eraser
from holdfast.stores.posix import DIRECTORY

if TYPE_CHECKING:
    import os

    from holdfast.prune.batch import Unit
    from holdfast.prune.state import Home

MARKERS = (
    "commit_success.txt",
    "_CHECKPOINT_METADATA",
    ".metadata",
    "trainer_state.json",
    "checkpoint",
    "latest",
    "config.json",
)
"""What frameworks look for first, the surest first."""


def erase(home: Home, unit: Unit) -> None:
    """Remove it where it lies. Raises the first error; what is left then is partial, and nobody loads it."""
    for member in unit.members:
        with files.parent_of(home.fs, member.path, home.root_fd) as (fd, name):
            about = files.here(home.fs, name, fd)
            if about is None:
                continue
            if not member.is_(about):
                raise move.ChangedError(f"{member.path} is another file than the one that was looked at")
            _markers_first(home, fd, name)
            for errors in Eraser(home.fs, threads=1).erase(fd, [name]).values():
                raise errors[0]


def _markers_first(home: Home, fd: int, name: str) -> None:
    try:
        inside = home.fs.beneath(name, DIRECTORY, dir_fd=fd)
    except NotADirectoryError:
        return
    try:
        plain = [entry for entry in home.fs.scan(inside) if not entry.is_dir(follow_symlinks=False)]
        for entry in sorted(plain, key=_rank):
            home.fs.unlink(entry.name, dir_fd=inside)
    finally:
        home.fs.close(inside)


def _rank(entry: os.DirEntry[str]) -> tuple[int, int, str]:
    place = MARKERS.index(entry.name) if entry.name in MARKERS else len(MARKERS)
    return (place, entry.stat(follow_symlinks=False).st_size, entry.name)


def untouched(home: Home, unit: Unit, since_ns: int) -> bool:
    """Is no file in it newer than ``since_ns``? Looks at all of them."""
    return all(_oldest_enough(home, home.root_fd, member.path, since_ns) for member in unit.members)


def _oldest_enough(home: Home, above: int, path: str, since_ns: int) -> bool:
    about = files.here(home.fs, path, above)
    if about is None:
        return True
    if not stat.S_ISDIR(about.st_mode):
        return about.st_mtime_ns <= since_ns
    fd = home.fs.beneath(path, DIRECTORY, dir_fd=above)
    try:
        return all(_oldest_enough(home, fd, entry.name, since_ns) for entry in home.fs.scan(fd))
    finally:
        home.fs.close(fd)
