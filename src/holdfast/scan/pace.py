"""Doing the same to many, with threads where that helps, and saying what went wrong with one."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")
_R = TypeVar("_R")
_PROBE, _THREADS, _WAITING = 32, 16, 3


def each(function: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """The function of each item, in order: with threads where it waits rather than computes.

    Whether it waits is seen on the first few: on most of them, for where others want the processor too a few always
    do. A warm disk keeps one thread busy, and more would only queue for the interpreter; a cold one, or a network,
    keeps it waiting.
    """
    done, waited = [], 0
    for item in items[:_PROBE]:
        wall, busy = time.perf_counter(), time.thread_time()
        done.append(function(item))
        waited += time.perf_counter() - wall > _WAITING * (time.thread_time() - busy)
    rest = items[_PROBE:]
    if not rest or waited <= len(done) / 2:
        return done + [function(item) for item in rest]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="holdfast-scan") as pool:
        return done + list(pool.map(function, rest))


def said(error: Exception) -> str:
    """An error in one line: ours as it is, anybody else's with its class."""
    return str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
