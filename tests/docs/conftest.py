"""Runs like those of which the how-to speaks, small and sparse."""

import json
import os
import struct
import time
import zipfile

import pytest

HOUR = 3600
GIB = 1 << 30


def safetensors(file, size):
    """One tensor of ``size`` bytes, which are not written: the file has a hole."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        out.truncate(8 + len(header) + size)


def torch_file(file, content=b"weights"):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)


def aged(directory, hours):
    """It was saved so many hours ago, its state last."""
    then = time.time() - hours * HOUR
    for file in [*directory.iterdir(), directory] if directory.is_dir() else [directory]:
        os.utime(file, (then, then))


@pytest.fixture
def trainer_run():
    """A run of the Hugging Face Trainer: the loss is best at step 400, and one is saved every hour."""

    def make(directory, steps=range(100, 1100, 100), newest=2):
        steps = list(steps)
        for i, step in enumerate(steps):
            checkpoint = directory / f"checkpoint-{step}"
            checkpoint.mkdir(parents=True)
            safetensors(checkpoint / "model.safetensors", 3 * GIB // 2)
            torch_file(checkpoint / "optimizer.pt")
            torch_file(checkpoint / "scheduler.pt")
            row = {"step": step, "epoch": step / 500, "eval_loss": 2 + abs(step - 410) / 1000}
            state = {"global_step": step, "log_history": [row]}
            (checkpoint / "trainer_state.json").write_text(json.dumps(state))
            aged(checkpoint, newest + len(steps) - 1 - i)
        return directory

    return make


@pytest.fixture
def file_run():
    """A run of plain files, one an hour, with a log of their losses."""

    def make(directory, name="step_{}.safetensors", steps=range(100, 1100, 100), log="", hours=1.0):
        directory.mkdir(parents=True)
        steps = list(steps)
        for i, step in enumerate(steps):
            file = directory / name.format(step)
            (torch_file if name.endswith(".pt") else lambda f: safetensors(f, GIB))(file)
            aged(file, 2 + hours * (len(steps) - 1 - i))
        if log:
            rows = ({"step": s, "eval": {"loss": 2 + abs(s - 410) / 1000}} for s in steps)
            (directory / log).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            aged(directory / log, 2)
        return directory

    return make
