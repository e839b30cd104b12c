"""Which laws does a policy obey, and what is a smallest history on which it breaks one?

A retention tool prunes again and again, at any moment and in any rhythm. These laws say that the rhythm does not
matter. Every policy declares which it obeys; ``lint`` looks for a counter-example all the same.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import random
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from holdfast.errors import MetricWarning, PolicyError
from holdfast.history import EPOCH, History
from holdfast.policies.base import Needs, Policy, PreservationContext, as_policy, facts_of, mask_of, needs_of
from holdfast.units import ordinal, rough_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from holdfast.history import MetricRef
    from holdfast.policies.base import Facts, PreservationPolicy

_TRIES: Final = 300
"""How many histories of each size are tried."""
_START: Final = EPOCH + datetime.timedelta(days=20_000)
_COUNTS: Final = (2, 3, 4, 5, 6)


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A made-up checkpoint of a counter-example. None: does not matter to the policy, or has none."""

    step: int
    time: datetime.datetime | None
    metrics: dict[str, float] | None
    size: int | None
    name: str
    """Its step, and where that is not enough its place in the order: ``60``, ``60 (3rd)``."""


@dataclasses.dataclass(frozen=True, slots=True)
class CounterExample:
    """On which checkpoints does pruning twice leave something else than pruning once?

    ``first`` are there at the first pruning, ``later`` come before the second; both in the order of ``history``.
    """

    history: tuple[Sample, ...]
    first: tuple[str, ...]
    later: tuple[str, ...]
    once: tuple[str, ...]
    """What is left of all when pruned once, at the end."""
    twice: tuple[str, ...]
    """What is left when the first are pruned, and then the rest of them together with the later ones."""
    waited: datetime.timedelta = datetime.timedelta(0)
    """How long after the first pruning the second was."""

    def __str__(self) -> str:
        start = min((c.time for c in self.history if c.time), default=None)
        shown = "\n".join(f"    {_shown(c, start)}" for c in self.history)
        wait = f", {rough_duration(self.waited)} later" if self.waited else ""
        return (
            f"oldest first:\n{shown}\n"
            f"    pruned once, at the end: {_listed(self.once)} left\n"
            f"    pruned with {_listed(self.first)} there, then{wait} with {_listed(self.later)} as well:"
            f" {_listed(self.twice)} left"
        )


def _shown(sample: Sample, start: datetime.datetime | None) -> str:
    time = f"+{rough_duration(sample.time - start)}" if sample.time and start else ""
    size = "" if sample.size is None else f"{sample.size} B"
    told = [time, size, *(f"{name} {value:g}" for name, value in (sample.metrics or {}).items())]
    return ", ".join([f"step {sample.name}", *filter(None, told)])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


@dataclasses.dataclass(frozen=True, slots=True)
class Law:
    """Does a policy obey one law? ``declared``: it says so. A counter-example says that it does not."""

    name: str
    says: str
    declared: bool
    counter_example: CounterExample | None = None

    @property
    def holds(self) -> bool | None:
        """True: declared, and nothing found against it. None: not declared, but nothing found either."""
        if self.counter_example:
            return False
        return True if self.declared else None

    def __str__(self) -> str:
        verdict = {True: "holds", False: "does not hold", None: "not promised; no counter-example found"}[self.holds]
        example = f"\n  {self.counter_example}" if self.counter_example else ""
        return f"{self.name}: {verdict} ({self.says}){example}"


