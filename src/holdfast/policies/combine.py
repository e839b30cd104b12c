"""The algebra: what either keeps (``|``), what all admit (filters, ``&``), a pick among them, and ``~``.

``chooser & chooser`` is refused: what is left of it depends on when one prunes (see the concepts in the docs).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.policies.base import Needs, Policy, PreservationPolicy, Verdicts, as_policy, judge, mask_of, needs_of, put

if TYPE_CHECKING:
    from holdfast.history import History, Mask, MetricRef
    from holdfast.policies.base import Reasons


@dataclasses.dataclass(frozen=True)
class AnyPreservationPolicy(Policy):
    """Which stay? Those that any of ``policies`` keeps. Unions within are flattened. Written ``a | b``."""

    policies: Iterable[PreservationPolicy]

    def __post_init__(self) -> None:
        put(self, policies=_members(self.policies))

    @property
    def _each(self) -> tuple[PreservationPolicy, ...]:
        return self.policies  # type: ignore[return-value]  # made a tuple when made

    @property
    def needs(self) -> Needs:
        return _union_needs(self._each)

    @property
    def is_filter(self) -> bool:
        return all(is_filter(p) for p in self._each)

    @property
    def path_independent(self) -> bool:
        return all(isinstance(p, Policy) and p.path_independent for p in self._each)

    @property
    def append_stable(self) -> bool:
        return self.union_stable or (len(self._each) == 1 and _is_policy(self._each[0]) and self._each[0].append_stable)

    @property
    def union_stable(self) -> bool:
        return all(isinstance(p, Policy) and p.union_stable for p in self._each)

    @property
    def clock_stable(self) -> bool:
        if not self.clocked:
            return self.append_stable
        return all(_is_policy(p) and p.clock_stable and (p.clocked or p.path_independent) for p in self._each)

    @property
    def clocked(self) -> bool:
        return any(isinstance(p, Policy) and p.clocked for p in self._each)

    @property
    def void(self) -> str:
        reasons = [p.void if isinstance(p, Policy) else "" for p in self._each]
        return "; ".join(reasons) if all(reasons) else ""

    @property
    def total(self) -> bool:
        return any(isinstance(p, Policy) and p.total for p in self._each)

    @property
    def metrics_wanted(self) -> tuple[MetricRef, ...]:
        return _union_metrics(self._each)

    def mask(self, history: History, *, context: object) -> Mask:
        """Which does any of them preserve?"""
        kept = np.zeros(len(history), dtype=np.bool_)
        for policy in self._each:
            with _named(policy):
                kept |= mask_of(policy, history, context)
        return kept

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which does any of them preserve, and why? A kept one has the reasons of each that keeps it."""
        verdicts = []
        for policy in self._each:
            with _named(policy):
                verdicts.append(judge(policy, history, context))
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


def _is_policy(policy: object) -> TypeGuard[Policy]:
    return isinstance(policy, Policy)


def is_filter(policy: object) -> TypeGuard[Policy]:
    """Does it look at one checkpoint at a time? Nobody knows of a user's own class."""
    return isinstance(policy, Policy) and policy.is_filter


@contextlib.contextmanager
def _named(policy: PreservationPolicy) -> Iterator[None]:
    """An error of a part tells which part it was."""
    try:
        yield
    except PolicyError as error:
        if str(policy) in str(error):
            raise
        kind = PolicyTypeError if isinstance(error, PolicyTypeError) else PolicyError
        raise kind(f"{policy}: {error}") from error
    except Exception as error:
        error.add_note(f"raised by the policy {policy}")
        raise


@dataclasses.dataclass(frozen=True)
class AllFilters(Policy):
    """Which stay? Those that every one of ``filters`` admits. Written ``a & b``."""

    filters: tuple[Policy, ...]

    def __post_init__(self) -> None:
        put(self, filters=_only_filters(self.filters))

    @property
    def needs(self) -> Needs:
        return _union_needs(self.filters)

    @property
    def is_filter(self) -> bool:
        return True

    @property
    def void(self) -> str:
        return next(filter(None, (f.void for f in self.filters)), "")

    @property
    def total(self) -> bool:
        return all(f.total for f in self.filters)

    @property
    def metrics_wanted(self) -> tuple[MetricRef, ...]:
        return _union_metrics(self.filters)

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

    def _spelled(self) -> str:
        return " & ".join(map(_operand, self.filters))


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


