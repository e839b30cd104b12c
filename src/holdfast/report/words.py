"""How a size, an age, a moment, a number and a count are written. The same everywhere."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from holdfast.checkpoint import TimeSource
from holdfast.errors import UsageError
from holdfast.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE = "-"
"""What stands where nothing is known."""
_AGES = ((2 * 365 * 86400, 365 * 86400, "y"), (2 * 86400, 86400, "d"), (2 * 3600, 3600, "h"), (120, 60, "m"))


def age(time: datetime | None, now: datetime, source: TimeSource = TimeSource.RECORDED) -> str:
    """How long ago? ``3h``; ``~3h`` by the file's time alone; ``in 3h`` if it lies ahead."""
    if time is None:
        return NONE
    span = span_of(abs(now - time))
    mark = "~" if source is TimeSource.FILE else ""
    return f"{mark}{span}" if time <= now or span == "0s" else f"in {mark}{span}"


def span_of(span: timedelta) -> str:
    """How long, in one rounded unit? ``45s``, ``90m``, ``36h``, ``12d``, ``3y``."""
    seconds = span.total_seconds()
    for least, unit, letter in _AGES:
        if seconds >= least:
            return f"{seconds / unit:.0f}{letter}"
    return f"{seconds:.0f}s"


def moment(time: datetime, zone: str) -> str:
    """When, in a zone? ``2026-11-24 19:25:10 UTC``."""
    there = time.astimezone(zone_of(zone))
    return f"{there:%Y-%m-%d %H:%M:%S} {zone}"


def zone_of(name: str) -> tzinfo:
    """Which time zone is it? ``UsageError`` if there is none of that name."""
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise UsageError(f"there is no time zone {name!r}; write it as UTC or Europe/Berlin") from cause


def size(count: int | None) -> str:
    """How many bytes, for reading?"""
    return NONE if count is None else format_size(count)


def total(sizes: Iterable[int | None], shared: int = 0) -> str:
    """How many bytes together? Says when it is an upper bound, or when some are not known."""
    known = list(sizes)
    missing = sum(s is None for s in known)
    if known and missing == len(known):
        return "sizes not read"
    text = format_size(sum(s or 0 for s in known))
    if shared:
        text = f"up to {text}"
    return f"{text} + {missing} of unknown size" if missing else text


def least(sizes: Iterable[int | None]) -> str:
    """How many bytes together, in a narrow column? ``14 GiB+`` where some are not known."""
    known = list(sizes)
    return size(sum(s or 0 for s in known)) + ("+" if None in known else "")


def number(value: float | None) -> str:
    """Which number? In four significant digits."""
    return NONE if value is None else f"{value:.4g}"


def count(n: int, noun: str) -> str:
    """So many of what? ``1 checkpoint``, ``2 checkpoints``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
