"""S14, S15, S16, S21, S22: a prune stopped at every effect, or whose every call fails once, loses nothing.

Each scenario runs in a program of its own (``matrix.py``), which forks a child for every point. After each: what is
kept is byte for byte as it was, nothing half deleted is taken for whole by the framework's own discovery, and doing it
again reaches the same end without anybody unlocking anything. ``MATRIX=full`` tries every error at every call.
"""

import pytest

NEEDS = {"hf": "transformers", "tf": "tensorflow", "orbax": "orbax"}


@pytest.fixture
def matrix(real, fast_path, program, counted):
    def run(scenario, mode):
        pytest.importorskip(NEEDS[scenario.partition("-")[0]])
        found = program("matrix.py", scenario, mode, real, fast_path)
        counted(f"{scenario}, {mode}: {found['tried']} points tried")
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
