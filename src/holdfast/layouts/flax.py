"""Flax's legacy ``flax.training.checkpoints``: one msgpack file, ``checkpoint_1000``.

Read: flax 0.12.12 (``training/checkpoints.py``) and what it wrote. The prefix is its user's; the step may be
negative, or have a fraction (no step of ours can: such a one has none, and is set aside). Written as
``checkpoint_tmp`` and renamed; arrays that span processes lie in ``checkpoint_1000_gda/``, renamed before the file.
With the Orbax backend these are Orbax' directories.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial
from holdfast.layouts.integrity import msgpack
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAME = re.compile(
    r"(?P<prefix>[A-Za-z][\w.-]*?_)(?P<step>[-+]?\d{1,18}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,2})?)(?P<gda>_gda)?"
)
_ARRAYS = "_gda"


@final
class Flax(Layout):
    """msgpack files, each with its ``_gda`` directory if it has one."""

    name = "flax"
    title = "Flax legacy training.checkpoints"
    verified = "flax 0.12.12, run; multi-process arrays from the source"
    atomic = True

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Files ``<prefix>_<number>``; a ``_gda`` directory without its file is not committed."""
        kinds = {entry.path: entry.kind for entry in entries}
        for name, kind in kinds.items():
            match = _NAME.fullmatch(name)
            if match and not match["gda"] and kind is Kind.FILE:
                arrays = (name + _ARRAYS,) if kinds.get(name + _ARRAYS) is Kind.DIR else ()
                yield Candidate(name, _step(match), (name, *arrays), match["prefix"] + "{step}")
            elif match and match["gda"] and kind is Kind.DIR and name.removesuffix(_ARRAYS) not in kinds:
                yield Candidate(name, _step(match), (name,), match["prefix"] + "{step}", committed=False)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By a msgpack map whose first key is a string, as every state dict is."""
        if not candidate.committed:
            return True
        head = look.read(candidate.name, limit=6) or b""
        first = head[{0xDE: 3, 0xDF: 5}.get(head[0], 1) :] if head else b""
        is_map = bool(head) and (0x81 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF))
        return is_map and bool(first) and (0xA0 <= first[0] <= 0xBF or first[0] in (0xD9, 0xDA))

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Every value that the map counts is there; on an object store its arrays are committed as well."""
        if not candidate.committed:
            return partial(f"{candidate.name} is without its file, which comes last")
        commit = f"{candidate.name}{_ARRAYS}/commit_success.txt"
        if len(candidate.members) > 1 and not look.store.facts.directories and commit not in look.files:
            return partial(f"{commit} is missing")
        return msgpack(look, candidate.name)


def _step(match: re.Match[str]) -> int | None:
    number = float(match["step"])
    return int(number) if number.is_integer() and abs(number) < 10**18 else None
