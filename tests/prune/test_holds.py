"""S12: what a person pinned or a job leased stays, at whatever moment that was said."""

import datetime as dt
import errno
import json
import os
import subprocess
import sys
import time

import pytest

from holdfast.errors import FormatError, LeaseError, NotFoundError, StoreError, UsageError
from holdfast.prune import holds, lease, pin, pins, prune, trash, unpin
from holdfast.stores.faults import Faults

WEEK = dt.timedelta(days=7)


@pytest.fixture
def run(world):
    return world.save(100, 200, 300, 400)


def at_the_first_move(act):
    return Faults(0, lambda call: act(), watch={"rename"}, where=lambda c: "model_" in str(c.args[0])).posix


def test_s12_a_pin_is_kept_whatever_the_policy_says_and_says_whose_it_is(run):
    pin(run.root, run.name(100), reason="paper, table 2", owner="eva")
    plan = run.plan("latest(1)")
    assert ("pinned by eva: paper, table 2",) == plan[run.name(100)].guards
    prune(plan)
    assert [100, 400] == run.steps


def test_s12_a_pin_between_plan_and_prune_is_honoured(run):
    plan = run.plan("latest(1)")
    pin(run.root, run.name(100), owner="eva")
    report = prune(plan)
    assert [(100, "pinned by eva")] == [(i.step, i.why) for i in report.of("skipped")]


def test_s12_a_pin_after_the_second_look_is_honoured_the_checkpoint_comes_back(run):
    before = run.digest()
    fs = at_the_first_move(lambda: pin(run.root, run.name(100), owner="eva"))
    report = run.prune("latest(1)", fs=fs)
    assert [(100, "pinned by eva meanwhile: moved back")] == [(i.step, i.why) for i in report.of("skipped")]
    assert [one for one in before if "_100" in one[0] or "_400" in one[0]] == run.digest()


def test_s12_a_lease_after_the_second_look_is_honoured_the_checkpoint_comes_back(run):
    """Its reader has not yet looked whether it may begin."""

    def write():
        (run.state / "leases").mkdir()
        record = {"name": run.name(200), "owner": "eval", "ttl": 60, "grace": 60}
        (run.state / "leases/x.json").write_text(json.dumps(record))

    report = run.prune("latest(1)", fs=at_the_first_move(write))
    assert [200, 400] == run.steps
    assert "leased by eval" in report.of("skipped")[0].why


def test_s12_a_reader_does_not_begin_with_what_a_prune_at_work_intends_to_drop(run):
    """Else it could be moved away for a moment, before its lease is seen and it comes back."""
    refused = []

    def read():
        for step in (300, 400):
            try:
                with lease(run.path(step)):
                    pass
            except LeaseError as error:
                refused.append((step, str(error)))

    run.prune("latest(1)", fs=at_the_first_move(read))
    assert [(300, f"'{run.name(300)}' is being dropped at this moment; choose another checkpoint")] == refused


def test_s12_what_a_dead_prune_intended_to_drop_and_did_not_can_be_leased(run):
    killed = """
import datetime as dt, os, sys
from holdfast.plan import plan
from holdfast.prune import prune
from holdfast.scan import scan
from holdfast.stores.faults import Faults
made = plan(scan(sys.argv[1]), "latest(1)", now=dt.datetime.now(dt.UTC))
prune(made, fs=Faults(1, lambda c: os._exit(9), watch={"rename"}, where=lambda c: "model_" in c.args[0]).posix)
"""
    assert 9 == subprocess.run([sys.executable, "-c", killed, run.root], check=False).returncode
    with lease(run.path(200)):
        run.prune("latest(1)")
    assert [200, 400] == run.steps


def test_s12_a_lease_stops_only_the_checkpoint_that_it_holds(run):
    with lease(run.path(200), owner="eval"):
        run.prune("latest(1)")
    assert [200, 400] == run.steps


def test_s12_when_pins_cannot_be_read_after_the_move_everything_comes_back(run):
    before = run.digest()
    fs = at_the_first_move(lambda: _garbage(run))
    with pytest.raises(FormatError, match="until then nothing is dropped"):
        run.prune("latest(1)", fs=fs)
    assert before == run.digest()
    assert [] == trash(run.root)


def _garbage(run):
    (run.state / "pins").mkdir(exist_ok=True)
    (run.state / "pins/x.json").write_text("{}")


