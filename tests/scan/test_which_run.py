"""Exactly one run is meant, or the scan says what may be."""

from __future__ import annotations

import shutil

import pytest

from holdfast.errors import NotFoundError, RefusedError, StoreError, UsageError
from holdfast.scan import find_runs, scan
from holdfast.stores.faults import FaultyStore


@pytest.fixture
def runs(makers, orbax, on_disk, tmp_path):
    on_disk(orbax([1, 2]), "runs/a")
    on_disk(orbax([5]), "runs/b/checkpoints")
    return tmp_path / "runs"


@pytest.fixture
def on_disk(on_disk, tmp_path):
    def put(files, name="run"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        return on_disk(files, name)

    return put


def test_what_is_not_there_is_not_found(tmp_path):
    for path in (tmp_path / "absent", tmp_path / "absent/deeper"):
        with pytest.raises(NotFoundError, match="no such directory"):
            scan(path)
        with pytest.raises(NotFoundError):
            find_runs(path)


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "model_1.pt").write_bytes(b"")
    with pytest.raises(NotFoundError):
        scan(tmp_path / "model_1.pt")


def test_a_folder_of_runs_is_refused_with_a_list_of_them(runs):
    with pytest.raises(RefusedError) as caught:
        scan(runs)
    said = str(caught.value)
    assert f"{runs}/a   orbax {{step}}, 2 checkpoints" in said
    assert f"{runs}/b/checkpoints   orbax {{step}}, 1 checkpoint" in said
    assert "holds 2 below it" in said


def test_a_checkpoint_itself_is_refused_and_its_run_is_named(runs):
    for inside, how in (
        ("1", "is a checkpoint"),
        ("1/default", "lies in a checkpoint"),
        ("1/default/d", "lies in a checkpoint"),
    ):
        for look in (scan, find_runs):
            with pytest.raises(RefusedError) as caught:
                look(runs / "a" / inside)
            assert how in str(caught.value)
            assert f"its run is {runs / 'a'}:" in str(caught.value)


def test_inside_a_checkpoint_of_a_store_is_refused_too(orbax, in_memory):
    store = in_memory(orbax([1, 2], name="deep/run/{}"))
    assert 2 == len(scan("deep/run", store=store).checkpoints)
    for path in ("deep/run/1", "deep/run/1/default"):
        with pytest.raises(RefusedError, match="its run is memory://deep/run"):
            scan(path, store=store)


