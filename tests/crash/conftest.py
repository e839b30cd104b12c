"""Where do crashes and races happen? In memory, where there is room: waiting for a real disk's fsync proves nothing more."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COUNTS = pytest.StashKey[list[str]]()


@pytest.fixture
def counted(request):
    """Tell a count: it stands in the summary of the whole run."""
    return request.config.stash.setdefault(COUNTS, []).append


def pytest_terminal_summary(terminalreporter, config):
    if counts := config.stash.get(COUNTS, []):
        terminalreporter.section("crashes, failures and races that were tried")
        for line in counts:
            terminalreporter.write_line(line)


@pytest.fixture
def fast_path(tmp_path):
    """A fresh directory on a memory file system, if there is one."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 64 << 20:
        yield tmp_path
        return
    where = Path(tempfile.mkdtemp(prefix="holdfast-", dir=memory))
    yield where
    shutil.rmtree(where, ignore_errors=True)


@pytest.fixture
def program():
    """Run one of the programs beside this file, which fork; its answer as JSON, its errors as an assertion."""

    def run(script, *args, timeout=280, **env):
        done = subprocess.run(
            [sys.executable, HERE / script, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **env},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
