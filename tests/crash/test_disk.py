"""S16, S18, S22: a disk filled to its last byte, a directory without permission, and what a real prune touches."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

import pytest

from holdfast.prune import trash

PRUNE = """
import datetime as dt, os, sys
from holdfast.plan import plan
from holdfast.prune import holds, prune
from holdfast.scan import scan
from holdfast.layouts.registry import layouts
layouts()  # imported while it may still be read
if len(sys.argv) > 2:
    os.setegid(int(sys.argv[2]))
    os.seteuid(int(sys.argv[2]))
now = dt.datetime.now(dt.UTC)
made = plan(scan(sys.argv[1]), "latest(1)", now=now, holds=holds(sys.argv[1], now=now))
print(prune(made).to_json())
"""
ROOT = os.geteuid() == 0


def save(run, *steps, size=8):
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    run.mkdir(exist_ok=True)
    for step in steps:
        path = run / f"model_{step}.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + os.urandom(size))
        os.utime(path, (time.time() - 7200 + step,) * 2)


def prune(run, before=(), user=()):
    done = subprocess.run(
        [*before, sys.executable, "-c", PRUNE, run, *user], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.stdout else done.stderr


def outcomes(report):
    return {item["outcome"] for item in report["items"]}


@pytest.fixture
def disk(tmp_path):
    """A small ext4 of its own."""
    image, where = tmp_path / "image", tmp_path / "disk"
    where.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    made = (
        shutil.which("mkfs.ext4") and not subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=False).returncode
    )
    if not (ROOT and made) or subprocess.run(["mount", "-o", "loop", image, where], check=False).returncode:
        pytest.skip("no file system image can be made and mounted here")
    yield where
    subprocess.run(["umount", where], check=True)


def fill(disk):
    """To the last byte: large pieces, then small ones."""
    with (disk / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def test_s22_on_a_disk_that_is_full_to_the_last_byte_checkpoints_go(disk):
    run = disk / "run"
    save(run, 1, 2, 3, 4, size=200_000)
    fill(disk)
    with pytest.raises(OSError, match="No space"):
        (disk / "directory").mkdir()
    report = prune(run)
    assert {"pruned"} == outcomes(report)
    assert ["model_4.safetensors"] == os.listdir(run)
    assert shutil.disk_usage(disk).free >= 600_000


def test_s22_on_a_full_disk_that_knows_holdfast_already_checkpoints_go(disk):
    run = disk / "run"
    save(run, 1, 2, 3, 4, size=200_000)
    prune(run)
    save(run, 5, 6, 7, size=200_000)
    fill(disk)
    assert {"pruned"} == outcomes(prune(run))
    assert ["model_7.safetensors"] == os.listdir(run)


@pytest.mark.skipif(not ROOT, reason="only the superuser can become somebody else")
def test_s16_a_run_without_permission_is_reported_line_by_line(tmp_path):
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    save(home / "run", 1, 2, 3)
    report = prune(home / "run", user=["65534"])
    assert {"failed"} == outcomes(report)
    assert all("Permission denied" in item["why"] for item in report["items"])
    assert 3 == len(os.listdir(home / "run"))


@pytest.mark.skipif(not ROOT, reason="only the superuser can make a file immutable")
def test_s16_an_immutable_checkpoint_is_one_line_and_the_rest_goes_on(tmp_path):
    save(tmp_path / "run", 1, 2, 3)
    stuck = tmp_path / "run/model_1.safetensors"
    if subprocess.run(["chattr", "+i", stuck], check=False).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        report = prune(tmp_path / "run")
    finally:
        subprocess.run(["chattr", "-i", stuck], check=True)
    assert {"model_1.safetensors": "failed", "model_2.safetensors": "pruned"} == {
        item["name"]: item["outcome"] for item in report["items"]
    }
    assert stuck.exists()
    prune(tmp_path / "run")
    assert not stuck.exists()
    assert [] == trash(tmp_path / "run")


CALL = re.compile(r"\b(unlink|unlinkat|rmdir|rename|renameat|renameat2|link|linkat)\((.*)\)\s+=\s+0")
ARGUMENT = re.compile(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
def test_s18_no_path_outside_the_run_and_its_state_is_ever_unlinked_renamed_or_removed(tmp_path):
    home = tmp_path / "runs"
    home.mkdir()
    save(home / "run", 1, 2, 3, 4)
    (home / "other").mkdir()
    trace = tmp_path / "trace"
    traced = ["strace", "-f", "-y", "-s", "4096", "-o", trace, "-e", "trace=/unlink|rename|rmdir|link"]
    if isinstance(report := prune(home / "run", traced), str):
        pytest.skip(f"strace cannot trace here: {report[-200:]}")
    assert {"pruned"} == outcomes(report)
    touched = [
        os.path.join(base, path)
        for call in CALL.finditer(trace.read_text())
        for base, path in ARGUMENT.findall(call[2])
    ]
    assert len(touched) > 10
    allowed = (f"{home}/run/", f"{home}/.holdfast/run/", f"{home}/.holdfast-run-")
    assert [] == [path for path in touched if not path.startswith(allowed)]


@pytest.mark.parametrize(
    "name",
    ["with space", "new\nline", "\x1b[31mred", "-rf", "\udcff\udcfe", "é" * 100, "a" * 255, "%41", "'q\"", ".hidden"],
)
def test_s18_a_run_of_any_name_is_pruned(tmp_path, name):
    run = tmp_path / name
    save(run, 1, 2, 3)
    assert {"pruned"} == outcomes(prune(run))
    assert ["model_3.safetensors"] == os.listdir(run)
