"""S11: where dropping what a pointer names is wanted, the pointer is rewritten first."""

import datetime as dt
import errno
import shutil
import stat

import pytest

from holdfast.errors import RefusedError
from holdfast.prune import log, prune
from holdfast.stores.faults import Faults


@pytest.fixture
def run(real, make_world):
    """Four TensorFlow checkpoints; the state file names the second."""
    world = make_world("tf")
    for number in (1, 2, 3, 4):
        for path in (real / "tf/v1_saver").glob("model.ckpt-3.*"):
            shutil.copy2(path, world.root / path.name.replace("-3.", f"-{number}."))
    (world.root / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-2"\n')
    (world.root / "checkpoint").chmod(0o640)
    for path in world.root.iterdir():
        world.set_age(path, dt.timedelta(hours=2))
    return world


def latest(run):
    return (run.root / "checkpoint").read_text().splitlines()[0]


def test_s11_what_a_pointer_names_stays(run):
    run.prune("latest(1)")
    assert [2, 4] == run.steps
    assert 'model_checkpoint_path: "model.ckpt-2"' == latest(run)


def test_s11_with_repoint_the_pointer_names_one_that_stays_before_the_other_goes(run):
    order = Faults(watch={"rename"}, where=lambda c: c.args[1] == "checkpoint" or "ckpt-2.index" in c.args[0])
    report = prune(run.plan("latest(1)", repoint=True), fs=order.posix)
    assert [4] == run.steps
    assert 'model_checkpoint_path: "model.ckpt-4"' == latest(run)
    assert ["checkpoint", "model.ckpt-2.index"] == [order.calls[0].args[1], order.calls[1].args[0]]
    assert "checkpoint names model.ckpt-4 now" in report.warnings
    assert ["model.ckpt-4"] == [r["to"] for r in log(run.root) if r["event"] == "repointed"]


def test_s11_a_rewritten_pointer_keeps_its_mode(run):
    prune(run.plan("latest(1)", repoint=True))
    assert 0o640 == stat.S_IMODE((run.root / "checkpoint").stat().st_mode)


def test_s11_a_pointer_that_cannot_be_rewritten_keeps_what_it_names(run):
    denied = Faults(
        0, OSError(errno.EACCES, "Permission denied"), watch={"rename"}, where=lambda c: c.args[1] == "checkpoint"
    )
    report = prune(run.plan("latest(1)", repoint=True), fs=denied.posix)
    assert [2, 4] == run.steps
    assert ["named by checkpoint"] == [item.why for item in report.of("skipped")]
    assert any("could not be rewritten" in warning for warning in report.warnings)


def test_s11_a_live_run_is_never_repointed(run):
    plan = run.plan("latest(1)", repoint=True)
    object.__setattr__(plan, "live", True)
    with pytest.raises(RefusedError, match="live"):
        prune(plan)
    assert 'model_checkpoint_path: "model.ckpt-2"' == latest(run)
