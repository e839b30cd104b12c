"""Where does Holdfast keep what it knows of a run: pins, leases, lock, journal, trash?

Beside the run, never in it: ``<parent>/.holdfast/<run's name>/``, or where ``--state-dir`` says. The directory
records which run it belongs to (resolved path, device, inode) and a format version. On a mismatch, a newer format
or a link nothing is done; :func:`adopt` takes a directory over after a look by a person.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import NotFoundError, RefusedError, StoreError
from holdfast.prune import files
from holdfast.stores.posix import DIRECTORY, Posix

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1
HOME = ".holdfast"
IDENTITY = "state.json"
TRASH = "trash"


@dataclasses.dataclass(frozen=True)
class Home:
    """Which handles does the work on one run go through? Everything is reached from them, nothing by a path."""

    fs: Posix
    root: str
    """Resolved."""
    root_fd: int
    parent_fd: int
    fd: int | None
    """The state directory; None: there is none."""
    trash_fd: int | None
    """Where dropped checkpoints wait; None: nowhere."""
    where: str
    """The path of the state directory, for messages and to look whether it came to be."""

    @property
    def name(self) -> str:
        """The run's own name in its parent directory."""
        return Path(self.root).name

    @property
    def beside(self) -> str:
        """What the names begin with that Holdfast uses beside the run: by its name, and a hash of its path."""
        told = os.fsdecode(os.fsencode(self.name)[:60])
        return f"{HOME}-{told}-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]}-"

    @property
    def state(self) -> int:
        """The handle of the state directory, where there must be one."""
        if self.fd is None:
            raise NotFoundError(f"{self.root} has no state directory: nothing was ever pinned or pruned there")
        return self.fd


def resolve(root: str | os.PathLike[str]) -> str:
    """The run's directory as an absolute path without links; ``NotFoundError`` if it is no directory."""
    if sys.platform == "win32":
        raise RefusedError("pruning works on Linux and macOS; on Windows holdfast scans and plans only")
    path = os.fspath(root)
    try:
        return os.path.realpath(path, strict=True)
    except OSError as cause:
        raise NotFoundError(f"there is no directory {path!r} ({cause.strerror})") from cause


def place(root: str, state_dir: str | os.PathLike[str] | None = None) -> str:
    """Where is the state of the run in ``root``? Only computes."""
    if state_dir is not None:
        return str(Path(state_dir).absolute())
    return str(Path(root).parent / HOME / Path(root).name)


@contextlib.contextmanager
def home(
    root: str | os.PathLike[str],
    *,
    fs: Posix,
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    make: bool = False,
) -> Iterator[Home]:
    """Open what the work on a run goes through, and check whose state it is.

    Without ``make`` nothing is written, and a state that is not there stays so. With ``make`` it is made; on a
    full disk, where that cannot be, the work goes on without one.
    """
    resolved = resolve(root)
    with _translated(resolved), contextlib.ExitStack() as stack:
        root_fd = _enter(stack, fs, resolved, "the run")
        parent_fd = _enter(stack, fs, str(Path(resolved).parent), "the run's parent")
        fd = _state(stack, fs, resolved, parent_fd, state_dir, make=make)
        if fd is not None and not _identified(fs, resolved, root_fd, fd, place(resolved, state_dir), make=make):
            fd = None
        trash_fd = _trash(stack, fs, resolved, fd, trash_dir, make=make)
        yield Home(fs, resolved, root_fd, parent_fd, fd, trash_fd, place(resolved, state_dir))


@contextlib.contextmanager
def _translated(root: str) -> Iterator[None]:
    """What the operating system says and nobody has an answer to: nothing more is done."""
    try:
        yield
    except OSError as cause:
        what = f" ({cause.filename})" if cause.filename else ""
        raise StoreError(f"{root}: {cause.strerror or cause}{what}; nothing more was done") from cause


def _enter(stack: contextlib.ExitStack, fs: Posix, path: str, what: str) -> int:
    try:
        return stack.enter_context(files.opened(fs, path))
    except OSError as cause:
        if cause.errno in files.GONE:
            raise NotFoundError(f"{what} {path!r} is not there, or is no directory") from cause
        raise StoreError(f"{what} {path!r} cannot be opened: {cause.strerror}") from cause


def _state(
    stack: contextlib.ExitStack,
    fs: Posix,
    root: str,
    parent_fd: int,
    state_dir: str | os.PathLike[str] | None,
    *,
    make: bool,
) -> int | None:
    where = place(root, state_dir)
    try:
        if state_dir is not None:
            return _descend(stack, fs, None, where, make=make)
        above = _descend(stack, fs, parent_fd, HOME, make=make)
        return None if above is None else _descend(stack, fs, above, Path(root).name, make=make)
    except OSError as cause:
        if cause.errno in files.FULL:
            return None
        raise StoreError(
            f"the state directory {where!r} cannot be made or opened: {cause.strerror};"
            " say with --state-dir where pins, lock and journal may lie"
        ) from cause