def test_what_lies_in_a_checkpoint_of_another_layout_is_no_run(real, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(real / "hf/steps", run)
    shutil.copytree(real / "dcp", run / "checkpoint-8" / "inner")
    with pytest.raises(RefusedError, match="Hugging Face Trainer"):
        scan(run / "checkpoint-8" / "inner", layout="dcp")
    assert [str(run)] == [found.root for found in find_runs(tmp_path)]


def test_a_root_named_like_a_checkpoint_is_a_run_if_it_holds_some(real, tmp_path):
    shutil.copytree(real / "hf/steps", tmp_path / "checkpoint-100")
    shutil.copy(real / "hf/final_model/trainer_state.json", tmp_path / "checkpoint-100")
    assert 2 == len(scan(tmp_path / "checkpoint-100").checkpoints)


def test_the_root_itself_is_never_a_checkpoint(real):
    with pytest.raises(UsageError):
        scan(real / "hf/final_model")
    assert [] == find_runs(real / "hf/final_model")


def test_a_folder_of_safetensors_files_is_a_series_and_no_set(makers, tmp_path):
    for name in ("step_{step}.safetensors", "model_{step}.safetensors"):
        root = makers.make_series(tmp_path / "run-7" / name[:4], name=name)
        assert 3 == len(scan(root).checkpoints)
    root = makers.make_series(tmp_path / "checkpoint-5", name="step_{step}.safetensors")
    assert 3 == len(scan(root).checkpoints)


def test_two_series_in_one_directory_are_refused_and_chosen_by_template(makers, tmp_path):
    root = makers.make_series(tmp_path / "run")
    makers.make_series(root, name="optimizer_step_{step}.pt")
    with pytest.raises(RefusedError) as caught:
        scan(root)
    assert "--template 'model_{step}.pt'   series, 3 checkpoints" in str(caught.value)
    assert "--template 'optimizer_step_{step}.pt'" in str(caught.value)
    run = scan(root, template="model_{step}.pt")
    assert {"model_100.pt", "model_200.pt", "model_300.pt"} == {one.name for one in run.checkpoints}
    assert ("beside it: 3 of series optimizer_step_{step}.pt",) == run.notes
    assert 2 == len(find_runs(root))


def test_a_template_that_is_not_there_lists_those_that_are(makers, tmp_path):
    root = makers.make_series(tmp_path / "run")
    with pytest.raises(UsageError, match=r"there are 'model_\{step\}\.pt'"):
        scan(root, template="other_{step}.pt")


def test_nothing_is_refused_with_what_lies_there(tmp_path):
    with pytest.raises(UsageError, match="it is empty"):
        scan(tmp_path)
    (tmp_path / "net-100.bin").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        scan(tmp_path)
    assert "net-100.bin" in str(caught.value)
    assert "--pattern" in str(caught.value)
    assert 1 == len(scan(tmp_path, pattern="net-{step}.bin").checkpoints)


def test_an_unknown_layout_gets_a_hint(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'orbax'"):
        scan(tmp_path, layout="orbx")


def test_a_bad_pattern_says_how_one_looks(tmp_path):
    with pytest.raises(UsageError, match=r"net_\{step\}\.bin"):
        scan(tmp_path, pattern="net.bin")


def test_a_foreign_address_says_what_to_do():
    with pytest.raises(UsageError, match="store="):
        scan("s3://bucket/run")


def test_runs_below_are_found_and_checkpoints_are_not_entered(runs):
    assert [f"{runs}/a", f"{runs}/b/checkpoints"] == [run.root for run in find_runs(runs)]


def test_the_trash_of_a_trainer_is_no_run(real):
    assert [str(real / "orbax_v0/todelete")] == [run.root for run in find_runs(real / "orbax_v0/todelete")]


def test_the_state_of_holdfast_is_no_run(runs):
    shutil.copytree(runs / "a", runs / ".holdfast" / "a" / "trash")
    assert 2 == len(find_runs(runs))
    shutil.copytree(runs / "a", runs / ".holdfast-a-token-1")
    assert 2 == len(find_runs(runs))


def test_a_directory_below_that_cannot_be_listed_raises_or_is_told(orbax, in_memory):
    files = orbax([1], name="a/{}") | orbax([1], name="b/{}")

    def broken():
        return FaultyStore(
            in_memory(files),
            0,
            StoreError("EACCES"),
            watch={"list"},
            again=True,
            where=lambda call: call.args[0] == "a",
        )

    with pytest.raises(StoreError, match="EACCES"):
        find_runs(store=broken())
    told = []
    found = find_runs(store=broken(), on_error=lambda path, error: told.append((path, str(error))))
    assert [("memory://a", "EACCES")] == told
    assert ["memory://b"] == [run.root for run in found]


def test_links_are_not_walked(runs, tmp_path):
    (runs / "loop").symlink_to(runs)
    (runs / "a-again").symlink_to(runs / "a")
    assert 2 == len(find_runs(runs))


def test_everything_real_is_found_alike_alone_and_together(real):
    together = {(run.root, run.template): run for run in find_runs(real)}
    for top in sorted(real.iterdir()):
        if top.is_dir():
            alone = {(run.root, run.template): run for run in find_runs(top)}
            assert alone == {
                key: run for key, run in together.items() if key[0] == str(top) or key[0].startswith(f"{top}/")
            }
