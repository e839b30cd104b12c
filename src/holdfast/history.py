"""The checkpoints that compete with one another, as columns: what every policy looks at.

A column is read when a policy first asks for it, and then once per checkpoint: a policy that needs steps alone
touches neither times nor metrics. Appending is amortised: only the new checkpoint is read.
"""

from __future__ import annotations

import array
import datetime
import decimal
import numbers
from collections.abc import Mapping
from itertools import pairwise, starmap
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from holdfast.errors import PolicyError, PolicyTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    MetricRef: TypeAlias = str | Callable[[Any], Any]

Column: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]

UNKNOWN: Final = -(2**63)
"""In a column of times or sizes: not known."""
EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)
MICROSECOND: Final = datetime.timedelta(microseconds=1)
_MIN: Final = datetime.datetime.min  # noqa: DTZ901 - what the reference writes where it does not know
_TIMESTAMP: Final = datetime.datetime.timestamp
_EXACT: Final = 2.0**53
"""Below this, a float holds every whole number."""
_FINE: Final = 2.0**32
"""Below this many seconds, a float of seconds rounds to the right microsecond."""

MEASURED, NAN, UNMEASURED, FAULTY = range(4)
"""What is known of one metric of one checkpoint: a value, NaN, nothing, or a value that nobody can read or order."""


class History:
    """Which checkpoints compete, oldest first, in the order in which they compete?

    Made by ``History.of`` from anything with ``step``, ``time`` and ``metrics`` (``size`` and ``name`` where asked
    for). The order given is the order used. Columns are views: do not write into them.
    """

    __slots__ = ("_columns", "_items", "_metrics", "_naive")

    def __init__(self, items: list[Any]) -> None:
        self._items = items
        self._columns: dict[str, _Buffer] = {}
        self._metrics: dict[MetricRef, Metric] = {}
        self._naive: bool | None = None

    @classmethod
    def of(cls, checkpoints: Iterable[Any]) -> History:
        """The history of these, in their order. Reads nothing of them yet; O(n) to copy the references."""
        return cls(list(checkpoints))

    def append(self, checkpoint: Any) -> None:  # noqa: ANN401 - whatever has the attributes that a policy asks for
        """Add the newest. O(1); its attributes are read when a policy asks for them."""
        self._items.append(checkpoint)

    def take(self, chosen: Mask | npt.NDArray[np.intp] | Sequence[int]) -> History:
        """The history of these alone, as a mask or as indices in the order given. What was read is not read again."""
        chosen = np.asarray(chosen)
        chosen = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.intp)
        taken = History(_pick(self._items, chosen))
        taken._naive = self._naive
        for name in self._columns:
            taken._columns[name] = self._read(name).take(chosen)
        for ref in self._metrics:
            taken._metrics[ref] = self.metric(ref).take(chosen)
        return taken

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<History of {len(self)} checkpoints>"

    @property
    def items(self) -> list[Any]:
        """The checkpoints themselves, as they were given. Only to be read."""
        return self._items

    @property
    def steps(self) -> Column:
        """Their steps: int64, or Python's own integers where one is beyond that."""
        return self._read("steps").view()

    @property
    def times(self) -> Column:
        """When they were saved: microseconds since the epoch, int64; ``UNKNOWN`` where not known."""
        return self._read("times").view()

    @property
    def naive(self) -> bool:
        """Do the times lack a zone? All do, or none does: a mixture is refused."""
        self._read("times")
        return bool(self._naive)

    @property
    def sizes(self) -> Column:
        """Their sizes in bytes, int64; ``UNKNOWN`` where not known."""
        return self._read("sizes").view()

    @property
    def names(self) -> list[str]:
        """What they are called: their name, else their step."""
        return list(starmap(_name, zip(self._items, self.steps.tolist(), strict=True)))

    @property
    def metrics(self) -> list[Any]:
        """Their metrics as they were given: a tree, or None."""
        return _trees(self._items)

    def metric(self, ref: MetricRef) -> Metric:
        """One metric of each: named by a path into the metrics, or found by a function of them. Read once."""
        try:
            column = self._metrics.setdefault(ref, Metric(ref))
        except TypeError:  # a function that cannot be hashed cannot be remembered
            column = Metric(ref)
        if len(column) < len(self):
            column.extend(self._items[len(column) :])
        return column

    def _read(self, name: str) -> _Buffer:
        buffer = self._columns.get(name)
        if buffer is None:
            buffer = self._columns[name] = _Buffer()
        if buffer.filled < len(self._items):
            fresh = self._items[buffer.filled :] if buffer.filled else self._items
            buffer.extend(getattr(self, f"_read_{name}")(fresh, buffer.filled))
        return buffer

    def _read_steps(self, items: list[Any], _before: int) -> Column:
        return _steps(items)

    def _read_sizes(self, items: list[Any], _before: int) -> Column:
        sizes = [getattr(c, "size", None) for c in items]
        return np.array([UNKNOWN if s is None else s for s in sizes], dtype=np.int64)

    def _read_times(self, items: list[Any], before: int) -> Column:
        try:
            times = [c.time for c in items]
        except AttributeError:
            times = [_time(c) for c in items]
        column = _zoned(times)
        if column is None:
            return self._mixed_times(times, items)
        self._settle(False, items, before)
        return column

    def _mixed_times(self, times: list[Any], items: list[Any]) -> Column:
        known = [i for i, t in enumerate(times) if not _unknown(t)]
        column = np.full(len(times), UNKNOWN, dtype=np.int64)
        for i in known:
            naive = _lacks_zone(times[i], items[i])
            self._settle(naive, items, i)
            column[i] = (times[i] - (NAIVE_EPOCH if naive else EPOCH)) // MICROSECOND
        return column

    def _settle(self, naive: bool, items: list[Any], at: int) -> None:  # noqa: FBT001 - the fact that is settled
        if self._naive is None:
            self._naive = naive
        if self._naive is not naive:
            word, others = ("has no zone", "have one") if naive else ("has a zone", "have none")
            where = f"step {items[min(at, len(items) - 1)].step}"
            raise PolicyError(
                f"the time of {where} {word}, those before it {others}: give all times with a zone,"
                " as datetime.now(timezone.utc)"
            )


