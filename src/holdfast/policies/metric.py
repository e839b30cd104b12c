"""The rule of the best: by one metric, highest or lowest."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from holdfast.errors import MetricWarning, PolicyError, PolicyTypeError
from holdfast.history import FAULTY, MEASURED, NAN, UNMEASURED
from holdfast.policies.base import Facts, Needs, Rule, put, whole
from holdfast.policies.text import quote
from holdfast.units import ordinal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from holdfast.history import Column, History, Mask, Metric
    from holdfast.policies.base import Reasons, Teller


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class BestN(Rule):
    """Which stay? The ``n`` with the highest metric, or the lowest if ``reverse``; None: all; 0: none.

    ``get_metric_fn``: a function of a checkpoint's metrics, or the path of one: ``"eval/loss"``. Ties: the later in
    order wins. NaN is worse than every number in both directions. One without metrics stays too and does not count,
    unless ``keep_checkpoints_without_metrics`` is False (then its metric may arrive after it has gone). One whose
    metric cannot be read or ordered stays, with a ``MetricWarning``. If there are no more than ``n``, all stay.
    Written ``best(2, "eval/loss", mode="min")``.
    """

    get_metric_fn: Callable[[Any], Any] | str
    reverse: bool = False
    n: int | None = None
    keep_checkpoints_without_metrics: bool = True

    def __post_init__(self) -> None:
        if not (callable(self.get_metric_fn) or (isinstance(self.get_metric_fn, str) and self.get_metric_fn)):
            raise PolicyTypeError(
                f"get_metric_fn={self.get_metric_fn!r}: give a function of the metrics, or 'eval/loss'"
            )
        if self.n is not None:
            put(self, n=whole(self.n, "best: n", "None keeps all", least=0))
        put(
            self,
            reverse=bool(self.reverse),
            keep_checkpoints_without_metrics=bool(self.keep_checkpoints_without_metrics),
        )

    def _facts(self) -> Facts:
        stable = self.keep_checkpoints_without_metrics or not self.n
        void = "it keeps none; write best(1, ...) for the best one, best(None, ...) for all"
        return Facts(
            needs=Needs.METRICS,
            metrics=(self.get_metric_fn,),
            path_independent=stable,
            append_stable=stable,
            void=void if self.n == 0 else "",
            total=self.n is None,
        )

    @property
    def _label(self) -> str:
        ref = self.get_metric_fn
        return f"best by {ref if isinstance(ref, str) else getattr(ref, '__name__', type(ref).__name__)}"

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        if self.n is None or len(history) <= self.n:
            return np.ones(len(history), dtype=np.bool_)
        if self.n == 0:
            return np.zeros(len(history), dtype=np.bool_)
        metric = history.metric(self.get_metric_fn)
        states = metric.states
        if not states.any():
            kept = np.zeros(len(history), dtype=np.bool_)
            kept[_top(metric.keys, self.n, lowest=self.reverse)] = True
            return kept
        kept = states >= (UNMEASURED if self.keep_checkpoints_without_metrics else FAULTY)
        measured = np.flatnonzero(states == MEASURED)
        if len(measured) > self.n:
            measured = measured[_top(metric.keys[measured], self.n, lowest=self.reverse)]
        kept[measured] = True
        if len(measured) < self.n:
            kept[np.flatnonzero(states == NAN)[len(measured) - self.n :]] = True
        return kept

    def _alert(self, history: History) -> None:
        if not self.n or len(history) <= self.n:
            return
        faults = history.metric(self.get_metric_fn).faults
        if faults:
            first = min(faults)
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            warnings.warn(
                f"{self._label}: step {history.steps[first]}: {faults[first]}{more}; it is kept."
                " Return None where there is no metric, and a number where there is one",
                MetricWarning,
                stacklevel=4,
            )

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        if not self.n:
            word = "all are" if self.n is None else "none is"
            return lambda _: (f"{self._label}: {word} kept",)
        return _Ranking(self, history.metric(self.get_metric_fn), kept).tell

    def _spelled(self) -> str | None:
        if not isinstance(self.get_metric_fn, str):
            return None
        mode = "min" if self.reverse else "max"
        unmeasured = "" if self.keep_checkpoints_without_metrics else ', unmeasured="drop"'
        return f'best({self.n}, {quote(self.get_metric_fn)}, mode="{mode}"{unmeasured})'


def _top(keys: Column, n: int, *, lowest: bool) -> npt.NDArray[np.intp]:
    """Where are the n highest (or lowest) keys? Ties: the later. Needs more keys than n."""
    cut = np.partition(keys, n - 1)[n - 1] if lowest else np.partition(keys, -n)[-n]
    better = np.flatnonzero(keys < cut if lowest else keys > cut)
    ties = np.flatnonzero(keys == cut)
    return np.concatenate((better, ties[len(ties) - (n - len(better)) :]))


class _Ranking:
    """Which place has each, and what did it miss? Sorted once."""

    def __init__(self, rule: BestN, metric: Metric, kept: Mask) -> None:
        self._rule, self._metric, self._kept = rule, metric, kept
        measured = np.flatnonzero(metric.states == MEASURED)
        keys = metric.keys[measured]
        best_first = (
            len(keys) - 1 - np.argsort(keys[::-1], kind="stable")
            if rule.reverse
            else np.argsort(keys, kind="stable")[::-1]
        )
        self._order = np.concatenate((measured[best_first], np.flatnonzero(metric.states == NAN)[::-1]))
        self._place = np.full(len(kept), -1, dtype=np.intp)
        self._place[self._order] = np.arange(len(self._order))

    def tell(self, i: int) -> Reasons:
        label, place = self._rule._label, int(self._place[i])  # noqa: SLF001 - one rule in two parts
        if place < 0:
            return (f"{label}: {self._unplaced(i)}",)
        return (f"{label}: {ordinal(place + 1)} of {len(self._order)}, {self._value(i)}{self._cut_off(i)}",)

    def _unplaced(self, i: int) -> str:
        if i in self._metric.faults:
            return f"{self._metric.faults[i]}; kept, as nobody can tell"
        return "has no such metric; kept all the same" if self._kept[i] else 'has no such metric, and unmeasured="drop"'

    def _cut_off(self, i: int) -> str:
        n = self._rule.n or 0
        if self._kept[i] and self._metric.states[i] == NAN:
            return "; nothing better is left"
        if len(self._order) <= n:
            return ""
        last = self._value(int(self._order[n - 1]))
        return f"; cut-off {last}" if self._kept[i] else f"; the {ordinal(n)} has {last}"

    def _value(self, i: int) -> str:
        return show_value(self._metric.values[i])


def show_value(value: Any) -> str:  # noqa: ANN401 - whatever was measured
    """How is a metric shown? Numbers to six digits, NaN as NaN."""
    if getattr(value, "size", None) == 1 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return "NaN" if value != value else f"{value:.6g}"  # noqa: PLR0124 - only NaN differs from itself
    return str(value)


def best(
    n: int | None,
    metric: str | Callable[[Any], Any],
    *,
    mode: Literal["min", "max"],
    unmeasured: Literal["keep", "drop"] = "keep",
) -> BestN:
    """Which stay? The ``n`` with the lowest (``mode="min"``) or highest (``mode="max"``) metric.

    ``unmeasured``: what becomes of those without it. ``"drop"`` may drop one whose metric would have come later.
    """
    if mode not in ("min", "max"):
        raise PolicyError(f'mode={mode!r}: write mode="min" if lower is better, mode="max" if higher is')
    if unmeasured not in ("keep", "drop"):
        raise PolicyError(f'unmeasured={unmeasured!r}: write unmeasured="keep" or unmeasured="drop"')
    return BestN(
        get_metric_fn=metric, reverse=mode == "min", n=n, keep_checkpoints_without_metrics=unmeasured == "keep"
    )
