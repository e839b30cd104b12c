"""Which entries of one directory are checkpoints, and of which runs? By names, then by what lies inside.

Layouts are asked in the order of the registry; what one recognises is no longer offered to the next. What none
recognises is foreign: it is reported with a word, and never touched.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from holdfast.checkpoint import Foreign
from holdfast.scan.pace import each, said
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.layouts.base import Candidate, Layout, Look

OWN = ".holdfast"
"""How the names of Holdfast's own directories begin."""
_REMEMBERED = 20_000
"""Of so many candidates what was seen inside is kept for the next layout; of more it is read again."""
ALIAS = "a checkpoint, but none of the series (best, last, without a number): protected"


class Aside(NamedTuple):
    """Which candidate cannot be looked into, and why? It stays, and is not counted."""

    candidate: Candidate
    why: str


@dataclasses.dataclass
class Group:
    """Which candidates compete: one layout, one template?"""

    layout: Layout
    template: str
    candidates: list[Candidate] = dataclasses.field(default_factory=list)
    aside: list[Aside] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        return len(self.candidates) + len(self.aside)


@dataclasses.dataclass
class Survey:
    """What lies in a directory?"""

    entries: Sequence[Entry]
    groups: list[Group] = dataclasses.field(default_factory=list)
    foreign: list[Foreign] = dataclasses.field(default_factory=list)


def survey(look: Look, layouts: Iterable[Layout], *, sample: bool = False) -> Survey:
    """What lies directly in the directory of ``look``?

    With ``sample`` only three of each series are looked into, and speak for the others.
    ``StoreError``: it cannot be listed. Only reads.
    """
    found = Survey(entries=look.store.list(look.base))
    look.expect("", found.entries)
    walk = _Walk(look, found.entries, sample=sample)
    for layout in layouts:
        if walk.free:
            walk.offer(layout)
    found.groups = walk.groups
    _links(walk)
    found.foreign = [Foreign(path=entry.path, why=walk.why(entry)) for entry in walk.free]
    found.foreign += [Foreign(path=name, why=ALIAS) for name in sorted(walk.aliases)]
    return found


class _Walk:
    """The entries that nobody has claimed yet, and what was learnt of them."""

    def __init__(self, look: Look, entries: Sequence[Entry], *, sample: bool) -> None:
        self.look = look
        self.free = list(entries)
        self.sample = sample
        self.groups: list[Group] = []
        self.aliases: set[str] = set()
        self._looks: dict[tuple[str, ...], Look] = {}
        self._doubts: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._unreadable: list[tuple[Layout, Aside]] = []

    def offer(self, layout: Layout) -> None:
        """Let one layout claim what is its own."""
        series: dict[str, list[Candidate]] = {}
        for candidate in layout.candidates(self.free):
            series.setdefault(candidate.template, []).append(candidate)
        claimed: set[str] = set()
        for template, candidates in series.items():
            group = Group(layout, template, [c for c in self._recognised(layout, candidates) if not self._alias(c)])
            claimed.update(*[candidate.members for candidate in group.candidates])
            if group.candidates:
                self.groups.append(group)
        self._claim(claimed | self.aliases)

    def _claim(self, names: set[str]) -> None:
        if names:
            self.free = [entry for entry in self.free if entry.path not in names]

    def _alias(self, candidate: Candidate) -> bool:
        if candidate.alias:
            self.aliases.update(candidate.members)
        return candidate.alias

    def _recognised(self, layout: Layout, candidates: list[Candidate]) -> list[Candidate]:
        if not self.sample or len(candidates) <= 3:
            return [candidate for candidate, own in zip(candidates, self._ask(layout, candidates), strict=True) if own]
        picked = (candidates[0], candidates[len(candidates) // 2], candidates[-1])
        return candidates if any(self._ask(layout, picked)) else []

    def _ask(self, layout: Layout, candidates: Sequence[Candidate]) -> list[bool]:
        """Which of these are really the layout's? Remembers what could not be read, and what only looks so."""
        answers = each(lambda candidate: recognises(layout, candidate, self._inside(candidate)), candidates)
        for candidate, answer in zip(candidates, answers, strict=True):
            if isinstance(answer, str):
                self._unreadable.append((layout, Aside(candidate, answer)))
                self._problems.update(dict.fromkeys(candidate.members, answer))
            elif not answer and candidate.step is not None:
                for member in candidate.members:
                    self._doubts.setdefault(member, f"named like a checkpoint of {layout.title}")
        return [answer is True for answer in answers]

    def _inside(self, candidate: Candidate) -> Look:
        """The look into it: the same for every layout that asks, so that each directory is listed once."""
        look = self._looks.get(candidate.members)
        if look is None:
            look = self.look.within(candidate.members)
            if len(self._looks) < _REMEMBERED:
                self._looks[candidate.members] = look
        return look

    def why(self, entry: Entry) -> str:
        """Why is it none of a run's checkpoints?"""
        if entry.path.startswith(OWN):
            return "Holdfast's own"
        if entry.path in self._problems:
            return self._problems[entry.path]
        doubt = self._doubts.get(entry.path, "")
        return f"{doubt}, but nothing inside says so" if doubt else "not recognised as a checkpoint"

    def set_aside(self) -> Iterator[tuple[Layout, Aside]]:
        """The candidates that a layout could not look into, and that nobody else has claimed."""
        free = {entry.path for entry in self.free}
        return ((layout, aside) for layout, aside in self._unreadable if free.issuperset(aside.candidate.members))

    def aside(self, layout: Layout, aside: Aside) -> None:
        """Set it aside in the run that it would be of, if there is one."""
        for group in self.groups:
            if group.layout is layout and group.template == aside.candidate.template:
                group.aside.append(aside)
                self._claim(set(aside.candidate.members))
                return


def recognises(layout: Layout, candidate: Candidate, look: Look) -> bool | str:
    """Is it the layout's own? Why it cannot be told, where it cannot be read. ``look`` is into the candidate."""
    try:
        return bool(layout.recognises(candidate, look))
    except Exception as error:  # noqa: BLE001 - what one candidate holds must not end the scan of the others
        return f"cannot be read: {said(error)}"


def _links(walk: _Walk) -> None:
    """Links and unreadable ones that are named like a run's checkpoints are set aside in it."""
    for layout, aside in list(walk.set_aside()):
        walk.aside(layout, aside)
    for entry in [entry for entry in walk.free if entry.kind is Kind.LINK]:
        for layout in {group.layout.name: group.layout for group in walk.groups}.values():
            for aside in linked(entry, layout):
                walk.aside(layout, aside)


def linked(link: Entry, layout: Layout) -> list[Aside]:
    """Which checkpoints would the link be, were it what it points at?"""
    shapes = [link._replace(kind=kind) for kind in (Kind.DIR, Kind.FILE)]
    named = [candidate for shape in shapes for candidate in layout.candidates([shape]) if not candidate.alias]
    return [Aside(candidate, "a link, which is never followed") for candidate in named]