def _zoned(times: list[Any]) -> Column | None:
    """Microseconds, if all have a zone and lie where a float of seconds tells microseconds apart; else None."""
    try:
        if None in {t.tzinfo for t in times}:
            return None
        seconds = np.fromiter(map(_TIMESTAMP, times), np.float64, len(times))
    except (AttributeError, TypeError, OverflowError, ValueError):
        return None
    if np.abs(seconds).max(initial=0.0) >= _FINE:
        return None
    return np.rint(seconds * 1e6).astype(np.int64)


def _unknown(time: Any) -> bool:  # noqa: ANN401 - whatever was given as a time
    return time is None or (getattr(time, "year", None) == 1 and time.replace(tzinfo=None) == _MIN)


def _lacks_zone(time: Any, item: Any) -> bool:  # noqa: ANN401 - whatever was given as a time
    try:
        return time.utcoffset() is None
    except AttributeError:
        raise PolicyTypeError(
            f"the time of step {item.step} is {time!r}: give a datetime with a zone, as datetime.now(timezone.utc)"
        ) from None


def _time(checkpoint: Any) -> Any:  # noqa: ANN401 - whatever has the attributes
    """Its time, or the time that its commit timestamp tells."""
    try:
        return checkpoint.time
    except AttributeError:
        pass
    try:
        nanoseconds = checkpoint.commit_timestamp_nsecs
    except AttributeError:
        raise PolicyTypeError(
            f"{checkpoint!r} has neither time nor commit_timestamp_nsecs, and this policy needs one of them"
        ) from None
    return None if nanoseconds is None else EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)


def _steps(items: list[Any]) -> Column:
    steps = [c.step for c in items]
    try:
        return np.frombuffer(array.array("q", steps), dtype=np.int64)
    except (TypeError, OverflowError):
        exact = [_whole(s) for s in steps]
    try:
        return np.array(exact, dtype=np.int64)
    except OverflowError:
        return np.array(exact, dtype=object)


def _whole(step: Any) -> int:  # noqa: ANN401 - whatever was given as a step
    try:
        whole = int(step)
        if not isinstance(step, str | bytes) and bool(whole == step):
            return whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise PolicyTypeError(f"{step!r} is no step: a step is a whole number, as 1000")


def _name(item: Any, step: int) -> str:  # noqa: ANN401 - whatever has the attributes
    return str(getattr(item, "name", None) or step)


