"""The seam behind which bytes live.

A store knows names and bytes, nothing of checkpoints. Paths are relative to the store's base, ``/``-separated,
never absolute, without ``.`` and ``..``; ``""`` is the base. File names that are no valid UTF-8 travel as
``os.fsdecode`` gives them. Wrappers (retry, counting, faults) are stores that hold a store.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Kind(enum.IntEnum):
    """What is an entry?"""

    FILE = 0
    DIR = 1
    LINK = 2
    OTHER = 3


class Entry(NamedTuple):
    """What does a listing know of one entry? Sizes and times are -1 where they were not asked for."""

    path: str
    """Relative to what was listed."""
    kind: Kind
    size: int = -1
    """Bytes; 0 for a directory."""
    mtime_ns: int = -1
    links: int = 1
    """Hard links to this file."""
    target: str = ""
    """Where a link points, as written; empty for all else."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What can this store do? Values, so that nobody asks which store it is."""

    atomic_move: bool
    """Does a move of a directory happen at once or not at all?"""
    directories: bool
    """Are there real directories (a file system), or only names with slashes (an object store)?"""
    whole_objects: bool
    """Does a file appear whole or not at all?"""
    batch_delete: int = 1
    """How many names one delete request takes."""


def shown(name: str) -> str:
    """How does a name look in a message? What does not print (newlines, escapes, invalid UTF-8) is spelled out."""
    return name if name.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def checked(path: str) -> str:
    """The path, if a store takes it: relative, without ``.``, ``..`` and empty parts; ``""`` is the base."""
    suspicious = path and ("\0" in path or "//" in path or "/." in path or path[0] in "/." or path[-1] == "/")
    if suspicious and ("\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/"))):
        raise StoreError(f"'{shown(path)}' is no path within a store: write a relative one such as 'a/b', without '..'")
    return path


class Store(abc.ABC):
    """Where do bytes live? Every method may raise ``StoreError``; foreign errors are chained to it."""

    uri: str
    facts: StoreFacts

    def at(self, path: str) -> tuple[Store, str]:
        """The same place, for one who will look there often: a store, and the path in it. Costs nothing to ask."""
        return self, path

    @abc.abstractmethod
    def list(self, path: str, *, stat: bool = False) -> Sequence[Entry]:
        """What lies directly in ``path``?

        In no promised order. Links are listed, not followed. With ``stat`` sizes, times, link counts and link
        targets are filled in (locally one system call per entry); an entry that vanishes meanwhile is left out.
        ``NotFoundError`` if ``path`` is not there or is no directory. Only reads; one listing.
        """

    @abc.abstractmethod
    def tree(self, path: str, *, limit: int = 1_000_000) -> Sequence[Entry]:
        """What lies in ``path`` at any depth, files and directories, with ``stat``?

        Paths are relative to ``path``. A file or link lists as itself alone, under its own last name component.
        Never follows a link, never crosses into another mount. ``StoreError`` beyond ``limit`` entries;
        ``NotFoundError`` if nothing is there. Only reads.
        """

    @abc.abstractmethod
    def stat(self, path: str) -> Entry | None:
        """What is at ``path`` (the link itself, if it is one)? None: nothing. Only reads."""

    @abc.abstractmethod
    def read(self, path: str, *, start: int = 0, limit: int = 1 << 20) -> bytes:
        """Which bytes does the file hold? At most ``limit`` of them from ``start``.

        A negative ``start`` counts from the end (the last ``-start`` bytes, or all if it is shorter). Never
        follows a link in the last component. ``NotFoundError`` if it is not a regular file. Only reads.
        """

    @abc.abstractmethod
    def write(self, path: str, data: bytes, *, replace: bool = False) -> None:
        """Put a whole file there, atomically and durably: a reader sees the old one, none, or the new one.

        Parent directories are made. Without ``replace``, ``ExistsError`` if something is there.
        """

    @abc.abstractmethod
    def move(self, source: str, target: str) -> None:
        """Give a file or directory another name in this store; never overwrites (``ExistsError``).

        ``NotFoundError`` if the source, or the directory that is to hold the target, is not there.
        Atomic where ``facts.atomic_move`` says so.
        """

    @abc.abstractmethod
    def delete(self, paths: Iterable[str]) -> dict[str, StoreError]:
        """Remove these, with all that they hold. Returns the failures, by path; the others are gone.

        Deleting what is already gone succeeds. Never follows a link, never crosses into another mount.
        """
