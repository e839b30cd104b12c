"""Plain files of one trainer's own making: ``model_1000.pt``, ``step_500.safetensors``.

A number makes a series only where the name says that it counts training: a whole word (``step``, ``iter``,
``global_step``, ``epoch``, ``ep``, ``checkpoint``, ``ckpt``) directly before it, or ``model_<number>`` as the whole
stem. Shards, ranks, folds, seeds, versions and sizes of models are numbers too, and no series. For all else a user
names the pattern: ``Series("net_{step}.bin")``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from holdfast.errors import UsageError
from holdfast.layouts import integrity
from holdfast.layouts.base import Candidate, Finding, Layout, Look, partial
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
"""Those of a series that needs no pattern. ``.npz``, ``.bin`` and ``.h5`` are too often something else."""
_SUFFIX = re.compile(r"(?P<stem>.+)(?P<suffix>\.(?:pt|pth|ckpt|safetensors|bin|h5|npz))", re.DOTALL)
_WORD = r"(?:global[-_.]?step|step|iter|epoch|ep|checkpoint|ckpt)"
_COUNTED = re.compile(
    rf"(?<![A-Za-z0-9])(?P<word>{_WORD})[-_.=]?(?P<number>\d{{1,18}})(?!\d)", re.IGNORECASE | re.ASCII
)
_MODEL = re.compile(r"(?P<word>model)_(?P<number>\d{1,18})", re.ASCII)
_DECIMAL = re.compile(r"[-+]?\d+\.\d+", re.ASCII)
_MANY = r"rank|shard|part|zero|tp|pp|dp|mp"
_ASIDE = r"backup|bak|old|orig|copy|trash|tmp|temp|deleted"
_NEVER = re.compile(rf"[-_.]of[-_.]?\d|(?<![A-Za-z])(?:{_MANY}|{_ASIDE})(?![A-Za-z])", re.IGNORECASE | re.ASCII)
"""One of several files of a checkpoint, or what somebody put aside."""
_ALIAS = re.compile(r"(?<![A-Za-z0-9])(?:last|latest|best|final|ema|swa)(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)
_EPOCHS = frozenset({"epoch", "ep"})
_FIELDS = {"{step}": r"\d{1,18}", "{epoch}": r"\d{1,18}", "{value}": r"[-+]?\d+(?:\.\d+)?"}
_FIELD = re.compile("|".join(re.escape(field) for field in _FIELDS))


@final
class Series(Layout):
    """Which files are a numbered series of checkpoints? With a pattern, those that it matches, whole."""

    name = "series"
    title = "plain series of files"
    verified = "torch.save 2.13.0 and safetensors 0.8.0, run"

    def __init__(self, pattern: str = "") -> None:
        self.pattern = pattern
        self._whole = _compiled(pattern) if pattern else None

    def candidates(self, entries: Sequence[Entry]) -> Iterator[Candidate]:
        """Files with a counted number; aliases (``best.pt``) apart. With a pattern, also directories."""
        for entry in entries:
            found = self._of_pattern(entry) if self._whole else _of_grammar(entry)
            if found is not None:
                yield found

    def _of_pattern(self, entry: Entry) -> Candidate | None:
        match = self._whole.fullmatch(entry.path) if self._whole and entry.kind in {Kind.FILE, Kind.DIR} else None
        return None if match is None else Candidate(entry.path, int(match["key"]), (entry.path,), self.pattern)

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """The name decides: nobody else has claimed it, and a series has no content of its own."""
        del candidate, look
        return True

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Is each file whole by its own format (zip, safetensors, HDF5)?"""
        own = candidate.name
        if own not in look.files or look.files[own].kind is not Kind.DIR:
            return integrity.whole(look, own)
        inside = sorted(path for path, entry in look.files.items() if entry.kind is Kind.FILE)
        if not inside:
            return partial("an empty directory")
        return integrity.all_whole(integrity.whole(look, path) for path in inside if path.endswith(SUFFIXES))


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression; the number that orders the series is its group ``key``."""
    fields = _FIELD.findall(pattern)
    key = "{step}" if "{step}" in fields else "{epoch}"
    touching = re.search(r"\d\{|\}\d|\}\{", pattern)
    if "/" in pattern or touching or fields.count(key) != 1:
        raise UsageError(
            f"{pattern!r} is no pattern of a series: write a name with {{step}} once where its number stands (besides "
            "it {epoch} and {value}, if need be), nothing numeric directly beside it: 'net_{step}.bin'"
        )
    parts = [
        f"(?P<key>{_FIELDS[part]})" if part == key else _FIELDS.get(part, re.escape(part)) for part in _split(pattern)
    ]
    return re.compile("".join(parts), re.DOTALL | re.ASCII)


def _split(pattern: str) -> list[str]:
    return re.split(f"({_FIELD.pattern})", pattern)


def is_alias(name: str) -> bool:
    """Does a whole word of the stem say last, latest, best, final, ema or swa? ``schema_1000.pt`` is no ``ema``."""
    match = _SUFFIX.fullmatch(name)
    return match is not None and _ALIAS.search(match["stem"]) is not None


def _of_grammar(entry: Entry) -> Candidate | None:
    match = _SUFFIX.fullmatch(entry.path) if entry.kind is Kind.FILE else None
    if match is None:
        return None
    stem, suffix = match["stem"], match["suffix"]
    if _ALIAS.search(stem):
        return Candidate(entry.path, None, (entry.path,), entry.path, alias=True)
    if suffix not in SUFFIXES or _NEVER.search(stem):
        return None
    numbers = _counted(stem)
    if not numbers:
        return None
    steps = [number for number in numbers if number["word"].lower() not in _EPOCHS]
    key = (steps or numbers)[-1]
    return Candidate(entry.path, int(key["number"]), (entry.path,), _template(stem, numbers, key) + suffix)


def _counted(stem: str) -> list[re.Match[str]]:
    """Which numbers in the stem count training?"""
    whole = _MODEL.fullmatch(stem)
    return [whole] if whole else list(_COUNTED.finditer(stem))


def _template(stem: str, numbers: list[re.Match[str]], key: re.Match[str]) -> str:
    """The stem with ``{step}`` or ``{epoch}`` for what counts and ``{value}`` for decimals; other numbers stay."""
    fields = [
        (number.span("number"), "{epoch}" if _is_epoch(number) else "{step}")
        for number in numbers
        if number is key or _is_epoch(number)
    ]
    taken = [span for span, _ in fields]
    fields += [
        (m.span(), "{value}") for m in _DECIMAL.finditer(stem) if not any(_meet(m.span(), span) for span in taken)
    ]
    for (start, end), field in sorted(fields, reverse=True):
        stem = stem[:start] + field + stem[end:]
    return stem


def _is_epoch(number: re.Match[str]) -> bool:
    return number["word"].lower() in _EPOCHS


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
