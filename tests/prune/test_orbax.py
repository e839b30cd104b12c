"""Pins and leases inside the real Orbax."""

import datetime as dt

import pytest

from holdfast import preservation_policies as pp
from holdfast.integrations.orbax import Leased, Pinned
from holdfast.prune import lease, pin


@pytest.fixture
def run(dirs):
    return dirs.save(1, 2, 3, 4)


class Info:
    def __init__(self, step):
        self.step, self.time, self.metrics = step, dt.datetime.now(dt.UTC), None


def kept(policy, *steps):
    flags = policy.should_preserve([Info(step) for step in steps], context=pp.PreservationContext())
    return [step for step, flag in zip(steps, flags, strict=True) if flag]


def test_what_is_pinned_is_kept(run):
    pin(run.root, "2", reason="paper")
    assert [2] == kept(Pinned(run.root), 1, 2, 3, 4)
    assert [] == kept(Leased(run.root), 1, 2, 3, 4)


def test_what_is_leased_is_kept_for_as_long(run):
    with lease(run.root / "3"):
        assert [3] == kept(Leased(run.root), 1, 2, 3, 4)
    assert [] == kept(Leased(run.root), 1, 2, 3, 4)


def test_with_another_policy_what_either_keeps_is_kept(run):
    pin(run.root, "2")
    assert [2, 4] == kept(pp.LatestN(1) | Pinned(run.root), 1, 2, 3, 4)
    assert [2, 4] == kept(pp.AnyPreservationPolicy([pp.LatestN(1), Pinned(run.root)]), 1, 2, 3, 4)


@pytest.mark.parametrize("policy", [Pinned, Leased])
def test_s16_what_cannot_be_read_keeps_all(run, policy):
    pin(run.root, "2")
    (run.state / "pins/x.json").write_text("{")
    assert [1, 2, 3, 4] == kept(policy(run.root), 1, 2, 3, 4)


def test_s16_a_name_that_is_no_step_keeps_all(run):
    (run.root / "final").mkdir()
    pin(run.root, "final")
    assert [1, 2, 3, 4] == kept(Pinned(run.root), 1, 2, 3, 4)


def test_a_directory_that_is_not_there_yet_has_nothing_pinned(tmp_path):
    assert [] == kept(Pinned(tmp_path / "new"), 1, 2)


def test_it_says_why(run):
    pin(run.root, "2", owner="eva", reason="paper")
    from holdfast.history import History

    verdicts = Pinned(run.root).judge(History.of([Info(1), Info(2)]), context=None)
    assert [("no pin",), ("pinned by eva: paper",)] == [verdicts.reasons(0), verdicts.reasons(1)]


@pytest.mark.framework("orbax")
def test_the_real_checkpointer_keeps_what_is_pinned_and_leased(tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint.experimental.v1")
    import numpy as np

    root = tmp_path / "run"
    root.mkdir()
    policy = pp.LatestN(1) | Pinned(root) | Leased(root)
    with ocp.training.Checkpointer(root, preservation_policy=policy) as checkpointer:
        for step in range(1, 6):
            checkpointer.save(step, {"a": np.arange(4.0)})
            if step == 1:
                pin(root, "1", reason="paper")
            if step == 2:
                held = lease(root / "2").__enter__()
            if step == 4:
                assert [1, 2, 4] == [c.step for c in checkpointer.checkpoints]
                held.__exit__(None, None, None)
        assert [1, 5] == [c.step for c in checkpointer.checkpoints]
