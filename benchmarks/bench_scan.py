"""Scan: from a directory of n checkpoints to the list of them. Holdfast, Orbax's own start-up, and the floors."""

from __future__ import annotations

import json
import os
import re
import tempfile
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
        for name, make in OTHERS.items():
            found += _other(name, make(Path(folder) / name, n), n, rounds)
        return found


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
    """n Lightning files by name, each an empty but whole zip."""
    root.mkdir()
    for i in range(n):
        (root / f"epoch={i}-step={i * 10}.ckpt").write_bytes(b"PK\x05\x06" + bytes(18))
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
    contenders = {"holdfast": Contender(lambda _: scan(str(root)))}
    return _race(f"orbax, everything, status verified, n = {n}", contenders, n, min(rounds, 3))


def _other(name: str, root: Path, n: int, rounds: int) -> list[Row]:
    contenders = {
        "holdfast, everything verified": Contender(lambda _: scan(str(root))),
        "holdfast, names only": Contender(lambda _: scan(str(root), needs=Needs.NOTHING, verify=False)),
    }
    return _race(f"{name}, n = {n}", contenders, n, min(rounds, 3), base="holdfast, everything verified")


def _race(case: str, contenders: dict[str, Contender], n: int, rounds: int, base: str = "holdfast") -> list[Row]:
    unit = "µs per checkpoint"
    return race("scan", case, contenders, rounds=rounds, scale=1e6 / n, unit=unit, base=base)


_STEP = re.compile(r"0|[1-9]\d*")


def _floor_names(root: Path) -> list[int]:
    with os.scandir(root) as entries:
        return sorted(int(e.name) for e in entries if _STEP.fullmatch(e.name))


def _floor_json(root: Path) -> list[tuple[int, int, object]]:
    base = os.open(root, os.O_RDONLY)
    try:
        return [
            (
                step,
                _load(base, f"{step}/_CHECKPOINT_METADATA")["commit_timestamp_nsecs"],
                _load(base, f"{step}/metrics/metrics"),
            )
            for step in _floor_names(root)
        ]
    finally:
        os.close(base)


def _load(base: int, path: str) -> dict[str, int]:
    handle = os.open(path, os.O_RDONLY, dir_fd=base)
    try:
        data = os.read(handle, 1 << 20)
    finally:
        os.close(handle)
    try:
        return loads(data)
    except JSONDecodeError:
        return json.loads(data)


def _orbax(root: Path) -> None:
    options = ocp.CheckpointManagerOptions(best_fn=lambda m: m["loss"], read_only=True)
    with ocp.CheckpointManager(root, options=options) as manager:
        assert manager.latest_step() is not None
