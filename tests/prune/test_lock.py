"""S20: one pruner at a time; who is taken for dead drops nothing more."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.errors import LockedError
from holdfast.prune import pin, prune, trash, undo
from holdfast.prune.lock import Clock, locked, owner, provably_dead, started
from holdfast.prune.state import home
from holdfast.stores.faults import Faults
from holdfast.stores.posix import Posix

HOLD_AND_DIE = """
import os, signal, sys
from holdfast.prune.lock import locked
from holdfast.prune.state import home
from holdfast.stores.posix import Posix
with home(sys.argv[1], fs=Posix(), make=True) as place, locked(place):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(world):
    return world.save(100, 200, 300, 400)


@pytest.fixture
def opened(run):
    with home(run.root, fs=Posix(), make=True) as place:
        yield place


class Watch:
    """A clock whose time passes by sleeping; ``at`` is called at each sleep."""

    def __init__(self, at=lambda: None):
        self.now, self.slept, self.at = 0.0, 0, at

    def sleep(self, seconds):
        self.now += seconds
        self.slept += 1
        self.at()

    @property
    def clock(self):
        return Clock(lambda: self.now, self.sleep)


def foreign_lock(run, *, age=1000.0, **changes):
    """A lock that a process elsewhere holds: nobody here can say whether it lives."""
    with home(run.root, fs=Posix(), make=True):
        pass
    them = {**owner(60.0, "f" * 16), "host": "elsewhere", "boot": "another boot", "owner": "eva@elsewhere", **changes}
    path = run.state / "lock-1"
    path.write_text(json.dumps(them))
    when = time.time() - age
    os.utime(path, (when, when))
    return path


def test_s20_a_second_pruner_is_told_who_is_at_work(run, opened):
    with locked(opened), pytest.raises(LockedError, match=f"process {os.getpid()}"):
        run.prune()
    assert 4 == len(run.steps)


def test_s20_a_released_lock_stands_in_nobodys_way(run, opened):
    with locked(opened):
        pass
    assert 0 == run.prune().exit_code


def test_s20_generations_only_go_up(run, opened):
    for _ in range(20):
        with locked(opened):
            pass
    found = sorted(int(p.name[5:]) for p in run.state.glob("lock-*"))
    assert 20 == found[-1]
    assert len(found) <= 10


def test_s20_a_process_that_is_provably_dead_is_not_waited_for(run, opened):
    killed = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, run.root])
    assert -signal.SIGKILL == killed.returncode
    watch = Watch()
    assert 0 == run.prune(clock=watch.clock).exit_code
    assert 0 == watch.slept


def test_s20_a_live_foreign_lock_is_not_even_watched(run):
    foreign_lock(run, age=5)
    watch = Watch()
    with pytest.raises(LockedError, match="eva@elsewhere"):
        run.prune(clock=watch.clock)
    assert 0 == watch.slept


def test_s20_a_silent_foreign_lock_is_watched_for_a_full_ttl_then_taken_over(run):
    foreign_lock(run)
    watch = Watch()
    assert 0 == run.prune(clock=watch.clock).exit_code
    assert watch.now >= 60


def test_s20_a_heartbeat_while_being_watched_means_that_it_lives(run):
    path = foreign_lock(run)
    watch = Watch()
    watch.at = lambda: os.utime(path) if watch.slept == 15 else None
    with pytest.raises(LockedError):
        run.prune(clock=watch.clock)
    assert 4 == len(run.steps)


def test_s20_a_clock_that_was_set_back_makes_nobody_dead_unwatched(run):
    foreign_lock(run, age=-5000)
    watch = Watch()
    run.prune(clock=watch.clock)
    assert watch.now >= 60


@pytest.mark.parametrize("key", ["boot", "namespace"])
def test_s20_of_another_boot_or_pid_namespace_nobody_is_provably_dead(key):
    them = {**owner(60.0, ""), "pid": 2**22 + 1, key: "another"}
    assert not provably_dead(them)
    assert provably_dead({**owner(60.0, ""), "pid": 2**22 + 1})


def test_s20_a_pid_that_was_given_to_another_process_does_not_live_on(opened):
    assert not provably_dead(owner(60.0, ""))
    assert provably_dead({**owner(60.0, ""), "started": "1"})


def test_s20_a_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert "" == started(child.pid)
    child.wait()


def test_s20_who_was_taken_over_drops_nothing_more(run, opened):
    plan = run.plan("latest(1)")

    def usurp(call):
        (run.state / "lock-2").write_text("{}")

    faults = Faults(1, usurp, watch={"rename"}, where=lambda c: "model_" in c.args[0])
    with pytest.raises(LockedError, match="took this run over"):
        prune(plan, fs=faults.posix)
    assert len(run.steps) >= 2


@pytest.mark.parametrize("policy", ["latest(1)", "latest(3)"])
def test_s20_the_fence_a_move_of_who_was_taken_over_finds_no_destination(run, opened, policy):
    """Even without looking: the batch that it moves into was renamed away."""
    plan = run.plan(policy)

    def take_over(call):
        held = next((run.state / "trash").glob("held-*"))
        os.rename(held, held.with_name(held.name.replace("held", "lost")))
        (run.state / "lock-2").write_text("{}")

    faults = Faults(0, take_over, watch={"rename"}, where=lambda c: "model_" in c.args[0])
    with pytest.raises(LockedError):
        prune(plan, fs=faults.posix)
    assert 4 == len(run.steps)


def test_s20_planning_needs_no_lock(run, opened):
    with locked(opened):
        assert 2 == len(run.plan().dropped)


def test_s20_the_lock_is_not_held_while_bytes_are_freed(run):
    freeing = []

    def look(call):
        with home(run.root, fs=Posix()) as place, locked(place):
            freeing.append(call)

    fs = Faults(0, look, watch={"unlink"}, where=lambda c: "model_" in c.args[0])
    run.prune(fs=fs.posix, threads=1)
    assert 1 == len(freeing)


def test_s22_on_a_full_disk_the_lock_lies_beside_the_run_and_the_two_exclude_each_other(run):
    full = Faults(0, OSError(28, "No space left on device"), watch={"mkdir"}, again=True).posix
    with home(run.root, fs=full, make=True) as place:
        assert place.fd is None
        with locked(place):
            assert 1 == len(run.beside)
            with home(run.root, fs=Posix(), make=True) as other, pytest.raises(LockedError), locked(other):
                pass
    with home(run.root, fs=Posix(), make=True) as other, locked(other), home(run.root, fs=full) as place:
        assert place.fd is not None
    shutil.rmtree(run.state)
    foreign_lock(run, age=5)
    run.state.rename(run.root.parent / "away")
    with home(run.root, fs=full, make=True) as place:
        (run.root.parent / "away").rename(run.state)
        with pytest.raises(LockedError, match="eva@elsewhere"), locked(place):
            pass


def test_a_file_system_without_hard_links_can_be_locked_too(run):
    plain = Faults(0, PermissionError(1, "Operation not permitted"), watch={"link"}, again=True).posix
    with home(run.root, fs=plain, make=True) as place, locked(place), pytest.raises(LockedError), locked(place):
        pass
    assert 0 == run.prune(fs=plain).exit_code


def test_an_undo_and_a_prune_exclude_each_other(run, opened):
    run.prune("latest(3)", grace=timedelta(days=1))
    with locked(opened), pytest.raises(LockedError):
        undo(run.root)
    assert 1 == len(trash(run.root))


def test_a_pin_needs_no_lock(run, opened):
    with locked(opened):
        pin(run.root, run.name(100))
