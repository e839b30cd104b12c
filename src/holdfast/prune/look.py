"""Is each doomed checkpoint still the one that the plan saw, and does nothing hold it? The second look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.checkpoint import Status
from holdfast.errors import RefusedError
from holdfast.plan import Outcome
from holdfast.prune import holding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from holdfast.checkpoint import Checkpoint, Hold, Pointer
    from holdfast.plan import Decision, Plan
    from holdfast.prune.state import Home

    Eyes = Callable[[Sequence[str]], tuple[Mapping[str, Checkpoint], Sequence[Pointer]]]
    """Looks freshly at these checkpoints of the run, and at all its pointers."""


def doubt(
    decision: Decision,
    found: Checkpoint | None,
    pointers: Sequence[Pointer],
    hold: Hold | None,
    *,
    delisted: bool = False,
) -> str:
    """Why must it not be dropped now? Empty: nothing speaks against it.

    ``delisted``: this prune has just taken it off a list (Ray's snapshot) without which its framework calls none
    complete; then what it holds, unchanged since the plan, says enough.
    """
    if found is None:
        return "no checkpoint any more"
    if hold is not None:
        return holding.told(hold)
    if found.status is not Status.COMPLETE and not delisted:
        return f"{found.status} by now" + (f": {found.why}" if found.why else "")
    if not decision.fingerprint:
        return "the plan was made without looking inside it; make one with a full scan"
    if (found.fingerprint, found.members) != (decision.fingerprint, decision.members):
        return "changed since the plan was made"
    if found.pinned:
        return found.pinned
    return next((f"named by {p.path}" for p in pointers if decision.name in p.names), "")


def doubts(plan: Plan, names: Sequence[str], eyes: Eyes, home: Home, now: datetime) -> dict[str, str]:
    """The same for several, with fresh eyes and the pins and leases of this moment; only the doubtful are named."""
    found, pointers = eyes(names)
    held = holding.by_name(holding.in_force(home, now))
    delisted = _listed(plan.pointers) - _listed(pointers) if plan.repoint else frozenset()
    reasons = {
        name: doubt(plan[name], found.get(name), pointers, held.get(name), delisted=name in delisted) for name in names
    }
    return {name: why for name, why in reasons.items() if why}


def _listed(pointers: Sequence[Pointer]) -> frozenset[str]:
    """Which checkpoints are on a list that says which there are?"""
    return frozenset(name for pointer in pointers if pointer.kind == "list" for name in pointer.names)


def check_plan(plan: Plan) -> None:
    """``RefusedError`` if this plan must not be carried out by anybody, however it came to be.

    What a plan of this library always keeps is asked for once more where it is carried out: the newest complete
    checkpoint by step and by time.
    """
    if plan.refusal:
        raise RefusedError(plan.refusal)
    if plan.repoint and plan.live:
        raise RefusedError("the run is live: its trainer rewrites its pointers; leave out --repoint")
    for newest in _newest(plan):
        if newest.outcome is Outcome.DROP:
            raise RefusedError(f"the plan drops {newest.name!r}, the newest complete checkpoint: make a new plan")


def _newest(plan: Plan) -> list[Decision]:
    counted = [d for d in plan.decisions if d.outcome is not Outcome.SET_ASIDE]
    stepped = [d for d in counted if d.step is not None]
    timed = [d for d in counted if d.time is not None]
    found = [max(stepped, key=lambda d: d.step or 0)] if stepped else []
    return [*found, max(timed, key=lambda d: (d.time, d.step or 0))] if timed else found


def check_one_stays(plan: Plan, eyes: Eyes) -> None:
    """``RefusedError`` unless one of the checkpoints that stay is whole at this very moment."""
    if plan.dropped and not _one_stays(plan, eyes):
        raise RefusedError("none of the checkpoints that would stay is complete now; nothing was dropped")


def _one_stays(plan: Plan, eyes: Eyes) -> bool:
    whole = [d.name for d in plan.kept if d.status is Status.COMPLETE]
    return any(
        found.status is Status.COMPLETE
        for start in range(0, len(whole), 4)
        for found in eyes(whole[start : start + 4])[0].values()
    )
