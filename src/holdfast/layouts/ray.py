"""Ray Train v2 (``checkpoint_<time>`` and its manager's snapshot), Ray Train v1 and Tune (``checkpoint_000010``).

Read: ray 2.60.0 (``train/v2/_internal/execution/checkpoint/checkpoint_manager.py``, ``storage.py``;
``train/_internal/checkpoint_manager.py``, ``storage.py``) and what it wrote. A checkpoint is complete when Ray has
registered it: v2 in its snapshot, v1 in ``result.json``. What is in it is its user's affair.

v2 names are the driver's local time, read as UTC; the step is the index of the report. v1 names count reports; the
step is ``training_iteration``. v2 aborts when a checkpoint of its snapshot is missing: each one listed is guarded,
and ``--repoint`` takes it off the list first.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import TYPE_CHECKING, Any, final

from holdfast.checkpoint import Pointer
from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, loads, partial
from holdfast.layouts.integrity import whole
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_V2 = re.compile(r"checkpoint_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.\d{6})")
_V1 = re.compile(r"checkpoint_(\d{6})")
_SNAPSHOT, _RESULT = "checkpoint_manager_snapshot.json", "result.json"
_CHECKED = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".keras", ".h5")
_HOUSEKEEPING = frozenset({"checkpoint_dir_name", "should_checkpoint", "done", "trial_id", "date", "timestamp", "pid",
                           "hostname", "node_ip", "config", "experiment_tag"})  # fmt: skip


def _rows(snapshot: object) -> list[dict[str, Any]]:
    found = snapshot.get("checkpoint_results") if isinstance(snapshot, dict) else None
    return [row for row in found or [] if isinstance(row, dict)] if isinstance(found, list) else []


def _snapshot(data: bytes) -> dict[str, tuple[int | None, dict[str, Any]]]:
    """Which checkpoints does the snapshot list: index of the report and metrics, by name?"""
    snapshot = loads(data)
    rows = _rows(snapshot)
    indices = snapshot.get("checkpoint_report_indices") if isinstance(snapshot, dict) else None
    aligned = indices if isinstance(indices, list) and len(indices) == len(rows) else [None] * len(rows)
    return {
        str(row.get("checkpoint_dir_name")): (index if type(index) is int else None, _dict(row.get("metrics")))
        for row, index in zip(rows, aligned, strict=True)
    }


def _results(data: bytes) -> dict[str, dict[str, Any]]:
    """Which results speak of a checkpoint, by its name? The last one counts; a line cut short is none."""
    lines = (loads(line) for line in data.splitlines() if b"checkpoint_dir_name" in line)
    return {
        str(row["checkpoint_dir_name"]): row for row in lines if isinstance(row, dict) and "checkpoint_dir_name" in row
    }


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _uncut(candidate: Candidate, look: Look) -> Finding:
    """Is any file of a kind that can be checked cut short? What cannot be checked is taken as whole."""
    for path in sorted(look.files):
        if path.endswith(_CHECKED) and (finding := whole(look, path)).status == "partial":
            return finding
    return COMPLETE if candidate.name in look.files else partial(f"{candidate.name} is gone")


@final
class RayTrain(Layout):
    """Ray Train v2: directories that the checkpoint manager's snapshot lists."""

    name = "ray"
    title = "Ray Train v2"
    verified = "ray 2.60.0, run with one worker"
    time_with_status = True
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Directories named after a time."""
        for entry in entries:
            if entry.kind is Kind.DIR and _V2.fullmatch(entry.path):
                yield Candidate(entry.path, None, (entry.path,), "checkpoint_{time}")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By the snapshot beside it."""
        del candidate
        return _SNAPSHOT in look.names()

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Listed in the snapshot, and no file of a known kind cut short."""
        if candidate.name not in look.beside(_SNAPSHOT, _snapshot):
            return partial("the snapshot does not list it: it is being written, or Ray has given it up")
        return _uncut(candidate, look)

    def step(self, candidate: Candidate, look: Look) -> int | None:
        """The index of its report."""
        return look.beside(_SNAPSHOT, _snapshot).get(candidate.name, (None, {}))[0]

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """The name's, read as UTC."""
        del look
        try:
            return datetime.datetime.strptime(candidate.name + "Z", "checkpoint_%Y-%m-%d_%H-%M-%S.%f%z")
        except ValueError:
            return None

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """What was reported with it, from the snapshot."""
        return look.beside(_SNAPSHOT, _snapshot).get(candidate.name, (None, {}))[1] or None

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """The snapshot: it names every checkpoint that Ray means to keep."""
        del entries, newest
        listed = tuple(look.beside(_SNAPSHOT, _snapshot))
        return [Pointer(path=_SNAPSHOT, names=listed, kind="list", repointable=True)] if listed else []

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """The snapshot without ``without``; if the latest result is among them, the one of ``to`` takes its place."""
        snapshot = loads(look.read(pointer.path, limit=64 << 20) or b"")
        rows = _rows(snapshot)
        if not rows or not isinstance(snapshot, dict):
            return None
        kept = [i for i, row in enumerate(rows) if row.get("checkpoint_dir_name") not in without]
        indices = snapshot.get("checkpoint_report_indices")
        if isinstance(indices, list) and len(indices) == len(rows):
            snapshot["checkpoint_report_indices"] = [indices[i] for i in kept]
        snapshot["checkpoint_results"] = [rows[i] for i in kept]
        latest = snapshot.get("latest_checkpoint_result")
        if isinstance(latest, dict) and latest.get("checkpoint_dir_name") in without:
            heir = next((row for row in snapshot["checkpoint_results"] if row.get("checkpoint_dir_name") == to), None)
            if heir is None:
                return None
            snapshot["latest_checkpoint_result"] = heir
        return {pointer.path: json.dumps(snapshot).encode()}


