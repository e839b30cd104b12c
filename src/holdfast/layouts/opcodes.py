"""What does a pickle say, read as opcodes? Nothing here executes one: no import, no call, no object is made.

``torch.save`` files are zips whose ``data.pkl`` is a pickle; a DCP ``.metadata`` is one. Both can be read for the
strings and numbers in them, which is enough to know a step, a world size, or which shards there must be.
"""

from __future__ import annotations

import io
import itertools
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
_STEPS, _REACH = (1 << 14, 1 << 18), 8192
_ENTRY_END = b".PK\x07\x08"
"""The pickle's full stop, and the record that ``torch.save`` puts behind each entry of its zip."""
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
    after = {key: _after(data, key) for key in wanted}
    return {
        key: operation[1]
        for key, operation in after.items()
        if operation and operation[0] in _NUMBERS and isinstance(operation[1], int | float)
    }


def torch_head(look: Look, path: str, *, limit: int = 4096) -> bytes:
    """How does the pickle inside a ``torch.save`` zip begin? Empty: no such file. One read of ``limit`` bytes.

    Nothing that comes after the pickle: the end of its zip entry is its end.
    """
    name, data = zip_first(look, path, limit=limit)
    end = data.find(_ENTRY_END)
    return (data if end < 0 else data[: end + 1]) if name.endswith("data.pkl") else b""


def torch_numbers(look: Look, path: str, wanted: Collection[str], *, limit: int = 4096) -> Mapping[str, float]:
    """Which numbers stand after these keys in a ``torch.save`` file? See :func:`numbers`."""

    def asked(head: bytes) -> tuple[dict[str, float], bool]:
        found = numbers(head, wanted)
        return found, len(found) == len(wanted)

    return _ask(look, path, limit, asked)[0]


def has_key(look: Look, path: str, key: str, *, limit: int = 4 << 20) -> bool | None:
    """Does the pickle of a ``torch.save`` file hold this string? None: it is longer than ``limit``, or not there."""

    def asked(head: bytes) -> tuple[bool, bool]:
        found = bool(_from(head, key))
        return found, found

    found, ended = _ask(look, path, limit, asked)
    return True if found else (False if ended else None)


def text_after(look: Look, path: str, key: str, *, limit: int = 4 << 20) -> str:
    """Which string stands directly after this key in a ``torch.save`` file? Empty: none, or a repeated one."""

    def asked(head: bytes) -> tuple[str, bool]:
        after = _after(head, key)
        return (str(after[1]) if after and after[0].endswith("UNICODE") else "", after is not None)

    return _ask(look, path, limit, asked)[0]


def none_after(look: Look, path: str, key: str, *, limit: int = 4 << 20) -> bool | None:
    """Does ``None`` stand after this key in a ``torch.save`` file? None: the key is not there, or not within reach."""

    def asked(head: bytes) -> tuple[bool | None, bool]:
        after = _after(head, key)
        return (after[0] == "NONE" if after else None), after is not None

    return _ask(look, path, limit, asked)[0]


def _after(head: bytes, key: str) -> tuple[str, object] | None:
    """Which operation comes after the one that loads this string, where it occurs first?"""
    following = itertools.islice(operations(_from(head, key)), 1, None)
    return next(((name, argument) for name, argument in following if name not in _MEMO), None)


def _from(head: bytes, key: str) -> bytes:
    """The pickle from where it first loads this string, as far as a value may reach. Empty: it does not.

    A string is known by the operation and the length before it: no need to read all the operations on the way.
    """
    text = key.encode()
    loads = (b"X" + len(text).to_bytes(4, "little") + text, b"\x8c" + bytes([len(text)]) + text)
    places = [at for at in map(head.find, loads) if at >= 0]
    return head[min(places) : min(places) + _REACH] if places else b""


def _ask(look: Look, path: str, limit: int, asked: Callable[[bytes], tuple[_T, bool]]) -> tuple[_T, bool]:
    """What is the answer, reading no more than it takes, and was the whole pickle read for it?

    ``asked`` says what a beginning tells, and if that is sure. Reads 16 KiB, then 256 KiB, then ``limit``: most
    pickles are short, and what follows them are tensors.
    """
    for size in (*(step for step in _STEPS if step < limit), limit):
        head = torch_head(look, path, limit=size)
        answer, sure = asked(head)
        ended = 0 < len(head) < size - 4096
        if sure or ended or not head:
            break
    return answer, ended


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
        piece = look.read(path, start=start, limit=_CHUNK) or b""
        found.update(_strings(rest + piece, suffix))
        rest, start = (rest + piece)[-(_LONGEST + 8) :], start + len(piece)
        if len(piece) < _CHUNK:  # the end of the file
            return frozenset(found)
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
