"""Orbax: recorded by 0.12.8 and 0.11.33, and live."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from holdfast.checkpoint import Status, TimeSource
from holdfast.layouts.orbax import Orbax
from holdfast.scan import find_runs, scan
from holdfast.stores import Entry, Kind, LocalStore, MemoryStore

WHOLE = ["default", "metrics", "commitfile", "prefix_padded", "prefix_only", "padded_only", "composite", "todelete"]


def statuses(run):
    return {one.name: one.status for one in run.checkpoints}


def copied(source, target):
    """In memory, with the times as they were."""
    store = MemoryStore()
    for entry in LocalStore(source).tree(""):
        if entry.kind is Kind.FILE:
            path = f"{target}/{entry.path}".lstrip("/")
            store.write(path, (source / entry.path).read_bytes())
            store.touch(path, entry.mtime_ns)
    return store


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("7", (7, "{step}")),
        ("0", (0, "{step}")),
        ("0007", (7, "{step}")),
        ("ckpt_00000002", (2, "ckpt_{step}")),
        ("my_run_10", (10, "my_run_{step}")),
        ("a_1_2", (2, "a_1_{step}")),
        ("123456789012345678", (123456789012345678, "{step}")),
        ("2.orbax-checkpoint-tmp", (2, "{step}")),
        ("ckpt_2.orbax-checkpoint-tmp-5", (2, "ckpt_{step}")),
        ("2.orbax-checkpoint-tmp-1712345678901234", (2, "{step}")),
    ],
)
def test_a_name_of_orbax(name, found):
    (candidate,) = Orbax().candidates([Entry(name, Kind.DIR)])
    assert found == (candidate.step, candidate.template)
    assert ("tmp" not in name) == candidate.committed


@pytest.mark.parametrize(
    "name",
    ["best-step-50", "step-100-backup", "7.trash", "7.deleting", "_7", "7_", "-7", "7\n", "٧", "1234567890123456789", "metadata", ""],
)  # fmt: skip
def test_a_name_that_is_not_orbax_s(name):
    assert [] == list(Orbax().candidates([Entry(name, Kind.DIR)]))


def test_only_directories_are_steps():
    for kind in (Kind.FILE, Kind.LINK, Kind.OTHER):
        assert [] == list(Orbax().candidates([Entry("7", kind)]))


@pytest.mark.parametrize("name", WHOLE)
def test_what_orbax_committed_is_complete_with_its_time(real, name):
    run = scan(real / "orbax_v0" / name)
    assert {Status.COMPLETE} == set(statuses(run).values())
    assert {TimeSource.RECORDED} == {one.time_source for one in run.checkpoints}
    for one in run.checkpoints:
        known = json.loads((real / "orbax_v0" / name / one.name / "_CHECKPOINT_METADATA").read_bytes())
        assert known["commit_timestamp_nsecs"] // 1000 == round(one.time.timestamp() * 1_000_000)


def test_the_older_release_without_commit_files_is_complete(real):
    run = scan(real / "orbax_0.11.33")
    assert {"1": Status.COMPLETE, "2": Status.COMPLETE} == statuses(run)
    assert [{"l": 1.0}, {"l": 2.0}] == [one.metrics for one in sorted(run.checkpoints, key=lambda one: one.step)]


def test_a_commit_time_alone_proves_nothing_on_an_object_store(real):
    files = {
        f"1/{e.path}": (real / "orbax_0.11.33/1" / e.path).read_bytes()
        for e in LocalStore(real / "orbax_0.11.33/1").tree("")
        if e.kind is Kind.FILE
    }
    assert {"1": Status.COMPLETE} == statuses(scan(store=MemoryStore(files)))
    assert {"1": Status.PARTIAL} == statuses(scan(store=MemoryStore(files, directories=False)))
    assert {"1": Status.COMPLETE} == statuses(
        scan(store=MemoryStore({**files, "1/commit_success.txt": b""}, directories=False))
    )


@pytest.mark.parametrize("release", ["orbax_v0", "orbax_v1"])
def test_a_save_that_was_killed_is_partial(real, release):
    found = statuses(scan(real / release / "tmp_left"))
    assert {"1": Status.COMPLETE, "2.orbax-checkpoint-tmp": Status.PARTIAL} == found


def test_a_save_that_was_killed_in_commit_file_mode_is_partial(real):
    assert {"1": Status.COMPLETE, "2": Status.PARTIAL} == statuses(scan(real / "orbax_v0/tmp_left_commitfile"))


def test_an_unfinished_deletion_of_a_part_is_partial_and_a_finished_one_complete(real):
    assert {"1": Status.PARTIAL} == statuses(scan(real / "orbax_v1/delete_interrupted"))
    assert {"3": Status.COMPLETE} == statuses(scan(real / "orbax_v1/partial_delete"))


@pytest.mark.parametrize("where", ["orbax_v0/metrics/3", "orbax_v1/checkpointables/3", "orbax_v0/composite/5"])
def test_a_deletion_that_was_killed_midway_never_leaves_a_complete_one(real, where):
    """Each item gone, or one of its files; each marker gone."""

    def without(*paths):
        store = copied(real / where, "3")
        assert {"3": Status.COMPLETE} == statuses(scan(store=store))
        assert all(store.stat(path) for path in paths)
        store.delete(paths)
        return statuses(scan(store=store))["3"]

    for item in [path.name for path in (real / where).iterdir() if path.is_dir()]:
        assert Status.PARTIAL is without(f"3/{item}"), item
        assert Status.PARTIAL is without(f"3/{item}/commit_success.txt"), item
        if (real / where / item / "manifest.ocdbt").exists():
            assert Status.PARTIAL is without(f"3/{item}/_METADATA"), item
            assert Status.PARTIAL is without(f"3/{item}/d"), item
    assert Status.PARTIAL is without("3/commit_success.txt")
    assert Status.UNKNOWN is without("3/_CHECKPOINT_METADATA")
    assert Status.UNKNOWN is without("3/_CHECKPOINT_METADATA", "3/commit_success.txt")


@pytest.mark.parametrize("gone", ["1/default", "1/metrics", "1/default/_METADATA", "1/default/d"])
def test_a_deletion_of_an_older_release_s_that_was_killed_midway_is_seen_too(real, gone):
    store = copied(real / "orbax_0.11.33/1", "1")
    assert {"1": Status.COMPLETE} == statuses(scan(store=store))
    store.delete([gone])
    assert {"1": Status.PARTIAL} == statuses(scan(store=store))


def test_a_single_item_directly_in_the_directory_is_checked_too(real):
    source = real / "flax_legacy/orbax/keep2/checkpoint_10"
    assert {"checkpoint_10": Status.COMPLETE} == statuses(scan(store=copied(source, "checkpoint_10")))
    for gone in ("_METADATA", "d"):
        store = copied(source, "checkpoint_10")
        store.delete([f"checkpoint_10/{gone}"])
        assert {"checkpoint_10": Status.PARTIAL} == statuses(scan(store=store))


def test_an_item_inside_a_half_deleted_step_is_no_checkpoint_of_its_own(real, tmp_path):
    shutil.copytree(real / "orbax_v0/default", tmp_path / "run")
    for name in ("_CHECKPOINT_METADATA", "commit_success.txt"):
        (tmp_path / "run/3" / name).unlink()
    (run,) = find_runs(tmp_path)
    assert Status.UNKNOWN is statuses(run)["3"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"commit_timestamp_nsecs": "soon"}',
        b'{"item_handlers": 7, "commit_timestamp_nsecs": 1e400}',
    ],
)
def test_hostile_metadata_is_never_complete_without_a_commit(real, content):
    store = copied(real / "orbax_0.11.33/1", "1")
    store.write("1/_CHECKPOINT_METADATA", content, replace=True)
    (one,) = scan(store=store).checkpoints
    assert Status.COMPLETE is not one.status


@pytest.mark.parametrize("nanoseconds", [10**30, -(10**30), 2**80, True, 1.5, None, "1"])
def test_an_impossible_commit_time_is_none(real, nanoseconds):
    store = copied(real / "orbax_v0/default/3", "3")
    known = json.loads(store.read("3/_CHECKPOINT_METADATA"))
    store.write(
        "3/_CHECKPOINT_METADATA", json.dumps(known | {"commit_timestamp_nsecs": nanoseconds}).encode(), replace=True
    )
    (one,) = scan(store=store).checkpoints
    assert TimeSource.FILE is one.time_source


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_unreadable_metrics_are_none(real, content):
    store = copied(real / "orbax_v0/metrics/3", "3")
    store.write("3/metrics/metrics", content, replace=True)
    assert scan(store=store).checkpoints[0].metrics is None


def test_metrics_that_are_no_numbers_for_json_are_read(real):
    store = copied(real / "orbax_v0/metrics/3", "3")
    store.write("3/metrics/metrics", b'{"loss": NaN, "a": Infinity, "b": -Infinity}', replace=True)
    found = scan(store=store).checkpoints[0].metrics
    assert math.isnan(found["loss"])
    assert [math.inf, -math.inf] == [found["a"], found["b"]]


ORDER = """
    2.orbax-checkpoint-tmp/_CHECKPOINT_METADATA:start
    2.orbax-checkpoint-tmp/default.orbax-checkpoint-tmp/ 2.orbax-checkpoint-tmp/metrics.orbax-checkpoint-tmp/metrics
    2.orbax-checkpoint-tmp/default.orbax-checkpoint-tmp/_METADATA
    2.orbax-checkpoint-tmp/metrics.orbax-checkpoint-tmp/commit_success.txt
    2.orbax-checkpoint-tmp/metrics.orbax-checkpoint-tmp>2.orbax-checkpoint-tmp/metrics
    2.orbax-checkpoint-tmp/default.orbax-checkpoint-tmp/d/0 2.orbax-checkpoint-tmp/default.orbax-checkpoint-tmp/manifest.ocdbt
    2.orbax-checkpoint-tmp/default.orbax-checkpoint-tmp/commit_success.txt
    2.orbax-checkpoint-tmp/default.orbax-checkpoint-tmp>2.orbax-checkpoint-tmp/default
    2.orbax-checkpoint-tmp/_CHECKPOINT_METADATA:end 2.orbax-checkpoint-tmp/commit_success.txt 2.orbax-checkpoint-tmp>2
