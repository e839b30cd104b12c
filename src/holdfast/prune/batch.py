"""What does one prune put into the trash, and how is it found again?

A batch is a directory of the trash: ``<state>-<token>``. In it lies ``batch.json``, written and on the disk before
anything is moved (the intent), and the members of the dropped checkpoints under ``<unit>.<member>-<their name>``.

    held-     being filled by the pruner that holds the lock; a takeover renames it away
    lost-     was held by a pruner that died or was overtaken; settled by the next one
    waiting-  waits to be purged, or for an undo
    purging-  its bytes are being freed; never undone
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from holdfast.errors import FormatError
from holdfast.prune import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.prune.state import Home

MANIFEST = "batch.json"
MARK = "in-place-"
SCHEMA = 1


class State(enum.StrEnum):
    """What may be done with a batch?"""

    HELD = "held"
    LOST = "lost"
    WAITING = "waiting"
    PURGING = "purging"


_NAME = re.compile(r"(held|lost|waiting|purging)-([0-9a-f]{16})")
_ENTRY = re.compile(r"(\d+)\.(\d+)-.*", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """Which entry of the run's directory is it, so that another of the same name is not taken for it?"""

    path: str
    device: int
    inode: int
    mtime_ns: int

    def same_as(self, other: Member) -> bool:
        """Is it the very same file or directory, wherever it lies now?"""
        return (self.device, self.inode) == (other.device, other.inode)

    def is_(self, about: os.stat_result) -> bool:
        """Is this the very file or directory?"""
        return (about.st_dev, about.st_ino) == (self.device, self.inode)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Which checkpoint is dropped: its members, the completeness marker first."""

    key: int
    name: str
    step: int | None
    size: int
    fingerprint: str
    members: tuple[Member, ...]
    marker: str = ""
    """The file inside that makes it complete, within the run; empty: there is none, or it is the first member."""

    def entry(self, index: int) -> str:
        """Under which name in the batch does this member lie? Unique by its numbers; the rest is for people."""
        told = quote_from_bytes(os.fsencode(self.members[index].path), safe=" !#$&'()+,:;=@[]{}^~")
        return f"{self.key}.{index}-{told[:200]}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one prune intends to drop, and until when it can be undone."""

    token: str
    root: str
    plan: str
    policy: str
    owner: str
    made: datetime
    until: datetime
    """When its grace is over: from then on the next prune purges it."""
    in_place: bool
    units: tuple[Unit, ...]

    def to_json(self) -> dict[str, Any]:
        """The content of ``batch.json``."""
        plain = dataclasses.asdict(self)
        return {"schema": SCHEMA, **plain, "made": self.made.isoformat(), "until": self.until.isoformat()}


def from_json(plain: Mapping[str, Any], where: str) -> Batch:
    """The batch that ``to_json`` wrote; ``FormatError`` if it is something else."""
    try:
        if plain["schema"] > SCHEMA:
            raise FormatError(f"{where} has format {plain['schema']}: it was written by a newer holdfast; use that one")
        rest = {key: value for key, value in plain.items() if key != "schema"}
        units = tuple(_unit(unit) for unit in rest.pop("units"))
        made, until = (datetime.fromisoformat(rest.pop(key)).astimezone(UTC) for key in ("made", "until"))
        return Batch(**rest, units=units, made=made, until=until)
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise FormatError(f"{where} is no record of a prune ({cause!r}); look into its directory") from cause


def _unit(plain: Mapping[str, Any]) -> Unit:
    members = tuple(Member(**member) for member in plain["members"])
    return Unit(**{**plain, "members": members})


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a batch lies: its name in the trash."""

    state: State
    token: str

    @property
    def name(self) -> str:
        """The directory's name in the trash."""
        return f"{self.state}-{self.token}"

    def as_(self, state: State) -> Place:
        """The same batch in another state."""
        return Place(state, self.token)


def places(home: Home, *states: State) -> Iterator[Place]:
    """Which batches are in one of these states? By name."""
    if home.trash_fd is not None:
        for name in files.names(home.fs, ".", home.trash_fd):
            if (match := _NAME.fullmatch(name)) and State(match[1]) in states:
                yield Place(State(match[1]), match[2])


def create(home: Home, batch: Batch) -> Place:
    """Make the directory, and write the intent into it, durably, before anything is moved."""
    place = Place(State.HELD, batch.token)
    trash_fd = trash(home)
    files.make(home.fs, place.name, trash_fd)
    with files.opened(home.fs, place.name, dir_fd=trash_fd) as fd:
        files.replace_json(home.fs, MANIFEST, batch.to_json(), fd)
    return place


def trash(home: Home) -> int:
    """The handle of the trash, where there must be one."""
    if home.trash_fd is None:
        raise FileNotFoundError(f"there is no trash for {home.root}")
    return home.trash_fd


def load(home: Home, place: Place) -> Batch | None:
    """What the batch intended; None if it was never written. ``FormatError`` if it is damaged."""
    path = f"{place.name}/{MANIFEST}"
    plain = files.read_json(home.fs, path, trash(home))
    return None if plain is None else from_json(plain, f"{home.where}/trash/{path}")


def become(home: Home, place: Place, state: State) -> Place:
    """Give the batch another state: one rename."""
    new = place.as_(state)
    home.fs.rename(place.name, new.name, source_fd=trash(home), target_fd=trash(home))
    return new


def present(home: Home, place: Place) -> dict[int, dict[int, str]]:
    """Which members lie in the batch? By unit and member the entry's name."""
    found: dict[int, dict[int, str]] = {}
    for name in files.names(home.fs, place.name, trash(home)):
        if match := _ENTRY.fullmatch(name):
            found.setdefault(int(match[1]), {})[int(match[2])] = name
    return found


def lying(home: Home, place: Place, batch: Batch) -> list[Unit]:
    """Which checkpoints of the batch lie in it, with any of their members? One listing."""
    there = present(home, place)
    return [unit for unit in batch.units if unit.key in there]


def drop_empty(home: Home, place: Place) -> bool:
    """Remove a batch in which no member lies any more. False: something else is in it."""
    fs, fd = home.fs, trash(home)
    inside = files.names(fs, place.name, fd)
    if any(name != MANIFEST and not name.startswith(MARK) and not name.endswith(".new") for name in inside):
        return False
    for name in sorted(inside, key=lambda name: name == MANIFEST):  # the record last
        fs.unlink(f"{place.name}/{name}", dir_fd=fd)
    with contextlib.suppress(FileNotFoundError):
        fs.rmdir(place.name, dir_fd=fd)
    return True


def mark(home: Home, place: Place, unit: Unit) -> None:
    """Note that this checkpoint is now being dropped where it lies."""
    with contextlib.suppress(FileExistsError):
        files.create(home.fs, f"{place.name}/{MARK}{unit.key}", b"", trash(home))


def marked(home: Home, place: Place, unit: Unit) -> int | None:
    """When was that noted, in ns by the file system's clock? None: it was not."""
    about = files.here(home.fs, f"{place.name}/{MARK}{unit.key}", trash(home))
    return None if about is None else about.st_mtime_ns
