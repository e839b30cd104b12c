"""Which checkpoints does a scan see, and what does it know of them?"""

from __future__ import annotations

import dataclasses
import datetime
import os

import pytest

from holdfast.checkpoint import Status, TimeSource
from holdfast.errors import StoreError
from holdfast.policies.base import EVERYTHING, Needs
from holdfast.scan import RunRef, look_again, scan
from holdfast.stores import CountingStore, LocalStore
from holdfast.stores.faults import FaultyStore

READS = {"list", "tree", "read", "stat"}


def by_name(run):
    return {checkpoint.name: checkpoint for checkpoint in run.checkpoints}


def test_a_scan_knows_step_time_metrics_size_and_status(orbax, in_memory):
    run = scan(store=in_memory(orbax([1, 2], loss=0.5)))
    one = by_name(run)["1"]
    assert ("orbax", "{step}", True) == (run.layout, run.template, run.atomic)
    assert (1, Status.COMPLETE, {"loss": 0.5}) == (one.step, one.status, one.metrics)
    assert TimeSource.RECORDED is one.time_source
    assert datetime.datetime(2026, 11, 24, 2, 14, 43, 946884, tzinfo=datetime.UTC) == one.time
    assert one.size > 0
    assert one.fingerprint
    assert ("1",) == one.members


def test_the_root_is_resolved(orbax, on_disk, tmp_path):
    real = on_disk(orbax([1]))
    (tmp_path / "alias").symlink_to(real)
    assert str(real.resolve()) == scan(tmp_path / "alias").root == scan(f"file://{tmp_path}/alias/../alias").root


def test_look_alikes_are_foreign_and_said_to_be(orbax, on_disk):
    root = on_disk(
        orbax([1, 2]) | {"7/notes.txt": b"mine", "best-step-50/x": b"", "3.trash/x": b"", "config.json": b"{}"}
    )
    (root / "12").mkdir()
    run = scan(root)
    assert {"1", "2"} == set(by_name(run))
    assert {"7", "12", "best-step-50", "3.trash", "config.json"} == {foreign.path for foreign in run.foreign}
    assert "nothing inside says so" in next(foreign.why for foreign in run.foreign if foreign.path == "12")


def test_names_that_only_begin_like_a_checkpoint_are_foreign(real, tmp_path):
    import shutil

    root = tmp_path / "run"
    shutil.copytree(real / "hf/steps", root)
    for name in ("checkpoint-2.trash", "step-100-backup", "old-checkpoint-4", "checkpoint-4x"):
        shutil.copytree(root / "checkpoint-6", root / name)
    assert {"checkpoint-6", "checkpoint-8"} == set(by_name(scan(root, layout="hf")))


def test_one_that_cannot_be_read_is_set_aside_and_the_others_are_scanned(orbax, in_memory):
    for method in ("list", "tree", "read"):
        store = FaultyStore(
            in_memory(orbax([1, 2, 3])),
            0,
            StoreError("EIO"),
            watch={method},
            again=True,
            where=lambda call: call.args[0].startswith("2"),
        )
        seen = by_name(scan(store=store))
        assert (Status.UNKNOWN, "cannot be read: EIO") == (seen["2"].status, seen["2"].why)
        assert {Status.COMPLETE} == {seen["1"].status, seen["3"].status}


def test_an_error_while_listing_the_run_raises(orbax, in_memory):
    store = FaultyStore(in_memory(orbax([1, 2])), 0, StoreError("EIO"), watch={"list"})
    with pytest.raises(StoreError, match="EIO"):
        scan(store=store)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_without_permission_is_set_aside(orbax, on_disk):
    root = on_disk(orbax([1, 2]))
    (root / "2").chmod(0)
    assert Status.UNKNOWN is by_name(scan(root))["2"].status


def test_a_layout_that_fails_sets_aside_and_says_what_happened(orbax, in_memory, monkeypatch):
    from holdfast.layouts.orbax import Orbax

    monkeypatch.setattr(Orbax, "metrics", lambda *_: {}["absent"])
    one = by_name(scan(store=in_memory(orbax([1]))))["1"]
    assert (Status.UNKNOWN, "cannot be read: KeyError: 'absent'") == (one.status, one.why)


