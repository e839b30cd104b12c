"""Keras' ``ModelCheckpoint`` files and its ``BackupAndRestore`` directory.

Read: keras 3.15.1 (``callbacks/model_checkpoint.py``, ``callbacks/backup_and_restore.py``, ``saving/saving_lib.py``)
and what it wrote. Names are their user's template; epochs and batches count from 1 and are no steps: the template
says ``{epoch}``, and an epoch with a batch orders as ``epoch * 1,000,000 + batch``. Files are written in place, under
their final name. ``date_saved`` inside a ``.keras`` file has no zone: it is read as UTC. With ``save_best_only``
under a fixed name the one file is the best: an alias. ``.h5`` alone is claimed by nobody: name a pattern.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, final

from holdfast.layouts import names
from holdfast.layouts.base import Candidate, Finding, Layout, Look, loads
from holdfast.layouts.integrity import HDF5, ZIP, all_whole, hdf5, json_file, rewritten, zip_file, zip_first
from holdfast.layouts.lightning import pairs
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FILE = re.compile(r"(?P<stem>.+?)(?P<kind>\.keras|\.weights\.h5)")
_NUMBER = re.compile(r"(?<![A-Za-z])(?:\d+\.\d+|(?<!\d)\d+)")
"""A number that stands apart: ``resnet50`` has none."""
_BATCHES = 1_000_000


@final
class Keras(Layout):
    """``.keras`` and ``.weights.h5`` files, one series for each name template."""

    name = "keras"
    title = "Keras ModelCheckpoint"
    verified = "keras 3.15.1, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Files with one of the two endings. Without a number, or with a word like ``best``: an alias."""
        for entry in entries:
            match = _FILE.fullmatch(entry.path)
            if match and entry.kind is Kind.FILE:
                template, step = _read(match["stem"])
                alias = step is None or names.is_alias(match["stem"])
                yield Candidate(entry.path, step, (entry.path,), template + match["kind"], alias=alias)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By the first bytes of a zip or HDF5 file; an empty file, just opened, too."""
        head = look.read(candidate.name, limit=8)
        magic = ZIP if candidate.name.endswith(".keras") else HDF5
        return head is not None and magic.startswith(head[: len(magic)])

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """By the zip's end record, or the end that the HDF5 superblock gives."""
        check = zip_file if candidate.name.endswith(".keras") else hdf5
        return check(look, candidate.name)

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """``date_saved`` of a ``.keras`` file, read as UTC."""
        name, data = zip_first(look, candidate.name)
        saved = loads(data) if name == "metadata.json" else None
        return _moment(saved.get("date_saved")) if isinstance(saved, dict) else None

    def metrics(self, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
        """What the name spells out (``val_loss=0.5``); bare values in a name have no names."""
        del look
        match = _FILE.fullmatch(candidate.name)
        found = pairs(match["stem"]) if match else {}
        return {key: value for key, value in found.items() if key not in ("epoch", "batch")} or None

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Weights alone: no. A ``.keras`` file of a compiled model holds its optimizer; whether it was: unknown."""
        del look
        return None if candidate.name.endswith(".keras") else False


def _read(stem: str) -> tuple[str, int | None]:
    """The template and the order of a name: ``model.01-8.90``: epoch 1; ``ck-003-00004``: epoch 3, batch 4."""
    found = pairs(stem)
    if "epoch" in found:
        order = int(found["epoch"]) * _BATCHES + int(found["batch"]) if "batch" in found else int(found["epoch"])
        return re.sub(r"=[-+.\deE]+(?=-|\Z)", "={}", stem), order
    read = names.read(stem)
    if read.step is not None and _NUMBER.fullmatch(stem) is None and "{number}" not in read.template:
        return read.template, read.step
    return _bare(stem)


def _bare(stem: str) -> tuple[str, int | None]:
    """A name with unnamed numbers: one whole number is the epoch, two are epoch and batch; others are values."""
    whole = [int(text[: names.LONGEST]) for text in _NUMBER.findall(stem) if "." not in text]
    meanings = iter(("{epoch}", "{batch}"))
    if not 1 <= len(whole) <= 2:
        return stem, None
    template = _NUMBER.sub(lambda match: "{value}" if "." in match[0] else next(meanings), stem)
    return template, whole[0] if len(whole) == 1 else whole[0] * _BATCHES + whole[1]


def _moment(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(str(text), "%Y-%m-%d@%H:%M:%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


@final
class KerasBackup(Layout):
    """The directory of ``BackupAndRestore``: one state, overwritten at each save. Always an alias: protected."""

    name = "keras-backup"
    title = "Keras BackupAndRestore"
    verified = "keras 3.15.1, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Any directory: what lies inside decides."""
        for found in names.folders(entries):
            yield Candidate(found.name, None, found.members, found.name, alias=True)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By ``latest.weights.h5`` with ``training_metadata.json``, which is written after it."""
        return {"latest.weights.h5", "training_metadata.json"} <= look.names(candidate.name)

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Both whole, and the weights no newer than the JSON by more than two seconds."""
        paths = (f"{candidate.name}/latest.weights.h5", f"{candidate.name}/training_metadata.json")
        return all_whole([json_file(look, paths[1]), hdf5(look, paths[0]), rewritten(look, paths[1], paths[:1])])

    def marker(self, candidate: Candidate, look: Look) -> str:
        """The JSON, written after the weights."""
        del look
        return f"{candidate.name}/training_metadata.json"

    def step(self, candidate: Candidate, look: Look) -> int | None:
        """The epoch that is to run next."""
        saved = look.json(f"{candidate.name}/training_metadata.json")
        epoch = saved.get("epoch") if isinstance(saved, dict) else None
        return epoch if isinstance(epoch, int) else None

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """Yes: that is what it is for."""
        del candidate, look
        return True
