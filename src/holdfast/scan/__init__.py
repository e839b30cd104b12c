"""From a directory to the runs in it.

``scan`` acts on exactly one run, ``find_runs`` looks for all below a directory, ``look_again`` reads some checkpoints
of a run afresh, just before they are dropped. All only read.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import NotFoundError, RefusedError, StoreError, UsageError
from holdfast.layouts import registry
from holdfast.layouts.base import Look
from holdfast.layouts.series import Series
from holdfast.policies.base import EVERYTHING, Needs, needs_of
from holdfast.scan.build import Place, examined, newest_complete, owners_of, pointers_of, run_of, still
from holdfast.scan.examine import Reading
from holdfast.scan.survey import ALIAS, OWN, Group, Survey, linked, survey
from holdfast.stores.base import Entry, Kind, Store, shown
from holdfast.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from holdfast.checkpoint import Checkpoint, Pointer, Run
    from holdfast.layouts.base import Layout
    from holdfast.policies.base import PreservationPolicy

__all__ = ["RunRef", "find_runs", "look_again", "scan"]

_UP = 8
"""So many directories above are asked whether they hold this one as a checkpoint."""


class RunRef(NamedTuple):
    """Which run? A ``Run`` and a ``Plan`` have these three as well."""

    root: str
    layout: str
    template: str


def scan(
    path: str | os.PathLike[str] = "",
    *,
    policy: PreservationPolicy | None = None,
    needs: Needs | None = None,
    verify: bool = True,
    pattern: str | None = None,
    layout: str | None = None,
    template: str | None = None,
    store: Store | None = None,
) -> Run:
    """Which checkpoints does the run in this directory have?

    Exactly one run. A directory that holds several, or runs below it, or none, and one that is or lies in a
    checkpoint, is refused with a list of what may be meant; ``layout``, ``template`` or a ``pattern`` of one's own
    (``"net_{step}.bin"``) choose. With a ``store``, ``path`` lies in it.

    Reads what ``needs``, or the ``policy``, asks for; without either everything, or with ``verify=False`` nothing but
    names. ``verify`` reads the files and status of each checkpoint; else every status is unknown. One that cannot be
    read is set aside (unknown, and why); an error while listing raises (``StoreError``).
    """
    place = _place(path, store)
    asked = (Series(pattern),) if pattern else (registry.layout(layout),) if layout else registry.layouts()
    reading = Reading.of(_needs(needs, policy, verify=verify), verify=verify)
    found = survey(place.look, asked, sample=not verify)
    _refuse_inside(place, found)
    groups = [group for group in found.groups if template in (None, group.template)]
    if len(groups) == 1:
        return run_of(place, found, groups[0], reading)
    if groups:
        raise RefusedError(_several(place, groups))
    raise _nothing(place, found, template)


def _needs(needs: Needs | None, policy: PreservationPolicy | None, *, verify: bool) -> Needs:
    if needs is not None:
        return needs
    if policy is not None:
        return needs_of(policy)
    return EVERYTHING if verify else Needs.NOTHING


def find_runs(
    path: str | os.PathLike[str] = "",
    *,
    policy: PreservationPolicy | None = None,
    needs: Needs | None = None,
    verify: bool = True,
    store: Store | None = None,
    on_error: Callable[[str, StoreError], None] | None = None,
) -> list[Run]:
    """Which runs lie in this directory and below it, by path?

    Never looks into a checkpoint, follows no link and crosses into no other mount. A directory below that cannot be
    listed raises ``StoreError``, or goes to ``on_error`` with its path. What lies below a run of the same layout, where
    that layout keeps its own trash there (Orbax), is no run. ``RefusedError`` inside a checkpoint. Only reads.
    """
    top = _place(path, store)
    reading = Reading.of(_needs(needs, policy, verify=verify), verify=verify)
    _refuse_inside(top, None)
    surveys = _walk(top, sample=not verify, on_error=on_error)
    runs = [run_of(place, found, group, reading) for place, found in surveys for group in found.groups]
    return sorted(runs, key=lambda run: (run.root, run.layout, run.template))


def look_again(
    run: RunRef, names: Collection[str], *, needs: Needs = Needs.NOTHING, store: Store | None = None
) -> tuple[Mapping[str, Checkpoint], tuple[Pointer, ...]]:
    """What are these checkpoints now, and what points at which? Everything is read afresh; ``run`` may be a ``Run``.

    A name that is no longer there is absent; one whose inside is no longer that of a checkpoint of this run too.
    """
    place = _place("" if store else run.root, store)
    layout = Series(run.template) if run.layout == Series.name else registry.layout(run.layout)
    everyone = _by_name(layout, run.template, place.look)
    newest = newest_complete(layout, place.look, everyone.candidates)
    pointers = pointers_of(place, place.look.list(), everyone, newest)
    wanted = set(names)
    chosen = Group(layout, run.template)
    chosen.candidates = [c for c in everyone.candidates if c.name in wanted and still(layout, place.look, c)]
    chosen.aside = [aside for aside in everyone.aside if aside.candidate.name in wanted]
    seen = examined(place, chosen, Reading.of(needs, verify=True), owners_of(place, everyone))
    return {checkpoint.name: checkpoint for checkpoint in seen}, pointers


def _by_name(layout: Layout, template: str, look: Look) -> Group:
    """All that are named like checkpoints of a run, whatever lies inside. One listing; what is not there raises."""
    entries = look.store.list(look.base)
    look.expect("", entries)
    group = Group(layout, template, [c for c in layout.candidates(entries) if c.template == template and not c.alias])
    links = [aside for entry in entries if entry.kind is Kind.LINK for aside in linked(entry, layout)]
    group.aside = [aside for aside in links if aside.candidate.template == template]
    return group


# Places ------------------------------------------------------------------------------------------------------------


def _place(path: str | os.PathLike[str], store: Store | None) -> Place:
    text = os.fspath(path)
    if store is None:
        return _local(text)
    return Place(Look(*store.at(text)), _joined(store.uri, text))


def _local(text: str) -> Place:
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif "://" in text:
        raise UsageError(f"{shown(text)}: holdfast opens local directories by name; for others pass store=")
    root = os.path.realpath(text or ".")
    if not os.path.isdir(root):  # noqa: PTH112 - a path as the user wrote it, invalid UTF-8 included
        raise NotFoundError(f"{shown(text)}: there is no such directory")
    above = Look(LocalStore(os.path.dirname(root)), "")  # noqa: PTH120 - as above
    return Place(Look(LocalStore(root), "", above=above), root, (os.path.abspath(text or "."),))  # noqa: PTH100 - as above


def _joined(root: str, path: str) -> str:
    return f"{root}{'' if root.endswith('/') else '/'}{path}" if path else root


def _below(place: Place, name: str) -> Place:
    look = place.look
    store, base = look.store.at(f"{look.base}/{name}".strip("/"))
    spellings = tuple(f"{spelling}/{name}" for spelling in place.spellings)
    return Place(Look(store, base, above=look), _joined(place.root, name), spellings)


def _walk(
    top: Place, *, sample: bool, on_error: Callable[[str, StoreError], None] | None
) -> Iterator[tuple[Place, Survey]]:
    """The directories that hold runs, outermost first. What a run is made of is not entered."""
    waiting: list[tuple[Place, frozenset[str]]] = [(top, frozenset())]
    while waiting:
        place, outer = waiting.pop()
        try:
            found = survey(place.look, registry.layouts(), sample=sample)
        except StoreError as error:
            if on_error is None or place is top:
                raise
            on_error(place.root, error)
            continue
        found.groups = [group for group in found.groups if group.layout.name not in outer]
        if found.groups:
            yield place, found
        own = outer | {group.layout.name for group in found.groups if not group.layout.nests}
        waiting += [(_below(place, name), own) for name in _directories(found)]


def _directories(found: Survey) -> list[str]:
    """What may be entered: directories that are no part of a checkpoint, be it of a series or not (``best``)."""
    taken = {member for group in found.groups for candidate in group.candidates for member in candidate.members}
    taken.update(foreign.path for foreign in found.foreign if foreign.why == ALIAS)
    return [e.path for e in found.entries if e.kind is Kind.DIR and e.path not in taken and not e.path.startswith(OWN)]


# Refusals ----------------------------------------------------------------------------------------------------------


def _refuse_inside(place: Place, found: Survey | None) -> None:
    """Is the directory a checkpoint, or within one?

    What was found in it decides who is asked: a checkpoint holds others only of layouts that come after its own.
    """
    inside = {group.layout for group in found.groups} if found else set()
    asked = list(itertools.takewhile(lambda layout: layout not in inside, registry.layouts()))
    for depth, (parent, name, look) in enumerate(_ancestors(place) if asked else ()):
        if depth == 0 and found:
            look.expect(name, found.entries)
        owner = _owner(look, name, asked)
        if owner is not None:
            raise RefusedError(
                f"{shown(place.root)} {'lies in' if depth else 'is'} a checkpoint of {owner.title} ({shown(name)}), "
                f"not a run; its run is {shown(parent)}: give that, and the checkpoint by its name"
            )


def _ancestors(place: Place) -> Iterator[tuple[str, str, Look]]:
    """For each directory on the way up: where it lies, its name there, and how to look at it from there."""
    look = place.look
    parent, name = os.path.split(place.root)
    for _ in range(_UP):
        if place.spellings:  # of the file system
            if not name:
                return
            yield parent, name, Look(LocalStore(parent), "", (name,))
        else:
            if not look.base:
                return
            base, _, name = look.base.rpartition("/")
            look = Look(look.store, base)
            yield parent, name, look.within((name,))
        parent, name = os.path.split(parent)


def _owner(look: Look, name: str, layouts: Sequence[Layout]) -> Layout | None:
    """Which layout takes the directory ``name`` for one of its series (``best`` and the like may be anything)?"""
    for layout in layouts:
        for candidate in layout.candidates([Entry(name, Kind.DIR)]):
            try:
                if not candidate.alias and layout.recognises(candidate, look):
                    return layout
            except StoreError:
                continue
    return None


def _several(place: Place, groups: Sequence[Group]) -> str:
    lines = "".join(f"\n  --template '{group.template}'   {group.layout.name}, {_counted(group)}" for group in groups)
    return (
        f"{shown(place.root)} holds {len(groups)} series, and a policy sees one at a time. "
        f"Name the one that you mean:{lines}"
    )


def _nothing(place: Place, found: Survey, template: str | None) -> Exception:
    if template is not None and found.groups:
        there = ", ".join(f"'{group.template}'" for group in found.groups)
        return UsageError(f"{shown(place.root)} holds no checkpoints named {template!r}; there are {there}")
    below = [(p.root, group) for p, s in _walk(place, sample=True, on_error=_ignore) for group in s.groups]
    below.sort(key=lambda one: (one[0], one[1].template))
    if below:
        listed = "".join(f"\n  {shown(root)}   {g.layout.name} {g.template}, {_counted(g)}" for root, g in below[:20])
        more = f"\n  and {len(below) - 20} more" if len(below) > 20 else ""
        return RefusedError(
            f"{shown(place.root)} is no run, but holds {len(below)} below it. Name the one that you mean:{listed}{more}"
        )
    what = "".join(f"\n  {shown(one.path)}: {one.why}" for one in sorted(found.foreign, key=lambda f: f.path)[:10])
    return UsageError(
        f"{shown(place.root)} holds no checkpoints that holdfast recognises"
        + (
            f". It holds:{what}\nFor files named in a way of your own say --pattern 'name_{{step}}.pt'"
            if what
            else "; it is empty"
        )
    )


def _counted(group: Group) -> str:
    return f"{len(group)} checkpoint{'s' * (len(group) != 1)}"


def _ignore(path: str, error: StoreError) -> None:
    """A directory that cannot be listed is no run that may be meant."""
    del path, error