def test_an_uncommitted_one_is_partial(orbax, in_memory):
    files = orbax([1]) | orbax([2], name="{}.orbax-checkpoint-tmp", commit=False)
    assert {"1": Status.COMPLETE, "2.orbax-checkpoint-tmp": Status.PARTIAL} == {
        name: one.status for name, one in by_name(scan(store=in_memory(files))).items()
    }


def test_the_same_step_twice_is_told(orbax, in_memory):
    run = scan(store=in_memory(orbax([7, 8]) | orbax([7], name="000{}")))
    assert ("step 7 is there more than once: 0007, 7",) == run.notes


# What is read ------------------------------------------------------------------------------------------------------


def opened(store, **options):
    counting = CountingStore(store)
    scan(store=counting, **options)
    return counting


def test_a_scan_for_names_opens_no_file(orbax, in_memory):
    counting = opened(in_memory(orbax(range(50), loss=0.5)), verify=False)
    assert set() == counting.paths("read") | counting.paths("tree")
    assert len(counting.paths("list")) <= 5


def test_each_directory_is_listed_once_however_many_layouts_ask(in_memory):
    files = {f"step_{n}/{name}": b"x" for n in range(5) for name in (".metadata", "__0_0.distcp")}
    counting = CountingStore(in_memory(files))
    assert {"dcp"} == {run.layout for run in [scan(store=counting)]}
    assert {1} == {counting.calls["list", f"step_{n}"] for n in range(5)}


def test_what_is_known_to_be_absent_is_not_asked_for(in_memory):
    files = {f"checkpoint-{n}/{name}": b"{}" for n in range(3) for name in ("trainer_state.json", "model.safetensors")}
    counting = CountingStore(in_memory(files))
    assert "hf" == scan(store=counting).layout
    assert not any(path.endswith("training_args.bin") for path in counting.paths("read"))


def test_a_policy_of_steps_opens_no_metric_file_and_no_time_file(orbax, in_memory):
    from holdfast.policies.language import parse

    policy = parse("latest(3) | every(steps=1000)")
    assert set() == opened(in_memory(orbax([1, 2], loss=1.0)), policy=policy, verify=False).paths("read")
    verified = opened(in_memory(orbax([1, 2], loss=1.0)), policy=policy).paths("read")
    assert {"1/_CHECKPOINT_METADATA", "2/_CHECKPOINT_METADATA"} == verified


def test_a_time_that_costs_nothing_is_known_whatever_the_policy_needs(real):
    for where in ("orbax_v0/default", "tf/manager"):
        assert {TimeSource.RECORDED} == {one.time_source for one in scan(real / where, needs=Needs.NOTHING).checkpoints}


def test_a_policy_of_metrics_opens_each_metric_file_once(orbax, in_memory):
    counting = opened(in_memory(orbax([1, 2], loss=1.0)), needs=Needs.METRICS, verify=False)
    assert {"1/metrics/metrics", "2/metrics/metrics"} == counting.paths("read")
    assert 2 == counting.total("read")


def test_a_whole_scan_reads_each_file_once(orbax, in_memory):
    counting = opened(in_memory(orbax([1, 2], loss=1.0)))
    assert {1} == {count for (method, _), count in counting.calls.items() if method in {"read", "tree"}}


@pytest.mark.parametrize("needs", [Needs.NOTHING, Needs.TIMES, Needs.METRICS, Needs.SIZES, EVERYTHING])
def test_without_verification_no_status_is_claimed(orbax, in_memory, needs):
    run = scan(store=in_memory(orbax([1, 2, 3, 4, 5], loss=0.5)), verify=False, needs=needs)
    assert 5 == len(run.checkpoints)
    assert {Status.UNKNOWN} == {one.status for one in run.checkpoints}
    assert {1, 2, 3, 4, 5} == {one.step for one in run.checkpoints}
    one = by_name(run)["1"]
    assert (Needs.TIMES in needs) == (one.time is not None)
    assert (Needs.METRICS in needs) == (one.metrics is not None)
    assert (Needs.SIZES in needs) == (one.size is not None)


