"""A run's whole life, in any order: whatever happened before, what must stay is there and whole."""

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast.checkpoint import Status
from holdfast.errors import HoldfastError, RefusedError
from holdfast.plan import plan
from holdfast.prune import holds, lease, pin, prune, purge, recover, undo, unpin
from holdfast.scan import scan
from holdfast.stores.faults import Faults

POLICIES = st.sampled_from(["latest(1)", "latest(2)", "every(steps=3)", "latest(1) | every(steps=4)", "at(1, 2)"])
GRACES = st.sampled_from([dt.timedelta(0), dt.timedelta(days=1)])


class Crash(BaseException):
    """The process ends here."""


def content(step, seed):
    data = hashlib.sha256(f"{step} {seed}".encode()).digest() * 4
    header = json.dumps({"a": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


class Life(RuleBasedStateMachine):
    """Saves, crashes, prunes, pins, leases, undoes, purges and rewinds; the clock goes forward and back."""

    @initialize()
    def begin(self):
        self.where = Path(tempfile.mkdtemp(prefix="holdfast-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.run = self.where / "run"
        self.run.mkdir()
        self.clock, self.step, self.seed = dt.datetime.now(dt.UTC) - dt.timedelta(days=30), 0, 0
        self.saved, self.pinned, self.leases = {}, set(), {}
        self.newest = None
        self.save()
        self.save()

    def teardown(self):
        for held in getattr(self, "leases", {}).values():
            held.__exit__(None, None, None)
        shutil.rmtree(getattr(self, "where", "/nonexistent"), ignore_errors=True)

    def path(self, step):
        return self.run / f"model_{step}.safetensors"

    @property
    def there(self):
        return sorted(step for step in self.saved if self.path(step).exists())

    @rule()
    def save(self):
        self.step += 1
        self.seed += 1
        self.clock += dt.timedelta(hours=1)
        self.saved[self.step] = content(self.step, self.seed)
        self.path(self.step).unlink(missing_ok=True)
        self.path(self.step).write_bytes(self.saved[self.step])
        os.utime(self.path(self.step), (self.clock.timestamp(),) * 2)
        self.newest = self.step

    @rule()
    def crash_in_a_save(self):
        self.step += 1
        self.clock += dt.timedelta(hours=1)
        self.path(self.step).write_bytes(content(self.step, -1)[:-9])
        os.utime(self.path(self.step), (self.clock.timestamp(),) * 2)
        self.saved.pop(self.step, None)
        self.pinned.discard(self.step)
        self.partial = self.step

    @precondition(lambda self: len(self.there) > 2)
    @rule(back=st.integers(1, 3))
    def rewind(self, back):
        """Training goes on from an older step, and saves over what came after it."""
        self.step = max(0, self.step - back)

    def planned(self, policy):
        now = self.clock + dt.timedelta(hours=2)
        return plan(scan(self.run), policy, now=now, holds=holds(self.run, now=dt.datetime.now(dt.UTC)))

    @rule(policy=POLICIES, grace=GRACES)
    def prune(self, policy, grace):
        recover(self.run)
        try:
            report = prune(self.planned(policy), grace=grace, threads=1)
        except RefusedError:  # the files' times contradict the steps, and the rule needs times
            return
        assert not report.of("failed"), report

    @rule(policy=POLICIES, grace=GRACES, at=st.integers(0, 60))
    def crash_in_a_prune(self, policy, grace, at):
        with contextlib.suppress(Crash, HoldfastError):
            prune(self.planned(policy), grace=grace, threads=1, fs=Faults(at, Crash()).posix)
        self.died()

    def died(self):
        """A process that is dead is seen to be: here it is this one, and lives on, so its lock is released for it."""
        for lock in [*self.where.glob(".holdfast/run/lock-*"), *self.where.glob(".holdfast-*-lock-*")]:
            os.utime(lock, (0, 0))

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def pin(self, data):
        step = data.draw(st.sampled_from(self.there))
        pin(self.run, self.path(step).name)
        self.pinned.add(step)

    @precondition(lambda self: self.pinned)
    @rule(data=st.data())
    def unpin(self, data):
        step = data.draw(st.sampled_from(sorted(self.pinned)))
        unpin(self.run, self.path(step).name)
        self.pinned.discard(step)

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def take_a_lease(self, data):
        step = data.draw(st.sampled_from(self.there))
        if step not in self.leases:
            self.leases[step] = lease(self.path(step)).__enter__()

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def give_a_lease_back(self, data):
        self.leases.pop(data.draw(st.sampled_from(sorted(self.leases)))).__exit__(None, None, None)

    @rule()
    def undo(self):
        try:
            report = undo(self.run)
        except HoldfastError:
            return
        self.pinned |= {item.step for item in report.of("restored") if item.step in self.saved}

    @rule(at=st.integers(0, 40))
    def crash_in_an_undo(self, at):
        with contextlib.suppress(Crash, HoldfastError):
            undo(self.run, fs=Faults(at, Crash()).posix)
        self.died()

    @rule()
    def purge(self):
        purge(self.run, threads=1)

    @rule(hours=st.integers(-48, 400))
    def the_clock_goes(self, hours):
        self.clock += dt.timedelta(hours=hours)

    @invariant()
    def the_newest_save_is_there(self):
        if self.newest in self.saved:
            assert self.path(self.newest).read_bytes() == self.saved[self.newest]

    @invariant()
    def what_is_pinned_or_leased_is_there(self):
        for step in {*self.pinned, *self.leases} & set(self.saved):
            assert self.path(step).exists(), f"{step} was held, and is gone"

    @invariant()
    def whatever_is_complete_is_as_it_was_saved(self):
        if not self.there:
            return
        for checkpoint in scan(self.run).checkpoints:
            if checkpoint.status is Status.COMPLETE and checkpoint.step in self.saved:
                assert self.path(checkpoint.step).read_bytes() == self.saved[checkpoint.step]


Life.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_s1_s12_s15_whatever_happened_before_what_must_stay_is_there_and_whole = Life.TestCase
