"""The values everything speaks in: a checkpoint, its status, what names it and what holds it."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence


class Status(enum.StrEnum):
    """Is the checkpoint whole? Only a complete one counts, and only a complete one is dropped."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


class TimeSource(enum.StrEnum):
    """Where does a checkpoint's time come from? A file's time may protect, never drop."""

    RECORDED = "recorded"
    FILE = "file"
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What is known of one saved training state?

    It has the attributes that the reference's policies read (``step``, ``time``, ``metrics``), so it can be
    handed to ``should_preserve`` as it is. None means: not known, or not asked for.
    """

    name: str
    """Its path within the run, ``/``-separated: its identity. A step is shorthand."""
    step: int | None = None
    time: datetime.datetime | None = None
    """Aware, UTC."""
    time_source: TimeSource = TimeSource.NONE
    metrics: Mapping[str, Any] | None = None
    size: int | None = None
    """Bytes, all members together."""
    shared: int = 0
    """Of these, bytes in files that have other hard links: freeing this checkpoint may not free them."""
    status: Status = Status.UNKNOWN
    why: str = ""
    """Why it is partial or unknown, in a few words."""
    resumable: bool | None = None
    """Does it hold what training needs to go on, not the weights alone? None: cannot be told."""
    members: tuple[str, ...] = ()
    """The entries of the run's directory that make it, the completeness marker first."""
    touched: datetime.datetime | None = None
    """The newest modification time of any of its files."""
    fingerprint: str = ""
    """Changes whenever a file's name, size or modification time does."""
    refs: tuple[str, ...] = ()
    """Names of other checkpoints of this run whose files it links to."""
    pinned: str = ""
    """Why the framework's own marker says to keep it (t5x's ``PINNED``); empty: it does not."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What names a checkpoint from outside it?"""

    path: str
    """Where the pointer is, within the run (``checkpoint``, ``latest``, ``last.ckpt``)."""
    names: tuple[str, ...]
    """The checkpoints that it names, as names within the run; also those that are not there."""
    kind: str = "latest"
    """``latest``, ``best``, ``list``: what it is for."""
    repointable: bool = False
    """Can ``--repoint`` rewrite it in the framework's own format?"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Which checkpoint may not be dropped, whoever asks? A pin or a lease."""

    name: str
    kind: str
    """``pin`` or ``lease``."""
    owner: str
    reason: str = ""
    until: datetime.datetime | None = None
    """When a lease (or a pin with an end) expires; None: never."""
    fingerprint: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What in the run's directory is not one of its checkpoints, and why not? Never touched."""

    path: str
    why: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """Which checkpoints compete with one another: one directory, one layout, one name template.

    A value: what a scan saw. ``checkpoints`` come in no particular order; a plan orders them.
    """

    root: str
    """The directory, resolved, as an absolute path or a URI."""
    layout: str
    template: str
    """How its checkpoints are named, e.g. ``checkpoint-{step}``."""
    checkpoints: Sequence[Checkpoint]
    pointers: tuple[Pointer, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    atomic: bool = False
    """Does the framework commit a checkpoint by one rename or a marker? If not, ``min_age`` is 10 minutes."""
    resumed_from: tuple[str, ...] = ()
    """Names within the run that this run is known to have resumed from."""
    limits: tuple[str, ...] = ()
    """The trainer's own retention settings that are on, as found in its files."""
    notes: tuple[str, ...] = ()
