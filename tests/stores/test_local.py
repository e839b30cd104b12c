"""What only the local store can get wrong."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from holdfast.errors import NotFoundError, StoreError
from holdfast.stores import Kind, LocalStore
from holdfast.stores.faults import Call, Faults
from holdfast.stores.local import translated
from holdfast.stores.posix import Posix


@pytest.fixture
def outside(tmp_path_factory):
    place = tmp_path_factory.mktemp("outside")
    (place / "canary").write_bytes(b"alive")
    return place


def test_a_link_is_listed_with_its_target_and_never_followed(local, tmp_path, outside):
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/file").symlink_to(outside / "canary")
    assert [("link", Kind.LINK, str(outside))] == [
        (entry.path, entry.kind, entry.target) for entry in local.list("", stat=True) if entry.path == "link"
    ]
    assert {"file"} == {entry.path for entry in local.tree("d")}
    for act in (local.list, lambda path: local.read(f"{path}/canary")):
        with pytest.raises(NotFoundError):
            act("link")
    with pytest.raises(NotFoundError):
        local.read("d/file")
    with pytest.raises(StoreError):
        local.write("link/new", b"")
    assert Kind.LINK is local.stat("link").kind
    assert local.stat("link/canary") is None
    assert ["link"] == [entry.path for entry in local.tree("link")]


def test_delete_removes_a_link_and_not_what_it_points_at(local, tmp_path, outside):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/link").symlink_to(outside)
    (tmp_path / "link").symlink_to(outside)
    assert local.delete(["link/canary"]) == {}
    assert local.delete(["d", "link"]) == {}
    assert (outside / "canary").read_bytes() == b"alive"
    assert [] == os.listdir(tmp_path)


def test_a_directory_swapped_for_a_link_in_the_middle_of_a_delete_deletes_nothing_elsewhere(tmp_path, outside):
    victim = tmp_path / "victim"

    def swap(call: Call) -> None:
        os.rename(victim / "sub", victim / "sub2")
        os.symlink(outside, victim / "sub")

    (victim / "sub").mkdir(parents=True)
    (victim / "sub/canary").write_bytes(b"")
    faults = Faults(at=0, act=swap, watch={"beneath"}, where=lambda call: call.args[0] == "sub")
    failed = LocalStore(tmp_path, fs=faults.posix).delete(["victim"])
    assert ["beneath"] == [call.name for call in faults.calls]
    assert ["victim"] == list(failed)
    assert (outside / "canary").read_bytes() == b"alive"


def test_what_cannot_be_deleted_is_told_and_the_rest_goes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for part in ("one", "stuck", "two"):
            (tmp_path / name / part).write_bytes(b"")
    stuck = Faults(
        at=0,
        again=True,
        act=PermissionError(errno.EACCES, "stuck"),
        watch={"unlink"},
        where=lambda call: call.args[0] == "stuck",
    )
    failed = LocalStore(tmp_path, fs=stuck.posix).delete(["a", "b"])
    assert {"a", "b"} == set(failed)
    assert isinstance(failed["a"].__cause__, PermissionError)
    assert ["stuck"] == os.listdir(tmp_path / "a")


def test_deep_directories_are_deleted_or_refused_but_never_crash(tmp_path):
    store = LocalStore(tmp_path)
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("deep", dir_fd=fd)
        inner = os.open("deep", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    assert store.delete(["deep"]) == {}


def test_a_fifo_does_not_block_a_read(local, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotFoundError):
        local.read("fifo")
    assert Kind.OTHER is local.stat("fifo").kind
    assert local.delete(["fifo"]) == {}


@pytest.mark.parametrize("replace", [False, True])
def test_a_write_that_dies_at_any_effect_leaves_the_old_the_new_or_none(tmp_path, replace):
    def write(fs: Faults, place) -> None:
        LocalStore(place, fs=fs.posix).write("sub/f", b"new", replace=replace)

    def place(name):
        made = tmp_path / name
        made.mkdir()
        if replace:
            (made / "sub").mkdir()
            (made / "sub/f").write_bytes(b"old")
        return made

    whole = Faults()
    write(whole, place("whole"))
    assert len(whole.calls) >= 5
    for after in (False, True):
        for number in range(len(whole.calls)):
            here = place(f"{number}-{after}")
            with pytest.raises(StoreError):
                write(Faults(number, OSError(errno.EIO, "test"), after=after), here)
            left = {path.name: path.read_bytes() for path in here.rglob("*") if path.is_file()}
            assert left in ([{"f": b"old"}, {"f": b"new"}] if replace else [{}, {"f": b"new"}])


def test_a_write_is_on_the_disk_before_its_name_is(tmp_path):
    faults = Faults()
    LocalStore(tmp_path, fs=faults.posix).write("f", b"x")
    order = [call.name for call in faults.calls]
    assert order.index("write") < order.index("fsync") < order.index("rename_exclusive") < len(order) - 1
    assert "fsync" == order[-1]


def test_a_replaced_file_keeps_its_mode(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o664)
    LocalStore(tmp_path).write("f", b"new", replace=True)
    assert 0o664 == stat.S_IMODE((tmp_path / "f").stat().st_mode)


def test_the_store_means_the_directory_that_it_opened(tmp_path, outside):
    run = tmp_path / "run"
    run.mkdir()
    (run / "mine").write_bytes(b"")
    store = LocalStore(run)
    assert ["mine"] == [entry.path for entry in store.list("")]
    run.rename(tmp_path / "elsewhere")
    run.symlink_to(outside)
    assert store.delete(["canary"]) == {}
    assert (outside / "canary").exists()
    assert ["mine"] == [entry.path for entry in store.list("")]
    store.close()
    with pytest.raises(NotFoundError):
        store.list("")


def test_the_handle_is_given_back(tmp_path):
    store = LocalStore(tmp_path)
    store.list("")
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    store.close()
    del store
    for _ in range(50):
        LocalStore(tmp_path).list("")
    after = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    assert after <= before


def test_many_threads_open_the_base_once(tmp_path):
    opened = Faults(watch={"open"})
    store = LocalStore(tmp_path, fs=opened.posix)
    threads = [threading.Thread(target=store.list, args=("",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len(opened.calls)


def test_hard_links_are_counted(local, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    os.link(tmp_path / "a", tmp_path / "b")
    assert [2, 2] == [entry.links for entry in local.list("", stat=True)]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount")
def test_no_mount_is_crossed_not_even_a_bind_mount_of_the_same_disk(tmp_path, outside):
    mounted = tmp_path / "ckpt" / "sub"
    mounted.mkdir(parents=True)
    if subprocess.run(["mount", "--bind", outside, mounted], check=False, capture_output=True).returncode:
        pytest.skip("this sandbox does not mount")
    try:
        store = LocalStore(tmp_path)
        with pytest.raises(StoreError, match="mount"):
            store.tree("ckpt")
        assert ["ckpt"] == list(store.delete(["ckpt"]))
        assert (outside / "canary").exists()
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_an_error_keeps_its_cause_and_spells_out_its_name():
    error = translated(OSError(errno.EIO, "Input/output error"), "/run/\x1b[31m")
    assert "\\x1b[31m" in str(error)
    assert "Input/output error" in str(error)


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ESTALE, StoreError), (errno.EACCES, StoreError), (errno.ENOENT, NotFoundError)]
)
def test_errors_of_the_system_are_translated_and_chained(tmp_path, code, kind):
    faults = Faults(0, OSError(code, os.strerror(code)), watch={"scan"})
    with pytest.raises(kind) as caught:
        LocalStore(tmp_path, fs=faults.posix).list("")
    assert type(caught.value) is kind
    assert code == caught.value.__cause__.errno


def test_the_fallback_refuses_what_openat2_refuses(tmp_path, outside):
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to(outside)
    fs = Posix()
    fd = fs.open(str(tmp_path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for beneath in (fs.beneath, lambda path, flags, dir_fd: fs._walk(path, flags, dir_fd)):
            for path in ("link/canary", "d/../../x", "link"):
                with pytest.raises(OSError):
                    beneath(path, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
    finally:
        fs.close(fd)
