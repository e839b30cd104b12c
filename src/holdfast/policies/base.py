"""What a policy is: one method from a history to a mask, a description of each verdict, and what it declares.

A rule is a frozen dataclass that derives from ``Rule`` and writes ``_mask`` (which stay?) and ``_teller`` (why?).
``should_preserve``, ``judge``, ``|``, ``&``, ``~``, ``str`` and the checks of the laws follow from these.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime
import enum
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.history import EPOCH, MICROSECOND, NAIVE_EPOCH, UNKNOWN, History, Mask

if TYPE_CHECKING:
    from holdfast.history import MetricRef

Reasons: TypeAlias = tuple[str, ...]
Teller: TypeAlias = Callable[[int], Reasons]


class Needs(enum.Flag):
    """Which columns, besides the steps, does a policy read?"""

    NOTHING = 0
    TIMES = enum.auto()
    METRICS = enum.auto()
    SIZES = enum.auto()


EVERYTHING: Final = Needs.TIMES | Needs.METRICS | Needs.SIZES


@dataclasses.dataclass(kw_only=True)
class PreservationContext:
    """What else may a decision depend on? ``now``: None is the time at which the decision is made."""

    now: datetime.datetime | None = None


@runtime_checkable
class PreservationPolicy(Protocol):
    """Which checkpoints are preserved? Anything with this method is a policy everywhere in Holdfast."""

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:  # noqa: ANN401 - a class of its user's may want a context of its own
        """One flag for each of ``checkpoints`` (oldest first), in their order."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Verdicts:
    """Which checkpoints of a history are kept, and why? Reasons are worked out when asked for."""

    kept: Mask
    _teller: Teller

    def reasons(self, i: int) -> Reasons:
        """Of a kept one every reason, with ordinal and cut-off; of a dropped one each rule's nearest miss."""
        return self._teller(i)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What does a policy declare of itself, not having seen a history? The defaults: a chooser of steps alone."""

    needs: Needs = Needs.NOTHING
    metrics: tuple[MetricRef, ...] = ()
    """The metrics that it reads."""
    is_filter: bool = False
    """Does it look at one checkpoint at a time? Then it may restrict a chooser, and be negated."""
    path_independent: bool = True
    """Is C(A + B) = C(C(A) + B), whatever the sets A and B, and however they interleave?"""
    append_stable: bool = True
    """Does pruning after every save, steps and times in order, leave what pruning once at the end leaves?"""
    union_stable: bool | None = None
    """Is it append-stable also where another rule keeps more than it would itself? None: if it is append-stable."""
    clocked: bool = False
    """Does it read the clock?"""
    clock_stable: bool | None = None
    """Does it not matter at which moments, with times in order, it was pruned before? None: if it is append-stable."""
    void: str = ""
    """Why it can keep nothing at all; empty: it can keep something."""
    total: bool = False
    """Does it keep everything, whatever it sees?"""

    def __post_init__(self) -> None:
        for name in ("union_stable", "clock_stable"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, self.append_stable)


class Policy(abc.ABC):
    """The base of all policies of Holdfast, single rules and combinations. Never made itself."""

    __slots__ = ()

    def _facts(self) -> Facts:
        """What is known of it without a history?"""
        return Facts()

    @property
    def needs(self) -> Needs:
        """Which columns, besides the steps, does it read?"""
        return self._facts().needs

    @property
    def path_independent(self) -> bool:
        """Is C(A + B) = C(C(A) + B), whatever the sets A and B, and however they interleave?"""
        return self._facts().path_independent

    @property
    def append_stable(self) -> bool:
        """Does pruning after every save, steps and times in order, leave what pruning once at the end leaves?"""
        return self._facts().append_stable

    def _spelled(self) -> str | None:
        """How does the language spell it? None: it cannot."""
        return None

    @abc.abstractmethod
    def mask(self, history: History, *, context: object) -> Mask:
        """Which checkpoints of ``history`` are preserved? One bool for each, in its order."""

    @abc.abstractmethod
    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which are preserved, and why? As ``mask``, with reasons on demand; warns of nothing."""

    def should_preserve(self, checkpoints: Sequence[Any], *, context: object) -> list[bool]:
        """Which of ``checkpoints`` (oldest first, the order in which they compete) are preserved? One flag each."""
        history = History(checkpoints if isinstance(checkpoints, list) else list(checkpoints))
        flags: list[bool] = self.mask(history, context=context).tolist()
        return flags

    def __or__(self, other: object) -> Policy:
        return _algebra().union(self, other)

    def __ror__(self, other: object) -> Policy:
        return _algebra().union(other, self)

    def __and__(self, other: object) -> Policy:
        return _algebra().restrict(self, other)

    def __rand__(self, other: object) -> Policy:
        return _algebra().restrict(other, self)

    def __invert__(self) -> Policy:
        return _algebra().negate(self)

    def __str__(self) -> str:
        spelled = self._spelled()
        return repr(self) if spelled is None else spelled


