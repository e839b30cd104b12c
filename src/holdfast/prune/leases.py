"""How does a job say "not while I am reading it"? A lease: a small file, kept alive by a heartbeat.

The order is what makes it safe. A reader writes its lease, then looks whether the checkpoint is there and nobody is
about to drop it. A pruner moves a checkpoint away, then reads the leases once more before a byte is freed. Whoever
comes second sees the other.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

from holdfast.errors import HoldfastError, LeaseError, NotFoundError, UsageError
from holdfast.prune import files, holding, journal, lock, waiting
from holdfast.prune.batch import State, present
from holdfast.prune.state import home, resolve
from holdfast.stores.posix import APPEND, Posix

if TYPE_CHECKING:
    from types import TracebackType

    from holdfast.prune.state import Home

TTL = 60.0
"""Seconds of silence after which a lease begins to lapse."""
GRACE = 60.0
"""Seconds more, for clocks that differ between hosts."""
BEATS = 4
"""Heartbeats per ttl."""


def clock() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@final
class Lease:
    """A checkpoint that nobody drops, for as long as the block lasts and the heartbeat goes on.

        with holdfast.lease("runs/llama/checkpoint-1000", owner="eval") as held:
            model.load(held.path)      # raises LeaseError once the lease is lost

    ``lost`` becomes true after a silence of ttl + grace (the process was stopped, the disk was away): from then on a
    prune may have dropped the checkpoint, so the next use raises.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        owner: str = "",
        reason: str = "",
        ttl: float = TTL,
        grace: float | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        fs: Posix | None = None,
    ) -> None:
        if not ttl > 0:
            raise UsageError(f"ttl={ttl!r}: give how many seconds of silence a lease outlasts, more than 0")
        where = _resolved(path)
        self.root, self.name = str(Path(where).parent), Path(where).name
        self.owner, self.reason = owner or journal.who(), reason
        self.ttl, self.grace = float(ttl), float(max(ttl, GRACE) if grace is None else grace)
        self._state_dir, self._fs = state_dir, fs or Posix()
        self._file = f"{files.token()}.json"
        self._done = threading.Event()
        self._heart: threading.Thread | None = None
        self._stack = contextlib.ExitStack()
        self._last = clock()
        self._lost = False

    @property
    def lost(self) -> bool:
        """Was there a silence so long that the checkpoint may have been dropped?"""
        if clock() - self._last > self.ttl + self.grace:
            self._lost = True
        return self._lost

    @property
    def path(self) -> str:
        """Where the checkpoint lies; raises ``LeaseError`` once the lease is lost."""
        self.check()
        return f"{self.root}/{self.name}"

    def check(self) -> None:
        """Raise ``LeaseError`` once the lease is lost: what was read since cannot be trusted."""
        if self.lost:
            raise LeaseError(
                f"the lease on {self.name!r} was lost after a silence of more than {self.ttl + self.grace:g} s:"
                " it may have been dropped while it was read; take a new lease and read again"
            )

    def __enter__(self) -> Self:
        self._place = self._stack.enter_context(home(self.root, fs=self._fs, state_dir=self._state_dir, make=True))
        try:
            self._write()
            self._verify()
        except BaseException:
            self._remove()
            self._stack.close()
            raise
        self._heart = threading.Thread(target=self._beat_on, name="holdfast-lease", daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._heart is not None:
            self._heart.join()
        lost = self.lost
        self._remove()
        self._stack.close()
        if lost and kind is None:
            self.check()

    def _write(self) -> None:
        place = self._place
        record = {
            "name": self.name,
            "owner": self.owner,
            "reason": self.reason,
            "ttl": self.ttl,
            "grace": self.grace,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        try:
            files.make(place.fs, holding.LEASES, place.state)
            with files.opened(place.fs, holding.LEASES, dir_fd=place.state) as fd:
                files.replace_json(place.fs, self._file, record, fd)
        except (OSError, HoldfastError) as cause:
            raise LeaseError(f"no lease on {self.name!r} could be written: {cause}; do not read it yet") from cause
        self._last = clock()

    def _verify(self) -> None:
        place = self._place
        try:
            holding.check_there(place, self.name)
        except NotFoundError as cause:
            raise LeaseError(f"{cause}: it was dropped, or never there") from cause
        if self.name in being_dropped(place):
            raise LeaseError(f"{self.name!r} is being dropped at this moment; choose another checkpoint")

    def _remove(self) -> None:
        files.remove(self._fs, f"{holding.LEASES}/{self._file}", self._place.state)

    def _beat_on(self) -> None:
        while not self._done.wait(self.ttl / BEATS):
            with contextlib.suppress(OSError):  # a beat that fails is a silence; `lost` tells when it was too long
                if not self.lost:
                    self._beat()
                    self._last = clock()

    def _beat(self) -> None:
        """Add a byte: so the file's time is the file system's own, whatever this host's clock says."""
        path = f"{holding.LEASES}/{self._file}"
        with files.opened(self._fs, path, APPEND & ~os.O_CREAT, dir_fd=self._place.state) as fd:
            try:
                self._fs.write(fd, b"\n")
            except OSError as cause:
                if cause.errno not in files.FULL:
                    raise
                self._fs.utime(path, (time.time_ns(), time.time_ns()), dir_fd=self._place.state)


def _resolved(path: str | os.PathLike[str]) -> str:
    """The checkpoint's own path: links are followed (``best`` leads to what it names), a prefix need not exist."""
    told = Path(path).absolute()
    if told.exists():
        return os.path.realpath(told)
    return f"{resolve(told.parent)}/{told.name}"


def being_dropped(place: Home) -> set[str]:
    """Which checkpoints may be moved away although their leases were read before mine was written?

    All that a living pruner intends to drop: its intent is written before it reads the leases of what it names, so a
    lease that sees no intent is seen by whoever comes. Of a dead one's, those that are half way: the next prune reads
    the leases before it moves anything.
    """
    found, alive = set[str](), lock.holder(place)
    for where, batch in waiting.loaded(place, State.HELD, State.LOST):
        there = present(place, where)
        at_work = where.state is State.HELD and where.token == alive
        found |= {u.name for u in batch.units if at_work or batch.in_place or u.key in there}
    return found


def lease(
    path: str | os.PathLike[str],
    *,
    owner: str = "",
    reason: str = "",
    ttl: float = TTL,
    grace: float | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
) -> Lease:
    """Hold a checkpoint while it is read: ``with holdfast.lease(path, owner="eval") as held: ...``.

    ``path`` is the checkpoint's own (or a link to it, or the prefix of one of several files). ``LeaseError`` if it
    is not there any more, or is just being dropped.
    """
    return Lease(path, owner=owner, reason=reason, ttl=ttl, grace=grace, state_dir=state_dir, fs=fs)
