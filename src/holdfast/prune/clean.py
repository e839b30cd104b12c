"""How are broken checkpoints and what crashed saves left behind removed, without touching one that is being saved?"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.checkpoint import Status
from holdfast.errors import RefusedError, UsageError
from holdfast.guards import LIVE
from holdfast.prune import drop as drops
from holdfast.prune import freeing, holding, trouble
from holdfast.prune.drop import Doomed, Intent
from holdfast.prune.erase import THREADS
from holdfast.prune.freeing import Pace
from holdfast.prune.lock import TTL, locked
from holdfast.prune.recovery import recover
from holdfast.prune.session import report, silent
from holdfast.prune.state import home as opened
from holdfast.scan import RunRef, look_again, scan
from holdfast.stores.local import LocalStore
from holdfast.stores.posix import Posix

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from holdfast.checkpoint import Checkpoint, Run
    from holdfast.prune.drop import Progress
    from holdfast.prune.lock import Clock
    from holdfast.prune.report import Report
    from holdfast.prune.state import Home


def clean_partial(
    root: str | os.PathLike[str],
    older_than: timedelta,
    *,
    pattern: str | None = None,
    layout: str | None = None,
    grace: timedelta = timedelta(0),
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    fs: Posix | None = None,
    now: datetime | None = None,
    ttl: float = TTL,
    clock: Clock | None = None,
) -> Report:
    """Remove partial checkpoints and leftovers of saves in which nothing changed for ``older_than``.

    By the same two phases as a prune, with the same undo. Never on a live run, never the newest (its writer may be
    slow), never what is pinned, leased, named by a pointer, or of unknown completeness.
    """
    if older_than < timedelta(0):
        raise UsageError(f"older_than={older_than!r} is negative; give how long nothing in it may have changed")
    calls, moment, tell = fs or Posix(), now or datetime.now(UTC), progress or silent
    run = scan(str(root), pattern=pattern, layout=layout)
    doomed = chosen(run, calls, moment, older_than)
    intent = Intent(plan="", policy=f"clean partial {older_than}", now=moment, grace=grace)
    with opened(run.root, fs=calls, state_dir=state_dir, trash_dir=trash_dir, make=bool(doomed)) as home:
        if not doomed:
            return report(home, "clean", "", drops.Dropped(), freeing.Freed({}, ()), ())
        with locked(home, ttl=ttl, clock=clock) as lock:
            told = recover(home, moment)
            done = drops.drop(home, lock, intent, doomed, _Doubts(run, home, doomed, moment), tell)
        freed = freeing.free(home, Pace(threads or THREADS), tell)
        return report(home, "clean", lock.token, done, freed, told)


def chosen(run: Run, fs: Posix, now: datetime, older_than: timedelta) -> list[Doomed]:
    """What would go? ``RefusedError`` on a live run."""
    spare = list(trouble.leftovers(run, fs))
    touched = [t for t in (*(c.touched for c in run.checkpoints), *(s.touched for s in spare)) if t is not None]
    if touched and now - max(touched) < LIVE:
        raise RefusedError(
            "the run is live (something in it changed within the hour): what is partial may be being saved;"
            " come back when training has ended"
        )
    old = [c for c in run.checkpoints if c.status is Status.PARTIAL and _is_old(c.touched, now, older_than)]
    named = {name for pointer in run.pointers for name in pointer.names}
    found = [_checkpoint(c) for c in old if not _newest(c, run) and c.name not in named]
    return found + [_leftover(s) for s in spare if _is_old(s.touched, now, older_than)]


def _is_old(touched: datetime | None, now: datetime, older_than: timedelta) -> bool:
    return touched is not None and now - touched >= older_than


def _newest(one: Checkpoint, run: Run) -> bool:
    """Is no other one of a higher step? Then its writer may be slow, or stopped."""
    return not any(c.step is not None and one.step is not None and c.step > one.step for c in run.checkpoints)


def _checkpoint(one: Checkpoint) -> Doomed:
    return Doomed(
        name=one.name,
        step=one.step,
        size=one.size or 0,
        fingerprint=one.fingerprint,
        members=one.members,
        reasons=(one.why,),
    )


def _leftover(one: trouble.Finding) -> Doomed:
    mark = _mark(one.bytes, one.touched)
    return Doomed(name=one.path, step=None, size=one.bytes, fingerprint=mark, members=(one.path,), reasons=(one.why,))


def _mark(size: int, touched: datetime | None) -> str:
    return hashlib.sha256(f"{size} {touched}".encode()).hexdigest()[:16]


class _Doubts:
    """Why must something not go after all? Looks freshly at each, and at pins and leases."""

    def __init__(self, run: Run, home: Home, doomed: Sequence[Doomed], now: datetime) -> None:
        self._run, self._home, self._now = run, home, now
        self._doomed = {one.name: one for one in doomed}
        self._checkpoints = {c.name for c in run.checkpoints}

    def __call__(self, names: Sequence[str]) -> Mapping[str, str]:
        held = holding.by_name(holding.in_force(self._home, self._now))
        store = LocalStore(self._run.root, fs=self._home.fs)
        where = RunRef(self._run.root, self._run.layout, self._run.template)
        mine = [name for name in names if name in self._checkpoints]
        found, pointers = look_again(where, mine, store=store)
        named = {name for pointer in pointers for name in pointer.names}
        doubts = {name: holding.told(held[name]) if name in held else "" for name in names}
        for name in names:
            if name in self._checkpoints:
                doubts[name] = doubts[name] or self._about(found.get(name), name, named)
            elif _mark(*trouble.measure(store, name)) != self._doomed[name].fingerprint:
                doubts[name] = doubts[name] or "changed meanwhile: somebody writes there"
        return {name: why for name, why in doubts.items() if why}

    def _about(self, now: Checkpoint | None, name: str, named: set[str]) -> str:
        if now is None:
            return "gone already"
        if now.status is not Status.PARTIAL:
            return f"{now.status} by now"
        if now.fingerprint != self._doomed[name].fingerprint:
            return "changed meanwhile: somebody writes there"
        return "named by a pointer" if name in named else ""
