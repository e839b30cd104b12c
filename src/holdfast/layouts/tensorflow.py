"""TensorFlow's ``CheckpointManager`` and ``Saver``: ``ckpt-4.index`` with its ``ckpt-4.data-00000-of-00001``.

Read: tensorflow 2.21.0 (``python/checkpoint/checkpoint_management.py``, ``functional_saver.py``) and what it wrote.
The number counts saves, unless ``checkpoint_number=`` or the old Saver's ``global_step=`` gave a step: so the
template says ``{number}``. Data is written beside its place and renamed; ``.index`` comes last, in place. The state
file ``checkpoint`` names the latest one: while what it names is missing, ``tf.train.latest_checkpoint`` finds nothing
at all. Older ones in its list may go. Not every prefix on disk is in the list (``keep_checkpoint_every_n_hours``).
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, NamedTuple, final

from holdfast.checkpoint import Pointer
from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial
from holdfast.layouts.bundle import bundle
from holdfast.layouts.integrity import shards_missing, table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from holdfast.stores.base import Entry

_MEMBER = re.compile(r"(?P<prefix>.+)\.(?:index|meta|data-\d{5}-of-\d{5})")
_PREFIX = re.compile(r"(?P<name>.+)-(?P<number>\d{1,18})")
_FIELD = re.compile(r'^(\w+): (?:"((?:[^"\\\n]|\\.)*)"|([-+.\deE]+))\s*$', re.MULTILINE)
_STATE = "checkpoint"


class State(NamedTuple):
    """What does the state file say? Names are last path components, ``folder`` what stood before the latest one."""

    latest: str = ""
    folder: str = ""
    listed: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    """As written: seconds since the epoch."""
    preserved: str = ""


def parse_state(data: bytes) -> State:
    """Read the text proto that TensorFlow writes; what is not understood is left out."""
    fields: dict[str, list[str]] = {}
    for name, text, number in _FIELD.findall(data.decode("utf-8", "replace")):
        fields.setdefault(name, []).append(text or number)
    latest = fields.get("model_checkpoint_path", [""])[-1]
    folder, slash, name = latest.rpartition("/")
    listed = tuple(path.rpartition("/")[2] for path in fields.get("all_model_checkpoint_paths", []))
    times = tuple(fields.get("all_model_checkpoint_timestamps", []))
    return State(name, folder + slash, listed, times, fields.get("last_preserved_timestamp", [""])[-1])


def format_state(state: State) -> bytes:
    """The text proto, as TensorFlow writes it."""
    lines = [f'model_checkpoint_path: "{state.folder}{state.latest}"']
    lines += [f'all_model_checkpoint_paths: "{state.folder}{name}"' for name in state.listed]
    lines += [f"all_model_checkpoint_timestamps: {time}" for time in state.times]
    lines += [f"last_preserved_timestamp: {state.preserved}"] if state.preserved else []
    return "".join(f"{line}\n" for line in lines).encode()


@final
class TensorFlow(Layout):
    """Sets of files with one prefix, as ``tf.train.Checkpoint``, its manager and the old Saver write them."""

    name = "tensorflow"
    title = "TensorFlow CheckpointManager, Checkpoint, Saver"
    verified = "tensorflow 2.21.0, run"
    time_with_status = True
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """One for each prefix: its ``.index`` first, then the data, then ``.meta``. Unnumbered: an alias."""
        sets: dict[str, list[str]] = {}
        for match in filter(None, (_MEMBER.fullmatch(entry.path) for entry in entries)):
            sets.setdefault(match["prefix"], []).append(match[0])
        return [_candidate(prefix, members) for prefix, members in sets.items()]

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By a data file of that name, or by an index that ends like a table."""
        data = any(".data-" in member for member in candidate.members)
        index = f"{candidate.name}.index"
        return data or (index in candidate.members and table(look, index).status == "complete")

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """The index there and whole, every ``-of-N`` of the data there, and as long as the index says."""
        index = f"{candidate.name}.index"
        if index not in look.files:
            return partial(f"{index}, written last, is missing")
        gone = shards_missing(look.files, first=0)
        if gone or len(look.files) < 2:
            return partial(f"{gone[0] if gone else candidate.name + '.data-*'} is missing")
        finding = table(look, index)
        return finding if finding.status != "complete" else bundle(look, candidate.name)

    def time(self, candidate: Candidate, look: Look) -> datetime.datetime | None:
        """The state file's timestamp, for those that it lists."""
        state = _state(look)
        for name, time in zip(state.listed, state.times, strict=False):
            if name == candidate.name:
                return _moment(time)
        return None

    def pointers(self, look: Look, entries: Sequence[Entry], newest: Candidate | None) -> Sequence[Pointer]:
        """The state file's latest; those that it merely lists may go."""
        del newest
        state = parse_state(look.read(_STATE) or b"") if any(e.path == _STATE for e in entries) else State()
        return [Pointer(path=_STATE, names=(state.latest,), repointable=True)] if state.latest else []

    def repoint(
        self, pointer: Pointer, look: Look, to: str | None, *, without: Collection[str] = ()
    ) -> Mapping[str, bytes | str] | None:
        """The state file with ``to`` as its latest, without the old latest and ``without``. Paths stay as they were."""
        state = parse_state(look.read(pointer.path) or b"")
        if to is None or not state.latest or '"' in to or "\\" in to:
            return None
        gone = {*without, state.latest} - {to}
        timed = len(state.times) == len(state.listed)
        pairs = list(zip(state.listed, state.times if timed else state.listed, strict=True))
        kept = [pair for pair in pairs if pair[0] not in gone]
        names = [name for name, _ in kept]
        listed = tuple(names if to in names else [*names, to])
        times = tuple(time for _, time in kept) if timed and to in names else ()
        return {pointer.path: format_state(state._replace(latest=to, listed=listed, times=times))}


def _candidate(prefix: str, members: list[str]) -> Candidate:
    match = _PREFIX.fullmatch(prefix)
    ordered = tuple(sorted(members, key=lambda name: (not name.endswith(".index"), name.endswith(".meta"), name)))
    if match is None:
        return Candidate(prefix, None, ordered, prefix, alias=True)
    return Candidate(prefix, int(match["number"]), ordered, f"{match['name']}-{{number}}")


def _state(look: Look) -> State:
    return look.beside(_STATE, parse_state)


def _moment(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(float(text), tz=datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None