def _pick(items: list[Any], chosen: npt.NDArray[np.intp]) -> list[Any]:
    """The chosen ones; in whole slices where they lie side by side, as after a prune of a few."""
    breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
    if len(breaks) * 8 >= len(chosen) or (len(chosen) and chosen.min() < 0):
        return [items[i] for i in chosen.tolist()]
    edges = [0, *breaks.tolist(), len(chosen)]
    picked: list[Any] = []
    for start, stop in pairwise(edges):
        if start < stop:
            picked += items[int(chosen[start]) : int(chosen[stop - 1]) + 1]
    return picked


class _Buffer:
    """A column that grows: doubles when full, so that appending costs the same however long it is."""

    __slots__ = ("_values", "filled")

    def __init__(self, values: Column | None = None) -> None:
        self._values = np.empty(0, dtype=np.int64) if values is None else values
        self.filled = len(self._values)

    def view(self) -> Column:
        return self._values[: self.filled]

    def take(self, chosen: npt.NDArray[np.intp]) -> _Buffer:
        return _Buffer(self.view()[chosen])

    def extend(self, fresh: Column) -> None:
        if not self.filled:
            self._values, self.filled = fresh, len(fresh)
            return
        end = self.filled + len(fresh)
        dtype = self._values.dtype if fresh.dtype == self._values.dtype else np.dtype(object)
        if end > len(self._values) or dtype != self._values.dtype:
            grown = np.empty(max(end, 2 * len(self._values)), dtype=dtype)
            grown[: self.filled] = self.view()
            self._values = grown
        self._values[self.filled : end] = fresh
        self.filled = end


# Metrics ---------------------------------------------------------------------------------------------------------


class Fault:
    """Why could a metric of one checkpoint not be read, or not be ordered among the others?"""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return self.why


class Metric:
    """One metric of every checkpoint: what state it is in, and a key that sorts as the values do.

    ``keys`` mean something only where ``states`` says ``MEASURED``.
    """

    __slots__ = ("_keys", "_ranked", "_ref", "_states", "values")

    def __init__(self, ref: MetricRef) -> None:
        self._ref = ref
        self.values: list[Any] = []
        """The values as they were found: None is none, a ``Fault`` what could not be read."""
        self._keys = _Buffer(np.empty(0))
        self._states = _Buffer(np.empty(0, dtype=np.int8))
        self._ranked: tuple[Column, Column, dict[int, str]] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def keys(self) -> Column:
        """Numbers that sort as the values do."""
        return self._ranked[0] if self._ranked else self._keys.view()

    @property
    def states(self) -> Column:
        """``MEASURED``, ``NAN``, ``UNMEASURED`` or ``FAULTY``, int8."""
        return self._ranked[1] if self._ranked else self._states.view()

    @property
    def faults(self) -> dict[int, str]:
        """By position: why it could not be read or ordered."""
        return self._ranked[2] if self._ranked else {}

    def take(self, chosen: npt.NDArray[np.intp]) -> Metric:
        """The metric of these alone; nothing is read again."""
        taken = Metric(self._ref)
        taken.values = _pick(self.values, chosen)
        if self._ranked:
            taken._ranked = _rank(taken.values)
        else:
            taken._keys = self._keys.take(chosen)
            taken._states = self._states.take(chosen)
        return taken

    def extend(self, checkpoints: list[Any]) -> None:
        """Read it of these, and add them."""
        fresh = _values(self._ref, checkpoints)
        self.values += fresh
        numeric = None if self._ranked else _numeric(fresh)
        if numeric is None:
            self._ranked = _rank(self.values)
        else:
            self._keys.extend(numeric[0])
            self._states.extend(numeric[1])


def _values(ref: MetricRef, checkpoints: list[Any]) -> list[Any]:
    metrics = _trees(checkpoints)
    if isinstance(ref, str):
        return [_look_up(m, ref) for m in metrics]
    try:
        return [None if m is None else ref(m) for m in metrics]
    except Exception:  # noqa: BLE001 - a user's function may raise anything; each is asked alone below
        return [_ask(ref, m) for m in metrics]


def _trees(checkpoints: list[Any]) -> list[Any]:
    try:
        return [c.metrics for c in checkpoints]
    except AttributeError:
        return [getattr(c, "metrics", None) for c in checkpoints]


