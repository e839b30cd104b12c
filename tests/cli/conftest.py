"""A plan with everything in it, and the command line called in this process."""

import dataclasses
import json
import os
import struct
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.checkpoint import Checkpoint, Foreign, Pointer, Run, Status, TimeSource
from holdfast.plan import Decision, Outcome, Plan

NOW = datetime(2026, 11, 24, 19, 25, 10, tzinfo=UTC)
HOSTILE = "evil\x1b[31m\n\udcff名前"


def decided(step, outcome, *reasons, loss=2.3, guards=(), name="", size=3_865_470_566, ago=timedelta(hours=3), **more):
    return Decision(
        **{
            "name": name or f"checkpoint-{step}",
            "step": step,
            "time": NOW - ago,
            "time_source": TimeSource.RECORDED,
            "size": size,
            "shared": 0,
            "status": Status.COMPLETE,
            "metrics": {"eval/loss": loss, "grad/norm": 1.0},
            "outcome": outcome,
            "reasons": reasons,
            "guards": guards,
            "fingerprint": "f",
            "members": (),
        }
        | more
    )


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def made_plan():
    keep, drop, aside = Outcome.KEEP, Outcome.DROP, Outcome.SET_ASIDE
    newest = "the newest complete checkpoint is never dropped"
    return Plan(
        root="/data/runs/llama",
        layout="hf",
        template="checkpoint-{step}",
        policy='latest(3) | every(steps=1000) | best(2, "eval/loss", mode="min")',
        now=NOW,
        zone="UTC",
        decisions=(
            decided(40000, keep, "latest: 1st of 3", "every 1000 steps", guards=(newest,), loss=2.61),
            decided(39500, aside, "partial: no trainer_state.json", loss=float("nan"), ago=timedelta(minutes=4)),
            decided(39100, keep, "latest: 2nd of 3", ago=timedelta(hours=30)),
            decided(
                39050,
                drop,
                "latest: 4th, needs 3rd",
                "every 1000 steps: 50 after 39000",
                "best by eval/loss: 7th, 2.41; the 2nd has 2.37",
                loss=2.41,
                ago=timedelta(days=5),
                time_source=TimeSource.FILE,
            ),
            decided(38000, keep, "every 1000 steps", guards=("pinned by ann: paper, table 2",), loss=2.31, size=None),
            decided(None, aside, "no step can be read", name=HOSTILE, size=12),
        ),
        foreign=(Foreign(path="runs", why="no checkpoint"), Foreign(path="a\nb", why="no checkpoint")),
        pointers=(Pointer(path="latest", names=("checkpoint-40000",)),),
        notes=("the trainer's own limit is on as well: save_total_limit=3",),
        live=True,
    )


@pytest.fixture
def made_run(made_plan):
    return Run(
        root=made_plan.root,
        layout=made_plan.layout,
        template=made_plan.template,
        checkpoints=tuple(
            Checkpoint(
                name=d.name,
                step=d.step,
                time=d.time,
                time_source=d.time_source,
                metrics=d.metrics,
                size=d.size,
                status=Status.PARTIAL if d.outcome is Outcome.SET_ASIDE else Status.COMPLETE,
                why="no trainer_state.json" if d.outcome is Outcome.SET_ASIDE else "",
                resumable=d.step != 38000,
            )
            for d in made_plan.decisions
        ),
        pointers=made_plan.pointers,
        foreign=made_plan.foreign,
        limits=("save_total_limit=3",),
    )


@dataclasses.dataclass
class Said:
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def holdfast(capsys, monkeypatch):
    """Call the command line in this process, where nobody is there to be asked."""
    from holdfast.cli import main

    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


def write_checkpoint(run, step, *, age, value=1.0):
    """A whole safetensors file of one tensor, saved ``age`` ago."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [25], "data_offsets": [0, 100]}}).encode()
    file = run / f"step_{step}.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + struct.pack("<25f", *[value] * 25))
    then = (datetime.now(tz=UTC) - age).timestamp()
    os.utime(file, (then, then))
    return file


@pytest.fixture
def make_run():
    """Make a run of plain files, one step an hour, the newest two hours old; and a log of their losses."""

    def make(directory, steps=range(100, 1100, 100), losses=None):
        directory.mkdir(parents=True)
        steps = list(steps)
        for i, step in enumerate(reversed(steps)):
            write_checkpoint(directory, step, age=timedelta(hours=2 + i))
        losses = losses or {s: abs(s - 400) / 1000 for s in steps}
        lines = (json.dumps({"step": s, "eval/loss": loss}) + "\n" for s, loss in losses.items())
        (directory / "metrics.jsonl").write_text("".join(lines))
        return directory

    return make


@pytest.fixture
def run(tmp_path, make_run):
    return make_run(tmp_path / "run")