def test_checkpoints_known_by_name_are_a_sequence(orbax, in_memory):
    seen = scan(store=in_memory(orbax([1, 2, 3])), verify=False).checkpoints
    assert tuple(seen) == seen[:]
    assert seen[0] == seen[:1][0]
    assert seen == list(seen)
    assert seen != ()


@pytest.mark.parametrize("shape", ['{"a":%s}', "[%s]"])
def test_metrics_that_are_too_deep_set_their_checkpoint_aside_s23(shape, orbax, on_disk):
    deep = "1"
    for _ in range(900):
        deep = shape % deep
    root = on_disk(orbax([1, 2, 3], loss=1))
    (root / "2/metrics/metrics").write_text(f'{{"a":{deep}}}')
    run = scan(root)
    assert {"1": Status.COMPLETE, "2": Status.UNKNOWN, "3": Status.COMPLETE} == {
        c.name: c.status for c in run.checkpoints
    }
    assert "nested more than 64 deep" in by_name(run)["2"].why


# Links and shared bytes --------------------------------------------------------------------------------------------


def test_a_link_named_like_a_step_is_set_aside_and_what_it_leads_to_is_named(orbax, on_disk):
    root = on_disk(orbax([1, 2]))
    (root / "20").symlink_to("2")
    run = scan(root)
    one = by_name(run)["20"]
    assert (Status.UNKNOWN, 20, ("2",)) == (one.status, one.step, one.refs)
    assert "never followed" in one.why
    assert [("20", ("2",))] == [(pointer.path, pointer.names) for pointer in run.pointers]


@pytest.mark.parametrize("target", ["2", "2/default", "../run/2", "{root}/2/default/d", "./1/../2"])
def test_a_link_beside_the_checkpoints_points_at_one(orbax, on_disk, target):
    root = on_disk(orbax([1, 2]))
    (root / "current").symlink_to(target.format(root=root))
    assert [("current", ("2",))] == [(pointer.path, pointer.names) for pointer in scan(root).pointers]


@pytest.mark.parametrize("target", ["..", ".", "../other/2", "/etc", "nowhere", "2x"])
def test_a_link_elsewhere_points_at_none(orbax, on_disk, target):
    root = on_disk(orbax([1, 2]))
    (root / "current").symlink_to(target)
    assert () == scan(root).pointers


def test_an_absolute_link_by_another_name_of_the_root_points_too(orbax, on_disk, tmp_path):
    real = on_disk(orbax([1, 2]))
    (tmp_path / "alias").symlink_to(real)
    (real / "current").symlink_to(tmp_path / "alias" / "2")
    assert [("2",)] == [pointer.names for pointer in scan(tmp_path / "alias").pointers]


@pytest.mark.parametrize("target", ["{alias}/run/2", "../../alias/run/2", "{alias}/hop"])
def test_a_link_by_a_name_that_only_the_file_system_knows_points_too_s11(target, orbax, on_disk, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "alias").symlink_to("disk")
    root = on_disk(orbax([1, 2]), "disk/run")
    (tmp_path / "disk" / "hop").symlink_to(root / "2")
    (root / "current").symlink_to(target.format(alias=tmp_path / "alias"))
    run = scan(root)
    assert [("current", ("2",))] == [(pointer.path, pointer.names) for pointer in run.pointers]
    assert run.pointers == look_again(run, ["1"])[1]


def test_a_shard_linked_by_another_name_of_the_root_is_a_ref_s19(orbax, on_disk, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "alias").symlink_to("disk")
    root = on_disk(orbax([1, 2, 3]), "disk/run")
    (root / "3/default/d/0").unlink()
    (root / "3/default/d/0").symlink_to(tmp_path / "alias" / "run/1/default/d/0")
    assert by_name(scan(root))["3"].refs == ("1",)


