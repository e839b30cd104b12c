"""What was done to a run: who, when, under which policy, to which checkpoints, and why?

Lines of ``<checksum> <JSON>``, appended before an act (the intent) and after it. A torn last line never happened.
The journal is the record for people (``holdfast log``) and for "a plan is applied once"; what a crash left half
done is told by the trash itself (its ``batch.json``).
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdfast.errors import StoreError
from holdfast.prune import files
from holdfast.prune.state import home as opened
from holdfast.stores.posix import APPEND, Posix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.prune.state import Home

NAME = "journal"
BOTH = (APPEND & ~os.O_WRONLY) | os.O_RDWR
"""Flags for adding to a file whose last byte is to be read."""


def who() -> str:
    """Who acts: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def line(record: Mapping[str, Any]) -> bytes:
    """One record as one line, with its checksum in front."""
    body = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def parse(data: bytes) -> list[dict[str, Any]]:
    """The records whose checksum fits, oldest first. A torn or damaged line never happened."""
    return [record for one in data.split(b"\n") if (record := _parsed(one)) is not None]


def _parsed(one: bytes) -> dict[str, Any] | None:
    checksum, _, body = one.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def append(home: Home, event: str, records: Sequence[Mapping[str, Any]] = ({},), **common: object) -> bool:
    """Write what happened, one line per record. False: the disk is full, and the journal does without.

    Not yet on the disk when it returns: :func:`settle` waits for that.
    """
    if home.fd is None:
        return False
    stamp = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, "who": who(), **common}
    try:
        _append(home.fs, b"".join(line({**stamp, **record}) for record in records), home.fd)
    except OSError as cause:
        if cause.errno in files.FULL:
            return False
        raise StoreError(f"the journal of {home.root} cannot be written: {cause.strerror}") from cause
    return True


def _append(fs: Posix, data: bytes, state_fd: int) -> None:
    with files.opened(fs, NAME, BOTH, dir_fd=state_fd) as fd:
        size = fs.fstat(fd).st_size
        if size == 0:
            files.inherit(fs, fd, NAME, state_fd, executable=False)
        torn = size > 0 and fs.read(fd, 1, size - 1) != b"\n"
        files.write_all(fs, fd, b"\n" + data if torn else data)


def settle(home: Home) -> None:
    """Wait until the journal is on the disk."""
    if home.fd is not None and files.here(home.fs, NAME, home.fd) is not None:
        with files.opened(home.fs, NAME, BOTH, dir_fd=home.fd) as fd:
            home.fs.fsync(fd)


def records(home: Home) -> list[dict[str, Any]]:
    """What was done so far, oldest first. Only reads."""
    data = None if home.fd is None else files.read(home.fs, NAME, home.fd)
    return parse(data or b"")


def applied(home: Home, plan_id: str) -> str:
    """When was this plan carried out to its end? Empty: never."""
    done = (r for r in records(home) if r.get("event") == "pruned" and r.get("plan") == plan_id)
    return next((str(r.get("time")) for r in done), "")


def log(
    root: str | os.PathLike[str], *, state_dir: str | os.PathLike[str] | None = None, fs: Posix | None = None
) -> list[dict[str, Any]]:
    """The journal's records, oldest first: each has ``time``, ``event``, ``who``, and what the event is about.

    Events: ``prune`` (the intent, one record per checkpoint), ``pruned`` (what became of each), ``recovered``,
    ``repointed``, ``undone``, ``purged``, ``pin``, ``unpin``. A torn or damaged line is left out. Only reads.
    """
    with opened(root, fs=fs or Posix(), state_dir=state_dir) as place:
        return records(place)
