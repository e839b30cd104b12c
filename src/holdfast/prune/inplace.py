"""How is a checkpoint dropped where it lies, when nothing can be renamed? The last rung: no undo, said aloud.

The completeness marker goes first, so that from the first moment on nobody who asks for it takes the rest for a
checkpoint: the first of several members, or inside a directory the file that the layout names.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from holdfast.prune import files, move
from holdfast.prune.erase import Eraser
from holdfast.stores.posix import DIRECTORY

if TYPE_CHECKING:
    from holdfast.prune.batch import Unit
    from holdfast.prune.state import Home


def erase(home: Home, unit: Unit) -> None:
    """Remove it where it lies. Raises the first error; what is left then is partial."""
    for member in unit.members:
        with files.parent_of(home.fs, member.path, home.root_fd) as (fd, name):
            about = files.here(home.fs, name, fd)
            if about is None:
                continue
            if not member.is_(about):
                raise move.ChangedError(f"{member.path} is another file than the one that was looked at")
            if unit.marker.startswith(f"{member.path}/"):
                _unlink(home, unit.marker)
            for errors in Eraser(home.fs, threads=1).erase(fd, [name]).values():
                raise errors[0]


def _unlink(home: Home, path: str) -> None:
    with files.parent_of(home.fs, path, home.root_fd) as (fd, name):
        if files.here(home.fs, name, fd) is not None:
            home.fs.unlink(name, dir_fd=fd)


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
