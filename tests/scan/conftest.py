from __future__ import annotations

import json

import pytest

from holdfast.stores import MemoryStore

COMMITTED = 1_795_486_482_946_884_233
"""When step 0 was committed, in nanoseconds."""


def orbax_step(step, *, commit=True, loss=None):
    """The files of one step, as Orbax 0.12 writes them."""
    known = {
        "item_handlers": {"default": "StandardCheckpointHandler"}
        | ({"metrics": "JsonCheckpointHandler"} if loss is not None else {}),
        "metrics": {},
        "init_timestamp_nsecs": COMMITTED + step * 10**9,
        "commit_timestamp_nsecs": COMMITTED + step * 10**9 if commit else None,
        "custom_metadata": {},
    }
    files = {
        "_CHECKPOINT_METADATA": json.dumps(known).encode(),
        "default/_METADATA": b"{}",
        "default/manifest.ocdbt": b"m",
        "default/d/0": b"weights",
    }
    if loss is not None:
        files["metrics/metrics"] = json.dumps({"loss": loss}).encode()
    if commit:
        files |= {
            f"{item}/commit_success.txt": b""
            for item in ("default", "metrics")
            if any(f.startswith(item) for f in files)
        }
        files["commit_success.txt"] = b""
    return files


def orbax_run(steps, name="{}", **options):
    return {f"{name.format(step)}/{path}": data for step in steps for path, data in orbax_step(step, **options).items()}


@pytest.fixture
def orbax():
    """``orbax([1, 2])``: the files of an Orbax run, by path."""
    return orbax_run


@pytest.fixture
def on_disk(tmp_path):
    """Puts files into a directory of this test."""

    def put(files, name="run"):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for path, data in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        return root

    return put


@pytest.fixture
def in_memory():
    """A store whose files were all written when step 0 was committed."""
    return lambda files, **options: MemoryStore(files, clock=lambda: COMMITTED, **options)
