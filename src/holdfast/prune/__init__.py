"""Carrying a plan out: out of sight first (undoable), then freed; and all that protects a checkpoint from it."""

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