@dataclasses.dataclass(frozen=True, slots=True)
class LintReport:
    """Which laws does a policy obey?"""

    policy: str
    laws: tuple[Law, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Do all laws hold?"""
        return all(law.holds for law in self.laws) and not self.notes

    def __str__(self) -> str:
        return "\n".join([self.policy, *map(str, self.laws), *self.notes])

    def to_plain(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        laws = [_plain(dataclasses.asdict(law)) | {"holds": law.holds} for law in self.laws]
        return {"policy": self.policy, "ok": self.ok, "laws": laws, "notes": list(self.notes)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a report
    match value:
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case tuple():
            return [_plain(part) for part in value]
        case datetime.datetime():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def lint(policy: PreservationPolicy) -> LintReport:
    """Which laws does the policy obey? Deterministic; takes a second or two at most; reads no clock.

    A policy that can keep nothing, or cannot be asked, has that as a note.
    """
    facts = facts_of(as_policy(policy))
    notes = [facts.void] if facts.void else []
    laws: tuple[Law, ...] = ()
    try:
        laws = tuple(_laws(policy, facts))
    except PolicyError as error:
        notes.append(str(error))
    if not all(law.holds for law in laws):
        notes.append("what guards, pins and leases keep besides can change what this policy keeps next time")
    return LintReport(str(policy), laws, tuple(dict.fromkeys(notes)))


def _laws(policy: PreservationPolicy, facts: Facts) -> Iterator[Law]:
    search = _Search(policy)
    yield Law(
        "path independence",
        "whatever was pruned before, in whatever order checkpoints turn up, the same ones are left",
        facts.path_independent,
        search.smallest(_interleaved),
    )
    yield Law(
        "append stability",
        "pruning after every save leaves what pruning once at the end leaves",
        facts.append_stable,
        search.smallest(_appended, in_order=True),
    )
    if facts.clocked:
        yield Law(
            "moving clock",
            "it does not matter when it was pruned before",
            bool(facts.clock_stable),
            search.smallest(_appended, in_order=True, waits=True),
        )


# The search ------------------------------------------------------------------------------------------------------


def _interleaved(count: int, chance: random.Random) -> tuple[list[int], list[int]]:
    """Some that are there first, and the rest, anywhere between them."""
    first = [i for i in range(count) if chance.random() < 0.6]
    return first, [i for i in range(count) if i not in first]


def _appended(count: int, chance: random.Random) -> tuple[list[int], list[int]]:
    """Some that are there first, and the rest after them."""
    cut = chance.randrange(1, count)
    return list(range(cut)), list(range(cut, count))


class _Search:
    """A hunt for a counter-example on small histories of the scale that the policy's own numbers suggest."""

    def __init__(self, policy: PreservationPolicy) -> None:
        self._policy = policy
        self._scale = _Scale.of(policy)

    def smallest(
        self,
        split: Callable[[int, random.Random], tuple[list[int], list[int]]],
        *,
        in_order: bool = False,
        waits: bool = False,
    ) -> CounterExample | None:
        """The first counter-example among histories of growing size, with what it does not need left out."""
        chance = random.Random(0)  # noqa: S311 - the same hunt every time is wanted, not secrecy
        for count in (*_COUNTS, *self._scale.larger):
            for _ in range(_TRIES if count <= max(_COUNTS) else _TRIES // 10):
                samples = self._scale.history(count, chance, in_order=in_order)
                wait = chance.choice(self._scale.spans) if waits else datetime.timedelta(0)
                first, later = split(count, chance)
                if self._breaks(samples, first, later, wait):
                    return self._told(*self._shrunk(samples, first, later, wait), wait)
        return None

    def _left(self, samples: Sequence[Sample], present: Iterable[int], now: datetime.datetime) -> list[int]:
        chosen = sorted(present)
        context = PreservationContext(now=now)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MetricWarning)
            mask = mask_of(self._policy, History.of(samples[i] for i in chosen), context)
        kept: npt.NDArray[np.intp] = np.flatnonzero(mask)
        return [chosen[i] for i in kept]

    def _both(
        self, samples: Sequence[Sample], first: list[int], later: list[int], wait: datetime.timedelta
    ) -> tuple[list[int], list[int]]:
        end = max(filter(None, (s.time for s in samples)))
        now = max(filter(None, (samples[i].time for i in first))) if wait and first else end
        once = self._left(samples, [*first, *later], end + wait)
        twice = self._left(samples, [*self._left(samples, first, now), *later], end + wait)
        return once, twice

    def _breaks(self, samples: Sequence[Sample], first: list[int], later: list[int], wait: datetime.timedelta) -> bool:
        once, twice = self._both(samples, first, later, wait)
        return once != twice

    def _shrunk(
        self, samples: Sequence[Sample], first: list[int], later: list[int], wait: datetime.timedelta
    ) -> tuple[Sequence[Sample], list[int], list[int]]:
        for i in [*first, *later]:
            fewer = [j for j in first if j != i], [j for j in later if j != i]
            if self._breaks(samples, *fewer, wait):
                return self._shrunk(samples, *fewer, wait)
        return samples, first, later

    def _told(
        self, samples: Sequence[Sample], first: list[int], later: list[int], wait: datetime.timedelta
    ) -> CounterExample:
        once, twice = self._both(samples, first, later, wait)
        involved = sorted([*first, *later])
        names = _names([samples[i].step for i in involved], involved)

        def named(which: Iterable[int]) -> tuple[str, ...]:
            return tuple(names[i] for i in sorted(which))

        history = tuple(_told_of(samples[i], names[i], needs_of(self._policy)) for i in involved)
        return CounterExample(history, named(first), named(later), named(once), named(twice), wait)


def _told_of(sample: Sample, name: str, needs: Needs) -> Sample:
    """The sample with its name, and without what does not matter."""
    return Sample(
        step=sample.step,
        time=sample.time if needs & Needs.TIMES else None,
        metrics=sample.metrics if needs & Needs.METRICS else None,
        size=sample.size if needs & Needs.SIZES else None,
        name=name,
    )


def _names(steps: Sequence[int], involved: Sequence[int]) -> dict[int, str]:
    """By index: its step, with its place where several have that step."""
    often = {step for step in steps if steps.count(step) > 1}
    return {
        i: f"{step} ({ordinal(place)})" if step in often else str(step)
        for place, (i, step) in enumerate(zip(involved, steps, strict=True), 1)
    }


class _AnyMetric(dict[str, float]):
    """Metrics in which every name is found, for functions whose names nobody knows."""

    def __missing__(self, key: str) -> float:
        return next(iter(self.values()))


@dataclasses.dataclass(frozen=True)
class _Scale:
    """Which steps, durations, sizes and counts make a difference to a policy?"""

    steps: tuple[int, ...]
    spans: tuple[datetime.timedelta, ...]
    sizes: tuple[int, ...]
    metrics: tuple[MetricRef, ...]
    larger: tuple[int, ...]

    @classmethod
    def of(cls, policy: PreservationPolicy) -> _Scale:
        found = list(_numbers(policy))
        steps = sorted({max(1, int(v)) for name, v in found if name in _STEPS})
        spans = sorted({v for name, v in found if isinstance(v, datetime.timedelta) and v})
        sizes = sorted({v for name, v in found if name == "max_bytes" and v})
        counts = max((v for name, v in found if name in _NUMBERS and isinstance(v, int)), default=0)
        larger = tuple(range(counts + 1, counts + 4)) if max(_COUNTS) - 3 < counts <= 60 else ()
        return cls(
            steps=tuple(steps[:6]) or (10,),
            spans=tuple(spans[:6]) or (datetime.timedelta(hours=1),),
            sizes=tuple(sizes[:3]) or (1000,),
            metrics=facts_of(policy).metrics or ("loss",),
            larger=larger,
        )

    def history(self, count: int, chance: random.Random, *, in_order: bool) -> list[Sample]:
        """A made-up history; steps and times never go back if ``in_order``."""
        steps = [self._step(chance) for _ in range(count)]
        times = [_START + chance.choice(self.spans) * chance.choice(_PARTS) for _ in range(count)]
        if in_order or chance.random() < 0.7:
            steps.sort()
        if in_order or chance.random() < 0.7:
            times.sort()
        return [
            Sample(step, time, self._tree(chance), max(1, int(chance.choice(self.sizes) * chance.choice(_PARTS))), "")
            for step, time in zip(steps, times, strict=True)
        ]

    def _step(self, chance: random.Random) -> int:
        scale = chance.choice(self.steps)
        return scale * chance.randrange(5) + chance.choice((0, 0, scale // 2, scale * 3 // 5, 1))

    def _tree(self, chance: random.Random) -> dict[str, float] | None:
        if chance.random() < 0.3:
            return None
        value = chance.choice((1.0, 2.0, 3.0, float("nan")))
        return _AnyMetric({str(ref) if isinstance(ref, str) else "loss": value for ref in self.metrics})


_PARTS: Final = (0.0, 0.3, 0.5, 0.6, 0.9, 1.0, 1.2, 1.6, 2.1, 3.0)
_STEPS: Final = ("interval_steps", "step", "steps", "base")
_NUMBERS: Final = ("n", "max_to_keep")
_PERIODS: Final = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.5, "year": 365.25}


def _numbers(policy: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any policy
    """All numbers in a policy, with the names of their fields; a period or an interval as a duration."""
    for field in dataclasses.fields(policy) if dataclasses.is_dataclass(policy) else ():
        value = getattr(policy, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Policy):
                yield from _numbers(part)
            elif field.name == "interval_secs":
                yield field.name, datetime.timedelta(seconds=part)
            elif field.name == "period":
                yield field.name, datetime.timedelta(days=_PERIODS[part])
            else:
                yield field.name, part
