"""What was done? One line per checkpoint, in the past tense, and what it freed."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "holdfast.report/1"
PARTIAL = 3


class Done(enum.StrEnum):
    """What became of one checkpoint?"""

    PRUNED = "pruned"
    """Out of sight: in the trash, or freed already."""
    SKIPPED = "skipped"
    """It is as it was, because something forbids to drop it now."""
    FAILED = "failed"
    """It could not be done; tried again next time."""
    RESTORED = "restored"
    PURGED = "purged"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of one checkpoint, and why?"""

    name: str
    outcome: Done
    step: int | None = None
    why: str = ""
    bytes: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was done to a run? A value."""

    root: str
    action: str
    """``prune``, ``undo``, ``purge``, ``clean``."""
    items: tuple[Item, ...] = ()
    freed: int = 0
    """Bytes that are free now: an upper bound if files had other hard links."""
    waiting: int = 0
    """Bytes that lie in the trash and become free when it is purged."""
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: all done. 3: something was skipped or failed."""
        return PARTIAL if any(i.outcome in {Done.SKIPPED, Done.FAILED} for i in self.items) else 0

    def of(self, outcome: Done | str) -> tuple[Item, ...]:
        """The items with this outcome."""
        return tuple(item for item in self.items if item.outcome == outcome)

    def to_json(self) -> str:
        """One JSON document, with its schema."""
        whole = {"schema": SCHEMA, **dataclasses.asdict(self), "exit_code": self.exit_code}
        return json.dumps(whole, ensure_ascii=True, indent=1) + "\n"


def merged(root: str, action: str, parts: Sequence[Report]) -> Report:
    """Several reports as one."""
    return Report(
        root=root,
        action=action,
        items=tuple(item for part in parts for item in part.items),
        freed=sum(part.freed for part in parts),
        waiting=parts[-1].waiting if parts else 0,
        warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )
