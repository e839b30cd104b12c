"""Which checkpoints may not be dropped, whoever asks? Pins (by a person) and leases (by a job that reads).

Each is a small file of its own in the state directory. A pin holds until it is removed or its end has come; a
lease as long as its heartbeat (the file's time, by the file system's clock) is younger than its ttl and grace
together. A file that cannot be read stops the prune: nobody knows what it holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from holdfast.checkpoint import Hold
from holdfast.errors import FormatError, NotFoundError, StoreError, UsageError
from holdfast.prune import files, journal
from holdfast.prune.state import Home, home
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    from collections.abc import Iterator

PINS = "pins"
LEASES = "leases"


def key(name: str) -> str:
    """Under which file name does a checkpoint's pin lie? Any name fits: it is a hash."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32] + ".json"


def holds(
    root: str | os.PathLike[str],
    *,
    now: datetime,
    state_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> tuple[Hold, ...]:
    """Which pins and leases are in force at ``now``? Only reads; a run without state has none."""
    with home(root, fs=fs or Posix(), state_dir=state_dir) as place:
        return in_force(place, now)


def in_force(place: Home, now: datetime) -> tuple[Hold, ...]:
    """Which pins and leases are in force at ``now``? Read freshly; ``StoreError`` if that cannot be."""
    if place.fd is None:
        return ()
    found = [*_pins(place), *_leases(place)]
    return tuple(hold for hold in found if hold.until is None or hold.until > now)


def by_name(found: tuple[Hold, ...]) -> dict[str, Hold]:
    """The same by checkpoint, a pin before a lease."""
    return {hold.name: hold for hold in sorted(found, key=lambda hold: hold.kind)}


def told(hold: Hold) -> str:
    """Who holds it, and why, in a few words."""
    verb = "pinned" if hold.kind == "pin" else "leased"
    until = f" until {hold.until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if hold.until else ""
    return f"{verb} by {hold.owner}{until}" + (f": {hold.reason}" if hold.reason else "")


def _files(place: Home, folder: str) -> Iterator[tuple[str, dict[str, Any], os.stat_result]]:
    try:
        for name in files.names(place.fs, folder, place.state):
            path = f"{folder}/{name}"
            if not name.endswith(".new"):
                about = files.here(place.fs, path, place.state)
                found = files.read_json(place.fs, path, place.state)
                if about is not None and found is not None:
                    yield path, found, about
    except OSError as cause:
        raise StoreError(
            f"the {folder} in {place.where} cannot be read ({cause.strerror}): nothing is dropped"
        ) from cause


def _pins(place: Home) -> Iterator[Hold]:
    for path, found, _ in _files(place, PINS):
        yield _hold(place, path, found, "pin", _time(place, path, found.get("until")))


def _leases(place: Home) -> Iterator[Hold]:
    for path, found, about in _files(place, LEASES):
        yield _hold(place, path, found, "lease", _lapses(place, path, found, about))


def _lapses(place: Home, path: str, found: dict[str, Any], about: os.stat_result) -> datetime:
    silence = _seconds(place, path, found, "ttl") + _seconds(place, path, found, "grace")
    return datetime.fromtimestamp(about.st_mtime_ns / 1e9, UTC) + timedelta(seconds=silence)


def lapsed(place: Home, before: datetime) -> list[str]:
    """Which files are those of leases that lapsed before then?"""
    return [path for path, found, about in _files(place, LEASES) if _lapses(place, path, found, about) < before]


def _hold(place: Home, path: str, found: dict[str, Any], kind: str, until: datetime | None) -> Hold:
    if not isinstance(found.get("name"), str):
        raise _unreadable(place, path, "it names no checkpoint")
    texts = {field: str(found.get(field, "")) for field in ("owner", "reason", "fingerprint")}
    return Hold(name=found["name"], kind=kind, until=until, **texts)


def _time(place: Home, path: str, text: object) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError as cause:
        raise _unreadable(place, path, f"its end {text!r} is no time") from cause


def _seconds(place: Home, path: str, found: dict[str, Any], field: str) -> float:
    value = found.get(field)
    if isinstance(value, int | float) and 0 <= value < 1e9:
        return float(value)
    raise _unreadable(place, path, f"its {field} {value!r} is no number of seconds")


def _unreadable(place: Home, path: str, why: str) -> FormatError:
    return FormatError(f"{place.where}/{path} cannot be read: {why}; mend or remove it: until then nothing is dropped")


def pin(
    root: str | os.PathLike[str],
    name: str,
    *,
    reason: str = "",
    owner: str = "",
    until: datetime | None = None,
    fingerprint: str = "",
    state_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> Hold:
    """Never drop this checkpoint, until it is unpinned (or ``until``, aware). Pinning again replaces the reason.

    ``name`` is its name within the run. ``NotFoundError`` if it is not there (any more): a pin that came too late
    must not look like one that holds.
    """
    if until is not None and until.tzinfo is None:
        raise UsageError(f"until={until!r} has no time zone; give an aware time, as datetime.now(timezone.utc)")
    made = Hold(
        name=name, kind="pin", owner=owner or journal.who(), reason=reason, until=until, fingerprint=fingerprint
    )
    with home(root, fs=fs or Posix(), state_dir=state_dir, make=True) as place:
        check_there(place, name)
        write_pin(place, made)
        try:
            check_there(place, name)
        except NotFoundError:
            _remove_pin(place, name)
            raise
        journal.append(place, "pin", [_plain(made)])
    return made


def check_there(place: Home, name: str) -> None:
    """``NotFoundError`` unless a checkpoint of that name, or one of its files, is there."""
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise UsageError(f"{name!r} is no name within the run; give it as `holdfast scan` prints it")
    try:
        with files.parent_of(place.fs, name, place.root_fd) as (fd, last):
            if files.here(place.fs, last, fd) is not None or _has_member(place.fs, fd, last):
                return
    except OSError as cause:
        if cause.errno not in files.GONE:
            raise StoreError(f"{name!r} in {place.root} cannot be looked at: {cause.strerror}") from cause
    raise NotFoundError(f"there is no checkpoint {name!r} in {place.root}; `holdfast scan` lists them")


def _has_member(fs: Posix, fd: int, name: str) -> bool:
    return any(entry.name.startswith((f"{name}.", f"{name}-")) for entry in fs.scan(fd))


def write_pin(place: Home, made: Hold) -> None:
    """Write the pin down, durably."""
    files.make(place.fs, PINS, place.state)
    with files.opened(place.fs, PINS, dir_fd=place.state) as fd:
        files.replace_json(place.fs, key(made.name), _plain(made), fd)


def _plain(made: Hold) -> dict[str, Any]:
    plain = dataclasses.asdict(made)
    return {**plain, "until": made.until.isoformat() if made.until else None}


def _remove_pin(place: Home, name: str) -> None:
    place.fs.unlink(f"{PINS}/{key(name)}", dir_fd=place.state)


def unpin(
    root: str | os.PathLike[str],
    name: str,
    *,
    state_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> None:
    """Take the pin off; ``NotFoundError`` if there is none."""
    with home(root, fs=fs or Posix(), state_dir=state_dir) as place:
        if place.fd is None or files.here(place.fs, f"{PINS}/{key(name)}", place.fd) is None:
            raise NotFoundError(f"{name!r} is not pinned in {place.root}; `holdfast pins` lists what is")
        _remove_pin(place, name)
        journal.append(place, "unpin", [{"name": name}])


def pins(
    root: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> tuple[Hold, ...]:
    """Which pins are there, also those whose end has come? By name. Only reads."""
    with home(root, fs=fs or Posix(), state_dir=state_dir) as place:
        return () if place.fd is None else tuple(sorted(_pins(place), key=lambda hold: hold.name))
