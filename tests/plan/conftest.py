"""Values from which the tests of plans build runs."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.checkpoint import Checkpoint, Run, Status, TimeSource

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def checkpoint(step, **more):
    """A complete checkpoint of that step, saved a minute a step, days before NOW."""
    time = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=step or 0)
    given = {
        "name": f"checkpoint-{step}",
        "step": step,
        "time": time,
        "time_source": TimeSource.RECORDED,
        "size": 100,
        "status": Status.COMPLETE,
        "resumable": True,
        "touched": time,
        "fingerprint": f"f{step}",
        "members": (f"checkpoint-{step}",),
    }
    return Checkpoint(**(given | more))


def run(*checkpoints, **more):
    """A run of those checkpoints (a whole number stands for the checkpoint of that step)."""
    made = tuple(checkpoint(c) if isinstance(c, int) else c for c in checkpoints)
    given = {"root": "/runs/a", "layout": "hf", "template": "checkpoint-{step}", "checkpoints": made, "atomic": True}
    return Run(**(given | more))


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def make_run():
    return run


@pytest.fixture(scope="session")
def make_checkpoint():
    return checkpoint
