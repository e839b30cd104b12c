"""Scan: from a directory of n checkpoints to the list of them. Holdfast, Orbax's own start-up, and the floors."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Contender, Row, race
from holdfast.policies.base import Needs
from holdfast.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from orjson import JSONDecodeError, loads
except ImportError:
    from json import JSONDecodeError, loads
try:
    import orbax.checkpoint as ocp
except ImportError:
    ocp = None

METADATA = {
    "item_handlers": {"metrics": "orbax.checkpoint._src.handlers.json_checkpoint_handler.JsonCheckpointHandler"},
    "metrics": {},
    "performance_metrics": {},
    "init_timestamp_nsecs": 1795486482922182593,
    "commit_timestamp_nsecs": 1795486482946884233,
    "custom_metadata": {},
}


def rows(*, quick: bool) -> list[Row]:
    """All cases of this part."""
    n = 200 if quick else 10_000
    rounds = 2 if quick else 7
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        root = _make_orbax(Path(folder) / "orbax", n)
        found = _names(root, n, rounds) + _times_and_metrics(root, n, rounds) + _verified(root, n, rounds)
        found += _cold(root, n, rounds)
        for name, make in OTHERS.items():
            found += _other(name, make(Path(folder) / name, n), n, rounds)
        return found + _memory(_make_orbax(Path(folder) / "many", 10 * n), 10 * n)


def _make_orbax(root: Path, n: int) -> Path:
    """A directory of n committed steps, each with its metadata and one metric, as Orbax writes them."""
    for i in range(n):
        metrics = root / str(i * 10) / "metrics"
        metrics.mkdir(parents=True)
        (metrics / "metrics").write_text(json.dumps({"loss": 1 / (i + 1)}))
        (metrics.parent / "_CHECKPOINT_METADATA").write_text(
            json.dumps(METADATA | {"commit_timestamp_nsecs": METADATA["commit_timestamp_nsecs"] + i * 60 * 10**9})
        )
        (metrics.parent / "commit_success.txt").write_text("Checkpoint commit was successful")
    return root


def _make_hf(root: Path, n: int) -> Path:
    """The names and the state file of n HF Trainer checkpoints, with tiny whole weights."""
    weights = (2).to_bytes(8, "little") + b"{}"
    for i in range(n):
        folder = root / f"checkpoint-{i * 10}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(weights)
        state = {"global_step": i * 10, "log_history": [{"step": i * 10, "eval_loss": 1 / (i + 1)}]}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    return root


def _make_lightning(root: Path, n: int) -> Path:
    """n Lightning files by name, each a small whole zip that begins as Lightning's do."""
    root.mkdir()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        state = b"\x80\x02}q\x00(X\x05\x00\x00\x00epochq\x01K\x00X\x19\x00\x00\x00pytorch-lightning_versionq\x02X"
        archive.writestr("archive/data.pkl", state + b"\x05\x00\x00\x002.6.6q\x03u.")
    for i in range(n):
        (root / f"epoch={i}-step={i * 10}.ckpt").write_bytes(buffer.getvalue())
    return root


def _make_dcp(root: Path, n: int) -> Path:
    """n DCP directories, each with one shard and a metadata file that names it."""
    named = b"\x80\x04\x8c\x0c__0_0.distcp\x94."
    for i in range(n):
        folder = root / f"step_{i * 10}"
        folder.mkdir(parents=True)
        (folder / "__0_0.distcp").write_bytes(b"x")
        (folder / ".metadata").write_bytes(named)
    return root


OTHERS: dict[str, Callable[[Path, int], Path]] = {"hf": _make_hf, "lightning": _make_lightning, "dcp": _make_dcp}


def _names(root: Path, n: int, rounds: int) -> list[Row]:
    contenders = {
        "holdfast": Contender(lambda _: scan(str(root), needs=Needs.NOTHING, verify=False)),
        "scandir, parse, sort (floor)": Contender(lambda _: _floor_names(root)),
    }
    return _race(f"orbax, names only, n = {n}", contenders, n, rounds)


def _times_and_metrics(root: Path, n: int, rounds: int) -> list[Row]:
    contenders = {
        "holdfast": Contender(lambda _: scan(str(root), needs=Needs.TIMES | Needs.METRICS, verify=False)),
        "two JSON files each (floor)": Contender(lambda _: _floor_json(root)),
    }
    if ocp is not None:
        contenders["orbax CheckpointManager"] = Contender(lambda _: _orbax(root))
    return _race(f"orbax, times and metrics, n = {n}", contenders, n, min(rounds, 3))


