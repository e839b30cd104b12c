"""What is known of one checkpoint? Everything that the scan was asked for, and nothing else is read."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, final

from holdfast.checkpoint import Checkpoint, Status, TimeSource
from holdfast.policies.base import Needs
from holdfast.scan.pace import said
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from holdfast.layouts.base import Candidate, Layout, Look

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DEEPEST = 64
NOT_VERIFIED = "not verified: only names were asked for"


@final
class Reading(NamedTuple):
    """What is to be read of each checkpoint?"""

    verify: bool
    """Its files and its status."""
    times: bool = False
    metrics: bool = False
    sizes: bool = False

    @classmethod
    def of(cls, needs: Needs, *, verify: bool) -> Reading:
        """What a policy needs, as plain truths: asked for each checkpoint."""
        return cls(verify, Needs.TIMES in needs, Needs.METRICS in needs, Needs.SIZES in needs)


class Examined(NamedTuple):
    """What was seen of one checkpoint, and which links lie in it (path and target)?"""

    checkpoint: Checkpoint
    links: tuple[tuple[str, str], ...] = ()


def examine(layout: Layout, candidate: Candidate, look: Look, reading: Reading) -> Examined:
    """What is known of it? What cannot be read sets it aside: status unknown, and why. Only reads."""
    try:
        return (_verified if reading.verify else _glimpsed)(layout, candidate, look.within(candidate.members), reading)
    except Exception as error:  # noqa: BLE001 - one bad checkpoint is set aside, the others are scanned
        return Examined(set_aside(candidate, f"cannot be read: {said(error)}"))


def set_aside(candidate: Candidate, why: str) -> Checkpoint:
    """A checkpoint of which only the name is known."""
    return Checkpoint(name=candidate.name, step=candidate.step, members=candidate.members, why=why)


def _verified(layout: Layout, candidate: Candidate, look: Look, reading: Reading) -> Examined:
    files = look.files
    finding = layout.status(candidate, look)
    when, source = _time(layout, candidate, look, reading)
    content = [entry for entry in files.values() if entry.kind is Kind.FILE]
    checkpoint = Checkpoint(
        name=candidate.name,
        step=_step(layout, candidate, look),
        time=when,
        time_source=source,
        metrics=_metrics(layout, candidate, look) if reading.metrics else None,
        size=sum(entry.size for entry in content),
        shared=sum(entry.size for entry in content if entry.links > 1),
        status=finding.status,
        why=finding.why,
        resumable=layout.resumable(candidate, look) if finding.status is Status.COMPLETE else None,
        members=candidate.members,
        touched=moment(max((entry.mtime_ns for entry in content), default=-1)),
        fingerprint=fingerprint(files),
        pinned=layout.pinned(candidate, look),
    )
    return Examined(checkpoint, tuple((e.path, e.target) for e in files.values() if e.kind is Kind.LINK))


def _glimpsed(layout: Layout, candidate: Candidate, look: Look, reading: Reading) -> Examined:
    when, source = _time(layout, candidate, look, reading)
    content = look.files.values() if reading.sizes else ()
    return Examined(
        Checkpoint(
            name=candidate.name,
            step=_step(layout, candidate, look),
            time=when,
            time_source=source,
            metrics=_metrics(layout, candidate, look) if reading.metrics else None,
            size=sum(entry.size for entry in content if entry.kind is Kind.FILE) if reading.sizes else None,
            members=candidate.members,
            why=NOT_VERIFIED,
        )
    )


def _metrics(layout: Layout, candidate: Candidate, look: Look) -> Mapping[str, Any] | None:
    """``ValueError`` for metrics so deep that whoever walks them would run out of stack."""
    found = layout.metrics(candidate, look)
    level = [*found.values()] if found else []
    for _ in range(_DEEPEST):
        nested = [value for value in level if isinstance(value, Mapping | list | tuple)]
        if not nested:
            return found
        level = [inner for value in nested for inner in (value.values() if isinstance(value, Mapping) else value)]
    raise ValueError(f"its metrics are nested more than {_DEEPEST} deep")


def _step(layout: Layout, candidate: Candidate, look: Look) -> int | None:
    return candidate.step if candidate.step is not None else layout.step(candidate, look)


def _time(
    layout: Layout, candidate: Candidate, look: Look, reading: Reading
) -> tuple[datetime.datetime | None, TimeSource]:
    """The recorded commit time; else the marker's modification time; else the newest file's."""
    recorded = layout.time(candidate, look) if reading.times or (reading.verify and layout.time_with_status) else None
    if recorded is not None:
        return recorded, TimeSource.RECORDED
    if not (reading.times or reading.verify):
        return None, TimeSource.NONE
    when = moment(_file_time(layout.marker(candidate, look), look, reading))
    return when, TimeSource.NONE if when is None else TimeSource.FILE


def _file_time(marker: str, look: Look, reading: Reading) -> int:
    if not reading.verify:
        entry = look.stat(marker or look.members[0])
        return -1 if entry is None else entry.mtime_ns
    if marker in look.files:
        return look.files[marker].mtime_ns
    newest = max((entry.mtime_ns for entry in look.files.values() if entry.kind is Kind.FILE), default=-1)
    return newest if newest >= 0 else max((entry.mtime_ns for entry in look.files.values()), default=-1)


def moment(nanoseconds: int) -> datetime.datetime | None:
    """Nanoseconds since 1970 as an aware time; None: not known, or beyond any calendar."""
    if nanoseconds < 0:
        return None
    try:
        return _EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


def fingerprint(files: Mapping[str, Entry]) -> str:
    """Which files were there, how large, last written when? One digest of path, kind, size and time of each.

    A directory counts by its name alone: its own time changes when it is looked after, not only when it is written.
    """
    directory = Kind.DIR
    told = [
        f"{path}\0{kind:d}\0{size}\0{0 if kind is directory else mtime_ns}\0{target}\0"
        for path, (_, kind, size, mtime_ns, _, target) in sorted(files.items())
    ]
    return hashlib.blake2b("".join(told).encode(errors="surrogateescape"), digest_size=16).hexdigest()