def test_a_loop_of_links_leads_nowhere(orbax, on_disk):
    root = on_disk(orbax([1, 2]))
    (root / "a").symlink_to("../run/b")
    (root / "b").symlink_to(root / "a")
    assert scan(root).pointers == ()


def test_links_from_one_checkpoint_into_another_are_its_refs(orbax, on_disk):
    root = on_disk(orbax([1, 2, 3]))
    (root / "3/default/d/0").unlink()
    (root / "3/default/d/0").symlink_to("../../../1/default/d/0")
    (root / "3/default/d/own").symlink_to("../_METADATA")
    seen = by_name(scan(root))
    assert ("1",) == seen["3"].refs
    assert () == seen["2"].refs


def test_hard_links_are_shared_bytes(orbax, on_disk):
    root = on_disk(orbax([1, 2]))
    (root / "2/default/d/0").unlink()
    os.link(root / "1/default/d/0", root / "2/default/d/0")
    assert [len(b"weights")] * 2 == [one.shared for one in scan(root).checkpoints]


# Fingerprints, times, rewriting ------------------------------------------------------------------------------------


def test_a_fingerprint_changes_with_a_name_a_size_or_a_time_and_with_nothing_else(orbax, on_disk):
    root = on_disk(orbax([1]))

    def now():
        return scan(root).checkpoints[0].fingerprint

    first = now()
    os.utime(root / "1", ns=(1, 1))
    os.utime(root / "1/default", ns=(1, 1))
    assert first == now()
    seen = {first}
    file = root / "1/default/d/0"
    kept = file.stat().st_mtime_ns
    file.write_bytes(b"WEIGHTS!")
    os.utime(file, ns=(kept, kept))
    seen.add(now())
    os.utime(file, ns=(kept, kept + 1000))
    seen.add(now())
    file.rename(root / "1/default/d/1")
    seen.add(now())
    (root / "1/default/new").mkdir()
    seen.add(now())
    assert 5 == len(seen)


def test_an_item_written_after_the_commit_means_that_it_is_being_rewritten(orbax, in_memory):
    store = in_memory(orbax([1, 2]))
    store.touch("1/default/d/0", store.stat("1/commit_success.txt").mtime_ns + 3 * 10**9)
    store.touch("2/default/d/0", store.stat("2/commit_success.txt").mtime_ns + 1 * 10**9)
    seen = by_name(scan(store=store))
    assert Status.PARTIAL is seen["1"].status
    assert "newer" in seen["1"].why
    assert Status.COMPLETE is seen["2"].status


def test_a_copy_is_not_taken_for_one_that_is_being_rewritten(orbax, in_memory):
    store = in_memory(orbax([1]))
    copied = store.stat("1/commit_success.txt").mtime_ns + 3600 * 10**9
    store.touch("1/commit_success.txt", copied)
    store.touch("1/default/d/0", copied + 60 * 10**9)
    assert Status.COMPLETE is by_name(scan(store=store))["1"].status


def test_touched_is_the_newest_time_of_any_file(orbax, on_disk):
    root = on_disk(orbax([1]))
    os.utime(root / "1/default/d/0", ns=(0, 2_000_000_000_000_000_000))
    assert datetime.datetime(2033, 5, 18, 3, 33, 20, tzinfo=datetime.UTC) == scan(root).checkpoints[0].touched


def test_a_time_that_is_not_recorded_is_the_marker_s(real, tmp_path):
    one = by_name(scan(real / "hf/steps"))["checkpoint-8"]
    marker = (real / "hf/steps/checkpoint-8/trainer_state.json").stat().st_mtime_ns
    assert TimeSource.FILE is one.time_source
    assert marker // 1000 == one.time.timestamp() * 1_000_000


# The second look ---------------------------------------------------------------------------------------------------


def test_a_second_look_sees_what_a_fresh_scan_would(orbax, in_memory):
    store = in_memory(orbax([1, 2, 3]))
    run = scan(store=store, needs=Needs.NOTHING)
    seen, pointers = look_again(RunRef(run.root, run.layout, run.template), ["1", "3"], store=store)
    assert {"1": by_name(run)["1"], "3": by_name(run)["3"]} == seen
    assert run.pointers == pointers


