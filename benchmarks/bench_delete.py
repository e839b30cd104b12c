"""Delete: how long until a dropped checkpoint's bytes are free? Holdfast's purge, rm -rf, rmtree, Orbax's deleter."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Contender, Row, race
from holdfast.prune.erase import Eraser
from holdfast.stores.posix import DIRECTORY, Posix

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from etils import epath
    from orbax.checkpoint._src.path import deleter
    from orbax.checkpoint._src.path import step as step_lib
except ImportError:
    deleter = None

CASES = {
    "1 checkpoint, 2,000 files in one directory": (1, [2_000]),
    "1 checkpoint, 20 x 100 files": (1, [100] * 20),
    "200 checkpoints of 20 files": (200, [20]),
}

_CONTENT = bytes(4 << 10)
"""Small beside a real shard, but it has a block that must be freed."""


def rows(*, quick: bool) -> list[Row]:
    """All cases of this part."""
    found = []
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        for case, (checkpoints, folders) in CASES.items():
            shape = (min(checkpoints, 3), [min(f, 10) for f in folders]) if quick else (checkpoints, folders)
            found += _case(case, Path(folder), *shape, rounds=1 if quick else 5)
    return found


def _case(case: str, folder: Path, checkpoints: int, folders: list[int], *, rounds: int) -> list[Row]:
    def prepare() -> Path:
        root = _make(Path(tempfile.mkdtemp(dir=folder)), checkpoints, folders)
        os.sync()  # else the writing back of one contender's files slows the next
        return root

    contenders = {name: Contender(run, prepare) for name, run in _removers().items()}
    contenders["rename into a trash (floor)"] = Contender(_rename, prepare)
    return race("delete", case, contenders, rounds=rounds, scale=1e3, unit="ms")


def _make(root: Path, checkpoints: int, folders: list[int]) -> Path:
    """A root of checkpoints named by their steps, each with folders of small files."""
    for step in range(checkpoints):
        for i, files in enumerate(folders):
            here = root / str(step) if len(folders) == 1 else root / str(step) / f"part_{i}"
            here.mkdir(parents=True)
            for k in range(files):
                (here / f"file_{k}").write_bytes(_CONTENT)
    return root


def _removers() -> dict[str, Callable[[Path], object]]:
    found: dict[str, Callable[[Path], object]] = {
        "holdfast": _holdfast,
        "rm -rf": lambda root: subprocess.run(["rm", "-rf", *map(str, root.iterdir())], check=True),
        "shutil.rmtree": lambda root: [shutil.rmtree(c) for c in root.iterdir()],
    }
    if deleter is not None:
        found["orbax deleter"] = _orbax
    return found


def _holdfast(root: Path) -> None:
    fs = Posix()
    handle = fs.open(str(root), DIRECTORY)
    try:
        assert not Eraser(fs).erase(handle, [c.name for c in root.iterdir()])
    finally:
        fs.close(handle)


def _orbax(root: Path) -> None:
    one = deleter.create_checkpoint_deleter(epath.Path(root), name_format=step_lib.standard_name_format())
    one.delete_steps([int(c.name) for c in root.iterdir()])
    one.close()


def _rename(root: Path) -> None:
    trash = root.with_name(root.name + "-trash")
    trash.mkdir()
    for checkpoint in root.iterdir():
        checkpoint.rename(trash / checkpoint.name)