class Algebra(Protocol):
    """What do ``|``, ``&`` and ``~`` make? The functions of ``holdfast.policies.combine``."""

    def union(self, a: object, b: object, /) -> Policy:
        """What either keeps."""
        ...

    def restrict(self, a: object, b: object, /) -> Policy:
        """What both filters admit, or the chooser's pick among what the filter admits."""
        ...

    def negate(self, a: object, /) -> Policy:
        """What the filter does not admit."""
        ...


class Rule(Policy):
    """The base of every rule that stands alone: it says which stay, and why each stays or goes."""

    __slots__ = ()

    @abc.abstractmethod
    def _mask(self, history: History, context: object) -> Mask:
        """Which stay? The history is not empty. A fresh array, never a view of the history's columns."""

    @abc.abstractmethod
    def _teller(self, history: History, kept: Mask, context: object) -> Teller:
        """Why does the i-th stay or go? Ranks are worked out here once, the text for each when asked."""

    def _alert(self, history: History) -> None:
        """Warn of what could not be read."""

    def mask(self, history: History, *, context: object) -> Mask:
        """Which checkpoints of ``history`` are preserved?"""
        if not len(history):
            return np.zeros(0, dtype=np.bool_)
        kept = self._mask(history, context)
        self._alert(history)
        return kept

    def judge(self, history: History, *, context: object) -> Verdicts:
        """Which are preserved, and why?"""
        if not len(history):
            return Verdicts(np.zeros(0, dtype=np.bool_), _nothing)
        kept = self._mask(history, context)
        return Verdicts(kept, self._teller(history, kept, context))


def _algebra() -> Algebra:
    from holdfast.policies import combine  # noqa: PLC0415 - combine is made of policies, and policies combine

    return combine


def _nothing(_: int) -> Reasons:
    raise IndexError("the history is empty")


# Any policy, a user's own class included -------------------------------------------------------------------------


def as_policy(policy: object) -> PreservationPolicy:
    """The policy itself, if it is one.

    Raises:
        PolicyTypeError: it is a class, a text, or has no ``should_preserve``.
    """
    if isinstance(policy, type):
        raise PolicyTypeError(f"{policy.__name__} is a class: give an instance, {policy.__name__}(...)")
    if isinstance(policy, str):
        raise PolicyTypeError(f"{policy!r} is a text: give a policy, as parse({policy!r})")
    if not isinstance(policy, PreservationPolicy):
        raise PolicyTypeError(f"{policy!r} is no policy: it has no should_preserve; give one, as latest(3)")
    return policy


def facts_of(policy: PreservationPolicy) -> Facts:
    """What does any policy declare? Of a user's own class nothing is known, so nothing good is assumed."""
    return policy._facts() if isinstance(policy, Policy) else _UNKNOWN_FACTS  # noqa: SLF001 - the same module


