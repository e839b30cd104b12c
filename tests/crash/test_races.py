"""S18, S20, S25: many processes, stopped processes, and directories that become links at the worst moment."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from holdfast.prune import pin, trash

PRUNER = """
import datetime as dt, os, signal, sys
from holdfast.errors import LockedError
from holdfast.plan import plan
from holdfast.prune import prune
from holdfast.scan import scan
from holdfast.stores.faults import Faults

made = plan(scan(sys.argv[1]), "latest(1)", now=dt.datetime.now(dt.UTC))
stop = Faults(2, lambda call: os.kill(os.getpid(), signal.SIGSTOP), watch={"rename"},
              where=lambda call: "model_" in call.args[0])
try:
    prune(made, fs=stop.posix, ttl=0.5, grace=dt.timedelta(days=1))
except LockedError as error:
    sys.exit(f"LOCKED {error}")
"""


def test_s20_twenty_processes_never_hold_the_lock_together(fast_path, program):
    found = program("races.py", "lock", fast_path)
    assert {0} == set(found["codes"])
    assert found["expected"] == found["counted"]


def test_s20_s25_twenty_pruners_of_one_run_drop_each_checkpoint_once(fast_path, program):
    found = program("races.py", "prune", fast_path)
    assert {0} == set(found["codes"])
    assert sorted(f"model_{step}.safetensors" for step in range(1, 38)) == found["pruned"]
    assert sorted(f"model_{step}.safetensors" for step in (38, 39, 40)) == found["left"]


def test_s18_ten_thousand_swaps_for_a_link_delete_nothing_elsewhere(fast_path, program, counted):
    found = program("races.py", "swap", fast_path)
    counted(f"link swaps while purging: {found['rounds']} rounds, {found['swapped']} swapped in time")
    assert found["rounds"] >= 10_000
    assert found["swapped"] > 0
    assert 20 == found["alive"]


def test_s18_a_checkpoint_that_is_swapped_for_a_link_while_it_is_dropped_deletes_nothing_elsewhere(fast_path, program):
    found = program("races.py", "move", fast_path)
    assert found["outcomes"].get("pruned", 0) > 0
    assert 20 == found["alive"]


def test_s20_a_pruner_that_was_stopped_past_its_expiry_drops_nothing_more(world, fast_path):
    run = world(fast_path / "run").save(1, 2, 3, 4, 5, 6)
    stopped = subprocess.Popen([sys.executable, "-c", PRUNER, run.root], stderr=subprocess.PIPE, text=True)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    pin(run.root, run.name(5), reason="came while it was stopped")
    time.sleep(0.6)
    run.prune("latest(1)", ttl=0.5)
    assert [5, 6] == run.steps
    os.kill(stopped.pid, signal.SIGCONT)
    _, said = stopped.communicate(timeout=60)
    assert "LOCKED" in said
    assert [5, 6] == run.steps
    assert [2, 1] == [entry.step for entry in trash(run.root)]  # what it had moved before, by its own intent


@pytest.fixture
def world():
    """A safetensors series, two hours old."""
    import datetime as dt
    import struct

    from holdfast.plan import plan
    from holdfast.prune import holds, prune
    from holdfast.scan import scan

    class World:
        def __init__(self, root):
            self.root = root
            root.mkdir()

        def name(self, step):
            return f"model_{step}.safetensors"

        def save(self, *steps):
            header = json.dumps({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}).encode()
            for step in steps:
                (self.root / self.name(step)).write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
                os.utime(self.root / self.name(step), (time.time() - 7200 + step,) * 2)
            return self

        def prune(self, policy, **how):
            now = dt.datetime.now(dt.UTC)
            return prune(plan(scan(self.root), policy, now=now, holds=holds(self.root, now=now)), **how)

        @property
        def steps(self):
            return sorted(c.step for c in scan(self.root).checkpoints)

    return World
