"""Who may move checkpoints of a run out of sight right now? One at a time.

A lock is a file ``lock-<generation>``; the highest generation holds. It is made by linking a finished file to that
name, which only one can do, also over NFS. Generations only go up, and a released one stays (its time set to 0)
until a higher one is there, so nobody can take an old number again. A holder that was taken for dead sees the
higher number, and drops nothing more; were it to move without looking, the destination of its moves
(``held-<token>``) has been renamed away by then.

Taken for dead: a process that provably does not exist any more on this host, or one whose heartbeat did not change
while the observer watched for a full ttl of its own monotonic clock. A lock whose heartbeat is younger than that
(by the file system's clock) is not even watched: :class:`LockedError` at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from holdfast.errors import LockedError, StoreError
from holdfast.prune import files
from holdfast.prune.journal import who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.prune.state import Home
    from holdfast.stores.posix import Posix

TTL = 60.0
"""Seconds without a heartbeat after which a holder is taken for dead."""
BEATS = 4
"""Heartbeats per ttl."""
KEPT = 8
"""Old generations left lying, for whoever still reads an old listing."""


@dataclasses.dataclass(frozen=True)
class Clock:
    """What time is it for a watcher? Replaceable, so that a test need not wait."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclasses.dataclass(frozen=True)
class _Seen:
    generation: int
    beat: tuple[int, int]
    """Inode and time of change: different after every heartbeat."""
    owner: dict[str, Any]

    @property
    def released(self) -> bool:
        return self.beat[1] == 0

    @property
    def ttl(self) -> float:
        ttl = self.owner.get("ttl")
        return float(ttl) if isinstance(ttl, int | float) and 0 < ttl < 86400 else TTL

    @property
    def told(self) -> str:
        whose = self.owner.get("owner", "another process (its name could not be written: full disk)")
        return (
            f"{whose} (process {self.owner.get('pid', 'unknown')}) is pruning this run;"
            " try again when it is done. If it is dead, its lock ends by itself: nothing has to be unlocked"
        )

    def stale_by(self, now_ns: int) -> bool:
        """Is its last heartbeat, by the file system's clock, not within one ttl of ``now_ns``?"""
        return abs(now_ns - self.beat[1]) >= self.ttl * 1e9


def owner(ttl: float, token: str) -> dict[str, Any]:
    """Who am I, so that another process on this host can tell whether I still exist?"""
    return {
        "token": token,
        "owner": who(),
        "host": socket.gethostname(),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "ttl": ttl,
    }