"""
COMMIT_FILE_ORDER = """
    2/ 2/_CHECKPOINT_METADATA:start 2/default/ 2/metrics/metrics 2/default/_METADATA 2/metrics/commit_success.txt
    2/default/d/0 2/default/manifest.ocdbt 2/default/commit_success.txt 2/_CHECKPOINT_METADATA:end 2/commit_success.txt
"""


@pytest.mark.parametrize("order", [ORDER, COMMIT_FILE_ORDER], ids=["rename", "commit file"])
@pytest.mark.parametrize("directories", [True, False])
def test_at_each_moment_of_a_save_it_is_partial_or_absent_until_the_last(real, order, directories):
    """The order in which 0.12.8 writes, as traced."""
    store = MemoryStore(directories=directories, clock=lambda: 1_795_486_482_988_000_000)
    for path, data in {
        f"1/{e.path}": (real / "orbax_v0/metrics/2" / e.path).read_bytes()
        for e in LocalStore(real / "orbax_v0/metrics/2").tree("")
        if e.kind is Kind.FILE
    }.items():
        store.write(path, data)
    source = real / "orbax_v0/metrics/3"
    known = json.loads((source / "_CHECKPOINT_METADATA").read_bytes())
    for event in order.split():
        found = statuses(scan(store=store))
        assert Status.COMPLETE is found.pop("1")
        assert Status.COMPLETE not in found.values(), event
        if ">" in event:
            store.move(*event.split(">"))
        elif event.endswith("/"):
            store.mkdir(event.rstrip("/"))
        else:
            path, _, when = event.partition(":")
            data = (
                b"x"
                if not when
                else json.dumps(
                    known if when == "end" else known | {"commit_timestamp_nsecs": None, "item_handlers": None}
                ).encode()
            )
            store.write(path, data, replace=True)
    assert {"1": Status.COMPLETE, "2": Status.COMPLETE} == statuses(scan(store=store))


# Live --------------------------------------------------------------------------------------------------------------


@pytest.mark.framework("orbax")
def test_a_live_run_of_v0(makers, tmp_path):
    root = makers.make_orbax_v0(
        tmp_path / "run",
        steps=(0, 5, 10),
        metrics=lambda step: {"loss": 1 / (step + 1)},
        step_prefix="ckpt",
        step_format_fixed_length=6,
    )
    run = scan(root)
    assert {"ckpt_000000", "ckpt_000005", "ckpt_000010"} == set(statuses(run))
    assert {Status.COMPLETE} == set(statuses(run).values())
    assert {step: {"loss": 1 / (step + 1)} for step in (0, 5, 10)} == {one.step: one.metrics for one in run.checkpoints}
    assert [] == list(run.foreign)


@pytest.mark.framework("orbax")
def test_a_live_run_of_v1_with_a_metric_that_became_nan(makers, tmp_path):
    root = makers.make_orbax_v1(
        tmp_path / "run", steps=(1, 2), metrics=lambda step: {"loss": math.nan if step == 2 else 0.5}
    )
    run = scan(root)
    assert {"1": Status.COMPLETE, "2": Status.COMPLETE} == statuses(run)
    assert math.isnan(next(one for one in run.checkpoints if one.step == 2).metrics["loss"])


@pytest.mark.framework("orbax")
def test_a_checkpoint_that_holdfast_calls_complete_is_loaded_when_newer_ones_are_gone(makers, tmp_path):
    root = makers.make_orbax_v0(tmp_path / "run", steps=(1, 2, 3))
    shutil.rmtree(root / "3")
    step, state = makers.load_orbax_v0(root)
    assert 2 == step == max(one.step for one in scan(root).checkpoints)
    assert (makers.state(2)["w"] == state["w"]).all()


@pytest.mark.framework("orbax")
def test_a_live_save_killed_before_its_commit_is_partial(makers, tmp_path):
    root = makers.make_orbax_v0(tmp_path / "run", steps=(1,))
    code = f"""
        import os, numpy as np, orbax.checkpoint as ocp
        from orbax.checkpoint._src.path import atomicity
        async def die(self): os._exit(9)
        manager = ocp.CheckpointManager({str(root)!r})
        atomicity.AtomicRenameTemporaryPath.finalize = die
        manager.save(2, args=ocp.args.StandardSave({{"w": np.arange(6.0)}}))
        manager.wait_until_finished()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        check=False,
    )
    assert 9 == done.returncode, done.stderr.decode()
    found = statuses(scan(root))
    assert {"1": Status.COMPLETE, "2.orbax-checkpoint-tmp": Status.PARTIAL} == found
