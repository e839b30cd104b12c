"""Which checkpoints are preserved, and why: the rules, the words of the language, and what one can ask of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import MetricError
from holdfast.history import MEASURED, NAN
from holdfast.policies.base import (
    Needs,
    Policy,
    PreservationContext,
    PreservationPolicy,
    Rule,
    Verdicts,
    facts_of,
    judge,
    needs_of,
)
from holdfast.policies.calendar import (
    CalendarN,
    LatestDuration,
    Within,
    daily,
    hourly,
    latest_duration,
    monthly,
    weekly,
    within,
    yearly,
)
from holdfast.policies.combine import AllFilters, Among, AnyPreservationPolicy, NotFilter
from holdfast.policies.count import LatestN, PreserveAll, everything
from holdfast.policies.filters import After, Before, CustomSteps, Has, Where, after, at, before, has, where
from holdfast.policies.language import WORDS, parse
from holdfast.policies.metric import BestN, best
from holdfast.policies.size import LatestBytes, latest
from holdfast.policies.spacing import (
    EveryNSeconds,
    EveryNSteps,
    EveryNStepsClosest,
    LogSpaced,
    closest,
    every,
    log_spaced,
    spaced,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.history import History, MetricRef
    from holdfast.policies.laws import LintReport, lint

__all__ = [
    "ALL_POLICIES",
    "WORDS",
    "After",
    "AllFilters",
    "Among",
    "AnyPreservationPolicy",
    "Before",
    "BestN",
    "CalendarN",
    "CustomSteps",
    "EveryNSeconds",
    "EveryNSteps",
    "EveryNStepsClosest",
    "Has",
    "LatestBytes",
    "LatestDuration",
    "LatestN",
    "LintReport",
    "LogSpaced",
    "Needs",
    "NotFilter",
    "Policy",
    "PreservationContext",
    "PreservationPolicy",
    "PreserveAll",
    "Rule",
    "Verdicts",
    "Where",
    "Within",
    "after",
    "at",
    "before",
    "best",
    "check_metrics",
    "closest",
    "daily",
    "every",
    "everything",
    "has",
    "hourly",
    "judge",
    "latest",
    "latest_duration",
    "lint",
    "log_spaced",
    "metrics_wanted",
    "monthly",
    "needs_of",
    "parse",
    "spaced",
    "void_reason",
    "weekly",
    "where",
    "within",
    "yearly",
]

ALL_POLICIES: tuple[type[Policy], ...] = (
    PreserveAll,
    LatestN,
    EveryNSeconds,
    EveryNSteps,
    EveryNStepsClosest,
    CustomSteps,
    BestN,
    LatestDuration,
    AnyPreservationPolicy,
    CalendarN,
    Within,
    LatestBytes,
    LogSpaced,
    Before,
    After,
    Has,
    Where,
    AllFilters,
    NotFilter,
    Among,
)
"""Every policy there is: the laws are tested over this list."""


def void_reason(policy: PreservationPolicy) -> str:
    """Why can the policy keep nothing at all? Empty: it can keep something. A user's own class: nobody knows."""
    return facts_of(policy).void


def metrics_wanted(policy: PreservationPolicy) -> tuple[MetricRef, ...]:
    """Which metrics does the policy read: their paths, and functions of all metrics? Each once."""
    return facts_of(policy).metrics


def check_metrics(policy: PreservationPolicy, history: History) -> None:
    """Does each metric that the policy reads exist on some checkpoint?

    Raises:
        MetricError: one exists on none; the message lists the metrics that there are.
    """
    for ref in metrics_wanted(policy):
        metric = history.metric(ref)
        if not ((metric.states == MEASURED) | (metric.states == NAN)).any():
            raise MetricError(f"{policy}: {_absent(ref, metric.faults)}; {_there_are(history)}")


def _absent(ref: MetricRef, faults: dict[int, str]) -> str:
    name = repr(ref) if isinstance(ref, str) else getattr(ref, "__name__", type(ref).__name__)
    why = f" ({faults[min(faults)]})" if faults else ""
    return f"no checkpoint has a value of {name}{why}"


def _there_are(history: History) -> str:
    names = sorted({name for tree in history.metrics for name in _names(tree)})
    return f"the metrics there are: {', '.join(names)}" if names else "no checkpoint has any metrics"


def _names(tree: Any, prefix: str = "") -> Iterator[str]:  # noqa: ANN401 - a tree of anything
    if hasattr(tree, "items"):
        for key, value in tree.items():
            inner = f"{prefix}{key}"
            yield from _names(value, f"{inner}/") if hasattr(value, "items") else (inner,)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    """The laws are needed by ``lint`` alone, and imported when it is asked for."""
    if name not in {"LintReport", "lint"}:
        raise AttributeError(f"module 'holdfast.policies' has no attribute {name!r}")
    from holdfast.policies import laws  # noqa: PLC0415 - see above

    return getattr(laws, name)