def _verified(root: Path, n: int, rounds: int) -> list[Row]:
    contenders = {
        "holdfast": Contender(lambda _: scan(str(root))),
        "list, stat and read each once (floor)": Contender(lambda _: _floor_verified(root)),
    }
    return _race(f"orbax, everything, status verified, n = {n}", contenders, n, min(rounds, 3))


def _other(name: str, root: Path, n: int, rounds: int) -> list[Row]:
    everything = "holdfast, everything verified"
    contenders = {
        everything: Contender(lambda _: scan(str(root))),
        "list, stat and read each once (floor)": Contender(lambda _: _floor_verified(root)),
        "holdfast, names only": Contender(lambda _: scan(str(root), needs=Needs.NOTHING, verify=False)),
    }
    return _race(f"{name}, n = {n}", contenders, n, min(rounds, 3), base=everything)


def _cold(root: Path, n: int, rounds: int) -> list[Row]:
    """Times and metrics when nothing is in the caches of the system; 1, 8 and 32 threads read the same."""
    if not _forget():
        print("scan: cold caches skipped: the system does not let this process drop them")
        return []
    contenders = {
        "holdfast": Contender(
            lambda _: scan(str(root), needs=Needs.TIMES | Needs.METRICS, verify=False), prepare=_forget
        )
    }
    for threads in (1, 8, 32):
        contenders[f"two JSON files each, {threads} threads"] = Contender(
            lambda _, t=threads: _floor_json(root, threads=t), prepare=_forget
        )
    return _race(f"orbax, times and metrics, cold caches, n = {n}", contenders, n, min(rounds, 3))


def _forget() -> bool:
    """Drop the caches of the system, if it lets us."""
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


_SCAN_ALONE = """
import pathlib, re, sys
from holdfast.scan import scan
assert len(scan(sys.argv[1]).checkpoints) == int(sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
"""


def _memory(root: Path, n: int) -> list[Row]:
    """The most memory that a fresh process takes which verifies all of them."""
    if not Path("/proc/self/status").exists():
        print("scan: memory skipped: the system does not say what a process took")
        return []
    command = [sys.executable, "-c", _SCAN_ALONE, str(root), str(n)]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024
    return [Row("scan", f"memory, everything verified, n = {n}", "holdfast", peak, "MiB at the peak", 1)]


def _race(case: str, contenders: dict[str, Contender], n: int, rounds: int, base: str = "holdfast") -> list[Row]:
    unit = "µs per checkpoint"
    return race("scan", case, contenders, rounds=rounds, scale=1e6 / n, unit=unit, base=base)


_STEP = re.compile(r"0|[1-9]\d*")


def _floor_names(root: Path) -> list[int]:
    with os.scandir(root) as entries:
        return sorted(int(e.name) for e in entries if _STEP.fullmatch(e.name))


def _floor_json(root: Path, *, threads: int = 0) -> list[tuple[int, int, object]]:
    base = os.open(root, os.O_RDONLY)

    def read(step: int) -> tuple[int, int, object]:
        known = _load(base, f"{step}/_CHECKPOINT_METADATA")
        return step, known["commit_timestamp_nsecs"], _load(base, f"{step}/metrics/metrics")

    try:
        if not threads:
            return [read(step) for step in _floor_names(root)]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(read, _floor_names(root)))
    finally:
        os.close(base)


def _load(base: int, path: str) -> dict[str, int]:
    data = _read(base, path)
    try:
        return loads(data)
    except JSONDecodeError:
        return json.loads(data)


def _read(base: int, path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY, dir_fd=base)
    try:
        return os.read(handle, 1 << 16)
    finally:
        os.close(handle)


def _floor_verified(root: Path) -> int:
    """One listing of each directory, one stat of each entry, one read of each file but the empty markers."""
    base = os.open(root, os.O_RDONLY)
    try:
        with os.scandir(root) as entries:
            return sum(_floor_one(entry.name, base, is_dir=entry.is_dir()) for entry in entries)
    finally:
        os.close(base)


def _floor_one(name: str, base: int, *, is_dir: bool) -> int:
    size = os.stat(name, dir_fd=base, follow_symlinks=False).st_size
    if not is_dir:
        return size if name == "commit_success.txt" else len(_read(base, name))
    handle = os.open(name, os.O_RDONLY, dir_fd=base)
    try:
        with os.scandir(handle) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
        return size + sum(_floor_one(one, handle, is_dir=directory) for one, directory in found)
    finally:
        os.close(handle)


def _orbax(root: Path) -> None:
    options = ocp.CheckpointManagerOptions(best_fn=lambda m: m["loss"], read_only=True)
    with ocp.CheckpointManager(root, options=options) as manager:
        assert manager.latest_step() is not None