def started(pid: int) -> str:
    """When did the process start, in ticks since boot? Empty: there is none (or a zombie), or nobody can tell."""
    fields = _first_line(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in {"Z", "X"} else ""


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def provably_dead(them: Mapping[str, Any]) -> bool:
    """Did this process run on this very boot, in this pid namespace, and does it exist no more?"""
    mine = owner(0, "")
    same = mine["boot"] and all(them.get(key) == mine[key] for key in ("boot", "namespace"))
    pid = them.get("pid")
    return bool(same) and isinstance(pid, int) and started(pid) != them.get("started")


@final
class Lock:
    """The right to move checkpoints of one run, for as long as nobody took it over."""

    def __init__(self, fs: Posix, fd: int, prefix: str, generation: int, token: str) -> None:
        self._fs, self._fd, self._prefix, self._generation = fs, fd, prefix, generation
        self._done = threading.Event()
        self.token = token
        self.time_ns = fs.stat(self._name(), dir_fd=fd).st_mtime_ns
        """When it was taken, by the file system's clock."""

    def _name(self, ahead: int = 0) -> str:
        return f"{self._prefix}{self._generation + ahead}"

    def check(self) -> None:
        """Raise ``LockedError`` if another pruner took it over."""
        mine = files.here(self._fs, self._name(), self._fd)
        if mine is None or files.here(self._fs, self._name(1), self._fd) is not None:
            raise LockedError("another pruner took this run over while this one was silent; nothing more is dropped")

    def beat_for(self, ttl: float) -> threading.Thread:
        """Start the heartbeat."""
        thread = threading.Thread(target=self._beat, args=(ttl / BEATS,), name="holdfast-lock", daemon=True)
        thread.start()
        return thread

    def _beat(self, pause: float) -> None:
        while not self._done.wait(pause):
            with contextlib.suppress(OSError):  # a beat that fails is a silence, and that is what the ttl is for
                self._touch(time.time_ns())

    def _touch(self, when: int) -> None:
        self._fs.utime(self._name(), (when, when), dir_fd=self._fd)

    def release(self, heart: threading.Thread | None = None) -> None:
        """Give it back: the file stays, with the time 0. What fails once is tried again."""
        self._done.set()
        if heart is not None:
            heart.join()
        for _ in range(3):
            with contextlib.suppress(OSError):
                return self._touch(0)
        return None


@contextlib.contextmanager
def locked(home: Home, *, ttl: float = TTL, clock: Clock | None = None) -> Iterator[Lock]:
    """Hold the run's lock for the length of the block; ``LockedError`` if another pruner holds it.

    On a full disk, where there is no state directory to hold it, it lies beside the run.
    """
    lock = _acquire(home, ttl, clock or Clock())
    heart: threading.Thread | None = None
    try:
        _check_other_place(home, lock)
        heart = lock.beat_for(ttl)
        yield lock
    finally:
        lock.release(heart)


def holder(home: Home) -> str:
    """The token of whoever holds the lock and is not provably dead; empty: nobody does. Only looks."""
    seen = _top(home.fs, *_place(home))
    if seen is None or seen.released or provably_dead(seen.owner):
        return ""
    return str(seen.owner.get("token", ""))


def _place(home: Home) -> tuple[int, str]:
    return (home.parent_fd, _beside(home)) if home.fd is None else (home.fd, "lock-")


def _beside(home: Home) -> str:
    return f"{home.beside}lock-"


def _check_other_place(home: Home, lock: Lock) -> None:
    """The lock in the state directory and the one beside the run exclude each other: each looks at the other."""
    with contextlib.ExitStack() as stack:
        if home.fd is not None:
            found = _top(home.fs, home.parent_fd, _beside(home))
        elif files.here(home.fs, home.where, home.parent_fd) is None:
            return
        else:
            found = _top(home.fs, stack.enter_context(files.opened(home.fs, home.where)), "lock-")
    if found is not None and not found.released and not found.stale_by(lock.time_ns):
        raise LockedError(found.told)
    if home.fd is not None and found is not None:
        _sweep_beside(home)


def _sweep_beside(home: Home) -> None:
    """Remove the locks that lie beside the run since its disk was full: whoever comes now sees the one held here."""
    for name in files.names(home.fs, ".", home.parent_fd):
        if name.startswith(_beside(home)):
            files.remove(home.fs, name, home.parent_fd)


def _top(fs: Posix, fd: int, prefix: str) -> _Seen | None:
    """The highest generation, and what it says."""
    pattern = re.compile(re.escape(prefix) + r"(\d{1,18})")
    generations = [int(m[1]) for entry in fs.scan(fd) if (m := pattern.fullmatch(entry.name))]
    if not generations:
        return None
    name = f"{prefix}{max(generations)}"
    about = files.here(fs, name, fd)
    if about is None:
        return _top(fs, fd, prefix)  # a higher one came meanwhile, and this one was swept up
    return _Seen(max(generations), (about.st_ino, about.st_mtime_ns), _owner_in(files.read(fs, name, fd)))


def _owner_in(data: bytes | None) -> dict[str, Any]:
    """What the lock says; empty if it could not be written (a full disk)."""
    try:
        found = json.loads(data or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _acquire(home: Home, ttl: float, clock: Clock) -> Lock:
    fd, prefix = _place(home)
    mine = files.token()
    new = f"{prefix}{mine}.new"
    _write_owner(home.fs, new, fd, owner(ttl, mine))
    try:
        for _ in range(5):
            seen = _free(home.fs, fd, prefix, clock, home.fs.stat(new, dir_fd=fd).st_mtime_ns)
            generation = seen.generation + 1 if seen else 1
            if _win(home.fs, new, prefix, generation, fd):
                _sweep(home.fs, fd, prefix, generation)
                return Lock(home.fs, fd, prefix, generation, mine)
    finally:
        files.remove(home.fs, new, fd)
    raise LockedError("several other pruners are at work on this run; try again later")


def _write_owner(fs: Posix, new: str, fd: int, who_i_am: dict[str, Any]) -> None:
    """On a full disk the file stays empty: such a lock can be watched, but not asked for its owner."""
    try:
        files.create(fs, new, json.dumps(who_i_am).encode(), fd)
    except OSError as cause:
        if cause.errno not in files.FULL or files.here(fs, new, fd) is None:
            files.remove(fs, new, fd)
            raise StoreError(f"the lock cannot be written: {cause.strerror}") from cause


def _win(fs: Posix, new: str, prefix: str, generation: int, fd: int) -> bool:
    """Did I get this generation, and is it still the highest?"""
    name = f"{prefix}{generation}"
    try:
        _link_or_make(fs, new, name, fd)
    except FileExistsError:
        if fs.stat(new, dir_fd=fd).st_nlink != 2:  # NFS may say "exists" of what it has just made for us
            return False
    top = _top(fs, fd, prefix)
    if top is not None and top.generation == generation:
        return True
    files.remove(fs, name, fd)
    return False


def _link_or_make(fs: Posix, new: str, name: str, fd: int) -> None:
    try:
        fs.link(new, name, source_fd=fd, target_fd=fd)
    except OSError as cause:
        if cause.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        files.create(fs, name, files.read(fs, new, fd) or b"", fd)  # a file system without hard links


def _free(fs: Posix, fd: int, prefix: str, clock: Clock, now_ns: int) -> _Seen | None:
    """The highest generation once it is released or its holder taken for dead; ``LockedError`` if it lives."""
    seen = _top(fs, fd, prefix)
    if seen is None or seen.released or provably_dead(seen.owner):
        return seen
    if not seen.stale_by(now_ns) or not _silent(fs, fd, prefix, clock, seen):
        raise LockedError(seen.told)
    return seen


def _silent(fs: Posix, fd: int, prefix: str, clock: Clock, seen: _Seen) -> bool:
    """Does nothing change over a full ttl of this process's own clock?"""
    end = clock.monotonic() + seen.ttl
    while clock.monotonic() < end:
        clock.sleep(seen.ttl / 20)
        now = _top(fs, fd, prefix)
        if now is None or (now.generation, now.beat) != (seen.generation, seen.beat):
            return now is not None and now.generation == seen.generation and now.released
    return True


def _sweep(fs: Posix, fd: int, prefix: str, generation: int) -> None:
    for old in range(max(1, generation - KEPT - 4), generation - KEPT + 1):
        if files.here(fs, f"{prefix}{old}", fd) is not None:
            files.remove(fs, f"{prefix}{old}", fd)
