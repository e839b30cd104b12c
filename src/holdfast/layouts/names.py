"""Which number in a name is the step? Pure, linear in the length of the name, and whole names only.

Frameworks whose checkpoints are known by what lies inside let their user choose the name: ``step_1``, ``epoch_3``,
``async_5``, ``best_model``. These rules say what such a name means.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from holdfast.layouts.base import Candidate, Look
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STEPS = ("step", "steps", "global_step", "globalstep", "iter", "iteration", "it", "update", "updates", "batch", "ba")
EPOCHS = ("epoch", "epochs", "ep")
COUNTS = frozenset({*STEPS, *EPOCHS, "checkpoint", "checkpoints", "ckpt"})
"""A number directly behind one of these words counts training."""
OTHERS = frozenset(
    {"run", "exp", "experiment", "trial", "job", "task", "seed", "fold", "rank", "shard", "part", "version", "ver", "v"}
    | {"worker", "node", "host", "gpu", "tp", "pp", "dp", "mp", "size", "stage"}
)
"""A number behind one of these tells runs, or parts of one, from another: no step, and no member of one series."""
ALIASES = frozenset({"last", "latest", "best", "final", "ema", "swa"})
_NUMBER = re.compile(r"(\d+)")
"""Splits a name into text, number, text, number, ..., text."""
_WORD_BEFORE = re.compile(r"([A-Za-z]+)[-_=.]?\Z")
_WORDS = re.compile(r"[A-Za-z]+")
_CHECKPOINT = re.compile(r"(?:checkpoint|ckpt|step|global_step|iter|epoch)[-_=]?\d+")
LONGEST = 18
"""A number with more digits is none of ours: it would not fit 64 bits."""


class Numbered(NamedTuple):
    """What does a name say?"""

    template: str
    """The name with ``{step}``, ``{epoch}`` or ``{number}`` where its numbers were."""
    step: int | None
    """The step; without one the epoch, or the only number that there is. None: no number, or several unnamed ones."""


def is_alias(name: str) -> bool:
    """Does a whole word of the name say that it is no member of a series (``best``, ``last``, ``final``, ...)?"""
    return _says_alias(tuple(_NUMBER.split(name)[::2]))


@functools.lru_cache(1024)
def _says_alias(texts: tuple[str, ...]) -> bool:
    return any(word.lower() in ALIASES for text in texts for word in _WORDS.findall(text))


def read(name: str) -> Numbered:
    """Which step does a free name carry, and which series is it of? ``epoch_1_step_500``: step 500.

    A number that is glued to letters (``resnet50``) or told by a word like ``seed`` is a part of the name.
    """
    parts = _NUMBER.split(name)
    numbers = parts[1::2]
    fields, which = _shape(tuple(parts[::2]), tuple([len(number) <= LONGEST for number in numbers]))
    parts[1::2] = [field or number for field, number in zip(fields, numbers, strict=True)]
    return Numbered("".join(parts), None if which is None else int(numbers[which]))


def counted(name: str) -> bool:
    """Is the last number of the name one that counts training: a word like ``step`` or ``checkpoint`` before it?"""
    last = max(_NUMBER.finditer(name), key=lambda match: match.start(), default=None)
    return last is not None and _word(name[: last.start()]) in COUNTS


def _word(before: str) -> str:
    word = _WORD_BEFORE.search(before[-24:])
    return word[1].lower() if word else ""


def _meaning(before: str) -> str:
    word = _word(before)
    if word in STEPS or word in EPOCHS:
        return "step" if word in STEPS else "epoch"
    glued = before[-1:].isalpha() and word not in COUNTS
    return "" if glued or word in OTHERS else "number"


@functools.lru_cache(1024)
def _shape(texts: tuple[str, ...], fit: tuple[bool, ...]) -> tuple[tuple[str, ...], int | None]:
    """What stands for each number between these texts in the template (empty: itself), and which one is the step?

    A number that is not the step stays where a step is named. Thousands of names have one shape.
    """
    meanings = [_meaning(text) for text in texts[:-1]]
    named = {*meanings} - {"", "number"}
    only = {"number"} if sum(map(bool, meanings)) == 1 else set()
    fields = tuple(f"{{{meaning}}}" if meaning in named | only else "" for meaning in meanings)
    return fields, _step([(i, meaning) for i, meaning in enumerate(meanings) if meaning and fit[i]])


def _step(numbers: list[tuple[int, str]]) -> int | None:
    """Which number is the step: the last of those called so, else of those called epoch, else the only one?"""
    for wanted in ("step", "epoch"):
        of_kind = [which for which, meaning in numbers if meaning == wanted]
        if of_kind:
            return of_kind[-1]
    return numbers[0][0] if len(numbers) == 1 else None


def numbered(entries: Iterable[Entry], pattern: re.Pattern[str], template: str) -> Iterator[Candidate]:
    """Which directories have a name that ``pattern`` matches whole? Its first group is the number."""
    for entry in entries:
        match = pattern.fullmatch(entry.path)
        if match and entry.kind is Kind.DIR:
            yield Candidate(entry.path, int(match[1]), (entry.path,), template)


def folders(entries: Iterable[Entry], own: re.Pattern[str] | None = None, template: str = "") -> Iterator[Candidate]:
    """Which directories could be checkpoints under any name? One candidate each; without links and hidden ones.

    A name without a number, with a word like ``best``, or with something after its number (``step-100-backup``)
    is an alias: protected, and never in the series. A name that ``own`` matches is read as :func:`numbered` does.
    """
    for entry in entries:
        if own and own.fullmatch(entry.path):
            yield from numbered([entry], own, template)
        elif entry.kind is Kind.DIR and not entry.path.startswith("."):
            free, step = read(entry.path)
            alias = step is None or is_alias(entry.path) or not entry.path[-1].isdigit()
            yield Candidate(entry.path, step, (entry.path,), free, alias=alias)


def holds_checkpoints(look: Look, folder: str) -> bool:
    """Do checkpoints seem to lie directly in it? Then it is a run's root, which may hold the final model as well."""
    return any(entry.kind is Kind.DIR and _CHECKPOINT.fullmatch(entry.path) for entry in look.list(folder))
