"""From the candidates of one run to the run: each examined, links resolved, pointers and limits read."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, final, overload

from holdfast.checkpoint import Checkpoint, Pointer, Run, Status
from holdfast.scan.examine import NOT_VERIFIED, Examined, Reading, examine, set_aside
from holdfast.scan.links import Owners, pointing
from holdfast.scan.pace import each
from holdfast.scan.survey import recognises
from holdfast.stores.base import Kind

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterable

    from holdfast.layouts.base import Candidate, Layout, Look
    from holdfast.scan.survey import Group, Survey
    from holdfast.stores.base import Entry

NAMES = Reading(verify=False)


class Place(NamedTuple):
    """Where is a run's directory?"""

    look: Look
    root: str
    """Resolved, as printed."""
    spellings: tuple[str, ...] = ()
    """How else a link may call it."""


def run_of(place: Place, found: Survey, group: Group, reading: Reading) -> Run:
    """The run that these candidates make. Only reads."""
    layout, look = group.layout, place.look
    if reading == NAMES and not group.aside:
        checkpoints: Sequence[Checkpoint] = Glimpses(group.candidates)
    else:
        checkpoints = tuple(examined(place, group, reading, owners_of(place, group)))
    newest = _newest(layout, look, group.candidates, checkpoints) if _asks_inside(layout) else []
    pointers = pointers_of(place, found.entries, group, newest)
    named = {pointer.path for pointer in pointers}
    return Run(
        root=place.root,
        layout=layout.name,
        template=group.template,
        checkpoints=checkpoints,
        pointers=pointers,
        foreign=tuple(sorted((f for f in found.foreign if f.path not in named), key=lambda f: f.path)),
        atomic=layout.atomic,
        limits=tuple(dict.fromkeys(limit for c in newest for limit in layout.limits(look, found.entries, c))),
        notes=tuple(_notes(found, group, checkpoints)),
    )


def examined(place: Place, group: Group, reading: Reading, owners: Owners) -> list[Checkpoint]:
    """What each candidate of the group is, and which others its links lead to."""
    seen = each(lambda candidate: examine(group.layout, candidate, place.look, reading), group.candidates)
    seen += [Examined(set_aside(c, why), _link(place.look, c)) for c, why in group.aside]
    return [_with_refs(one, owners) for one in seen]


def _with_refs(seen: Examined, owners: Owners) -> Checkpoint:
    if not seen.links:
        return seen.checkpoint
    return dataclasses.replace(seen.checkpoint, refs=owners.refs(seen.checkpoint.name, seen.links))


def _link(look: Look, candidate: Candidate) -> tuple[tuple[str, str], ...]:
    target = look.link(candidate.name)
    return ((candidate.name, target),) if target else ()


def owners_of(place: Place, group: Group) -> Owners:
    """Which checkpoint of the group is at a place?"""
    everyone = (*group.candidates, *(c for c, _ in group.aside))
    of_files = os.path.realpath if place.spellings else None
    return Owners((place.root, *place.spellings), everyone, resolved=of_files)


def pointers_of(
    place: Place, entries: Sequence[Entry], group: Group, newest: Sequence[Candidate]
) -> tuple[Pointer, ...]:
    """What names checkpoints of this run: the layout's own pointers, and every link that leads to one."""
    layout, look = group.layout, place.look
    asked: Sequence[Candidate | None] = newest or [None]
    known = [pointer for candidate in asked for pointer in layout.pointers(look, entries, candidate)]
    links = [entry for entry in entries if entry.kind is Kind.LINK]
    if links:
        known += pointing(look, links, owners_of(place, group), known)
    return tuple(dict.fromkeys(known))


def _asks_inside(layout: Layout) -> bool:
    base = _base()
    return type(layout).pointers is not base.pointers or type(layout).limits is not base.limits


def _base() -> type[Layout]:
    from holdfast.layouts.base import Layout  # noqa: PLC0415 - needed as a class only here

    return Layout


def _newest(
    layout: Layout, look: Look, candidates: Iterable[Candidate], checkpoints: Sequence[Checkpoint]
) -> list[Candidate]:
    """The newest complete ones: by step, and (in a rewound run another) by time. Verified now, if not yet."""
    known = {c.name: c for c in checkpoints if c.why != NOT_VERIFIED} if not isinstance(checkpoints, Glimpses) else {}
    by_name = {candidate.name: candidate for candidate in candidates}
    if not known:
        return newest_complete(layout, look, by_name.values())
    complete = [c for c in known.values() if c.status is Status.COMPLETE and c.name in by_name]
    picked = (max(complete, key=_step_first, default=None), max(complete, key=_time_first, default=None))
    return [by_name[name] for name in dict.fromkeys(c.name for c in picked if c)]


def newest_complete(layout: Layout, look: Look, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The complete one with the highest step, verified from the highest step down. At most one."""
    for candidate in sorted(candidates, key=lambda c: (-1 if c.step is None else c.step, c.name), reverse=True):
        seen = examine(layout, candidate, look, Reading(verify=True)).checkpoint
        if seen.status is Status.COMPLETE and still(layout, look, candidate):
            return [candidate]
    return []


def still(layout: Layout, look: Look, candidate: Candidate) -> bool:
    """Is it still the layout's own, by what lies inside? Also if that cannot be read: being examined will say so."""
    return recognises(layout, candidate, look.within(candidate.members)) is not False


def _step_first(one: Checkpoint) -> tuple[int, float]:
    return (-1 if one.step is None else one.step, _seconds(one.time))


def _time_first(one: Checkpoint) -> tuple[float, int]:
    return (_seconds(one.time), -1 if one.step is None else one.step)


def _seconds(when: datetime.datetime | None) -> float:
    return float("-inf") if when is None else when.timestamp()


def _notes(found: Survey, group: Group, checkpoints: Collection[Checkpoint]) -> list[str]:
    beside = [
        f"beside it: {len(other)} of {other.layout.name} {other.template}"
        for other in found.groups
        if other is not group
    ]
    steps = [] if isinstance(checkpoints, Glimpses) else [c.step for c in checkpoints if c.step is not None]
    twice = sorted(step for step, count in collections.Counter(steps).items() if count > 1)
    names = {step: sorted(c.name for c in checkpoints if c.step == step) for step in twice[:3]}
    return beside + [f"step {step} is there more than once: {', '.join(which)}" for step, which in names.items()]


@final
class Glimpses(Sequence[Checkpoint]):
    """The checkpoints of a run of which only names are known, each made when it is looked at."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates

    def __len__(self) -> int:
        return len(self._candidates)

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Checkpoint, ...]: ...
    def __getitem__(self, index: int | slice) -> Checkpoint | tuple[Checkpoint, ...]:
        if isinstance(index, slice):
            return tuple(set_aside(candidate, NOT_VERIFIED) for candidate in self._candidates[index])
        return set_aside(self._candidates[index], NOT_VERIFIED)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))
