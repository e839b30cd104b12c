"""Trainers, pruners and readers on one directory, killed at random: ``soak.py SECONDS WORKDIR SEED``.

Expected values are kept outside the run: what each step must contain follows from its number, and the trainer notes
each step in a file of its own once it is committed. Lost: a committed checkpoint that the policy, a pin or S1 keeps is
not there at the end. Torn: a reader that holds a lease found a byte missing or wrong.
"""

import contextlib
import datetime as dt
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from holdfast.errors import HoldfastError, LeaseError, LockedError
from holdfast.plan import plan
from holdfast.prune import holds, lease, pin, prune, purge, recover
from holdfast.scan import scan

POLICY = "latest(3) | every(steps=10)"
FILES = 8
TORN = 77


def content(step, i):
    return hashlib.sha256(f"{step} {i}".encode()).digest() * 32


def write(root, step):
    """One Orbax checkpoint: under a temporary name, then renamed."""
    tmp = root / f"{step}.orbax-checkpoint-tmp"
    shutil.rmtree(tmp, ignore_errors=True)
    now = time.time_ns()
    (tmp / "default/d").mkdir(parents=True)
    for name in ("_METADATA", "manifest.ocdbt", "commit_success.txt"):
        (tmp / "default" / name).write_text("{}")
    for i in range(FILES):
        (tmp / f"default/d/{i}").write_bytes(content(step, i))
    known = {"item_handlers": {"default": "x"}, "init_timestamp_nsecs": now, "commit_timestamp_nsecs": now}
    (tmp / "_CHECKPOINT_METADATA").write_text(json.dumps(known))
    (tmp / "commit_success.txt").write_text("ok")
    os.rename(tmp, root / str(step))


def whole(path, step):
    return all((path / f"default/d/{i}").read_bytes() == content(step, i) for i in range(FILES))


def note(book, word):
    """Append durably, in one call."""
    fd = os.open(book, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{word}\n".encode())
    os.close(fd)


def noted(book):
    return [int(word) for word in book.read_text().split()] if book.exists() else []


def trainer(work, rng):
    root = work / "run"
    while True:
        step = max(noted(work / "committed"), default=0) + 1
        if not (root / str(step)).exists():
            write(root, step)
        note(work / "committed", step)
        time.sleep(rng.uniform(0.02, 0.08))


def pruner(work, rng):
    root = work / "run"
    while True:
        with contextlib.suppress(LockedError):
            recover(root, ttl=2)
            now = dt.datetime.now(dt.UTC)
            made = plan(scan(root), POLICY, now=now, holds=holds(root, now=now))
            prune(made, grace=dt.timedelta(seconds=rng.choice([0, 0, 1])), threads=rng.choice([1, 4]), ttl=2)
            if rng.random() < 0.2:
                purge(root, older_than=dt.timedelta(seconds=1), ttl=2)
        time.sleep(rng.uniform(0, 0.05))


def reader(work, rng):
    root = work / "run"
    while True:
        steps = [int(name) for name in os.listdir(root) if name.isdecimal()]
        if not steps:
            continue
        step = rng.choice(steps)
        with contextlib.suppress(LeaseError), lease(root / str(step), ttl=5, grace=5) as held:
            for i in range(FILES):
                try:
                    ok = Path(held.path, f"default/d/{i}").read_bytes() == content(step, i)
                except FileNotFoundError:
                    ok = False
                if not ok:
                    note(work / "torn", step)
                    os._exit(TORN)
                time.sleep(rng.uniform(0, 0.01))
            note(work / "read", step)
        if rng.random() < 0.02:
            with contextlib.suppress(HoldfastError):
                pin(root, str(step), reason="soak")
                note(work / "pinned", step)


def start(action, work, seed):
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        action(work, random.Random(seed))
    except BaseException:
        note(work / "raised", 1)
        with (work / "errors").open("a") as errors:
            traceback.print_exc(file=errors)
        os._exit(1)


def soak(seconds, work, seed):
    rng = random.Random(seed)
    (work / "run").mkdir()
    for step in (1, 2):
        write(work / "run", step)
        note(work / "committed", step)
    jobs = [trainer, pruner, pruner, reader, reader]
    running = {start(job, work, rng.random()): job for job in jobs}
    kills, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(rng.uniform(0.05, 0.4))
        pid = rng.choice(list(running))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        job = running.pop(pid)
        running[start(job, work, rng.random())] = job
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return {"kills": kills, **verdict(work)}


def verdict(work):
    root, committed = work / "run", noted(work / "committed")
    recover(root, ttl=2)
    newest = sorted(set(committed))[-3:]
    must = {*newest, *(s for s in committed if s % 10 == 0), *noted(work / "pinned")}
    lost = sorted(step for step in must if not (root / str(step)).exists())
    broken = sorted(int(n) for n in os.listdir(root) if n.isdecimal() and not whole(root / n, int(n)))
    errors = (work / "errors").read_text() if (work / "errors").exists() else ""
    left = len([name for name in os.listdir(root) if name.isdecimal()])
    counts = {name: len(noted(work / name)) for name in ("committed", "read", "torn", "pinned", "raised")}
    return {**counts, "left": left, "lost": lost, "broken": broken, "errors": errors[-3000:]}


if __name__ == "__main__":
    print(json.dumps(soak(float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