_UNKNOWN_FACTS: Final = Facts(needs=EVERYTHING, path_independent=False, append_stable=False, clocked=True)


def needs_of(policy: PreservationPolicy) -> Needs:
    """Which columns does any policy read? A user's own class: everything."""
    return facts_of(policy).needs


def mask_of(policy: PreservationPolicy, history: History, context: object) -> Mask:
    """Which does any policy preserve? A user's own class is asked once, and its answer checked."""
    if isinstance(policy, Policy):
        return policy.mask(history, context=context)
    return _checked(policy, policy.should_preserve(list(history.items), context=context), len(history))


def judge(policy: PreservationPolicy, history: History, context: object) -> Verdicts:
    """Which does any policy preserve, and why? A user's own class can only say that it does."""
    if isinstance(policy, Policy):
        return policy.judge(history, context=context)
    kept = mask_of(policy, history, context)
    name = type(policy).__name__
    return Verdicts(kept, lambda i: (f"{name}: keeps it" if kept[i] else f"{name}: does not keep it",))


def _checked(policy: PreservationPolicy, answer: Any, expected: int) -> Mask:  # noqa: ANN401 - whatever a user's class says
    name = type(policy).__name__
    wanted = f"return a list of {expected} bools, one for each checkpoint"
    if isinstance(answer, str | bytes | dict | set | frozenset) or not hasattr(answer, "__len__"):
        raise PolicyTypeError(f"{name}.should_preserve returned a {type(answer).__name__}: {wanted}")
    if len(answer) != expected:
        raise PolicyError(f"{name}.should_preserve returned {len(answer)} flags for {expected} checkpoints: {wanted}")
    flags = list(answer)
    for flag in flags:
        if not _is_flag(flag):
            raise PolicyTypeError(f"{name}.should_preserve returned {flag!r} as a flag: {wanted}")
    return np.array(flags, dtype=np.bool_)


def _is_flag(flag: Any) -> bool:  # noqa: ANN401 - whatever a user's class says
    return isinstance(flag, bool | np.bool_) or (getattr(flag, "shape", None) == () and flag.dtype == np.bool_)


# What rules share ------------------------------------------------------------------------------------------------


def whole(value: Any, what: str, instead: str, *, least: int) -> int:  # noqa: ANN401 - whatever was given
    """The value as an int, if it is a whole number of at least ``least``.

    Raises:
        PolicyTypeError: it is no whole number (a float, a bool, a text).
        PolicyError: it is too small.
    """
    number = as_index(value)
    if number is None:
        raise PolicyTypeError(f"{what}={value!r}: give a whole number of {least} or more; {instead}")
    if number < least:
        raise PolicyError(f"{what}={value!r}: give a whole number of {least} or more; {instead}")
    return number


def as_index(value: Any) -> int | None:  # noqa: ANN401 - whatever was given
    """The value as an int, if it is a whole number and no bool; else None."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def put(policy: Policy, **fields: object) -> None:
    """Set fields of a frozen rule while it is being made."""
    for name, value in fields.items():
        object.__setattr__(policy, name, value)


def now_of(context: object) -> datetime.datetime:
    """The moment of the decision: the context's, else the clock's."""
    now: datetime.datetime | None = getattr(context, "now", None)
    return datetime.datetime.now(tz=datetime.UTC) if now is None else now


def microseconds_of(now: datetime.datetime, history: History, rule: object) -> int:
    """``now`` as the history's times are counted; refuses a zone on one side only."""
    naive = now.utcoffset() is None
    known = np.flatnonzero(history.times != UNKNOWN)
    if len(known) and naive is not history.naive:
        word, other = ("has a zone", "none") if naive else ("has no zone", "one")
        raise PolicyError(
            f"{rule}: the time of step {history.steps[known[0]]} {word}, but now={now} has {other}:"
            " give both with a zone, as datetime.now(timezone.utc)"
        )
    return (now - (NAIVE_EPOCH if naive else EPOCH)) // MICROSECOND
