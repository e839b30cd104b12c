"""The algebra: what either keeps (``|``), what all admit (filters, ``&``), a pick among them, and ``~``.

``chooser & chooser`` is refused: what is left of it depends on when one prunes (see the concepts in the docs).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import TYPE_CHECKING, Any, TypeGuard, final

import numpy as np

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.policies.base import (
    Facts,
    Needs,
    Policy,
    PreservationPolicy,
    Verdicts,
    as_policy,
    facts_of,
    judge,
    mask_of,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.history import History, Mask, MetricRef
    from holdfast.policies.base import Reasons


@final
@dataclasses.dataclass(frozen=True)
class AnyPreservationPolicy(Policy):
    """Which stay? Those that any of ``policies`` keeps. Unions within are flattened. Written ``a | b``."""

    policies: Iterable[PreservationPolicy]

    def __post_init__(self) -> None:
        put(self, policies=_members(self.policies))

    def _facts(self) -> Facts:
        parts = [facts_of(p) for p in self._each]
        clocked = any(f.clocked for f in parts)
        stable = all(f.union_stable for f in parts)
        at_any_time = all(f.clock_stable and (f.clocked or f.path_independent) for f in parts)
        return Facts(
            needs=_all_needs(parts),
            metrics=_all_metrics(parts),
            is_filter=all(f.is_filter for f in parts),
            path_independent=all(f.path_independent for f in parts),
            append_stable=stable or (len(parts) == 1 and parts[0].append_stable),
            union_stable=stable,
            clocked=clocked,
            clock_stable=at_any_time if clocked else None,
            void="; ".join(f.void for f in parts) if all(f.void for f in parts) else "",
            total=any(f.total for f in parts),
        )

    @property
    def _each(self) -> tuple[PreservationPolicy, ...]:
        return self.policies  # type: ignore[return-value]  # made a tuple when made

    def mask(self, history: History, *, context: object) -> Mask:
        """Which does any of them preserve?"""
        kept = np.zeros(len(history), dtype=np.bool_)
        for policy in self._each:
            kept |= _mask(policy, history, context)
        return kept

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which does any of them preserve, and why? A kept one has the reasons of each that keeps it."""
        verdicts = [_judge(policy, history, context) for policy in self._each]
        kept = np.logical_or.reduce([v.kept for v in verdicts])

        def tell(i: int) -> Reasons:
            told = (reason for v in verdicts if v.kept[i] == kept[i] for reason in v.reasons(i))
            return tuple(dict.fromkeys(told))

        return Verdicts(kept, tell)

    def _spelled(self) -> str | None:
        return " | ".join(map(str, self._each)) if len(self._each) > 1 else None


def _members(policies: Any) -> tuple[PreservationPolicy, ...]:  # noqa: ANN401 - whatever was given
    if isinstance(policies, str | bytes | dict) or not hasattr(policies, "__iter__"):
        raise PolicyTypeError(f"policies={policies!r}: give a list of policies, as [LatestN(3), EveryNSteps(1000)]")
    flat: list[PreservationPolicy] = []
    for policy in map(as_policy, policies):
        flat += policy._each if isinstance(policy, AnyPreservationPolicy) else [policy]  # noqa: SLF001 - the same class
    if not flat:
        raise PolicyError("a union of no policies keeps nothing: give at least one, as [LatestN(3)]")
    return tuple(flat)


def is_filter(policy: object) -> TypeGuard[Policy]:
    """Does it look at one checkpoint at a time? Nobody knows of a user's own class."""
    return isinstance(policy, Policy) and facts_of(policy).is_filter


def _blame(policy: PreservationPolicy, error: Exception) -> PolicyError | None:
    """An error that tells which part it was, or None: the error itself tells."""
    if not isinstance(error, PolicyError):
        error.add_note(f"raised by the policy {policy}")
        return None
    kind = PolicyTypeError if isinstance(error, PolicyTypeError) else PolicyError
    return None if str(policy) in str(error) else kind(f"{policy}: {error}")


