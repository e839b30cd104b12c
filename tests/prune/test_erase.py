"""S18: freeing bytes follows no link, crosses no mount, and takes any name."""

import errno
import os
import subprocess
import time

import pytest

from holdfast.prune.erase import Eraser
from holdfast.stores.faults import Faults
from holdfast.stores.posix import DIRECTORY, Posix

HOSTILE = [
    b"plain", b" lead", b"trail ", b"new\nline", b"\x1b[31mred", b"tab\t", b"-rf", b"--", b"*", b"'q\"", b"$(x)", b"\xff\xfe", b"caf\xc3\xa9",
    b"a" * 255, b"...", b"~", b"%2e%2e", b"\\", b"\x01", b"CON",
]  # fmt: skip


@pytest.fixture
def trees(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary/file").write_text("alive")
    return tmp_path


def erase(trees, *names, fs=None, threads=4, **how):
    eraser = Eraser(fs or Posix(), threads=threads, **how)
    fd = os.open(trees / "in", DIRECTORY)
    try:
        return eraser.erase(fd, names)
    finally:
        os.close(fd)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_tree_goes_whole(trees, threads):
    for i in range(5):
        for j in range(5):
            (trees / f"in/top/{i}/{j}").mkdir(parents=True)
            for k in range(70):
                (trees / f"in/top/{i}/{j}/{k}").touch()
    assert {} == erase(trees, "top", threads=threads)
    assert [] == os.listdir(trees / "in")


def test_s16_what_is_gone_already_is_a_success(trees):
    assert {} == erase(trees, "nothing")


def test_s18_a_link_is_removed_never_followed(trees):
    (trees / "in/link").symlink_to(trees / "canary")
    (trees / "in/top").mkdir()
    (trees / "in/top/link").symlink_to(trees / "canary")
    (trees / "in/top/file").symlink_to(trees / "canary/file")
    assert {} == erase(trees, "link", "top")
    assert [] == os.listdir(trees / "in")
    assert "alive" == (trees / "canary/file").read_text()


def test_s18_a_directory_that_becomes_a_link_leads_nowhere(trees):
    (trees / "in/top/sub").mkdir(parents=True)
    (trees / "in/top/sub/file").write_text("mine")

    def swap(call):
        os.rename(trees / "in/top/sub", trees / "sub")
        (trees / "in/top/sub").symlink_to(trees / "canary")

    fs = Faults(0, swap, watch={"beneath"}, where=lambda c: c.args[0] == "sub")
    erase(trees, "top", fs=fs.posix, threads=1)
    assert "alive" == (trees / "canary/file").read_text()
    assert not (trees / "in/top").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can mount")
@pytest.mark.parametrize("how", [["-t", "tmpfs", "none"], ["--bind"]])
def test_s18_no_mount_is_crossed_also_none_of_the_same_file_system(trees, how):
    (trees / "in/top/mnt").mkdir(parents=True)
    (trees / "in/top/file").touch()
    source = [trees / "canary"] if "--bind" in how else []
    if subprocess.run(["mount", *how, *source, trees / "in/top/mnt"], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    (trees / "in/top/mnt/file").write_text("alive")
    try:
        errors = erase(trees, "top")
        assert "alive" == (trees / "in/top/mnt/file").read_text()
        assert errno.EXDEV in [error.errno for error in errors["top"]]
    finally:
        subprocess.run(["umount", trees / "in/top/mnt"], check=True)
    assert {} == erase(trees, "top")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_s18_any_name_goes(trees, name):
    text = os.fsdecode(name)
    (trees / "in" / text).mkdir()
    (trees / "in" / text / text).touch()
    assert {} == erase(trees, text)
    assert [] == os.listdir(trees / "in")


def test_s18_a_tree_deeper_than_there_are_handles_goes(trees):
    fd = os.open(trees / "in", DIRECTORY)
    for name in ["top"] + ["d"] * 1500:
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("leaf", os.O_CREAT, dir_fd=fd))
    os.close(fd)
    assert {} == erase(trees, "top")
    assert [] == os.listdir(trees / "in")


def test_s16_one_failure_does_not_stop_the_rest(trees):
    for name in ("a", "b", "c"):
        (trees / "in" / name).mkdir()
        (trees / "in" / name / "file").touch()
    stuck = Faults(0, OSError(errno.EIO, "Input/output error"), watch={"unlink"})
    errors = erase(trees, "a", "b", "c", fs=stuck.posix, threads=1)
    assert 1 == len(errors)
    assert list(errors) == os.listdir(trees / "in")
    assert errno.EIO == next(iter(errors.values()))[0].errno


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can make a file immutable")
def test_s16_an_immutable_file_is_an_error_not_a_loop(trees):
    (trees / "in/top").mkdir()
    (trees / "in/top/file").touch()
    if subprocess.run(["chattr", "+i", trees / "in/top/file"], check=False).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        errors = erase(trees, "top")
        assert errno.EPERM == errors["top"][0].errno
    finally:
        subprocess.run(["chattr", "-i", trees / "in/top/file"], check=True)
    assert {} == erase(trees, "top")


def test_a_paced_purge_works_half_of_the_time_at_most(trees):
    (trees / "in/top").mkdir()
    for i in range(640):
        (trees / f"in/top/{i}").touch()
    slow = Faults(0, lambda c: time.sleep(0.0005), watch={"unlink"}, again=True)
    began = time.monotonic()
    erase(trees, "top", fs=slow.posix, threads=1, paced=True)
    assert time.monotonic() - began > 2 * 640 * 0.0005
