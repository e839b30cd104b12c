"""S14, S15, S16, S21, S22: a prune stopped at every effect, or whose every call fails once, loses nothing.

Each scenario runs in a program of its own (``matrix.py``), which forks a child for every point. After each: what is
kept is byte for byte as it was, nothing half deleted is taken for whole by the framework's own discovery, and doing it
again reaches the same end without anybody unlocking anything.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MATRIX = Path(__file__).with_name("matrix.py")
NEEDS = {"hf": "transformers", "tf": "tensorflow", "orbax": "orbax.checkpoint"}


@pytest.fixture
def matrix(real, tmp_path):
    def run(scenario, mode):
        pytest.importorskip(NEEDS[scenario.partition("-")[0]].partition(".")[0])
        done = subprocess.run(
            [sys.executable, MATRIX, scenario, mode, real, tmp_path],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert done.stdout, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"{scenario}, {mode}: {found['tried']} points tried")
        return found

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [
        "hf",
        "hf-grace",
        "hf-full",
        "hf-in-place",
        "hf-undo",
        "hf-purge",
        "tf",
        "tf-grace",
        "tf-full",
        "tf-undo",
        "orbax",
    ],
)
def test_s15_killed_at_every_effect_nothing_is_lost_and_the_next_prune_ends_the_same(matrix, scenario):
    found = matrix(scenario, "kill")
    assert found["tried"] > 30
    assert [] == found["failures"]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["hf", "tf-grace"])
def test_s16_whichever_call_fails_once_nothing_is_lost_and_the_next_prune_ends_the_same(matrix, scenario):
    found = matrix(scenario, "fail")
    assert found["tried"] > 150
    assert [] == found["failures"]
