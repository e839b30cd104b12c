"""Many processes on one run: ``races.py lock|prune|swap WORKDIR``. A program of its own, because it forks."""

import contextlib
import datetime as dt
import itertools
import json
import os
import struct
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from holdfast.errors import LockedError
from holdfast.plan import plan
from holdfast.prune import holds, prune
from holdfast.prune.drop import Doomed, Intent, drop
from holdfast.prune.erase import Eraser
from holdfast.prune.freeing import Pace, free
from holdfast.prune.lock import locked
from holdfast.prune.state import home
from holdfast.scan import scan
from holdfast.stores.posix import DIRECTORY, Posix

PROCESSES = 20


def safetensors():
    header = json.dumps({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def make_run(root, count):
    root.mkdir()
    then = time.time() - 7200
    for step in range(1, count + 1):
        (root / f"model_{step}.safetensors").write_bytes(safetensors())
        os.utime(root / f"model_{step}.safetensors", (then + step, then + step))


def fork(action, *args):
    pid = os.fork()
    if pid:
        return pid
    try:
        action(*args)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def join(pids):
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def count_up(root, rounds):
    """Add one, ``rounds`` times, under the lock and in no other way protected."""
    counter, inside = root.parent / "counter", root.parent / "inside"
    while rounds:
        with home(root, fs=Posix(), make=True) as place:
            try:
                with locked(place):
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                    number = int(counter.read_text())
                    time.sleep(0.0005)
                    counter.write_text(str(number + 1))
                    inside.unlink()
                    rounds -= 1
            except LockedError:
                time.sleep(0.002)


def race_lock(work):
    make_run(work / "run", 2)
    (work / "counter").write_text("0")
    codes = join([fork(count_up, work / "run", 10) for _ in range(PROCESSES)])
    return {"codes": codes, "counted": int((work / "counter").read_text()), "expected": PROCESSES * 10}


def prune_once(root, number, start):
    now = dt.datetime.now(dt.UTC)
    made = plan(scan(root), "latest(3)", now=now, holds=holds(root, now=now))
    time.sleep(max(0, start - time.time()))
    try:
        done = [item.name for item in prune(made).of("pruned")]
    except LockedError:
        done = []
    (root.parent / f"done-{number}").write_text(json.dumps(done))


def race_prune(work):
    make_run(work / "run", 40)
    start = time.time() + 1.5
    codes = join([fork(prune_once, work / "run", number, start) for number in range(PROCESSES)])
    prune_once(work / "run", "last", 0)
    done = [name for path in work.glob("done-*") for name in json.loads(path.read_text())]
    return {"codes": codes, "pruned": sorted(done), "left": sorted(os.listdir(work / "run"))}


def swap(base, canary, end):
    """Swap the directory inside for a link to the canary, again and again, until the parent is done, or gone."""
    for i in itertools.count():
        if end.exists() or os.getppid() == 1:
            return
        try:
            os.rename(base / "top/sub", base / f"aside-{i}")
            os.symlink(canary, base / "top/sub")
        except OSError:
            continue


def plant(base):
    try:
        os.makedirs(base / "top/sub", exist_ok=True)
        fd = os.open(base / "top/sub", DIRECTORY)  # never through the link: the planter must not harm the canary either
    except OSError:
        return
    for i in range(3):
        os.close(os.open(f"f{i}", os.O_CREAT, dir_fd=fd))
    os.close(fd)


def race_swap(work, rounds=10_000):
    """Erase a tree while another process swaps what is in it for links to a canary outside."""
    canary, base, end = work / "canary", work / "base", work / "end"
    canary.mkdir()
    base.mkdir()
    for i in range(20):
        (canary / f"f{i}").write_text("alive")
    swapper = fork(swap, base, canary, end)
    fd, swapped = os.open(base, DIRECTORY), 0
    try:
        for _ in range(rounds):
            plant(base)
            Eraser(Posix(), threads=1).erase(fd, ["top"])
            aside = os.listdir(base)
            swapped += bool(aside)
            Eraser(Posix(), threads=1).erase(fd, aside)
    finally:
        end.touch()
    codes = join([swapper])
    alive = [p.name for p in canary.iterdir() if p.read_text() == "alive"]
    return {"rounds": rounds, "codes": codes, "alive": len(alive), "swapped": swapped}


def swap_top(run, canary, end):
    """Swap the checkpoint itself for a link to the canary, and back, until the parent is done, or gone."""
    while not end.exists() and os.getppid() != 1:
        try:
            os.rename(run / "7", run.parent / "real")
            os.symlink(canary, run / "7")
            os.unlink(run / "7")
            os.rename(run.parent / "real", run / "7")
        except OSError:
            continue


def race_move(work, rounds=500):
    """Drop a checkpoint for good while another process swaps it for a link to a canary outside."""
    canary, run, end = work / "canary", work / "run", work / "end"
    canary.mkdir()
    run.mkdir()
    for i in range(20):
        (canary / f"{i}").write_text("alive")
    swapper = fork(swap_top, run, canary, end)
    try:
        with home(run, fs=Posix(), make=True) as place:
            outcomes = Counter(drop_seven(run, place) for _ in range(rounds))
    finally:
        end.touch()
    codes = join([swapper])
    alive = [p.name for p in canary.iterdir() if p.read_text() == "alive"]
    return {"rounds": rounds, "codes": codes, "alive": len(alive), "outcomes": outcomes}


def save_seven(run):
    """Save the checkpoint again, never through the link: the trainer must not write into the canary itself."""
    with contextlib.suppress(OSError):
        os.makedirs(run / "7", exist_ok=True)
        fd = os.open(run / "7", DIRECTORY)
        try:
            os.mkdir("sub", dir_fd=fd)
        finally:
            os.close(fd)


def drop_seven(run, place):
    save_seven(run)
    with locked(place) as lock:
        intent = Intent(plan="p", policy="", now=dt.datetime.now(dt.UTC), grace=dt.timedelta(0))
        doomed = Doomed(name="7", step=7, size=0, fingerprint="", members=("7",))
        done = drop(place, lock, intent, [doomed], lambda names: {}, lambda *what: None)
    free(place, Pace(threads=1))
    return str(done.items[0].outcome)


RACES = {"lock": race_lock, "prune": race_prune, "swap": race_swap, "move": race_move}

if __name__ == "__main__":
    print(json.dumps(RACES[sys.argv[1]](Path(sys.argv[2]))))
