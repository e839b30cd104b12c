"""S12, S15: trainers, pruners and readers with leases on one directory, killed at random: none lost, none torn.

``SOAK_SECONDS`` says how long (20); ``make soak`` runs it longer. ``SOAK_SEED`` repeats one.
"""

import os
import random

import pytest


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_s15_a_soak_of_random_kills_loses_nothing_and_tears_nothing(fast_path, program, counted):
    seconds = float(os.environ.get("SOAK_SECONDS", "20"))
    seed = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(10**6)))
    found = program("soak.py", seconds, fast_path, seed, timeout=seconds + 300)
    counted(f"soak of {seconds:g} s, seed {seed}: {found}")
    assert ([], [], 0) == (found["lost"], found["broken"], found["torn"]), found
    assert "" == found["errors"]
    assert found["kills"] > seconds
    assert min(found["committed"], found["read"]) > 0
    assert found["left"] < found["committed"]
