"""How is a plan carried out? Lock, recover, look, move, look again, purge, report."""

from __future__ import annotations

import dataclasses
import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.errors import RefusedError, UsageError
from holdfast.layouts.base import Candidate, Look
from holdfast.layouts.registry import layout
from holdfast.prune import beside, freeing, journal, look, move, recovery, repoint
from holdfast.prune import drop as drops
from holdfast.prune.drop import Doomed, Dropped, Intent
from holdfast.prune.erase import THREADS
from holdfast.prune.freeing import Pace
from holdfast.prune.lock import TTL, locked
from holdfast.prune.report import Done, Report
from holdfast.prune.state import home as opened
from holdfast.prune.waiting import total
from holdfast.scan import RunRef, look_again
from holdfast.stores.local import LocalStore
from holdfast.stores.posix import Posix
from holdfast.units import format_size

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from holdfast.checkpoint import Checkpoint, Pointer
    from holdfast.plan import Decision, Plan
    from holdfast.prune.drop import Progress
    from holdfast.prune.freeing import Freed
    from holdfast.prune.lock import Clock, Lock
    from holdfast.prune.look import Eyes
    from holdfast.prune.state import Home


def prune(
    plan: Plan,
    *,
    grace: timedelta = timedelta(0),
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    in_place: bool = False,
    threads: int | None = None,
    paced: bool = False,
    progress: Progress | None = None,
    fs: Posix | None = None,
    now: datetime | None = None,
    ttl: float = TTL,
    clock: Clock | None = None,
    eyes: Eyes | None = None,
) -> Report:
    """Carry the plan out, where the run still matches it; whatever changed is skipped, and the report says so.

    First what an earlier prune left half done is finished. Then each doomed checkpoint is moved out of sight at
    once or not at all; with ``grace`` it waits in the trash so long (``undo`` brings it back), without it is freed
    before this returns. ``in_place``: where nothing can be renamed, drop without undo. One failure is one line.

    Args:
        plan: applied at most once.
        grace: how long what is dropped can be undone.
        state_dir: where pins, lock and journal lie, if not beside the run.
        trash_dir: where dropped checkpoints wait, if not in the state directory; on the same file system.
        in_place: allow the last rung of the ladder.
        threads: that free bytes (8).
        paced: free bytes at half speed, so that a training loop does not feel it.
        progress: told what is being done, how many are done, and of how many.
        fs: every effect goes through it.
        now: the time; for pins with an end, and for the grace.
        ttl: seconds without a heartbeat after which this pruner may be taken for dead.
        clock: for watching another's heartbeat.
        eyes: looks at checkpoints once more; the default scans with the plan's layout.

    Raises:
        RefusedError: a guard said no (drop limit, the newest, nothing complete left, a plan applied before).
        LockedError: another pruner is at work, or took over; nothing more was dropped.
        StoreError: the run or its state cannot be read or written; nothing more was dropped.
    """
    if grace < timedelta(0):
        raise UsageError(f"grace={grace!r} is negative; give how long it can be undone, or timedelta(0)")
    calls, moment, tell = fs or Posix(), now or datetime.now(UTC), progress or silent
    look.check_plan(plan)
    with opened(plan.root, fs=calls, state_dir=state_dir, trash_dir=trash_dir, make=bool(plan.dropped)) as home:
        _check_root(plan, home)
        if not plan.dropped and _untouched(home):
            return Report(root=home.root, action="prune")
        intent = Intent(plan=plan.id, policy=plan.policy, now=moment, grace=grace, in_place=in_place)
        seeing = eyes or functools.partial(_look, plan, LocalStore(plan.root, fs=fs) if fs else None)
        with locked(home, ttl=ttl, clock=clock) as lock:
            told = recovery.recover(home, moment)
            dropped = _drop(plan, home, lock, intent, seeing, tell)
            freeing.claim(home, freeing.due(home, moment))
        freed = freeing.free(home, Pace(threads or THREADS, paced), tell)
        return report(home, "prune", lock.token, dropped, freed, told)