def test_s16_a_pin_that_cannot_be_read_stops_plan_and_prune(run):
    plan = run.plan("latest(1)")
    pin(run.root, run.name(100))
    _garbage(run)
    for act in (lambda: prune(plan), lambda: run.plan()):
        with pytest.raises(FormatError, match=r"pins/x\.json"):
            act()
    assert 4 == len(run.steps)


@pytest.mark.parametrize("record", ['{"name": "a", "until": "soon"}', '{"name": 7}', "[]", "{", "\xff"])
def test_s16_no_garbage_among_the_pins_is_taken_for_none(run, record):
    pin(run.root, run.name(100))
    (run.state / "pins/x.json").write_bytes(record.encode("latin-1"))
    with pytest.raises(FormatError):
        pins(run.root)


@pytest.mark.parametrize("record", ['{"name": "a"}', '{"name": "a", "ttl": -1, "grace": 0}', '{"ttl": 1, "grace": 1}'])
def test_s16_no_garbage_among_the_leases_is_taken_for_none(run, record):
    pin(run.root, run.name(100))
    (run.state / "leases").mkdir()
    (run.state / "leases/x.json").write_text(record)
    with pytest.raises(FormatError):
        holds(run.root, now=run.now)


def test_s16_an_unreadable_pins_directory_stops_the_prune(run):
    plan = run.plan("latest(1)")
    pin(run.root, run.name(100))
    denied = Faults(
        0, PermissionError(errno.EACCES, "Permission denied"), watch={"open"}, again=True,
        where=lambda c: c.args[0] == "pins",
    )  # fmt: skip
    with pytest.raises(StoreError, match="nothing is dropped"):
        prune(plan, fs=denied.posix)
    assert 4 == len(run.steps)


# Pins --------------------------------------------------------------------------------------------------------------


def test_pins_are_listed_with_owner_reason_and_fingerprint(run):
    made = pin(run.root, run.name(100), reason="paper", owner="eva", fingerprint="abc")
    assert (made,) == pins(run.root)
    assert ("pin", "eva", "paper", "abc") == (made.kind, made.owner, made.reason, made.fingerprint)


def test_pinning_again_replaces_the_reason(run):
    pin(run.root, run.name(100), reason="a")
    pin(run.root, run.name(100), reason="b")
    assert ["b"] == [p.reason for p in pins(run.root)]


def test_an_unpinned_checkpoint_may_go(run):
    pin(run.root, run.name(100))
    unpin(run.root, run.name(100))
    run.prune("latest(1)")
    assert [400] == run.steps


def test_unpinning_what_is_not_pinned_says_so(run):
    with pytest.raises(NotFoundError, match="not pinned"):
        unpin(run.root, run.name(100))


def test_a_pin_with_an_end_ends(run):
    pin(run.root, run.name(100), until=run.now + WEEK)
    assert 1 == len(holds(run.root, now=run.now))
    assert () == holds(run.root, now=run.now + 2 * WEEK)
    assert 1 == len(pins(run.root))


def test_s12_pinning_what_is_not_there_fails_instead_of_looking_like_a_pin(run):
    with pytest.raises(NotFoundError, match="no checkpoint"):
        pin(run.root, run.name(999))
    assert () == pins(run.root)


def test_s12_a_pin_that_came_too_late_fails(run):
    """The checkpoint went between the pin's first look and its being written."""
    gone = Faults(0, lambda c: os.unlink(run.path(100)), watch={"rename"}, where=lambda c: ".json" in c.args[1])
    pin(run.root, run.name(400))
    with pytest.raises(NotFoundError):
        pin(run.root, run.name(100), fs=gone.posix)
    assert [run.name(400)] == [p.name for p in pins(run.root)]


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc/passwd", "a/../b"])
def test_s18_a_pin_names_nothing_outside_the_run(run, name):
    with pytest.raises(UsageError, match="no name within the run"):
        pin(run.root, name)


def test_a_pin_without_a_zone_is_refused(run):
    with pytest.raises(UsageError, match="time zone"):
        pin(run.root, run.name(100), until=dt.datetime(2030, 1, 1))


# Leases ------------------------------------------------------------------------------------------------------------


def test_a_lease_is_in_force_within_its_block_and_gone_after(run):
    with lease(run.path(100), owner="eval", reason="bleu") as held:
        found = holds(run.root, now=dt.datetime.now(dt.UTC))
        assert [("lease", "eval", "bleu", run.name(100))] == [(h.kind, h.owner, h.reason, h.name) for h in found]
        assert str(run.path(100)) == held.path
    assert () == holds(run.root, now=dt.datetime.now(dt.UTC))


