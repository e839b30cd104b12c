"""Stores: where bytes live."""

from holdfast.stores.base import Entry, Kind, Store, StoreFacts
from holdfast.stores.counting import CountingStore
from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore

__all__ = ["CountingStore", "Entry", "Kind", "LocalStore", "MemoryStore", "Store", "StoreFacts"]
