"""Checkpoints and questions that the tests of policies share."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.preservation_policies import PreservationContext

START = datetime(2026, 5, 1, tzinfo=UTC)


@dataclasses.dataclass
class Info:
    """What a trainer hands to a policy, and no more."""

    step: int
    time: Any = None
    metrics: Any = None


@dataclasses.dataclass
class Sized(Info):
    size: int | None = None


def make(steps, *, minutes=None, losses=None, sizes=None):
    """Checkpoints at these steps; saved so many ``minutes`` after the start (a minute apart if not told)."""
    minutes = range(len(steps)) if minutes is None else minutes
    losses = [None] * len(steps) if losses is None else losses
    made = [
        Info(step, START + timedelta(minutes=minute), None if loss is None else {"loss": loss})
        for step, minute, loss in zip(steps, minutes, losses, strict=True)
    ]
    if sizes is None:
        return made
    return [Sized(c.step, c.time, c.metrics, size) for c, size in zip(made, sizes, strict=True)]


def left(policy, checkpoints, now=None):
    """The steps that the policy preserves."""
    flags = policy.should_preserve(checkpoints, context=PreservationContext(now=now))
    assert len(flags) == len(checkpoints)
    assert type(flags) is list
    assert all(type(flag) is bool for flag in flags)
    return [c.step for c, flag in zip(checkpoints, flags, strict=True) if flag]


@pytest.fixture(scope="session")
def start():
    return START


@pytest.fixture(scope="session")
def checkpoints():
    return make


@pytest.fixture(scope="session")
def kept():
    return left


@pytest.fixture(scope="session")
def info():
    return Info
