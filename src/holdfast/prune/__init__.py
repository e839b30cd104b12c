"""Carrying a plan out: out of sight first (undoable), then freed; and all that protects a checkpoint from it.

Nothing is imported before it is used: a plan asks for pins and leases only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.prune.clean import clean_partial
    from holdfast.prune.freeing import purge
    from holdfast.prune.holding import holds, pin, pins, unpin
    from holdfast.prune.journal import log
    from holdfast.prune.leases import Lease, lease
    from holdfast.prune.report import Done, Item, Report
    from holdfast.prune.session import prune, recover
    from holdfast.prune.state import adopt
    from holdfast.prune.trouble import Finding, check
    from holdfast.prune.undoing import undo
    from holdfast.prune.waiting import TrashEntry, trash

__all__ = [
    "Done",
    "Finding",
    "Item",
    "Lease",
    "Report",
    "TrashEntry",
    "adopt",
    "check",
    "clean_partial",
    "holds",
    "lease",
    "log",
    "pin",
    "pins",
    "prune",
    "purge",
    "recover",
    "trash",
    "undo",
    "unpin",
]
_HOME = {
    "Done": "report",
    "Finding": "trouble",
    "Item": "report",
    "Lease": "leases",
    "Report": "report",
    "TrashEntry": "waiting",
    "adopt": "state",
    "check": "trouble",
    "clean_partial": "clean",
    "holds": "holding",
    "lease": "leases",
    "log": "journal",
    "pin": "holding",
    "pins": "holding",
    "prune": "session",
    "purge": "freeing",
    "recover": "session",
    "trash": "waiting",
    "undo": "undoing",
    "unpin": "holding",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'holdfast.prune' has no attribute {name!r}")
    return getattr(importlib.import_module(f"holdfast.prune.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