def _ask(function: Callable[[Any], Any], metrics: Any) -> Any:  # noqa: ANN401 - a user's tree and a user's value
    if metrics is None:
        return None
    try:
        return function(metrics)
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything; it becomes a reason to keep
        return Fault(f"{_called(function)} raised {type(error).__name__}: {error}")


def _called(function: object) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _look_up(tree: Any, path: str) -> Any:  # noqa: ANN401 - a tree of anything
    """What is at the path? The whole as one key first; else level by level, split at ``/`` or ``.``."""
    if not isinstance(tree, Mapping):
        return None
    if path in tree:
        return tree[path]
    cuts = (i for i, letter in enumerate(path) if letter in "/." and path[:i] in tree)
    found = (_look_up(tree[path[:i]], path[i + 1 :]) for i in cuts)
    return next((value for value in found if value is not None), None)


_PLAIN: Final = frozenset({float, int, bool, type(None)})


def _numeric(values: list[Any]) -> tuple[Column, Column] | None:
    """Keys and states where all values are numbers that a float holds exactly; None where one is not."""
    types = set(map(type, values))
    if not types <= _PLAIN:
        values = [_plain(v) for v in values]
        types = set(map(type, values))
    if not types <= _PLAIN:
        return None
    try:
        keys = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    if types & {int, bool} and np.nanmax(np.abs(keys), initial=0.0) >= _EXACT:
        return None
    states = np.isnan(keys).astype(np.int8)
    if type(None) in types:
        states[[i for i, v in enumerate(values) if v is None]] = UNMEASURED
    return keys, states


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a user's function returned
    """A number of Python's for one of NumPy's or JAX's; anything else as it is."""
    if getattr(value, "size", None) == 1 and hasattr(value, "item"):
        return value.item()
    return float(value) if isinstance(value, float) else value


def _rank(values: list[Any]) -> tuple[Column, Column, dict[int, str]]:
    """Keys, states and faults where values are anything that sorts: the key is the dense rank."""
    plain = [_plain(v) for v in values]
    keys, states = np.zeros(len(plain), dtype=np.int64), np.full(len(plain), FAULTY, dtype=np.int8)
    faults: dict[int, str] = {}
    for i, value in enumerate(plain):
        states[i] = _state(value)
        if states[i] == FAULTY:
            faults[i] = value.why if isinstance(value, Fault) else f"{_short(value)} cannot be ordered"
    kinds = [_kind(v) for v in plain]
    kind = _prevailing([kinds[i] for i in np.flatnonzero(states == MEASURED)])
    for i in np.flatnonzero(states == MEASURED).tolist():
        if kinds[i] is not kind:
            states[i], faults[i] = FAULTY, f"{_short(plain[i])} cannot be ordered among {kind.__name__} values"
    ranked = np.flatnonzero(states == MEASURED).tolist()
    try:
        ranked.sort(key=plain.__getitem__)
        new = [b for a, b in pairwise(ranked) if plain[a] < plain[b]]
    except Exception as error:  # noqa: BLE001 - a user's comparison may raise anything; none of them can be ordered
        states[ranked] = FAULTY
        faults |= {i: f"{_short(plain[i])} cannot be ordered: {error}" for i in ranked}
        return keys, states, faults
    keys[new] = 1
    keys[ranked] = np.cumsum(keys[ranked])
    return keys, states, faults


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _state(value: object) -> int:
    if value is None:
        return UNMEASURED
    try:
        if isinstance(value, Fault | set | frozenset | complex):
            return FAULTY
        return NAN if _is_nan(value) else MEASURED
    except Exception:  # noqa: BLE001 - a user's comparison may raise anything; such a value cannot be ordered
        return FAULTY


def _is_nan(value: Any) -> bool:  # noqa: ANN401 - whatever a user's function returned
    if isinstance(value, tuple | list):
        return any(_is_nan(part) for part in value)
    return bool(value != value)  # noqa: PLR0124 - only NaN differs from itself


def _kind(value: object) -> type:
    return numbers.Real if isinstance(value, numbers.Real | decimal.Decimal) else type(value)


def _prevailing(kinds: list[type]) -> type:
    """Numbers, if there are any; else the most frequent kind, the first met among equals."""
    if numbers.Real in kinds:
        return numbers.Real
    return max(dict.fromkeys(kinds), key=kinds.count, default=numbers.Real)
