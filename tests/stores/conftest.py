from __future__ import annotations

import pytest

from holdfast.stores import CountingStore, LocalStore, MemoryStore
from holdfast.stores.faults import Faults, FaultyStore

MAKERS = {
    "local": lambda tmp: LocalStore(tmp),
    "local, one call for each component": lambda tmp: LocalStore(tmp, fs=_walking()),
    "memory": lambda tmp: MemoryStore(),
    "memory as an object store": lambda tmp: MemoryStore(directories=False),
    "counting": lambda tmp: CountingStore(MemoryStore()),
    "faulty, without a fault": lambda tmp: FaultyStore(LocalStore(tmp)),
    "local through faults": lambda tmp: LocalStore(tmp, fs=Faults().posix),
}


class _Walking:
    """A system without openat2."""

    def __init__(self, fs):
        self._fs = fs

    def __getattr__(self, name):
        return getattr(self._fs, name)

    def beneath(self, path, flags, *, dir_fd):
        return self._fs._walk(path, flags, dir_fd)


def _walking():
    from holdfast.stores.posix import Posix

    return _Walking(Posix())


@pytest.fixture(params=MAKERS)
def store(request, tmp_path):
    """Every store there is, empty."""
    return MAKERS[request.param](tmp_path)


@pytest.fixture(params=[name for name in MAKERS if "local" in name])
def local(request, tmp_path):
    return MAKERS[request.param](tmp_path)
