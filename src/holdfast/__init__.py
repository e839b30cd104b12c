"""Holdfast decides which machine-learning checkpoints stay, says why, and removes the rest.

    from holdfast import best, every, latest            # the words of a policy, which compose with | and &
    from holdfast import preservation_policies          # the drop-in for Orbax's module of that name
    from holdfast.scan import scan, find_runs           # what is there
    from holdfast.plan import plan                      # what would stay, and why; pure
    from holdfast.prune import prune, undo, pin, lease  # carry it out, bring it back, protect

Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast import preservation_policies
    from holdfast.checkpoint import Checkpoint, Run, Status
    from holdfast.errors import HoldfastError
    from holdfast.policies import (
        after,
        at,
        before,
        best,
        closest,
        daily,
        every,
        everything,
        has,
        hourly,
        latest,
        latest_duration,
        log_spaced,
        monthly,
        parse,
        spaced,
        weekly,
        where,
        within,
        yearly,
    )
    from holdfast.prune import lease

__version__ = "0.1.0"
__all__ = [
    "Checkpoint",
    "HoldfastError",
    "Run",
    "Status",
    "after",
    "at",
    "before",
    "best",
    "closest",
    "daily",
    "every",
    "everything",
    "has",
    "hourly",
    "latest",
    "latest_duration",
    "lease",
    "log_spaced",
    "monthly",
    "parse",
    "preservation_policies",
    "spaced",
    "weekly",
    "where",
    "within",
    "yearly",
]
_HOME = {
    "Checkpoint": "holdfast.checkpoint",
    "HoldfastError": "holdfast.errors",
    "Run": "holdfast.checkpoint",
    "Status": "holdfast.checkpoint",
    "lease": "holdfast.prune",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    if name == "preservation_policies":
        return importlib.import_module("holdfast.preservation_policies")
    return getattr(importlib.import_module(_HOME.get(name, "holdfast.policies")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
