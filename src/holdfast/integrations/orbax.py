"""Pins and leases inside the real Orbax: policies that keep what a person pinned or a job is reading.

    from holdfast import latest
    from holdfast.integrations.orbax import Leased, Pinned

    policy = latest(3) | Pinned(directory) | Leased(directory)
    ocp.training.Checkpointer(directory, preservation_policy=policy)

They read the state that ``holdfast pin``, ``holdfast lease`` and :func:`holdfast.lease` write beside ``directory``,
each time Orbax decides. What cannot be read keeps all. Orbax deletes some time after it has decided, and does not
look again: a lease that is taken between the two comes too late, other than in a prune of Holdfast's own.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from holdfast.errors import HoldfastError, NotFoundError
from holdfast.policies.base import Facts, Rule, put
from holdfast.prune import holds
from holdfast.prune.holding import told

if TYPE_CHECKING:
    from holdfast.checkpoint import Hold
    from holdfast.history import History, Mask
    from holdfast.policies.base import Teller

_STEP = re.compile(r"(?:.+_)?(\d{1,18})", re.DOTALL)
"""How Orbax names a step: ``7``, ``0007``, ``ckpt_7``."""


@dataclasses.dataclass(frozen=True)
class _Held(Rule):
    """The base of the two below: which stay because somebody holds them?"""

    kind: ClassVar[str]
    directory: str | os.PathLike[str]
    state_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        put(self, directory=os.fspath(self.directory))

    def _facts(self) -> Facts:
        return Facts(is_filter=True, clocked=True)

    def _found(self) -> dict[int, Hold] | str:
        """The holds in force by step; or why nobody can tell."""
        now = datetime.datetime.now(datetime.UTC)
        try:
            found = [h for h in holds(self.directory, now=now, state_dir=self.state_dir) if h.kind == self.kind]
        except NotFoundError:
            return {}  # no directory yet: nothing in it can be held
        except (HoldfastError, OSError) as cause:
            return f"kept, because nobody can tell what is held: {cause}"
        steps = {match[1]: hold for hold in found if (match := _STEP.fullmatch(hold.name))}
        if len(steps) < len(found):
            return "kept, because what is held bears a name that is no step of Orbax's"
        return {int(step): hold for step, hold in steps.items()}

    def _mask(self, history: History, context: object) -> Mask:  # noqa: ARG002 - the seam's arguments
        found = self._found()
        if isinstance(found, str):
            return np.ones(len(history), dtype=np.bool_)
        return np.array([int(step) in found for step in history.steps], dtype=np.bool_)

    def _teller(self, history: History, kept: Mask, context: object) -> Teller:  # noqa: ARG002 - the seam's arguments
        found = self._found()

        def tell(i: int) -> tuple[str, ...]:
            if isinstance(found, str):
                return (found,)
            hold = found.get(int(history.steps[i]))
            return (told(hold) if hold else f"no {self.kind}",)

        return tell


@final
@dataclasses.dataclass(frozen=True)
class Pinned(_Held):
    """Which stay? Those that a person pinned (``holdfast pin``). ``directory`` is the Orbax root."""

    kind: ClassVar[str] = "pin"


@final
@dataclasses.dataclass(frozen=True)
class Leased(_Held):
    """Which stay? Those that a job is reading (``holdfast.lease``). ``directory`` is the Orbax root."""

    kind: ClassVar[str] = "lease"
