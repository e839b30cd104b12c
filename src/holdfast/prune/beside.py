"""What lies beside the run because the trash could not take it, and what becomes of it?

Rung 2 of the ladder: names that begin with ``.holdfast-<run>-<hash>-``. ``…purging-`` is being freed; all else was
left by a prune that was stopped before it had decided.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from holdfast.prune import files, move
from holdfast.prune.batch import Member, Unit
from holdfast.prune.move import Spot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.checkpoint import Hold
    from holdfast.prune.move import Stray
    from holdfast.prune.state import Home


def claim(home: Home, spots: Sequence[Spot]) -> None:
    """Say that these are being freed: nobody brings them back. The marker first: without it the rest is claimed too."""
    for spot in spots:
        if files.here(home.fs, spot.name, spot.fd) is not None:
            new = f"{home.beside}purging-{secrets.token_hex(8)}"
            home.fs.rename(spot.name, new, source_fd=spot.fd, target_fd=home.parent_fd)


def claimed(home: Home) -> list[str]:
    """Which names beside the run are being freed?"""
    pattern = re.compile(re.escape(home.beside) + r"purging-[0-9a-f]{16}")
    return [name for name in files.names(home.fs, ".", home.parent_fd) if pattern.fullmatch(name)]


def settle(home: Home, held: Mapping[str, Hold]) -> list[str]:
    """Finish or roll back what a stopped prune left here; one sentence for each checkpoint.

    Whole and not held: it goes on to be freed. A part of it, or held by now: it comes back, unless its name is
    taken. What came back is planned anew.
    """
    return [_settle(home, sorted(found, key=lambda s: s.index), held) for found in move.strays(home).values()]


def _settle(home: Home, found: Sequence[Stray], held: Mapping[str, Hold]) -> str:
    spots = [Spot(home.parent_fd, stray.name) for stray in found]
    names = [name for name in held if any(s.path == name or s.path.startswith((f"{name}.", f"{name}-")) for s in found)]
    told = found[0].path or found[0].name
    if found[0].index > 0 or (len(found) == found[0].count and not names):
        claim(home, spots)
        return f"{told}: an earlier prune was stopped after it had dropped this; finished"
    unit = _unit(home, found)
    if unit is None:
        return f"{told}: an earlier prune was stopped; left where it is, because its name was too long to tell"
    try:
        move.back(home, unit, spots)
    except OSError as cause:
        return f"{told}: an earlier prune was stopped, and it could not be moved back: {cause.strerror}"
    return f"{told}: an earlier prune was stopped; moved back"


def _unit(home: Home, found: Sequence[Stray]) -> Unit | None:
    members = []
    for stray in found:
        about = files.here(home.fs, stray.name, home.parent_fd)
        if about is None or not stray.path:
            return None
        members.append(Member(stray.path, about.st_dev, about.st_ino, about.st_mtime_ns))
    return Unit(key=0, name=found[0].path, step=None, size=0, fingerprint="", members=tuple(members))
