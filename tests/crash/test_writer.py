"""S2: a writer that is stopped in the middle of a save, while others prune, ends its save whole."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.checkpoint import Status
from holdfast.plan import plan
from holdfast.prune import prune
from holdfast.scan import scan

WRITER = """
import os, signal, sys, torch
class Stopping:
    def __init__(self, file): self.file, self.written = file, 0
    def write(self, data):
        if self.written <= 100_000 < self.written + len(data):
            self.file.flush()
            os.kill(os.getpid(), signal.SIGSTOP)
        self.written += len(data)
        return self.file.write(data)
    def flush(self): self.file.flush()
with open(sys.argv[1], "wb") as file:
    torch.save({"w": torch.arange(60_000.0)}, Stopping(file))
"""


def stopped(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc to see that a process is stopped")
def test_s2_a_writer_stopped_in_mid_save_is_left_alone_and_its_checkpoint_loads(tmp_path):
    import torch

    root = tmp_path / "run"
    root.mkdir()
    for step in (1, 2, 3):
        torch.save({"w": torch.tensor(float(step))}, root / f"model_{step}.pt")
    with subprocess.Popen([sys.executable, "-c", WRITER, root / "model_4.pt"]) as writer:
        deadline = time.monotonic() + 60
        while not stopped(writer.pid):
            assert writer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        made = plan(scan(root), "latest(1)", now=datetime.now(UTC), min_age=timedelta(0))
        assert Status.PARTIAL is made["model_4.pt"].status
        prune(made)
        assert {"model_3.pt", "model_4.pt"} == {p.name for p in root.iterdir()}
        writer.send_signal(signal.SIGCONT)
        assert 0 == writer.wait(60)
    assert 60_000 == torch.load(root / "model_4.pt")["w"].numel()
    assert 3.0 == torch.load(root / "model_3.pt")["w"].item()
