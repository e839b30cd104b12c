"""A policy from a text and from flags: both spell the same objects."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

from holdfast import policies
from holdfast.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.cli.groups import Keep
    from holdfast.preservation_policies import PreservationPolicy

PERIODS = ("hourly", "daily", "weekly", "monthly", "yearly")


def policy_of(text: str, keep: Keep, zone: str) -> PreservationPolicy:
    """Which policy do the text and the flags spell together? A union, if there are several rules."""
    rules: list[PreservationPolicy] = [*([policies.parse(text)] if text.strip() else []), *from_flags(keep, zone)]
    if not rules:
        raise UsageError(
            "no policy: say what to keep, as a text ('latest(3) | every(steps=1000)')"
            " or in flags (--keep-latest 3 --keep-every 1000)"
        )
    union: PreservationPolicy = functools.reduce(operator.or_, rules)
    return union


def from_flags(keep: Keep, zone: str) -> Iterator[Any]:
    """Which rules do the flags spell? One for each that was given."""
    if keep.keep_latest:
        yield _made("--keep-latest", keep.keep_latest, policies.latest)
    if keep.keep_every:
        yield _made("--keep-every", keep.keep_every, lambda n: policies.every(steps=n))
    if keep.keep_closest:
        yield _made("--keep-closest", keep.keep_closest, lambda n: policies.closest(steps=n))
    if keep.keep_at:
        yield policies.at(*(_whole("--keep-at", part) for part in keep.keep_at.split(",")))
    yield from (_best(text) for text in keep.keep_best)
    if keep.keep_within:
        yield policies.within(keep.keep_within)
    for period in PERIODS:
        if text := getattr(keep, f"keep_{period}"):
            yield _made(f"--keep-{period}", text, functools.partial(getattr(policies, period), tz=zone))


def _made(flag: str, text: str, rule: Callable[[int], Any]) -> Any:  # noqa: ANN401 - one of the rules
    number = _whole(flag, text)
    try:
        return rule(number)
    except PolicyError as error:
        raise UsageError(f"{flag} {text}: {error}") from error


def _whole(flag: str, text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise UsageError(f"{flag} {text}: give a whole number, as {flag} 3") from None


def _best(text: str) -> Any:  # noqa: ANN401 - a rule
    name, mode, number = _best_parts(text)
    if not name or mode not in {"min", "max"}:
        raise UsageError(f"--keep-best {text}: give METRIC:min or METRIC:max, and how many, as eval/loss:min:2")
    return _made("--keep-best", number, lambda n: policies.best(n, name, mode="min" if mode == "min" else "max"))


def _best_parts(text: str) -> tuple[str, str, str]:
    """From the right: a metric's name may hold colons."""
    head, _, last = text.rpartition(":")
    if last in {"min", "max"}:
        return head, last, "1"
    name, _, mode = head.rpartition(":")
    return name, mode, last
