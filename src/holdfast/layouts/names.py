"""Which number in a name is the step? Pure, linear in the length of the name, and whole names only.

Frameworks whose checkpoints are known by what lies inside let their user choose the name: ``step_1``, ``epoch_3``,
``async_5``, ``best_model``. These rules say what such a name means.
"""

from __future__ import annotations

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
_NUMBER = re.compile(r"\d+")
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
    return any(word.lower() in ALIASES for word in _WORDS.findall(name))


def read(name: str) -> Numbered:
    """Which step does a free name carry, and which series is it of? ``epoch_1_step_500``: step 500.

    A number that is glued to letters (``resnet50``) or told by a word like ``seed`` is a part of the name.
    """
    numbers = ((match, _meaning(name[: match.start()])) for match in _NUMBER.finditer(name))
    found = [(match, meaning) for match, meaning in numbers if meaning]
    return Numbered(
        _template(name, found), _step([(int(m[0]), meaning) for m, meaning in found if len(m[0]) <= LONGEST])
    )


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


def _template(name: str, found: list[tuple[re.Match[str], str]]) -> str:
    """The name with its numbers replaced; a number that is not the step stays where a step is named."""
    named = {meaning for _, meaning in found} - {"number"}
    if not named and len(found) != 1:
        return name
    pieces, at = [], 0
    for match, meaning in found:
        if meaning in named or not named:
            pieces += [name[at : match.start()], f"{{{meaning}}}"]
            at = match.end()
    return "".join([*pieces, name[at:]])


def _step(numbers: list[tuple[int, str]]) -> int | None:
    for wanted in ("step", "epoch"):
        of_kind = [number for number, meaning in numbers if meaning == wanted]
        if of_kind:
            return of_kind[-1]
    return numbers[0][0] if len(numbers) == 1 else None


def folders(entries: Iterable[Entry]) -> Iterator[Candidate]:
    """Which directories could be checkpoints under any name? One candidate each; without links and hidden ones.

    A name without a number, with a word like ``best``, or with something after its number (``step-100-backup``)
    is an alias: protected, and never in the series.
    """
    for entry in entries:
        if entry.kind is Kind.DIR and not entry.path.startswith("."):
            template, step = read(entry.path)
            alias = step is None or is_alias(entry.path) or not entry.path[-1].isdigit()
            yield Candidate(entry.path, step, (entry.path,), template, alias=alias)


def holds_checkpoints(look: Look, folder: str) -> bool:
    """Do checkpoints seem to lie directly in it? Then it is a run's root, which may hold the final model as well."""
    return any(entry.kind is Kind.DIR and _CHECKPOINT.fullmatch(entry.path) for entry in look.list(folder))
