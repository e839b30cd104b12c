"""Durations and sizes as people write them: ``7d``, ``1d12h``, ``500GB``, ``1.5GiB``; and back again."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
from typing import Final

from holdfast.errors import PolicyError, PolicyTypeError

_MICROSECOND: Final = timedelta(microseconds=1)
_DURATIONS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION_TERM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.ASCII)
_DURATION_WORDS: Final = {
    word: unit
    for unit, words in {
        "w": "w week weeks",
        "d": "d day days",
        "h": "h hr hrs hour hours",
        "m": "m min mins minute minutes",
        "s": "s sec secs second seconds",
    }.items()
    for word in words.split()
}
_MONTHS: Final = re.compile(r"\d\s*M(?![A-Za-z])", re.ASCII)
_DURATION_HELP: Final = (
    "write a number and a unit of w, d, h, m or s, largest first: '7d', '36h', '1d12h', '90m', '45s'"
)

_SI: Final = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_IEC: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
_SIZES: Final = {"": 1, "b": 1} | {unit.lower(): size for unit, size in (_SI | _IEC).items()}
_SIZE_TEXT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)
_SIZE_HELP: Final = (
    "write bytes (1000000) or a number and a unit of kB, MB, GB, TB, PB or KiB, MiB, GiB, TiB, PiB: '500GB'"
)


def parse_duration(text: str | timedelta) -> timedelta:
    """How long is ``7d``, ``36h``, ``90m``, ``1d12h``, ``0.5s``?

    Units: w, d, h, m (minutes), s, or their English names; each at most once, largest first. Exact to the
    microsecond. A ``timedelta`` comes back as it is. Never negative.

    Raises:
        PolicyError: the text is none of these, or longer than a ``timedelta`` can be.
    """
    if isinstance(text, timedelta):
        return _not_negative(text)
    if not isinstance(text, str):
        raise PolicyTypeError(f"{text!r} is no duration: {_DURATION_HELP}")
    if _MONTHS.search(text):
        raise PolicyError(
            f"{text!r} is no clear duration, as M may mean months: write '7m' for minutes, '210d' for seven months"
        )
    seconds, end, largest = Fraction(0), 0, len(_DURATIONS)
    order = list(reversed(_DURATIONS))
    lowered = text.strip().lower()
    while term := _DURATION_TERM.match(lowered, end):
        unit = _DURATION_WORDS.get(term[2], "")
        if not unit or order.index(unit) >= largest:
            break
        largest, end = order.index(unit), term.end()
        seconds += Fraction(term[1]) * _DURATIONS[unit]
    if not lowered or end != len(lowered):
        raise PolicyError(f"{text!r} is no duration: {_DURATION_HELP}")
    return _from_microseconds(round(seconds * 10**6), text)


def _not_negative(duration: timedelta) -> timedelta:
    if duration < timedelta(0):
        raise PolicyError(f"{duration!r} is negative: give a duration of zero or more, as timedelta(days=7)")
    return duration


def _from_microseconds(microseconds: int, text: object) -> timedelta:
    try:
        return timedelta(microseconds=microseconds)
    except OverflowError:
        raise PolicyError(f"{text!r} is too long: the longest duration is 999999999d") from None


def format_duration(duration: timedelta) -> str:
    """How does one write it? ``7d``, ``1d12h``, ``0.5s``; exact, so that ``parse_duration`` reads it back.

    Weeks are written as days. A negative one has a leading minus, which ``parse_duration`` refuses.
    """
    if duration < timedelta(0):
        return f"-{format_duration(-duration)}"
    rest, micros = divmod(duration // _MICROSECOND, 10**6)
    parts = []
    for unit, length in _DURATIONS.items():
        if unit in "dhm":
            count, rest = divmod(rest, length)
            parts += [f"{count}{unit}"] if count else []
    if rest or micros or not parts:
        fraction = f".{micros:06d}".rstrip("0") if micros else ""
        parts.append(f"{rest}{fraction}s")
    return "".join(parts)


def rough_duration(duration: timedelta) -> str:
    """How long is it, to a glance? Its two largest units: ``3d2h``, ``5m10s``; below a second exact."""
    if abs(duration) < timedelta(seconds=1):
        return format_duration(duration)
    for unit in (86_400, 3_600, 60):
        if abs(duration) >= timedelta(seconds=unit):
            smaller = {86_400: 3_600, 3_600: 60, 60: 1}[unit]
            return format_duration(duration - duration % timedelta(seconds=smaller))
    return format_duration(duration - duration % timedelta(milliseconds=100))


def parse_size(text: str | int) -> int:
    """How many bytes is ``500GB``, ``1.5GiB``, ``1000``? GB is 10^9, GiB 2^30; case does not matter.

    Raises:
        PolicyError: the text is none of these, is negative, or is no whole number of bytes.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise PolicyError(f"{text} is negative: {_SIZE_HELP}")
        return text
    if not isinstance(text, str):
        raise PolicyTypeError(f"{text!r} is no size: {_SIZE_HELP}")
    found = _SIZE_TEXT.fullmatch(text.strip().lower())
    if not found or found[2] not in _SIZES:
        raise PolicyError(f"{text!r} is no size: {_SIZE_HELP}")
    size = Fraction(found[1]) * _SIZES[found[2]]
    if size.denominator != 1:
        raise PolicyError(f"{text!r} is no whole number of bytes: {_SIZE_HELP}")
    return int(size)


def format_size(size: int) -> str:
    """How big is it, to a glance? ``112 GiB``, ``1.5 MiB``, ``17 B``: three digits at most."""
    unit, length = next(((u, s) for u, s in reversed(_IEC.items()) if abs(size) >= s), ("B", 1))
    number = size / length
    if unit == "B":
        return f"{size} B"
    return f"{number:.1f} {unit}" if abs(number) < 9.95 else f"{number:.0f} {unit}"


def spell_size(size: int) -> str | int:
    """How does one write it exactly? ``'500GB'``, ``'2GiB'``; a plain number where no unit divides it."""
    fitting = [(size // length, unit) for unit, length in (_SI | _IEC).items() if size and size % length == 0]
    return "{}{}".format(*min(fitting)) if fitting else size


def ordinal(number: int) -> str:
    """Which one in line? ``1st``, ``2nd``, ``11th``, ``22nd``."""
    teen = 10 <= number % 100 < 20
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
