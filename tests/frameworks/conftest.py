"""Scan, plan and prune a run that a real framework has just written."""

import datetime

import pytest

from holdfast.plan import plan
from holdfast.prune import prune
from holdfast.scan import scan


@pytest.fixture
def prune_run():
    """``prune_run(root, policy)``: carries it out, and gives what is left, by name. Two hours later, with ``repoint``."""

    def act(root, policy, *, repoint=False, **chosen):
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2 if repoint else 0)
        made = plan(
            scan(root, **chosen), policy, now=now, min_age=datetime.timedelta(0), repoint=repoint, trust_file_times=True
        )
        report = prune(made)
        assert {item.outcome for item in report.items} <= {"pruned"}, report.items
        assert len(report.items) == len(made.dropped) > 0
        left = {c.name for c in scan(root, **chosen).checkpoints}
        assert left == {d.name for d in (*made.kept, *made.set_aside)}
        return left

    return act


@pytest.fixture
def seen():
    """``seen(root)``: layout, and status and step of each checkpoint, by name."""

    def look(root, **chosen):
        run = scan(root, **chosen)
        return run.layout, {c.name: (str(c.status), c.step) for c in run.checkpoints}

    return look