def _mask(policy: PreservationPolicy, history: History, context: object) -> Mask:
    try:
        return mask_of(policy, history, context)
    except Exception as error:
        if blamed := _blame(policy, error):
            raise blamed from error
        raise


def _judge(policy: PreservationPolicy, history: History, context: object) -> Verdicts:
    try:
        return judge(policy, history, context)
    except Exception as error:
        if blamed := _blame(policy, error):
            raise blamed from error
        raise


@final
@dataclasses.dataclass(frozen=True)
class AllFilters(Policy):
    """Which stay? Those that every one of ``filters`` admits. Written ``a & b``."""

    filters: tuple[Policy, ...]

    def __post_init__(self) -> None:
        put(self, filters=_only_filters(self.filters))

    def _facts(self) -> Facts:
        parts = [facts_of(f) for f in self.filters]
        return Facts(
            needs=_all_needs(parts),
            metrics=_all_metrics(parts),
            is_filter=True,
            void=next((f.void for f in parts if f.void), ""),
            total=all(f.total for f in parts),
        )

    def mask(self, history: History, *, context: object) -> Mask:
        """Which do all of them admit?"""
        return np.logical_and.reduce([f.mask(history, context=context) for f in self.filters])  # type: ignore[no-any-return]  # masks in, a mask out

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which do all of them admit, and why? A dropped one has the reasons of each that does not."""
        verdicts = [f.judge(history, context=context) for f in self.filters]
        kept = np.logical_and.reduce([v.kept for v in verdicts])

        def tell(i: int) -> Reasons:
            if kept[i]:
                return (" and ".join(reason for v in verdicts for reason in v.reasons(i)),)
            return tuple(reason for v in verdicts if not v.kept[i] for reason in v.reasons(i))

        return Verdicts(kept, tell)

    def _spelled(self) -> str | None:
        return " & ".join(map(_operand, self.filters)) if len(self.filters) > 1 else None


def _only_filters(filters: Iterable[Policy]) -> tuple[Policy, ...]:
    flat: list[Policy] = []
    for one in filters:
        if not is_filter(one):
            raise PolicyError(f"{one} is no filter: {_FILTERS}")
        flat += one.filters if isinstance(one, AllFilters) else [one]
    if not flat:
        raise PolicyError(f"give at least one filter: {_FILTERS}")
    return tuple(flat)


_FILTERS = "a filter looks at one checkpoint at a time, as every(steps=1000), at(500), before(step=1000), has('loss')"


@final
@dataclasses.dataclass(frozen=True)
class NotFilter(Policy):
    """Which stay? Those that ``filter`` does not admit. Written ``~a``."""

    filter: Policy

    def __post_init__(self) -> None:
        if not is_filter(self.filter):
            raise PolicyError(
                f"~({self.filter}): only a filter can be negated; write the rule for what should stay ({_FILTERS})"
            )

    def _facts(self) -> Facts:
        inner = facts_of(self.filter)
        return Facts(
            needs=inner.needs,
            metrics=inner.metrics,
            is_filter=True,
            void=f"it keeps what {self.filter} does not, and that keeps all" if inner.total else "",
            total=bool(inner.void),
        )

    def mask(self, history: History, *, context: object) -> Mask:
        """Which does the filter not admit?"""
        return ~self.filter.mask(history, context=context)

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which does the filter not admit, and why?"""
        verdicts = self.filter.judge(history, context=context)
        kept = ~verdicts.kept

        def tell(i: int) -> Reasons:
            word = "not " if kept[i] else "excluded by ~"
            return (f"{word}{_operand(self.filter)}: {'; '.join(verdicts.reasons(i))}",)

        return Verdicts(kept, tell)

    def _spelled(self) -> str:
        return f"~{_operand(self.filter)}"


