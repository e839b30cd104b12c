"""A prune rewrites the pointers of frameworks that cannot be run here, on disk, in the form that they read."""

import dataclasses
import datetime
import json
import os

import pytest

from holdfast.plan import plan
from holdfast.prune import prune
from holdfast.scan import scan


@pytest.fixture
def on_disk(tmp_path):
    """``on_disk(sample, renamed...)``: the sample's files in a directory, and copies of its checkpoint under other names."""

    def write(sample, **copies):
        for path, data in sample.files.items():
            targets = [path, *(path.replace(old, new, 1) for new, old in copies.items() if path.startswith(old))]
            for target in targets:
                where = tmp_path / "run" / target
                where.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(data, bytes):
                    where.write_bytes(data)
                elif not where.is_symlink():
                    where.symlink_to(data)
                os.utime(where, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
        return tmp_path / "run"

    return write


def pruned(run, policy="latest(1)", *, repoint):
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)
    made = plan(scan(run), policy, now=now, min_age=datetime.timedelta(0), repoint=repoint, trust_file_times=True)
    assert {"pruned"} >= {item.outcome for item in prune(made).items}
    return {c.name for c in scan(run).checkpoints}


def test_deepspeeds_latest_names_the_newest_that_is_left(samples, on_disk):
    run = on_disk(samples["deepspeed", "zero1"], global_step8="global_step4")
    assert "global_step4" == (run / "latest").read_text()
    assert {"global_step4", "global_step8"} == pruned(run, repoint=False)
    assert {"global_step8"} == pruned(run, repoint=True)
    assert b"global_step8" == (run / "latest").read_bytes(), "the tag alone, without a line's end"


def test_megatrons_tracker_names_the_newest_that_is_left(samples, on_disk):
    run = on_disk(samples["megatron", "core"])
    (run / "latest_checkpointed_iteration.txt").write_text("100")
    assert {"iter_0000100", "iter_0000200"} == pruned(run, repoint=False)
    assert {"iter_0000200"} == pruned(run, repoint=True)
    assert b"200" == (run / "latest_checkpointed_iteration.txt").read_bytes()


def test_composers_link_is_relinked(samples, on_disk):
    run = on_disk(samples["composer", "file"], **{"ep1-ba9-rank0.pt": "ep1-ba6-rank0.pt"})
    assert {"ep1-ba6-rank0.pt", "ep1-ba9-rank0.pt"} == pruned(run, repoint=False)
    assert {"ep1-ba9-rank0.pt"} == pruned(run, repoint=True)
    assert "ep1-ba9-rank0.pt" == os.readlink(run / "latest-rank0.pt")


def test_a_ray_checkpoint_that_ray_itself_gave_up_after_the_plan_is_left_alone(samples, on_disk):
    """Off the list, but not by this prune: Ray is deleting it."""
    sample = samples["ray", "v2"]
    run = on_disk(sample)
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)
    made = plan(scan(run), "latest(1)", now=now, repoint=True, trust_file_times=True)
    snapshot = run / "checkpoint_manager_snapshot.json"
    listed = json.loads(snapshot.read_bytes())
    listed["checkpoint_results"] = listed["checkpoint_results"][1:]
    snapshot.write_text(json.dumps(listed))
    made = dataclasses.replace(made, repoint=False)
    assert ["skipped"] == [item.outcome for item in prune(made).items]
    assert (run / sample.names[0]).is_dir()


def test_rays_snapshot_no_longer_lists_what_was_dropped(samples, on_disk):
    sample = samples["ray", "v2"]
    run = on_disk(sample)
    assert set(sample.names) == pruned(run, repoint=False), "Ray aborts when a listed one is missing"
    assert {sample.names[1]} == pruned(run, repoint=True)
    snapshot = json.loads((run / "checkpoint_manager_snapshot.json").read_bytes())
    assert [sample.names[1]] == [row["checkpoint_dir_name"] for row in snapshot["checkpoint_results"]]
    assert (sample.names[1], [4]) == (
        snapshot["latest_checkpoint_result"]["checkpoint_dir_name"],
        snapshot["checkpoint_report_indices"],
    )


@pytest.mark.parametrize(
    ("key", "new"),
    [(("deepspeed", "zero3"), "global_step6"), (("nemo", "directory"), "m--val_loss=0.50-step=200-consumed_samples=900.0"),
     (("t5x", "step"), "checkpoint_200"), (("megatron", "core"), "iter_0000300"), (("composer", "sharded"), "ep1-ba9"),
     (("ultralytics", "weights"), "epoch1.pt"), (("fairseq", "updates"), "checkpoint_3_2000.pt"), (("accelerate", "auto"), "checkpoint_9")],
)  # fmt: skip
def test_the_older_one_goes_and_nothing_else(samples, on_disk, key, new):
    """One checkpoint under two steps."""
    sample = samples[key]
    old = sample.names[0]
    prefix = f"{sample.base}/" if sample.base else ""
    run = on_disk(sample, **{prefix + new: prefix + old}) / sample.base
    before = {path.name for path in run.iterdir()}
    left = pruned(run, repoint=True)
    assert {new} == left
    assert before - {old, *sample.names} == {path.name for path in run.iterdir()} - set(sample.names)
    assert not (run / old).exists()
