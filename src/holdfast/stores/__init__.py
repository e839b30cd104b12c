"""Stores: where bytes live."""

from holdfast.stores.base import Entry, Kind, Store, StoreFacts

__all__ = ["Entry", "Kind", "Store", "StoreFacts"]
