from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from holdfast.errors import StoreError
from holdfast.stores import CountingStore, LocalStore, MemoryStore
from holdfast.stores.faults import NAMES, Faults, FaultyStore


def test_faults_count_effects_and_not_reads(tmp_path):
    faults = Faults()
    store = LocalStore(tmp_path, fs=faults.posix)
    store.write("f", b"x")
    effects = [call.name for call in faults.calls]
    store.list("")
    store.read("f")
    assert effects == [call.name for call in faults.calls]
    assert {"create", "write", "fsync", "rename_exclusive"} <= set(effects)


def test_the_named_call_fails_before_it_acts(tmp_path):
    faults = Faults(0, OSError(errno.ENOSPC, "full"), watch=NAMES)
    with pytest.raises(StoreError, match="full"):
        LocalStore(tmp_path, fs=faults.posix).write("f", b"x")
    assert [] == os.listdir(tmp_path)


def test_a_fault_may_come_after_the_effect(tmp_path):
    faults = Faults(0, OSError(errno.EIO, "late"), watch={"rename_exclusive"}, after=True)
    with pytest.raises(StoreError, match="late"):
        LocalStore(tmp_path, fs=faults.posix).write("f", b"x")
    assert ["f"] == os.listdir(tmp_path)


def test_only_the_named_call_fails_unless_again(tmp_path):
    for again, failures in ((False, 1), (True, 3)):
        store = FaultyStore(MemoryStore(), 0, StoreError("down"), again=again)
        failed = 0
        for number in range(3):
            try:
                store.write(f"{number}", b"")
            except StoreError:
                failed += 1
        assert failures == failed


def test_a_process_can_end_at_an_effect(tmp_path):
    code = (
        "import os, sys; from holdfast.stores import LocalStore; from holdfast.stores.faults import Faults\n"
        "LocalStore(sys.argv[1], fs=Faults(1, lambda call: os._exit(9)).posix).write('f', b'x')"
    )
    assert 9 == subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode
    assert not (tmp_path / "f").exists()


def test_a_store_fails_at_the_named_read(tmp_path):
    store = FaultyStore(MemoryStore({"f": b"x"}), 0, StoreError("timeout"), watch={"read"})
    store.list("")
    with pytest.raises(StoreError, match="timeout"):
        store.read("f")
    assert store.read("f") == b"x"


def test_counting_tells_what_was_read():
    store = CountingStore(MemoryStore({"a/x": b"", "b": b""}))
    store.read("a/x")
    store.read("a/x")
    store.list("a")
    assert 2 == store.calls["read", "a/x"] == store.total("read")
    assert {"a/x"} == store.paths("read")
    assert {"a"} == store.paths("list")