@final
class RayTune(Layout):
    """Ray Train v1 and Tune: ``checkpoint_000010`` in a trial's directory."""

    name = "ray-tune"
    title = "Ray Train v1, Ray Tune"
    verified = "ray 2.60.0, run"
    time_with_status = True
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Directories ``checkpoint_`` with six digits, where a ``result.json`` lies beside them."""
        if not any(entry.path == _RESULT for entry in entries):
            return
        for entry in entries:
            if entry.kind is Kind.DIR and _V1.fullmatch(entry.path):
                yield Candidate(entry.path, None, (entry.path,), "checkpoint_{report}")

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``result.json`` beside it."""
        del candidate
        return _RESULT in look.names()

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Reported in ``result.json``, and no file of a known kind cut short."""
        if candidate.name not in look.beside(_RESULT, _results):
            return partial("result.json does not speak of it: it is being written")
        return _uncut(candidate, look)

    def step(self, candidate: Candidate, look: Look) -> int | None:
        """``training_iteration`` of its result."""
        step = look.beside(_RESULT, _results).get(candidate.name, {}).get("training_iteration")
        return step if type(step) is int else None

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """``timestamp`` of its result, in seconds since the epoch."""
        seconds = look.beside(_RESULT, _results).get(candidate.name, {}).get("timestamp")
        try:
            return datetime.datetime.fromtimestamp(float(str(seconds)), tz=datetime.UTC)
        except (ValueError, OverflowError, OSError):
            return None

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """Its result, without Ray's housekeeping."""
        row = look.beside(_RESULT, _results).get(candidate.name, {})
        return {key: value for key, value in row.items() if key not in _HOUSEKEEPING} or None

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """The newest one that ``result.json`` speaks of: Tune restores from it. It cannot be rewritten."""
        del entries, newest
        listed = tuple(look.beside(_RESULT, _results))
        return [Pointer(path=_RESULT, names=listed[-1:])] if listed else []