def recover(
    root: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] | None = None,
    trash_dir: str | os.PathLike[str] | None = None,
    fs: Posix | None = None,
    now: datetime | None = None,
    ttl: float = TTL,
    clock: Clock | None = None,
) -> tuple[str, ...]:
    """Finish or roll back what an earlier prune or undo left half done; one sentence for each thing.

    Every prune does this first. To do it before a plan is made is worth it only so that the plan sees what came
    back. Frees nothing; takes the lock, and nothing at all where there is no state.
    """
    with opened(root, fs=fs or Posix(), state_dir=state_dir, trash_dir=trash_dir) as home:
        if _untouched(home):
            return ()
        with locked(home, ttl=ttl, clock=clock):
            return tuple(recovery.recover(home, now or datetime.now(UTC)))


def _untouched(home: Home) -> bool:
    """Was nothing ever pruned here? Then there is nothing to finish, and no lock need be taken."""
    return home.fd is None and not move.strays(home) and not beside.claimed(home)


def silent(what: str, done: int, total: int) -> None:
    """Nobody wants to know."""
    del what, done, total


def _look(
    plan: Plan, store: LocalStore | None, names: Sequence[str]
) -> tuple[Mapping[str, Checkpoint], Sequence[Pointer]]:
    return look_again(RunRef(plan.root, plan.layout, plan.template), names, store=store)


def _check_root(plan: Plan, home: Home) -> None:
    if plan.root != home.root:
        raise RefusedError(f"{plan.root!r} leads to {home.root!r} now: something was moved or linked; make a new plan")


def _drop(plan: Plan, home: Home, lock: Lock, intent: Intent, eyes: Eyes, tell: Progress) -> Dropped:
    if not plan.dropped:
        return Dropped()
    if when := journal.applied(home, plan.id):
        raise RefusedError(f"this plan was carried out at {when}; make a new one to drop more")
    look.check_one_stays(plan, eyes)
    told = repoint.repoint(plan, home, LocalStore(plan.root, fs=home.fs))
    doomed = [_doomed(plan, decision, home if intent.in_place else None) for decision in reversed(plan.dropped)]
    doubts = functools.partial(look.doubts, plan, eyes=eyes, home=home, now=intent.now)
    done = drops.drop(home, lock, intent, doomed, doubts, tell)
    return dataclasses.replace(done, warnings=(*told, *done.warnings, *_bound(plan, done)))


def _bound(plan: Plan, done: Dropped) -> list[str]:
    """What must be said of the bytes if some lie in files that have other names as well?"""
    shared = sum(plan[item.name].shared for item in done.items if item.outcome is Done.PRUNED)
    return [f"up to {format_size(shared)} of it stay: in files that have other hard links"] if shared else []


def _doomed(plan: Plan, decision: Decision, home: Home | None) -> Doomed:
    return Doomed(
        name=decision.name,
        step=decision.step,
        size=decision.size or 0,
        fingerprint=decision.fingerprint,
        members=decision.members,
        reasons=decision.reasons,
        marker=_marker(plan, decision, home) if home else "",
    )


def _marker(plan: Plan, decision: Decision, home: Home) -> str:
    """Which file goes first, if it is dropped where it lies?"""
    candidate = Candidate(decision.name, decision.step, decision.members, plan.template)
    return layout(plan.layout).marker(candidate, Look(LocalStore(plan.root, fs=home.fs), "", decision.members))


def report(home: Home, action: str, token: str, dropped: Dropped, freed: Freed, told: Sequence[str]) -> Report:
    """One line for each doomed checkpoint, then what else was freed or could not be."""
    failed = {item.name: item for item in freed.batches.get(token, ()) if item.outcome is Done.FAILED}
    mine = [failed.get(item.name, item) if item.outcome is Done.PRUNED else item for item in dropped.items]
    others = [item for batch, found in freed.batches.items() if batch != token for item in found]
    return Report(
        root=home.root,
        action=action,
        items=(*mine, *others, *freed.beside),
        freed=freed.bytes + (0 if freed.beside else dropped.at_once),
        waiting=total(home),
        warnings=(*told, *dropped.warnings),
    )