def _descend(stack: contextlib.ExitStack, fs: Posix, above: int | None, path: str, *, make: bool) -> int | None:
    """A handle of a directory that must be none of a link; made if wanted."""
    found = _there(fs, path, above)
    if found is None:
        if not make:
            return None
        if above is None:
            above = stack.enter_context(files.opened(fs, str(Path(path).parent)))
            path = Path(path).name
        files.make(fs, path, above)
    elif not _is_directory(found):
        raise RefusedError(f"{path!r} must be a directory, and is a link or a file; move it away, then try again")
    return stack.enter_context(files.opened(fs, path, DIRECTORY, dir_fd=above))


def _there(fs: Posix, path: str, above: int | None) -> os.stat_result | None:
    try:
        return fs.stat(path, dir_fd=above)
    except FileNotFoundError:
        return None


def _is_directory(found: os.stat_result) -> bool:
    return (found.st_mode & 0o170000) == 0o040000


def _identity(fs: Posix, root: str, root_fd: int) -> dict[str, Any]:
    about = fs.fstat(root_fd)
    return {"format": FORMAT, "root": root, "device": about.st_dev, "inode": about.st_ino}


def _identified(fs: Posix, root: str, root_fd: int, fd: int, where: str, *, make: bool) -> bool:
    """Is it this run's state? Written down if it is new; False if that cannot be (a full disk, or only looking)."""
    mine, found = _identity(fs, root, root_fd), files.read_json(fs, IDENTITY, fd)
    if found is None and (strangers := _strangers(fs, fd)):
        found = files.read_json(fs, IDENTITY, fd)  # once more: another process may be making it at this moment
        if found is None:
            raise RefusedError(
                f"{where!r} holds {strangers[0]!r} but no {IDENTITY}: nobody knows whose it is;"
                f" look at it, then run: holdfast adopt {root}"
            )
    if found is None:
        return make and _recorded(fs, mine, fd)
    _check_format(found, where)
    if different := [key for key in ("root", "device", "inode") if found.get(key) != mine[key]]:
        told = ", ".join(f"{key} {found.get(key)!r}, now {mine[key]!r}" for key in different)
        raise RefusedError(
            f"{where!r} belongs to another directory than {root!r} ({told}): the run was moved, copied or made anew;"
            f" if its pins and trash are meant for this one, run: holdfast adopt {root}"
        )
    return True


def _strangers(fs: Posix, fd: int) -> list[str]:
    return sorted(entry.name for entry in fs.scan(fd) if not entry.name.endswith(".new"))


def _check_format(found: dict[str, Any], where: str) -> None:
    version = found.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise RefusedError(
            f"{where!r} has format {version!r}, and this holdfast knows up to {FORMAT}: use the newer holdfast"
        )


def _recorded(fs: Posix, mine: dict[str, Any], fd: int) -> bool:
    try:
        files.replace_json(fs, IDENTITY, mine, fd)
    except OSError as cause:
        if cause.errno in files.FULL:
            return False
        raise
    return True


def _trash(
    stack: contextlib.ExitStack,
    fs: Posix,
    root: str,
    fd: int | None,
    trash_dir: str | os.PathLike[str] | None,
    *,
    make: bool,
) -> int | None:
    """The handle of the trash: in the state directory, or this run's own part of ``trash_dir``."""
    if trash_dir is None:
        return None if fd is None else _descend_unless_full(stack, fs, fd, TRASH, make=make)
    above = _descend(stack, fs, None, str(Path(trash_dir).absolute()), make=make)
    mark = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    return (
        None if above is None else _descend_unless_full(stack, fs, above, f"{mark}-{Path(root).name[:40]}", make=make)
    )


def _descend_unless_full(stack: contextlib.ExitStack, fs: Posix, above: int, path: str, *, make: bool) -> int | None:
    try:
        return _descend(stack, fs, above, path, make=make)
    except OSError as cause:
        if cause.errno in files.FULL:
            return None
        raise


def adopt(
    root: str | os.PathLike[str], *, state_dir: str | os.PathLike[str] | None = None, fs: Posix | None = None
) -> str:
    """Take the state directory over for the run that lies in ``root`` now, after a person has looked at it.

    Needed when a run was moved, copied or made anew: its pins, trash and journal count from now on for this one.
    Returns the state directory. A newer format and a link are refused all the same.
    """
    fs = fs or Posix()
    resolved = resolve(root)
    where = place(resolved, state_dir)
    with contextlib.ExitStack() as stack:
        root_fd = _enter(stack, fs, resolved, "the run")
        parent_fd = _enter(stack, fs, str(Path(resolved).parent), "the run's parent")
        fd = _state(stack, fs, resolved, parent_fd, state_dir, make=False)
        if fd is None:
            raise NotFoundError(f"there is no state directory {where!r} to adopt; nothing needs to be done")
        if (found := files.read_json(fs, IDENTITY, fd)) is not None:
            _check_format(found, where)
        files.replace_json(fs, IDENTITY, _identity(fs, resolved, root_fd), fd)
    return where
