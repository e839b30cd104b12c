"""Times things side by side: in turns, so that a drifting machine drifts for all; medians, and ratios pair by pair."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import platform
import statistics
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclasses.dataclass
class Contender:
    """One way to do the work. ``prepare`` runs before each round, untimed; its result is given to ``run``."""

    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None
    repeat: int = 1
    """How often ``run`` is called in a round: the figure is per call."""


@dataclasses.dataclass
class Row:
    """One figure of one contender."""

    part: str
    case: str
    contender: str
    median: float
    unit: str
    rounds: int
    ratio: float | None = None
    """This contender's time over that of ``base``: the median of the rounds."""
    base: str = "holdfast"
    note: str = ""


def race(
    part: str,
    case: str,
    contenders: Mapping[str, Contender],
    *,
    rounds: int = 7,
    scale: float = 1.0,
    unit: str = "s",
    base: str = "holdfast",
) -> list[Row]:
    """Run all in turns for some rounds (one more to warm up) and compare each with ``base``."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            taken = _once(contender)
            if turn:
                times[name].append(taken * scale)
    return [
        Row(part, case, name, statistics.median(took), unit, rounds, _ratio(took, times[base], same=name == base), base)
        for name, took in times.items()
    ]


def _once(contender: Contender) -> float:
    prepared = contender.prepare()
    gc.collect()  # and then left on, as it is in a training process
    start = time.perf_counter()
    for _ in range(contender.repeat):
        contender.run(prepared)
    return (time.perf_counter() - start) / contender.repeat


def _ratio(took: list[float], base: list[float], *, same: bool) -> float | None:
    return None if same else statistics.median(a / b for a, b in zip(took, base, strict=True))


def machine() -> dict[str, object]:
    """What was it measured on?"""
    versions = {}
    for package in ("numpy", "orbax.checkpoint", "orjson"):
        try:
            versions[package] = __import__(package, fromlist=["__version__"]).__version__
        except ImportError:
            versions[package] = "not installed"
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def show(rows: list[Row]) -> None:
    """Print the rows as a table."""
    width = max(len(r.contender) for r in rows) + 2
    heading = ""
    for row in rows:
        if heading != (heading := f"{row.part}: {row.case}"):
            print(f"\n{heading}  [{row.unit}; {row.rounds} rounds]")
        ratio = "" if row.ratio is None else f"{row.ratio:10.2f} x {row.base}"
        print(f"  {row.contender:<{width}}{row.median:12.3f}{ratio}  {row.note}".rstrip())


def to_json(rows: list[Row]) -> str:
    """All of it as one JSON document."""
    return json.dumps(
        {"schema": "holdfast.bench/1", "machine": machine(), "rows": [dataclasses.asdict(r) for r in rows]}
    )
