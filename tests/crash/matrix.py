"""Stop a prune at each of its effects, or make each of its calls fail once; recover; check what must hold.

A program of its own, because it forks: ``matrix.py SCENARIO MODE SOURCE WORKDIR``. One child for each point. Prints one
JSON object: how many points were tried, and what went wrong at which.
"""

import contextlib
import datetime as dt
import errno
import hashlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.plan import plan
from holdfast.prune import holds, prune, purge, recover, trash, undo
from holdfast.prune.lock import Clock
from holdfast.scan import scan
from holdfast.stores.faults import EFFECTS, READS, Faults

NOW = dt.datetime.now(dt.UTC)
ERRORS = (errno.EIO, errno.EACCES, errno.ENOSPC, errno.ESTALE, errno.ENOENT)
KEPT = 1
FULL = OSError(errno.ENOSPC, "No space left on device")


def build_hf(source, run):
    """Four directories of 8 files, as the Trainer wrote them; three of them will be dropped."""
    for step in (2, 4, 6, 8):
        shutil.copytree(source / "hf/steps/checkpoint-8", run / f"checkpoint-{step}")
        (run / f"checkpoint-{step}/extra_1.json").write_bytes(b"[]" + b" " * step)
        (run / f"checkpoint-{step}/extra_2.json").write_bytes(b"{}" + b" " * step)


def build_tf(source, run):
    """Four prefixes of three files, as the Saver wrote them, and the state file."""
    for number in (1, 2, 3, 4):
        for path in (source / "tf/v1_saver").glob("model.ckpt-3.*"):
            shutil.copy2(path, run / path.name.replace("-3.", f"-{number}."))
    lines = ['model_checkpoint_path: "model.ckpt-4"']
    lines += [f'all_model_checkpoint_paths: "model.ckpt-{n}"' for n in (1, 2, 3, 4)]
    (run / "checkpoint").write_text("\n".join(lines) + "\n")


def build_orbax(source, run):
    """Four directories, as Orbax's manager wrote them."""
    found = max((source / "orbax_v0/default").iterdir())
    for step in (1, 2, 3, 4):
        shutil.copytree(found, run / str(step))


def age(run):
    """Everything two hours old, so that nothing is young and the run not live."""
    then = (NOW - dt.timedelta(hours=2)).timestamp()
    for path in sorted(run.rglob("*"), reverse=True):
        os.utime(path, (then, then))


