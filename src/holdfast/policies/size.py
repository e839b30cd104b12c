"""The rule of size: the newest that fit into so many bytes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, final

import numpy as np

from holdfast.errors import PolicyError
from holdfast.history import UNKNOWN
from holdfast.policies.base import Facts, Needs, Rule, put
from holdfast.policies.count import LatestN
from holdfast.units import format_size, ordinal, parse_size, spell_size

if TYPE_CHECKING:
    from holdfast.history import Column, History, Mask
    from holdfast.policies.base import Teller


_LARGEST: Final = 2**63 - 1


@final
@dataclasses.dataclass(frozen=True)
class LatestBytes(Rule):
    """Which stay? The newest, going back while their sizes together are at most ``max_bytes``; always one.

    Stops at the first that does not fit. What other rules keep is not counted: it is no cap on the whole. GB is
    10^9, GiB 2^30. A size that is not known is refused. Written ``latest(bytes="500GB")``.
    """

    max_bytes: int

    def __post_init__(self) -> None:
        put(self, max_bytes=parse_size(self.max_bytes))

    def _facts(self) -> Facts:
        return Facts(needs=Needs.SIZES, path_independent=False, union_stable=False)

    def _used(self, history: History) -> Column:
        """How many bytes are it and all after it?"""
        sizes = history.sizes
        unknown = np.flatnonzero(sizes == UNKNOWN)
        if len(unknown):
            raise PolicyError(
                f"{self}: the size of step {history.steps[unknown[-1]]} is not known: scan with sizes"
                " (scan(..., policy=this policy)), or give each checkpoint a .size in bytes"
            )
        return np.cumsum(sizes[::-1])[::-1]

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        kept: Mask = self._used(history) <= min(self.max_bytes, _LARGEST)
        kept[-1] = True
        return kept

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        used, label = self._used(history), f"latest {format_size(self.max_bytes)}"
        fitting = int(np.count_nonzero(kept))

        def tell(i: int) -> tuple[str]:
            rank = ordinal(len(used) - i)
            if kept[i] and used[i] > self.max_bytes:
                return (f"{label}: the newest is kept, though it has {format_size(int(used[i]))}",)
            if kept[i]:
                return (f"{label}: {rank} newest; with those after it {format_size(int(used[i]))}",)
            return (f"{label}: {rank} newest; with it {format_size(int(used[i]))}, and only {fitting} fit",)

        return tell

    def _spelled(self) -> str:
        size = spell_size(self.max_bytes)
        return f'latest(bytes="{size}")' if isinstance(size, str) else f"latest(bytes={size})"


def latest(n: int | None = None, *, bytes: str | int | None = None) -> LatestN | LatestBytes:  # noqa: A002 - the word of the language
    """Which stay? The last ``n`` (None: all); or the newest that fit into ``bytes="500GB"``."""
    if bytes is None:
        return LatestN(n)
    if n is not None:
        raise PolicyError(
            f"latest({n}, bytes=...): give one of them, or unite two rules: latest({n}) | latest(bytes=...)"
        )
    return LatestBytes(parse_size(bytes))