@dataclasses.dataclass(frozen=True)
class NotFilter(Policy):
    """Which stay? Those that ``filter`` does not admit. Written ``~a``."""

    filter: Policy

    def __post_init__(self) -> None:
        if not is_filter(self.filter):
            raise PolicyError(
                f"~({self.filter}): only a filter can be negated; write the rule for what should stay ({_FILTERS})"
            )

    @property
    def needs(self) -> Needs:
        return self.filter.needs

    @property
    def is_filter(self) -> bool:
        return True

    @property
    def void(self) -> str:
        return f"{self} keeps none, because {self.filter} keeps all" if self.filter.total else ""

    @property
    def total(self) -> bool:
        return bool(self.filter.void)

    @property
    def metrics_wanted(self) -> tuple[MetricRef, ...]:
        return self.filter.metrics_wanted

    def mask(self, history: History, *, context: object) -> Mask:
        """Which does the filter not admit?"""
        return ~self.filter.mask(history, context=context)

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which does the filter not admit, and why?"""
        verdicts = self.filter.judge(history, context=context)
        word = {True: "not", False: "excluded"}
        kept = ~verdicts.kept
        return Verdicts(kept, lambda i: (f"{word[bool(kept[i])]} {self.filter}: {'; '.join(verdicts.reasons(i))}",))

    def _spelled(self) -> str:
        return f"~{_operand(self.filter)}"


@dataclasses.dataclass(frozen=True)
class Among(Policy):
    """Which stay? The pick of ``chooser`` among those that ``filter`` admits. Written ``filter & chooser``."""

    filter: Policy
    chooser: PreservationPolicy

    def __post_init__(self) -> None:
        if not is_filter(self.filter):
            raise PolicyError(f"{self.filter} is no filter: {_FILTERS}")
        as_policy(self.chooser)

    @property
    def needs(self) -> Needs:
        return _union_needs((self.filter, self.chooser))

    @property
    def path_independent(self) -> bool:
        return isinstance(self.chooser, Policy) and self.chooser.path_independent

    @property
    def append_stable(self) -> bool:
        return isinstance(self.chooser, Policy) and self.chooser.append_stable

    @property
    def union_stable(self) -> bool:
        return isinstance(self.chooser, Policy) and self.chooser.union_stable

    @property
    def clock_stable(self) -> bool:
        return self.append_stable and not self.clocked

    @property
    def clocked(self) -> bool:
        return not isinstance(self.chooser, Policy) or self.chooser.clocked

    @property
    def void(self) -> str:
        return self.filter.void or (self.chooser.void if isinstance(self.chooser, Policy) else "")

    @property
    def metrics_wanted(self) -> tuple[MetricRef, ...]:
        return _union_metrics((self.filter, self.chooser))

    def mask(self, history: History, *, context: object) -> Mask:
        """Which does the chooser pick among those that the filter admits?"""
        kept = self.filter.mask(history, context=context)
        admitted = np.flatnonzero(kept)
        with _named(self.chooser):
            kept[admitted] = mask_of(self.chooser, history.take(admitted), context)
        return kept

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which does it pick, and why? One that the filter does not admit has the filter's reasons."""
        admission = self.filter.judge(history, context=context)
        admitted = np.flatnonzero(admission.kept)
        with _named(self.chooser):
            pick = judge(self.chooser, history.take(admitted), context)
        kept = admission.kept.copy()
        kept[admitted] = pick.kept

        def tell(i: int) -> Reasons:
            if not admission.kept[i]:
                return admission.reasons(i)
            return tuple(f"{why}, among {self.filter}" for why in pick.reasons(int(admitted.searchsorted(i))))

        return Verdicts(kept, tell)

    def _spelled(self) -> str:
        return f"{_operand(self.filter)} & {_operand(self.chooser)}"


def _operand(policy: PreservationPolicy) -> str:
    return f"({policy})" if isinstance(policy, AnyPreservationPolicy | Among) else _and_operand(policy)


def _and_operand(policy: PreservationPolicy) -> str:
    return str(policy)


def _union_needs(policies: Iterable[PreservationPolicy]) -> Needs:
    needs = Needs.NOTHING
    for policy in policies:
        needs |= needs_of(policy)
    return needs


def _union_metrics(policies: Iterable[PreservationPolicy]) -> tuple[MetricRef, ...]:
    return tuple(dict.fromkeys(m for p in policies if isinstance(p, Policy) for m in p.metrics_wanted))


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


def negate(policy: Policy) -> Policy:
    """``~a``: what the filter does not admit.

    Raises:
        PolicyError: it is no filter.
    """
    return policy.filter if isinstance(policy, NotFilter) else NotFilter(policy)
