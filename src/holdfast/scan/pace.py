"""Doing the same to many, with threads where that helps, and saying what went wrong with one."""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")
_R = TypeVar("_R")
_PROBE, _THREADS, _BATCH = 32, 16, 4096


def each(function: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """The function of each item, in order: with threads where it waits rather than computes.

    Whether it waits is seen on the first few: does the thread give the processor away, once for every second of them
    at least? A warm disk keeps one thread busy, and more would only queue for the interpreter; a cold one, or a
    network, keeps it waiting. The time that it takes would prove nothing where others want the processor too.
    """
    given = _given_away()
    done = [function(item) for item in items[:_PROBE]]
    rest = items[_PROBE:]
    if not rest or _given_away() - given < len(done) / 2:
        return done + [function(item) for item in rest]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="holdfast-scan") as pool:
        for start in range(0, len(rest), _BATCH):  # a hundred thousand at once would fill the memory
            done += pool.map(function, rest[start : start + _BATCH])
    return done


def _given_away() -> int:
    """How often has this thread (where the system does not say: this process) waited of its own accord?"""
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


def said(error: Exception) -> str:
    """An error in one line: ours as it is, anybody else's with its class."""
    return str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
