"""Rules that count: everything, or the latest n."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, final

import numpy as np

from holdfast.policies.base import Facts, Rule, put, whole
from holdfast.policies.text import are
from holdfast.units import ordinal

if TYPE_CHECKING:
    from holdfast.history import History, Mask
    from holdfast.policies.base import Teller


@final
@dataclasses.dataclass(frozen=True)
class PreserveAll(Rule):
    """Which stay? All of them. Written ``everything()``."""

    def _facts(self) -> Facts:
        return Facts(is_filter=True, total=True)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        return np.ones(len(history), dtype=np.bool_)

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        return lambda _: ("everything is kept",)

    def _spelled(self) -> str:
        return "everything()"


def everything() -> PreserveAll:
    """Which stay? All of them."""
    return PreserveAll()


@final
@dataclasses.dataclass(frozen=True)
class LatestN(Rule):
    """Which stay? The last ``n`` in order; None: all; 0: none. Written ``latest(n)``."""

    n: int | None = None

    def __post_init__(self) -> None:
        if self.n is not None:
            put(self, n=whole(self.n, "latest: n", "None or latest() keeps all", least=0))

    def _facts(self) -> Facts:
        void = "it keeps none; write latest(3) for the last three, latest() for all"
        return Facts(void=void if self.n == 0 else "", total=self.n is None)

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        kept = np.zeros(len(history), dtype=np.bool_)
        kept[0 if self.n is None else max(0, len(history) - self.n) :] = True
        return kept

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        if self.n is None:
            return lambda _: ("latest: all are kept",)
        count, n = len(history), self.n

        def tell(i: int) -> tuple[str]:
            rank = ordinal(count - i)
            return (f"latest: {rank} of {n}" if kept[i] else f"latest: {rank} newest; {are(n)} kept",)

        return tell

    def _spelled(self) -> str:
        return "latest()" if self.n is None else f"latest({self.n})"
