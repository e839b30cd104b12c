"""What does a pickle say, read as opcodes? Nothing here executes one: no import, no call, no object is made.

``torch.save`` files are zips whose ``data.pkl`` is a pickle; a DCP ``.metadata`` is one. Both can be read for the
strings and numbers in them, which is enough to know a step, a world size, or which shards there must be.
"""

from __future__ import annotations

import io
import pickletools
from typing import TYPE_CHECKING, TypeVar

from holdfast.layouts.integrity import zip_first

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from holdfast.layouts.base import Look

_T = TypeVar("_T")

MAX_OPS = 200_000
MAX_METADATA = 4 << 30
_CHUNK, _LONGEST = 4 << 20, 255
_STEPS = (1 << 16, 1 << 19)
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "INT"})
_MEMO = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE", "PUT"})


def operations(data: bytes) -> Iterator[tuple[str, object]]:
    """Which operations does a pickle consist of, in order? Ends silently where it is cut, wrong, or too long."""
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
            if count >= MAX_OPS:
                return
            yield code.name, argument
    except (ValueError, OverflowError, Warning):  # a warning where they are errors: of a string with odd escapes
        return


def numbers(data: bytes, wanted: Collection[str]) -> dict[str, float]:
    """Which number stands directly after each of these keys, where it occurs first? Also in a pickle cut short.

    ``{"epoch": 3, "global_step": 900}``: an int where the pickle has an int. Absent keys are left out.
    """
    found: dict[str, float] = {}
    key: object = None
    for name, argument in operations(data):
        if name in _NUMBERS and key in wanted and isinstance(argument, int | float):
            found.setdefault(str(key), argument)
        if len(found) == len(wanted):
            break
        if name not in _MEMO:
            key = argument if name.endswith("UNICODE") else None
    return found


def torch_head(look: Look, path: str, *, limit: int = 4096) -> bytes:
    """How does the pickle inside a ``torch.save`` zip begin? Empty: no such file. One read of ``limit`` bytes."""
    name, data = zip_first(look, path, limit=limit)
    return data if name.endswith("data.pkl") else b""


def torch_numbers(look: Look, path: str, wanted: Collection[str], *, limit: int = 4096) -> Mapping[str, float]:
    """Which numbers stand after these keys in a ``torch.save`` file? See :func:`numbers`."""

    def asked(head: bytes) -> tuple[dict[str, float], bool]:
        found = numbers(head, wanted)
        return found, len(found) == len(wanted)

    return _ask(look, path, limit, asked)


def has_key(look: Look, path: str, key: str, *, limit: int = 4 << 20) -> bool | None:
    """Does the pickle of a ``torch.save`` file hold this string? None: it is longer than ``limit``, or not there."""

    def asked(head: bytes) -> tuple[bool | None, bool]:
        name = ""
        for name, argument in operations(head):
            if argument == key and name.endswith("UNICODE"):
                return True, True
        return (False, True) if name == "STOP" else (None, False)

    return _ask(look, path, limit, asked)


def text_after(look: Look, path: str, key: str, *, limit: int = 4 << 20) -> str:
    """Which string stands directly after this key in a ``torch.save`` file? Empty: none, or a repeated one."""

    def asked(head: bytes) -> tuple[str, bool]:
        after = _after(head, key)
        return (str(after[1]) if after and after[0].endswith("UNICODE") else "", after is not None)

    return _ask(look, path, limit, asked)


def none_after(look: Look, path: str, key: str, *, limit: int = 4 << 20) -> bool | None:
    """Does ``None`` stand after this key in a ``torch.save`` file? None: the key is not there, or not within reach."""

    def asked(head: bytes) -> tuple[bool | None, bool]:
        after = _after(head, key)
        return (after[0] == "NONE" if after else None), after is not None

    return _ask(look, path, limit, asked)


def _after(head: bytes, key: str) -> tuple[str, object] | None:
    """Which operation comes after the one that loads this string, where it occurs first?"""
    seen = False
    for name, argument in operations(head):
        if seen and name not in _MEMO:
            return name, argument
        seen = seen or (argument == key and name.endswith("UNICODE"))
    return None


def _ask(look: Look, path: str, limit: int, asked: Callable[[bytes], tuple[_T, bool]]) -> _T:
    """What is the answer, reading no more than it takes? ``asked`` says what a beginning tells, and if that is sure.

    Reads 64 KiB, then 512 KiB, then ``limit``: most pickles are short, and what follows them are tensors.
    """
    for size in (*(step for step in _STEPS if step < limit), limit):
        head = torch_head(look, path, limit=size)
        answer, sure = asked(head)
        if sure or not head or b".PK\x07\x08" in head:  # the end of the pickle, and of its entry
            break
    return answer


def names_in_metadata(look: Look, path: str, suffix: bytes = b".distcp") -> frozenset[str] | None:
    """Which shards does a DCP ``.metadata`` name: its string constants that end in ``suffix``?

    None: it is not there, not whole (a pickle ends in a full stop) or longer than 4 GiB. Read in pieces of 4 MiB,
    so that memory stays bounded however many tensors there are; a string is known by the length before it.
    """
    found: set[str] = set()
    rest, start = b"", 0
    if look.read(path, start=-1, limit=1) != b".":
        return None
    while start < MAX_METADATA:
        piece = look.read(path, start=start, limit=_CHUNK)
        if not piece:
            return frozenset(found)
        found.update(_strings(rest + piece, suffix))
        rest, start = (rest + piece)[-(_LONGEST + 8) :], start + len(piece)
    return None


def _strings(data: bytes, suffix: bytes) -> Iterator[str]:
    at = data.find(suffix)
    while at >= 0:
        end = at + len(suffix)
        text = _string_ending(data, end)
        if text is not None:
            yield text
        at = data.find(suffix, end)


def _string_ending(data: bytes, end: int) -> str | None:
    """Which string constant of a pickle ends exactly here?"""
    for length in range(1, min(_LONGEST, end - 2) + 1):
        start = end - length
        short = data[start - 2 : start] == bytes((0x8C, length))
        if short or data[max(0, start - 5) : start] == b"X" + length.to_bytes(4, "little"):
            return data[start:end].decode(errors="surrogateescape")
    return None


def mentions(look: Look, path: str, word: bytes, *, limit: int = 64 << 20) -> bool | None:
    """Do these bytes occur in the file? None: it is not there, or longer than ``limit``. Reads 4 MiB at a time."""
    rest, start = b"", 0
    while start < limit:
        piece = look.read(path, start=start, limit=_CHUNK)
        if not piece:
            return False if start else None
        if word in rest + piece:
            return True
        rest, start = piece[-len(word) :], start + len(piece)
    return None