def test_many_may_lease_the_same_checkpoint(run):
    with lease(run.path(100)), lease(run.path(100)):
        assert 2 == len(holds(run.root, now=dt.datetime.now(dt.UTC)))


def test_s12_the_heartbeat_keeps_a_lease_alive_beyond_ttl_and_grace(run):
    with lease(run.path(100), ttl=0.2, grace=0.2) as held:
        time.sleep(1.0)
        assert not held.lost
        run.prune("latest(1)")
    assert [100, 400] == run.steps


def test_s12_a_silent_lease_holds_for_ttl_and_grace_then_lapses(run):
    with lease(run.path(100), ttl=60, grace=60):
        now = dt.datetime.now(dt.UTC)
        assert 1 == len(holds(run.root, now=now + dt.timedelta(seconds=110)))
        assert 0 == len(holds(run.root, now=now + dt.timedelta(seconds=130)))


def test_s12_a_lost_lease_says_so_and_the_next_use_raises(run):
    away = Faults(0, OSError(errno.EIO, "gone"), watch={"open"}, again=True, where=lambda c: "leases/" in c.args[0])
    held = lease(run.path(100), ttl=0.1, grace=0.1, fs=away.posix)
    held.__enter__()
    time.sleep(0.5)
    assert held.lost
    with pytest.raises(LeaseError, match="read again"):
        _ = held.path
    with pytest.raises(LeaseError, match="was lost"):
        held.__exit__(None, None, None)


def test_s12_a_lease_on_what_was_dropped_already_fails(run):
    path = run.path(100)
    run.prune("latest(1)")
    with pytest.raises(LeaseError, match="dropped, or never there"), lease(path):
        pass
    assert () == holds(run.root, now=dt.datetime.now(dt.UTC))


def test_s12_a_lease_on_what_is_half_way_out_of_sight_fails(make_world):
    """Several members: while some are there and some are not, a reader must not begin."""
    run = make_world("tf")
    for name in ("ck-1.index", "ck-1.data-00000-of-00001"):
        (run.root / name).write_bytes(b"x")
    refused = []

    def read(call):
        with pytest.raises(LeaseError) as error, lease(run.root / "ck-1"):
            pass
        refused.append(str(error.value))

    fs = Faults(1, read, watch={"rename"}, where=lambda c: "ck-1" in str(c.args[0]))
    _drop(run, fs.posix)
    assert ["'ck-1' is being dropped at this moment; choose another checkpoint"] == refused


def _drop(run, fs):
    from holdfast.prune.drop import Doomed, Intent, drop
    from holdfast.prune.lock import locked
    from holdfast.prune.state import home

    doomed = Doomed(name="ck-1", step=1, size=2, fingerprint="", members=("ck-1.index", "ck-1.data-00000-of-00001"))
    with home(run.root, fs=fs, make=True) as place, locked(place) as lock:
        intent = Intent(plan="p", policy="", now=run.now, grace=WEEK)
        return drop(place, lock, intent, [doomed], lambda names: {}, lambda *what: None)


def test_a_lease_through_a_link_holds_what_the_link_names(run):
    (run.root / "best").symlink_to(run.name(200))
    with lease(run.root / "best") as held:
        assert run.name(200) == held.name


def test_a_lease_on_a_prefix_of_several_files(make_world):
    run = make_world("tf")
    (run.root / "ck-1.index").write_bytes(b"x")
    with lease(run.root / "ck-1") as held:
        assert "ck-1" == held.name


def test_a_lease_that_cannot_be_written_says_do_not_read(run):
    full = Faults(0, OSError(errno.ENOSPC, "No space left on device"), watch={"create"}, again=True,
                  where=lambda c: c.args[0].endswith(".new"))  # fmt: skip
    with lease(run.path(200)):
        pass
    with pytest.raises(LeaseError, match="do not read it yet"), lease(run.path(100), fs=full.posix):
        pass


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_lease_without_a_length_is_refused(run, ttl):
    with pytest.raises(UsageError, match="ttl"):
        lease(run.path(100), ttl=ttl)


def test_s12_a_heartbeat_takes_its_time_from_the_file_system_not_from_this_hosts_clock(run):
    counted = Faults(watch={"write", "utime"})
    with lease(run.path(100), ttl=0.2, fs=counted.posix):
        time.sleep(0.3)
    assert "write" in {call.name for call in counted.calls}
    assert "utime" not in {call.name for call in counted.calls}
