"""A plan: for every checkpoint of a run whether it stays, and why. Pure: no clock, no disk.

    run ──► countable, in order ──► policy ──► guards ──► Plan

The same run, policy and ``now`` give the same plan, byte for byte, whatever the order of the input.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import math
from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from holdfast import guards
from holdfast.checkpoint import Checkpoint, Foreign, Pointer, Status, TimeSource
from holdfast.errors import FormatError, PolicyTypeError, RefusedError, UsageError
from holdfast.history import History
from holdfast.policies import check_metrics, judge, parse, void_reason
from holdfast.policies.base import Needs, needs_of
from holdfast.preservation_policies import PreservationContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from holdfast.checkpoint import Hold, Run
    from holdfast.preservation_policies import PreservationPolicy

SCHEMA = "holdfast.plan/1"
COPIED = timedelta(seconds=60)
"""File times that all lie within this tell of a copy, not of training."""
_ROUNDING = 1e-6
"""29 % of 100 are 29, though 0.29 * 100 is less in binary."""


class Outcome(enum.StrEnum):
    """What becomes of a checkpoint?"""

    KEEP = "keep"
    DROP = "drop"
    SET_ASIDE = "set aside"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one checkpoint, and why?"""

    name: str
    step: int | None
    time: datetime | None
    time_source: TimeSource
    size: int | None
    shared: int
    status: Status
    metrics: Mapping[str, float]
    """The numbers among its metrics, flat: ``eval/loss``."""
    outcome: Outcome
    reasons: tuple[str, ...]
    """Kept: each rule that keeps it, with its ordinal. Dropped: each rule's nearest miss. Set aside: why."""
    guards: tuple[str, ...]
    """What forbids dropping it, whatever the policy says."""
    fingerprint: str
    members: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Which checkpoints of a run stay, which go, which are set aside, and why?"""

    root: str
    layout: str
    template: str
    policy: str
    """As the language spells it."""
    now: datetime
    zone: str
    """For showing times; a calendar rule has its own."""
    decisions: tuple[Decision, ...]
    """Newest first."""
    foreign: tuple[Foreign, ...] = ()
    pointers: tuple[Pointer, ...] = ()
    notes: tuple[str, ...] = ()
    live: bool = False
    """Did anything in the run change within the hour?"""
    repoint: bool = False
    """May pointers be rewritten, so that what they name can go?"""
    refusal: str = ""
    """Why a prune must refuse this plan (its drop limit); empty: it need not."""

    @functools.cached_property
    def id(self) -> str:
        """Which plan is it? Equal plans have equal ids; a plan is applied at most once. Worked out once: O(n)."""
        return _id_of(self._body())

    @property
    def kept(self) -> tuple[Decision, ...]:
        """Which stay?"""
        return self._with(Outcome.KEEP)

    @property
    def dropped(self) -> tuple[Decision, ...]:
        """Which go?"""
        return self._with(Outcome.DROP)

    @property
    def set_aside(self) -> tuple[Decision, ...]:
        """Which stay because nobody can judge them?"""
        return self._with(Outcome.SET_ASIDE)

    def _with(self, outcome: Outcome) -> tuple[Decision, ...]:
        return tuple(d for d in self.decisions if d.outcome is outcome)

    @property
    def bytes_kept(self) -> int:
        """How many bytes stay in kept checkpoints? Unknown sizes count as none."""
        return sum(d.size or 0 for d in self.kept)

    @property
    def bytes_to_free(self) -> int:
        """How many bytes would go? An upper bound if ``bytes_shared`` is not 0."""
        return sum(d.size or 0 for d in self.dropped)

    @property
    def bytes_shared(self) -> int:
        """How many of them have other hard links, and so may stay?"""
        return sum(d.shared for d in self.dropped)

    def __getitem__(self, name: str) -> Decision:
        """The decision on the checkpoint of that name; ``KeyError`` if there is none."""
        return self._by_name[name]

    @functools.cached_property
    def _by_name(self) -> Mapping[str, Decision]:
        return {d.name: d for d in self.decisions}

    def _body(self) -> str:
        return json.dumps(_to_plain(self), ensure_ascii=True, allow_nan=False, sort_keys=True)

    def to_json(self) -> str:
        """One JSON document, with its schema and its id."""
        body = self._body()
        whole = {"schema": SCHEMA, "id": _id_of(body), **json.loads(body)}
        return json.dumps(whole, ensure_ascii=True, allow_nan=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that ``to_json`` wrote; ``FormatError`` if it is another document, or was changed."""
        try:
            whole = json.loads(text)
            if not isinstance(whole, dict) or whole.get("schema") != SCHEMA:
                raise FormatError(
                    f"this is no plan: expected a JSON document with schema {SCHEMA!r}; make one with --out"
                )
            made = _from_plain(whole)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as cause:
            raise FormatError(f"the plan cannot be read ({cause}); make a new one with --out") from cause
        if made.id != whole.get("id"):
            raise FormatError(
                "the plan was changed after it was made (its id no longer fits); make a new one with --out"
            )
        return made