def digest(path):
    """Content and times of all files below."""
    files = sorted(p for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file())
    told = [(str(p), hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files]
    if path.is_dir():
        told.append((str(path), "", path.stat().st_mtime_ns))
    return hashlib.sha256(repr(told).encode()).hexdigest()


def digests(run):
    """By entry of the run's directory."""
    return {path.name: digest(path) for path in run.iterdir()}


def loadable_hf(run):
    """What the Trainer would resume from."""
    from transformers.trainer_utils import get_last_checkpoint

    found = get_last_checkpoint(str(run))
    return [Path(found).name] if found else []


def loadable_tf(run):
    """What TensorFlow would restore: the latest, and all that exist by its own test."""
    import tensorflow as tf

    latest = tf.train.latest_checkpoint(str(run))
    every = [p.name[: -len(".index")] for p in run.glob("*.index")]
    return [
        name
        for name in {Path(latest or "").name, *every}
        if name and tf.compat.v1.train.checkpoint_exists(str(run / name))
    ]


def loadable_orbax(run):
    """Which steps Orbax would list."""
    from orbax.checkpoint import utils

    return [str(step) for step in utils.checkpoint_steps(str(run))]


BUILD = {"hf": build_hf, "tf": build_tf, "orbax": build_orbax}
LOADABLE = {"hf": loadable_hf, "tf": loadable_tf, "orbax": loadable_orbax}


def members(layout, name):
    """The entries of the run's directory that make this checkpoint."""
    return [f"{name}.{end}" for end in ("index", "data-00000-of-00001", "meta")] if layout == "tf" else [name]


def made_plan(run, later=0):
    now = NOW + dt.timedelta(minutes=later)
    return plan(scan(run), f"latest({KEPT})", now=now, holds=holds(run, now=now))


def do_prune(run, fs, later=0, **how):
    return prune(made_plan(run, later), fs=fs, threads=1, now=NOW + dt.timedelta(minutes=later), **how)


WEEK = dt.timedelta(days=7)


class Scenario:
    """What is done under fire, and what must be there once it was finished?"""

    layout = "hf"
    before = staticmethod(lambda run: None)
    grace = dt.timedelta(0)
    restores = False

    def act(self, run, fs):
        do_prune(run, fs, grace=self.grace)

    def finish(self, run):
        """What a user does next: the same again."""
        return do_prune(run, None, later=1, grace=self.grace)


class Hf(Scenario):
    pass


class HfGrace(Scenario):
    grace = WEEK


class Tf(Scenario):
    layout = "tf"


class TfGrace(Tf):
    grace = WEEK


class Orbax(Scenario):
    layout = "orbax"


class TfFull(Tf):
    """The disk is full: no directory can be made, no byte written; only empty files, renames and unlinks work."""

    def act(self, run, fs):
        full = Faults(0, FULL, watch={"mkdir", "write", "symlink"}, again=True, fs=fs).posix
        do_prune(run, full)

    def finish(self, run):
        """The lock could not say whose it is: a silence of a full ttl tells that its holder is dead."""
        for lock in [*run.parent.glob(".holdfast-run-*-lock-*"), *run.parent.glob(".holdfast/run/lock-*")]:
            if lock.stat().st_mtime_ns:
                os.utime(lock, (1, 1))
        now = iter(range(0, 10**6, 30))
        clock = Clock(lambda: float(next(now)), lambda _: None)
        recover(run, clock=clock)  # before planning, so that the plan sees what was rolled back
        return do_prune(run, None, later=1, clock=clock)


class HfFull(TfFull):
    layout = "hf"


class HfInPlace(Scenario):
    """Nothing can be renamed out of the run."""

    def act(self, run, fs):
        stuck = Faults(
            0,
            OSError(errno.EXDEV, "Invalid cross-device link"),
            watch={"rename"},
            again=True,
            fs=fs,
            where=lambda call: "checkpoint-" in str(call.args[0]),
        ).posix
        do_prune(run, stuck, in_place=True)


class TfUndo(Tf):
    """An undo is stopped, and done again."""

    restores = True
    before = staticmethod(lambda run: do_prune(run, None, grace=WEEK))

    def act(self, run, fs):
        undo(run, fs=fs, now=NOW + dt.timedelta(minutes=1))

    def finish(self, run):
        with contextlib.suppress(HoldfastError):  # nothing waits any more: it was done to the end
            undo(run, now=NOW + dt.timedelta(minutes=2))
        return do_prune(run, None, later=3)  # the pins of the undo must hold


class HfUndo(TfUndo):
    layout = "hf"


class HfPurge(Scenario):
    """A purge of what waited is stopped, and done again."""

    before = staticmethod(lambda run: do_prune(run, None, grace=WEEK))

    def act(self, run, fs):
        purge(run, fs=fs, threads=1, now=NOW)

    def finish(self, run):
        return purge(run, now=NOW)


SCENARIOS = {
    name: kind()
    for name, kind in {
        "hf": Hf, "hf-grace": HfGrace, "tf": Tf, "tf-grace": TfGrace, "orbax": Orbax, "tf-full": TfFull,
        "hf-full": HfFull, "hf-in-place": HfInPlace, "tf-undo": TfUndo, "hf-undo": HfUndo, "hf-purge": HfPurge,
    }.items()
}  # fmt: skip


def errors_at(k):
    """All of them with ``MATRIX=full``; else one, a different one at each call."""
    return ERRORS if os.environ.get("MATRIX") == "full" else (ERRORS[k % len(ERRORS)],)


class Bench:
    """One run, made anew for every point."""

    def __init__(self, scenario, source, work):
        self.scenario, self.source, self.work = scenario, source, work
        self.pristine = work / "pristine"
        (self.pristine / "run").mkdir(parents=True)
        BUILD[scenario.layout](source, self.pristine / "run")
        age(self.pristine / "run")
        self.where = work / "here"
        self.run = self.where / "run"
        self.copy()
        self.all = digests(self.run)
        self.names = {c.name: c.step for c in scan(self.run).checkpoints}
        newest = max(self.names, key=self.names.get)
        self.dropped = sorted(set(self.names) - {newest})
        self.kept = [entry for entry in self.all if entry not in self.entries(self.dropped)]

    def entries(self, names):
        return {entry for name in names for entry in members(self.scenario.layout, name)}

    def copy(self):
        shutil.rmtree(self.where, ignore_errors=True)
        self.where.mkdir()
        shutil.copytree(self.pristine / "run", self.run)

    def fresh(self):
        self.copy()
        self.scenario.before(self.run)

    def forked(self, action):
        """Run it in a child; its exit status."""
        pid = os.fork()
        if not pid:
            try:
                action()
            except HoldfastError:
                os._exit(7)
            except BaseException:
                traceback.print_exc()
                os._exit(8)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def count(self, watch):
        """How many calls are there when nothing happens?"""
        self.fresh()
        faults = Faults(watch=watch)
        self.scenario.act(self.run, faults.posix)
        return len(faults.calls)

    def check_now(self, *, whole=True):
        """What must hold at any moment."""
        now = digests(self.run)
        for entry in self.kept:
            assert now.get(entry) == self.all[entry], f"kept {entry} was touched"
        for name in LOADABLE[self.scenario.layout](self.run) if whole else ():
            for entry in self.entries([name]):
                assert now.get(entry) == self.all[entry], f"{name} is half deleted, and the framework takes it"

    def check_end(self):
        """What must hold once it was done again."""
        now = digests(self.run)
        gone = set() if self.scenario.restores else self.entries(self.dropped)
        want = {entry: mark for entry, mark in self.all.items() if entry not in gone}
        assert now == want, (
            f"the run is not as it should be: {sorted(now)} {[e for e in want if now.get(e) != want[e]]}"
        )
        beside = [p.name for p in self.where.iterdir() if p.name.startswith(".holdfast-") and "-lock-" not in p.name]
        assert not beside, f"left beside the run: {beside}"
        waits = sorted(entry.name for entry in trash(self.run))
        assert waits == (self.dropped if self.scenario.grace else []), f"in the trash: {waits}"
        strays = [p.name for p in self.where.glob(".holdfast/run/trash/*") if not p.name.startswith("waiting-")]
        assert not strays, f"left in the trash: {strays}"
        if self.scenario.grace:
            undo(self.run, self.dropped, now=NOW + dt.timedelta(minutes=5))
            assert digests(self.run) == self.all, "undo did not bring back what was dropped"

    def point(self, what, faults, failures, *, whole, expect):
        self.fresh()
        status = self.forked(lambda: self.scenario.act(self.run, faults.posix))
        try:
            assert status in expect, f"the child ended with {status}"
            self.check_now(whole=whole)
            report = self.scenario.finish(self.run)
            assert not [i for i in report.items if i.outcome == "failed"], report.items
            self.check_end()
        except Exception as error:
            failures.append(f"{what}: {type(error).__name__}: {error}")


def main(scenario, mode, source, work):
    bench = Bench(SCENARIOS[scenario], Path(source), Path(work))
    failures, tried = [], 0
    in_place = scenario == "hf-in-place"  # no undo, and no single moment: said aloud
    if mode == "kill":
        for k in range(bench.count(EFFECTS)):
            faults = Faults(k, lambda call: os._exit(9), watch=EFFECTS)
            bench.point(f"killed at {k}", faults, failures, whole=not in_place, expect={9, 0})
            tried += 1
    else:
        watch = EFFECTS | READS - {"close"}
        for k in range(bench.count(watch)):
            for code in errors_at(k):
                faults = Faults(k, OSError(code, os.strerror(code)), watch=watch)
                bench.point(f"{errno.errorcode[code]} at {k}", faults, failures, whole=not in_place, expect={0, 7})
                tried += 1
    print(json.dumps({"tried": tried, "failures": failures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
