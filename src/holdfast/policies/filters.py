"""Filters: rules that look at one checkpoint alone, and so may restrict any other."""

from __future__ import annotations

import bisect
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, final

import numpy as np

from holdfast.errors import PolicyError, PolicyTypeError
from holdfast.history import UNMEASURED
from holdfast.policies.base import EVERYTHING, Facts, Needs, Rule, as_index, put
from holdfast.policies.text import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.history import Column, History, Mask
    from holdfast.policies.base import Teller


@final
@dataclasses.dataclass(frozen=True)
class CustomSteps(Rule):
    """Which stay? Those at these steps. Kept sorted, each once. Written ``at(500, 1500)``."""

    steps: Iterable[int]

    def __post_init__(self) -> None:
        put(self, steps=_sorted_steps(self.steps))

    def _facts(self) -> Facts:
        void = "" if self.steps else "it names no step; write at(500, 1500)"
        return Facts(is_filter=True, void=void)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        steps, table = history.steps, self._table
        if not len(table):
            return np.zeros(len(steps), dtype=np.bool_)
        found: Mask = table.take(table.searchsorted(steps), mode="clip") == steps
        return found

    @functools.cached_property
    def _table(self) -> Column:
        try:
            return np.array(self.steps, dtype=np.int64)
        except OverflowError:
            return np.array(self.steps, dtype=object)

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        listed = list(self.steps)

        def tell(i: int) -> tuple[str]:
            step = int(history.steps[i])
            if kept[i]:
                return (f"at {step}",)
            at = bisect.bisect(listed, step)
            near = min(listed[max(0, at - 1) : at + 1], key=lambda s: abs(s - step), default=None)
            return ("at: no step is listed" if near is None else f"at: {step} is not listed; {near} is",)

        return tell

    def _spelled(self) -> str:
        return f"at({', '.join(map(str, self.steps))})"


def _sorted_steps(steps: Any) -> tuple[int, ...]:  # noqa: ANN401 - whatever was given
    if isinstance(steps, str | bytes) or not hasattr(steps, "__iter__"):
        raise PolicyTypeError(
            f"steps={steps!r}: give several whole numbers, as CustomSteps((500, 1500)) or at(500, 1500)"
        )
    return tuple(sorted({_step(s, "steps", "at(500, 1500)") for s in steps}))


def _step(value: Any, what: str, instead: str) -> int:  # noqa: ANN401 - whatever was given
    step = as_index(value)
    if step is None:
        raise PolicyTypeError(f"{what}={value!r}: a step is a whole number; write {instead}")
    return step


def at(*steps: int) -> CustomSteps:
    """Which stay? Those at these steps."""
    return CustomSteps(steps)


@final
@dataclasses.dataclass(frozen=True)
class Before(Rule):
    """Which stay? Those whose step is below ``step``. Written ``before(step=1000)``."""

    step: int

    def __post_init__(self) -> None:
        put(self, step=_step(self.step, "step", "before(step=1000)"))

    def _facts(self) -> Facts:
        return Facts(is_filter=True)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        below: Mask = history.steps < self.step
        return below

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        return lambda i: (f"before step {self.step}" if kept[i] else f"not before step {self.step}",)

    def _spelled(self) -> str:
        return f"before(step={self.step})"


@final
@dataclasses.dataclass(frozen=True)
class After(Rule):
    """Which stay? Those whose step is above ``step``. Written ``after(step=1000)``."""

    step: int

    def __post_init__(self) -> None:
        put(self, step=_step(self.step, "step", "after(step=1000)"))

    def _facts(self) -> Facts:
        return Facts(is_filter=True)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        above: Mask = history.steps > self.step
        return above

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        return lambda i: (f"after step {self.step}" if kept[i] else f"not after step {self.step}",)

    def _spelled(self) -> str:
        return f"after(step={self.step})"


def before(step: int) -> Before:
    """Which stay? Those whose step is below ``step``."""
    return Before(step)


def after(step: int) -> After:
    """Which stay? Those whose step is above ``step``."""
    return After(step)


@final
@dataclasses.dataclass(frozen=True)
class Has(Rule):
    """Which stay? Those that have the metric, NaN included. Written ``has("eval/loss")``."""

    metric: str

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise PolicyTypeError(f"has({self.metric!r}): give the name of a metric, as has('eval/loss')")

    def _facts(self) -> Facts:
        return Facts(needs=Needs.METRICS, is_filter=True, metrics=(self.metric,))

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        measured: Mask = history.metric(self.metric).states != UNMEASURED
        return measured

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        return lambda i: (f"has {self.metric}" if kept[i] else f"has no {self.metric}",)

    def _spelled(self) -> str:
        return f"has({quote(self.metric)})"


@final
@dataclasses.dataclass(frozen=True)
class Where(Rule):
    """Which stay? Those for which ``function(checkpoint)`` is true. For Python only: ``where(function)``.

    The function must look at that checkpoint alone. If it raises, or returns no bool, nothing is decided.
    """

    function: Callable[[Any], bool]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise PolicyTypeError(f"where({self.function!r}): give a function of one checkpoint that returns a bool")

    def _facts(self) -> Facts:
        return Facts(needs=EVERYTHING, is_filter=True)

    @property
    def _label(self) -> str:
        return f"where {getattr(self.function, '__name__', type(self.function).__name__)}"

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        return np.array([self._ask(c) for c in history.items], dtype=np.bool_)

    def _ask(self, checkpoint: Any) -> bool:  # noqa: ANN401 - whatever the history is made of
        try:
            answer = self.function(checkpoint)
        except Exception as error:
            raise PolicyError(
                f"{self._label}: raised {type(error).__name__} for step {checkpoint.step}: {error};"
                " return True for what it cannot judge"
            ) from error
        if not isinstance(answer, bool | np.bool_):
            raise PolicyTypeError(
                f"{self._label}: returned {answer!r} for step {checkpoint.step}; return True or False"
            )
        return bool(answer)

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        return lambda i: (self._label if kept[i] else f"not {self._label}",)


def has(metric: str) -> Has:
    """Which stay? Those that have the metric."""
    return Has(metric)


def where(function: Callable[[Any], bool]) -> Where:
    """Which stay? Those for which the function is true."""
    return Where(function)