@final
@dataclasses.dataclass(frozen=True)
class Among(Policy):
    """Which stay? The pick of ``chooser`` among those that ``filter`` admits. Written ``filter & chooser``."""

    filter: Policy
    chooser: PreservationPolicy

    def __post_init__(self) -> None:
        if not is_filter(self.filter):
            raise PolicyError(f"{self.filter} is no filter: {_FILTERS}")
        if is_filter(as_policy(self.chooser)):
            raise PolicyError(f"{self.chooser} is a filter, no chooser: write {self.filter} & {self.chooser}")
        if isinstance(self.chooser, Among):
            put(self, filter=AllFilters((self.filter, self.chooser.filter)), chooser=self.chooser.chooser)

    def _facts(self) -> Facts:
        parts = admitted, pick = facts_of(self.filter), facts_of(self.chooser)
        return Facts(
            needs=_all_needs(parts),
            metrics=_all_metrics(parts),
            path_independent=pick.path_independent,
            append_stable=pick.append_stable,
            union_stable=pick.union_stable,
            clocked=pick.clocked,
            clock_stable=False if pick.clocked else None,
            void=admitted.void or pick.void,
        )

    def mask(self, history: History, *, context: object) -> Mask:
        """Which does the chooser pick among those that the filter admits?"""
        kept = self.filter.mask(history, context=context)
        admitted = np.flatnonzero(kept)
        kept[admitted] = _mask(self.chooser, history.take(admitted), context)
        return kept

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which does it pick, and why? One that the filter does not admit has the filter's reasons."""
        admission = self.filter.judge(history, context=context)
        admitted = np.flatnonzero(admission.kept)
        pick = _judge(self.chooser, history.take(admitted), context)
        kept = admission.kept.copy()
        kept[admitted] = pick.kept

        def tell(i: int) -> Reasons:
            if not admission.kept[i]:
                return admission.reasons(i)
            return tuple(f"{why}, among {self.filter}" for why in pick.reasons(int(admitted.searchsorted(i))))

        return Verdicts(kept, tell)

    def _spelled(self) -> str:
        only = str(self.filter) if isinstance(self.filter, AllFilters) else _operand(self.filter)
        return f"{only} & {_operand(self.chooser)}"


def _operand(policy: PreservationPolicy) -> str:
    return f"({policy})" if isinstance(policy, AnyPreservationPolicy | Among | AllFilters) else str(policy)


def _all_needs(parts: Iterable[Facts]) -> Needs:
    return functools.reduce(operator.or_, (f.needs for f in parts), Needs.NOTHING)


def _all_metrics(parts: Iterable[Facts]) -> tuple[MetricRef, ...]:
    return tuple(dict.fromkeys(ref for f in parts for ref in f.metrics))


# The operators ---------------------------------------------------------------------------------------------------


def union(a: object, b: object) -> Policy:
    """``a | b``: what either keeps."""
    return AnyPreservationPolicy((as_policy(a), as_policy(b)))


def restrict(a: object, b: object) -> Policy:
    """``a & b``: what both filters admit, or the chooser's pick among what the filter admits.

    Raises:
        PolicyError: both are choosers.
    """
    one, other = as_policy(a), as_policy(b)
    if is_filter(one) and is_filter(other):
        return AllFilters((one, other))
    if is_filter(other):
        one, other = other, one
    if not is_filter(one):
        raise PolicyError(
            f"{_operand(a)} & {_operand(b)}: both look at the whole set, so what they leave together would depend on"  # type: ignore[arg-type]  # looked at above
            f" when one prunes. To keep what either keeps write {a} | {b}; to choose among some, restrict by a filter,"
            ' as every(steps=1000) & best(2, "loss", mode="min")'
        )
    if isinstance(other, Among):
        both = (one, other.filter) if one is a else (other.filter, one)
        return Among(AllFilters(both), other.chooser)
    return Among(one, other)


def negate(policy: object) -> Policy:
    """``~a``: what the filter does not admit.

    Raises:
        PolicyError: it is no filter.
    """
    return NotFilter(policy)  # type: ignore[arg-type]  # looked at when made