def test_a_second_look_sees_what_changed_and_what_went(orbax, in_memory):
    store = in_memory(orbax(range(1, 9)))
    run = scan(store=store)
    store.delete(["1", "2/commit_success.txt", "4/_CHECKPOINT_METADATA", "4/default", "4/commit_success.txt"])
    store.write("4/mine.txt", b"")
    store.write("3/default/d/late", b"")
    seen, _ = look_again(run, ["1", "2", "3", "4"], store=store)
    assert {"2", "3"} == set(seen)
    assert Status.PARTIAL is seen["2"].status
    assert by_name(run)["3"].fingerprint != seen["3"].fingerprint


def test_a_second_look_finds_the_few_checkpoints_among_many_that_only_look_so(orbax, on_disk):
    root = on_disk(orbax([500]))
    for step in range(200):
        (root / str(step)).mkdir()
    (root / "500/default/d/0").unlink()
    (root / "500/default/d/0").symlink_to("../../../3/x")
    run = scan(root)
    assert 1 == len(run.checkpoints)
    assert {"500"} == set(look_again(run, ["500", "7"])[0])


def test_a_second_look_still_knows_what_links_lead_to(orbax, on_disk):
    root = on_disk(orbax([1, 2, 3]))
    (root / "3/default/d/0").unlink()
    (root / "3/default/d/0").symlink_to("../../../1/default/d/0")
    assert ("1",) == look_again(scan(root), ["3"])[0]["3"].refs


def test_a_second_look_at_a_run_that_is_gone_raises(orbax, on_disk):
    import shutil

    root = on_disk(orbax([1]))
    run = scan(root)
    shutil.rmtree(root)
    with pytest.raises(StoreError):
        look_again(run, ["1"])


def test_a_second_look_sees_a_new_pointer(orbax, on_disk):
    root = on_disk(orbax([1, 2]))
    run = scan(root)
    (root / "keep").symlink_to("1")
    seen, pointers = look_again(run, ["1"])
    assert {"1"} == set(seen)
    assert [("1",)] == [pointer.names for pointer in pointers]


def test_a_second_look_at_a_link_in_the_place_of_a_checkpoint_sets_it_aside(orbax, on_disk):
    root = on_disk(orbax([1, 2, 3]))
    run = scan(root)
    (root / "1").rename(root.parent / "elsewhere")
    (root / "1").symlink_to(root.parent / "elsewhere")
    seen, _ = look_again(run, ["1"])
    assert Status.UNKNOWN is seen["1"].status


def test_a_second_look_knows_a_series_of_a_pattern(makers, tmp_path):
    root = makers.make_series(tmp_path / "run", name="net-{step}-x.safetensors")
    run = scan(root, pattern="net-{step}-x.safetensors")
    seen, _ = look_again(run, ["net-100-x.safetensors"])
    assert Status.COMPLETE is seen["net-100-x.safetensors"].status


def test_a_scan_of_ten_thousand_is_as_good_as_of_ten(orbax, in_memory, tmp_path):
    for step in range(10_000):
        (tmp_path / "run" / str(step)).mkdir(parents=True)
    for step in (0, 5_000, 9_999):
        for path, data in orbax([step]).items():
            (tmp_path / "run" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "run" / path).write_bytes(data)
    counting = CountingStore(LocalStore(tmp_path / "run"))
    run = scan(store=counting)
    assert {0, 5_000, 9_999} == {one.step for one in run.checkpoints}
    assert 9_997 == len(run.foreign)


def test_names_that_are_no_text_are_scanned(orbax, on_disk):
    root = on_disk(orbax([1, 2]))
    odd = b"\xff\xfe\n\x1b[31m_7"
    os.rename(os.fsencode(root / "2"), os.path.join(os.fsencode(root), odd))
    run = scan(root, template=os.fsdecode(odd[:-1]) + "{step}")
    assert [os.fsdecode(odd)] == [one.name for one in run.checkpoints]
    assert [Status.COMPLETE] == [one.status for one in run.checkpoints]
    assert dataclasses.asdict(run)
