"""A run on disk that tests save into, plan, prune and look at."""

import dataclasses
import datetime as dt
import hashlib
import json
import os
import struct

import pytest

from holdfast.plan import Outcome, plan
from holdfast.prune import holds, prune
from holdfast.scan import scan


def safetensors(size=8):
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


class World:
    """A directory of checkpoints two hours old. ``kind``: ``file`` (a safetensors series) or ``dir`` (Orbax)."""

    def __init__(self, root, kind="file"):
        self.root, self.kind = root, kind
        self.now = dt.datetime.now(dt.UTC)
        root.mkdir(parents=True)

    def name(self, step):
        return f"model_{step}.safetensors" if self.kind == "file" else str(step)

    def path(self, step):
        return self.root / self.name(step)

    def save(self, *steps, age=dt.timedelta(hours=2), files=3):
        for step in steps:
            path = self.path(step)
            if self.kind == "file":
                path.write_bytes(safetensors())
            else:
                self._orbax(path, files)
            self.set_age(path, age)
        return self

    def _orbax(self, path, files):
        made = int((self.now - dt.timedelta(hours=3)).timestamp() * 1e9)
        known = {"item_handlers": {"default": "x"}, "init_timestamp_nsecs": made, "commit_timestamp_nsecs": made}
        (path / "default/d").mkdir(parents=True)
        for name in ("default/_METADATA", "default/manifest.ocdbt", "default/commit_success.txt"):
            (path / name).write_text("{}")
        for i in range(files):
            (path / f"default/d/{i:04}").write_bytes(bytes([i % 251]) * 10)
        (path / "_CHECKPOINT_METADATA").write_text(json.dumps(known))
        (path / "commit_success.txt").write_text("ok")

    def set_age(self, path, age):
        then = (self.now - age).timestamp()
        for one in [*(path.rglob("*") if path.is_dir() else ()), path]:
            os.utime(one, (then, then))

    def plan(self, policy="latest(2)", **how):
        now = how.pop("now", dt.datetime.now(dt.UTC))
        return plan(scan(self.root), policy, now=now, holds=holds(self.root, now=now), **how)

    def prune(self, policy="latest(2)", **how):
        return prune(self.plan(policy), **how)

    @property
    def steps(self):
        return sorted(c.step for c in scan(self.root).checkpoints)

    @property
    def entries(self):
        return sorted(path.name for path in self.root.iterdir())

    @property
    def state(self):
        return self.root.parent / ".holdfast" / self.root.name

    @property
    def beside(self):
        return sorted(p.name for p in self.root.parent.iterdir() if p.name.startswith(".holdfast-"))

    def digest(self):
        """Every file's content, and the times of all."""
        told = []
        for path in sorted(self.root.rglob("*")):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
            told.append((path.relative_to(self.root).as_posix(), content, path.lstat().st_mtime_ns))
        return told


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "runs" / "llama")


@pytest.fixture
def dirs(tmp_path):
    return World(tmp_path / "runs" / "orbax", "dir")


@pytest.fixture
def make_world(tmp_path):
    return lambda name, kind="file": World(tmp_path / name, kind)


@pytest.fixture
def tampered():
    """A plan whose decisions were changed by hand: this one dropped, that one kept."""

    def change(made, **outcomes):
        decisions = tuple(
            dataclasses.replace(d, outcome=Outcome(outcomes.get(f"s{d.step}", d.outcome))) for d in made.decisions
        )
        return dataclasses.replace(made, decisions=decisions)

    return change
