"""Which checkpoint does a link lead to? By its text, else by where it ends: nothing behind a link is ever opened."""

from __future__ import annotations

import functools
import posixpath
from typing import TYPE_CHECKING

from holdfast.checkpoint import Pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from holdfast.layouts.base import Candidate, Look
    from holdfast.stores.base import Entry


class Owners:
    """Which checkpoint of a run is at a place?

    ``roots``: how the run's directory may be called in a link, its resolved name first. ``resolved``: where a path of
    the file system really leads; without it (an object store) only the text of a link counts.
    """

    def __init__(
        self,
        roots: Collection[str],
        candidates: Collection[Candidate],
        *,
        resolved: Callable[[str], str] | None = None,
    ) -> None:
        self._roots = [posixpath.normpath(root) for root in roots]
        self._candidates = candidates
        self._resolved = resolved

    @functools.cached_property
    def _members(self) -> Mapping[str, str]:
        return {member: candidate.name for candidate in self._candidates for member in candidate.members}

    def named(self, link: str, target: str) -> str:
        """The checkpoint that a link at ``link`` (a path in the run) leads to or into. Empty: none."""
        places = [posixpath.join(root, posixpath.dirname(link), target) for root in self._roots]
        for root, place in zip(self._roots, places, strict=True):
            if owner := self._at(root, posixpath.normpath(place)):
                return owner
        return self._at(self._roots[0], self._resolved(places[0])) if self._resolved else ""

    def _at(self, root: str, place: str) -> str:
        inside = place.startswith(f"{root}/")
        return self._members.get(place[len(root) + 1 :].partition("/")[0], "") if inside else ""

    def refs(self, name: str, links: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Which other checkpoints do the links inside this one lead to?"""
        return tuple(sorted({owner for link in links if (owner := self.named(*link))} - {name}))


def pointing(look: Look, links: Iterable[Entry], owners: Owners, known: Iterable[Pointer]) -> Iterator[Pointer]:
    """The links beside the checkpoints that lead to one, besides the pointers that the layout knows."""
    paths = {pointer.path for pointer in known}
    for link in links:
        owner = "" if link.path in paths else owners.named(link.path, look.link(link.path))
        if owner:
            yield Pointer(path=link.path, names=(owner,), kind="link")