def _id_of(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def plan(
    run: Run,
    policy: PreservationPolicy | str,
    *,
    now: datetime,
    holds: Sequence[Hold] = (),
    trust_file_times: bool = False,
    min_age: timedelta | None = None,
    drop_limit: float | None = None,
    repoint: bool = False,
    zone: str = "UTC",
) -> Plan:
    """Which checkpoints of ``run`` stay under ``policy``, and why?

    Pure. ``now`` must be aware. Only complete checkpoints with a step, not dated more than 24 h ahead, count; the
    others are set aside: kept, reported, never counted. Where the order of saving and the order of steps differ
    (a run that was rewound) both are judged, and what either keeps is kept. ``min_age``: None is 10 minutes for a
    layout without an atomic commit, else none. ``drop_limit``: a whole number is a count, a fraction up to 1.0 a
    share of the run's checkpoints; a plan over it is made, but carries a ``refusal``.

    Raises:
        PolicyError: the policy can keep nothing, or wants a metric that no checkpoint has.
        RefusedError: the policy needs times and there are none to trust, or ``repoint`` on a live run.
    """
    _check_now(now)
    rule = _as_policy(policy)
    aside = {c.name: why for c in run.checkpoints if (why := _aside(c, now))}
    orders = _orders([c for c in run.checkpoints if c.name not in aside])
    notes = _notes(run, orders)
    _trust_times(rule, orders[0], trust=trust_file_times)
    live = _live(run, now)
    if repoint and live:
        raise RefusedError(
            "the run is live (something in it changed within the hour): its trainer rewrites its pointers from memory;"
            " leave out --repoint, or come back when training has ended"
        )
    verdicts = _judged(rule, orders, now)
    guarded = guards.guard(
        guards.Guarded(
            now=now,
            orders=orders,
            pointers=run.pointers,
            holds=holds,
            resumed_from=run.resumed_from,
            min_age=_least_age(run, min_age),
            repoint=repoint,
        )
    )
    if verdicts and not any(kept for kept, _ in verdicts.values()):
        notes += ("the policy itself keeps none of these checkpoints, only the guards keep any: is it the one meant?",)
    decisions = _newest_first(_decide(run.checkpoints, aside, verdicts, guarded), orders[0])
    return Plan(
        root=run.root,
        layout=run.layout,
        template=run.template,
        policy=str(rule),
        now=now,
        zone=zone,
        decisions=decisions,
        foreign=tuple(sorted(run.foreign, key=lambda f: f.path)),
        pointers=tuple(sorted(run.pointers, key=lambda p: p.path)),
        notes=notes,
        live=live,
        repoint=repoint,
        refusal=_over(drop_limit, decisions),
    )


def _check_now(now: datetime) -> None:
    if now.tzinfo is None:
        raise UsageError(f"now={now!r} has no time zone; give an aware time, as datetime.now(timezone.utc)")


def _as_policy(policy: PreservationPolicy | str) -> PreservationPolicy:
    rule: Any = parse(policy) if isinstance(policy, str) else policy
    if isinstance(rule, type) or not hasattr(rule, "should_preserve"):
        raise PolicyTypeError(f"{rule!r} is no policy: give an object with should_preserve, or a text as 'latest(3)'")
    if why := void_reason(rule):
        raise UsageError(f"{rule} can keep nothing: {why}")
    return rule  # type: ignore[no-any-return]  # narrowed by the look at should_preserve above


def _aside(checkpoint: Checkpoint, now: datetime) -> str:
    if checkpoint.status is not Status.COMPLETE:
        return f"{checkpoint.status}: {checkpoint.why}" if checkpoint.why else str(checkpoint.status)
    if checkpoint.step is None:
        return "no step can be read"
    if guards.misdated(checkpoint, now):
        return "dated more than 24 hours ahead: the clock was wrong when it was saved, or is now"
    return ""


# Order and time --------------------------------------------------------------------------------------------------


def _by_step(checkpoint: Checkpoint) -> tuple[Any, ...]:
    return (checkpoint.step, checkpoint.time is not None, checkpoint.time, checkpoint.name)


def _by_time(checkpoint: Checkpoint) -> tuple[Any, ...]:
    return (checkpoint.time, checkpoint.step, checkpoint.name)


def _orders(countable: list[Checkpoint]) -> list[list[Checkpoint]]:
    """The countable ones, oldest first: the order that counts, and the other one where the two differ."""
    by_step = sorted(countable, key=_by_step)
    if any(c.time is None for c in countable):
        return [by_step]
    by_time = sorted(countable, key=_by_time)
    recorded = all(c.time_source is TimeSource.RECORDED for c in countable)
    first, second = (by_time, by_step) if recorded else (by_step, by_time)
    return [first] if first == second else [first, second]


def _newest_first(decisions: Sequence[Decision], order: Sequence[Checkpoint]) -> tuple[Decision, ...]:
    """The countable ones in their order; one set aside lies above the last countable one of no higher step."""
    position = {c.name: i for i, c in enumerate(order)}
    ranked = sorted((c.step, i) for i, c in enumerate(order) if c.step is not None)
    steps = [step for step, _ in ranked]
    reached = list(accumulate((i for _, i in ranked), max))

    def key(decision: Decision) -> tuple[float, str]:
        if decision.name in position:
            return (position[decision.name], decision.name)
        below = bisect_right(steps, decision.step) if decision.step is not None else 0
        return (reached[below - 1] + 0.5 if below else -0.5, decision.name)

    return tuple(sorted(decisions, key=key, reverse=True))


def _trust_times(rule: PreservationPolicy, order: Sequence[Checkpoint], *, trust: bool) -> None:
    """Refuse a rule that needs times when there are only file times and they cannot be true."""
    filed = [c for c in order if c.time_source is TimeSource.FILE and c.time is not None]
    if trust or len(filed) < 2 or not needs_of(rule) & Needs.TIMES:
        return
    times = [c.time for c in sorted(filed, key=_by_step) if c.time is not None]
    if times != sorted(times):
        _refuse_times(rule, "the files' times contradict the order of the steps")
    if max(times) - min(times) <= COPIED:
        _refuse_times(rule, "all files' times lie within 60 seconds, as in a copied run")


def _refuse_times(rule: PreservationPolicy, why: str) -> None:
    raise RefusedError(
        f"{rule} needs times, but nothing here records when a checkpoint was saved, and {why};"
        " use a rule of steps, as every(steps=1000) or closest(steps=1000), or --trust-file-times if they are right"
    )


def _notes(run: Run, orders: Sequence[Sequence[Checkpoint]]) -> tuple[str, ...]:
    notes = list(run.notes)
    if len(orders) > 1:
        times = "recorded times" if orders[0][0].time_source is TimeSource.RECORDED else "the files' times"
        notes.append(f"rewound: the order of steps and {times} disagree; both were judged, what either keeps is kept")
    notes += [f"the trainer's own limit is on as well: {limit}" for limit in run.limits]
    return tuple(dict.fromkeys(notes))


def _live(run: Run, now: datetime) -> bool:
    return any(c.touched is not None and now - c.touched < guards.LIVE for c in run.checkpoints)


def _least_age(run: Run, min_age: timedelta | None) -> timedelta:
    if min_age is not None:
        return min_age
    return timedelta(0) if run.atomic else guards.MIN_AGE


# Judgement -------------------------------------------------------------------------------------------------------


def _judged(
    rule: PreservationPolicy, orders: Sequence[Sequence[Checkpoint]], now: datetime
) -> dict[str, tuple[bool, tuple[str, ...]]]:
    """By name: does the policy keep it under any order, and the reasons (or the nearest misses of the first)."""
    context = PreservationContext(now=now)
    found: dict[str, tuple[bool, tuple[str, ...]]] = {}
    for order in orders:
        history = History.of(order)
        if order:
            check_metrics(rule, history)
        verdicts = judge(rule, history, context)
        for i, checkpoint in enumerate(order):
            kept, reasons = bool(verdicts.kept[i]), tuple(verdicts.reasons(i))
            before = found.get(checkpoint.name)
            if before is None or (kept and not before[0]):
                found[checkpoint.name] = (kept, reasons)
            elif kept:
                found[checkpoint.name] = (True, tuple(dict.fromkeys(before[1] + reasons)))
    return found


def _decide(
    checkpoints: Iterable[Checkpoint],
    aside: Mapping[str, str],
    verdicts: Mapping[str, tuple[bool, tuple[str, ...]]],
    guarded: dict[str, list[str]],
) -> list[Decision]:
    everyone = sorted(checkpoints, key=lambda c: c.name)
    staying = [c.name for c in everyone if c.name in aside or verdicts[c.name][0] or c.name in guarded]
    for name, why in guards.linked(everyone, staying).items():
        guarded.setdefault(name, []).append(why)
    return [_decision(c, aside.get(c.name, ""), verdicts.get(c.name), guarded.get(c.name, [])) for c in everyone]


def _decision(
    checkpoint: Checkpoint, aside: str, verdict: tuple[bool, tuple[str, ...]] | None, guarded: Sequence[str]
) -> Decision:
    kept, reasons = verdict or (True, (aside,))
    outcome = Outcome.SET_ASIDE if aside else Outcome.KEEP if kept or guarded else Outcome.DROP
    return Decision(
        name=checkpoint.name,
        step=checkpoint.step,
        time=checkpoint.time,
        time_source=checkpoint.time_source,
        size=checkpoint.size,
        shared=checkpoint.shared,
        status=checkpoint.status,
        metrics=numbers(checkpoint.metrics),
        outcome=outcome,
        reasons=reasons if kept or outcome is Outcome.DROP else (),
        guards=tuple(guarded),
        fingerprint=checkpoint.fingerprint,
        members=checkpoint.members,
    )


def numbers(metrics: Mapping[str, Any] | None, prefix: str = "") -> dict[str, float]:
    """The numbers among nested metrics, flat, with ``/`` between the levels; sorted by name."""
    flat: dict[str, float] = {}
    for key, value in (metrics or {}).items():
        if hasattr(value, "items"):
            flat |= numbers(value, f"{prefix}{key}/")
        elif (number := _number(value)) is not None:
            flat[f"{prefix}{key}"] = number
    return dict(sorted(flat.items()))


def _number(value: object) -> float | None:
    if isinstance(value, str | bytes | bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # what has no float raises, and is no number
    except (TypeError, ValueError, OverflowError):
        return None


def _over(limit: float | None, decisions: Sequence[Decision]) -> str:
    """Why the plan exceeds its drop limit; empty: it does not."""
    if limit is None:
        return ""
    if not _is_limit(limit):
        raise UsageError(f"drop_limit={limit!r}: give a whole number of checkpoints (20) or a share from 0.0 to 1.0")
    dropped = sum(d.outcome is Outcome.DROP for d in decisions)
    counted = sum(d.outcome is not Outcome.SET_ASIDE for d in decisions)
    share = isinstance(limit, float) and limit <= 1
    if dropped <= (limit * counted + _ROUNDING if share else limit):
        return ""
    allowed = f"{limit:.0%} of {counted}" if share else f"{limit:g}"
    return f"it would drop {dropped} checkpoints; the drop limit is {allowed}"


def _is_limit(limit: float) -> bool:
    if isinstance(limit, int):
        return limit >= 0 and not isinstance(limit, bool)
    return limit >= 0 and (limit <= 1 or limit.is_integer())


# JSON ------------------------------------------------------------------------------------------------------------


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - any value of a plan
    if dataclasses.is_dataclass(value):
        return {f.name: _to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {k: _to_plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [_to_plain(v) for v in value]
    return value


def _from_plain(whole: Mapping[str, Any]) -> Plan:
    names = {f.name for f in dataclasses.fields(Plan)}
    given = {k: v for k, v in whole.items() if k in names}
    return Plan(
        **given
        | {
            "now": datetime.fromisoformat(whole["now"]),
            "decisions": tuple(_decision_from(d) for d in whole["decisions"]),
            "foreign": tuple(Foreign(**f) for f in whole["foreign"]),
            "pointers": tuple(Pointer(**p | {"names": tuple(p["names"])}) for p in whole["pointers"]),
            "notes": tuple(whole["notes"]),
        }
    )


def _decision_from(plain: Mapping[str, Any]) -> Decision:
    return Decision(
        **{
            **plain,
            "time": datetime.fromisoformat(plain["time"]) if plain["time"] else None,
            "time_source": TimeSource(plain["time_source"]),
            "status": Status(plain["status"]),
            "metrics": {k: float(v["float"] if isinstance(v, dict) else v) for k, v in plain["metrics"].items()},
            "outcome": Outcome(plain["outcome"]),
            "reasons": tuple(plain["reasons"]),
            "guards": tuple(plain["guards"]),
            "members": tuple(plain["members"]),
        }
    )
