"""Decide: which of n checkpoints stay? Holdfast on lists and on columns, Orbax's own policies, and the floors."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import Contender, Row, race
from holdfast import preservation_policies as ours
from holdfast.history import History

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from orbax.checkpoint._src.checkpoint_managers import preservation_policy as theirs
    from orbax.checkpoint._src.metadata.checkpoint_info import CheckpointInfos
except ImportError:
    theirs = None

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclasses.dataclass
class Info:
    """What Orbax hands to a policy."""

    step: int
    time: datetime
    metrics: Any


def loss(metrics: dict[str, float]) -> float:
    """The metric to rank by."""
    return metrics["loss"]


def infos(n: int) -> list[Info]:
    """A run of n checkpoints, 10 steps and a minute apart, with random losses."""
    losses = np.random.default_rng(0).random(n).tolist()
    return [Info(10 * i, START + timedelta(minutes=i), {"loss": x}) for i, x in enumerate(losses)]


POLICIES: dict[str, Callable[[Any], Any]] = {
    "PreserveAll()": lambda m: m.PreserveAll(),
    "LatestN(10)": lambda m: m.LatestN(10),
    "EveryNSteps(1000)": lambda m: m.EveryNSteps(1000),
    "EveryNStepsClosest(1000)": lambda m: m.EveryNStepsClosest(1000),
    "EveryNSeconds(600)": lambda m: m.EveryNSeconds(600),
    "CustomSteps(100 steps)": lambda m: m.CustomSteps(list(range(0, 10_000, 100))),
    "BestN(10)": lambda m: m.BestN(get_metric_fn=loss, reverse=True, n=10),
    "union of 4": lambda m: m.AnyPreservationPolicy(
        [m.LatestN(10), m.EveryNSteps(1000), m.EveryNSeconds(600), m.BestN(get_metric_fn=loss, reverse=True, n=10)]
    ),
}
FLOORS: dict[str, Callable[[list[Info]], object]] = {
    "EveryNSteps(1000)": lambda cs: [c.step % 1000 == 0 for c in cs],
    "EveryNSeconds(600)": lambda cs: [c.time for c in cs],
    "BestN(10)": lambda cs: [c.metrics["loss"] for c in cs],
}


def rows(*, quick: bool) -> list[Row]:
    """All cases of this part."""
    n = 2_000 if quick else 100_000
    found = [row for case in POLICIES for row in _policy(case, n, rounds=3 if quick else 7)]
    for small in (10, 100):
        found += [row for case in POLICIES for row in _call(case, small)]
    return found + _long_run(quick=quick) + _restart(quick=quick)


def _policy(case: str, n: int, *, rounds: int) -> list[Row]:
    checkpoints = infos(n)
    history = History.of(checkpoints)
    mine, context = POLICIES[case](ours), ours.PreservationContext(now=START)
    mine.mask(history, context=context)
    contenders = {
        "holdfast, list of objects": Contender(lambda _: mine.should_preserve(checkpoints, context=context)),
        "holdfast, columns": Contender(lambda _: mine.mask(history, context=context), repeat=5),
    }
    if theirs is not None:
        peer, plain = POLICIES[case](theirs), theirs.PreservationContext()
        contenders["orbax, list of objects"] = Contender(lambda _: peer.should_preserve(checkpoints, context=plain))
    if case in FLOORS:
        contenders["floor, list of objects"] = Contender(lambda _: FLOORS[case](checkpoints))
    return race(
        "decide", f"{case}, n = {n}", contenders, rounds=rounds, scale=1e9 / n, unit="ns per checkpoint",
        base="holdfast, list of objects",
    )  # fmt: skip


def _call(case: str, n: int) -> list[Row]:
    checkpoints = infos(n)
    mine, context = POLICIES[case](ours), ours.PreservationContext(now=START)
    contenders = {"holdfast": Contender(lambda _: mine.should_preserve(checkpoints, context=context), repeat=200)}
    if theirs is not None:
        peer, plain = POLICIES[case](theirs), theirs.PreservationContext()
        contenders["orbax"] = Contender(lambda _: peer.should_preserve(checkpoints, context=plain), repeat=200)
    return race("decide", f"one call, {case}, n = {n}", contenders, rounds=7, scale=1e6, unit="µs a call")


def _long_run(*, quick: bool) -> list[Row]:
    """Every save of a run that keeps every second one: decide after each, drop what is not kept."""
    saves = 200 if quick else 10_000
    contenders = {"holdfast": Contender(lambda _: _grow(saves))}
    if theirs is not None and saves <= 2_000:
        contenders["orbax"] = Contender(lambda _: _grow_list(saves))
    found = race("decide", f"{saves} saves, every second kept", contenders, rounds=3)
    if theirs is not None and not quick:
        both = {"holdfast": Contender(lambda _: _grow(2_000)), "orbax": Contender(lambda _: _grow_list(2_000))}
        found += race("decide", "2000 saves, every second kept", both, rounds=3)
    return found


def _grow(saves: int) -> None:
    policy, context, history = ours.EveryNSteps(20), ours.PreservationContext(now=START), History.of([])
    for info in infos(saves):
        history.append(info)
        kept = policy.mask(history, context=context)
        if not kept[:-1].all():
            history = history.take(kept | (np.arange(len(history)) == len(history) - 1))


def _grow_list(saves: int) -> None:
    policy, context, present = theirs.EveryNSteps(20), theirs.PreservationContext(), []
    for info in infos(saves):
        present.append(info)
        flags = policy.should_preserve(present, context=context)
        present = [c for c, kept in zip(present, flags, strict=True) if kept or c is info]


def _restart(*, quick: bool) -> list[Row]:
    """The first save after a restart finds many leftovers: which go, and what is left to compete?"""
    n = 1_000 if quick else 30_000
    checkpoints = infos(n)
    contenders = {"holdfast": Contender(lambda _: _leftovers(checkpoints))}
    if theirs is not None:
        contenders["orbax, as its manager does it"] = Contender(
            _leftovers_in_orbax, lambda: CheckpointInfos(checkpoints)
        )
    return race("decide", f"first save after a restart, {n} leftovers", contenders, rounds=3, scale=1e3, unit="ms")


def _leftovers(checkpoints: list[Info]) -> History:
    history = History.of(checkpoints)
    return history.take(ours.LatestN(10).mask(history, context=ours.PreservationContext(now=START)))


def _leftovers_in_orbax(infos: Any) -> None:
    """What CheckpointManager.save does with its policy's answer, on its own container."""
    present = list(infos)
    flags = theirs.LatestN(10).should_preserve(present, context=theirs.PreservationContext())
    gone = [c.step for c, kept in zip(present, flags, strict=True) if not kept]
    infos.delete_if(lambda info: info.step in gone)
