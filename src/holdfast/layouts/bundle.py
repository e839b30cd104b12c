"""How long must each data file of a TensorFlow checkpoint be? Its ``.index`` says where every tensor lies.

The index is a table in LevelDB's format (a footer, an index block, data blocks, no compression) from tensor names to
small protocol buffers with a shard number, an offset and a size. Only these three numbers are read. Source:
TensorFlow 2.21.0, ``core/protobuf/tensor_bundle.proto`` and LevelDB's ``table_format.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.layouts.base import COMPLETE, Finding, Look, partial, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INDEX = 32 << 20
_FOOTER = 48


def bundle(look: Look, prefix: str) -> Finding:
    """Is each data file as long as the index needs? Reads the index (32 MiB at most; longer: unknown)."""
    index = f"{prefix}.index"
    data = look.read(index, limit=MAX_INDEX + 1) or b""
    if len(data) > MAX_INDEX:
        return unknown(f"{index} is longer than 32 MiB: not read")
    sizes = {path: entry.size for path, entry in look.files.items() if path.startswith(f"{prefix}.data-")}
    try:
        ends = shard_ends(data)
    except (ValueError, IndexError):
        return unknown(f"{index} cannot be read as a table")
    short = (f"{prefix}.data-{shard:05}-of-{len(sizes):05}" for shard, end in sorted(ends.items()))
    for path, end in zip(short, (end for _, end in sorted(ends.items())), strict=True):
        if sizes.get(path, -1) < end:
            return partial(f"{path} is shorter than its index says")
    return COMPLETE


def shard_ends(data: bytes) -> dict[int, int]:
    """Where does the last tensor of each shard end? ``ValueError`` or ``IndexError``: it is no such table."""
    ends: dict[int, int] = {}
    for key, value in _entries(data):
        if key:  # the empty key holds the header
            fields = dict(_fields(value))
            shard = fields.get(3, 0)
            ends[shard] = max(ends.get(shard, 0), fields.get(4, 0) + fields.get(5, 0))
    return ends


def _entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key and value of the table, in order."""
    footer = data[-_FOOTER:]
    _, at = _handle(footer, 0)
    (start, size), _ = _handle(footer, at)
    for _, value in _block(data, start, size):
        yield from _block(data, *_handle(value, 0)[0])


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """A block's place: offset and size, each a varint."""
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return (start, size), at


def _block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a block: each key shares its beginning with the one before."""
    block = data[start : start + size]
    if len(block) != size or data[start + size] != 0:  # the byte after a block: its compression
        raise ValueError("a block lies beyond the end, or is compressed")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while data[at] & 0x80:
        value, shift, at = value | (data[at] & 0x7F) << shift, shift + 7, at + 1
        if shift > 63:
            raise ValueError("a number longer than 64 bits")
    return value | data[at] << shift, at + 1


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """The whole-number fields of a protocol buffer, by their numbers; all others are skipped."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        value, at = _varint(message, at) if kind in (0, 2) else (0, at)
        if kind == 0:
            yield tag >> 3, value
        at += {0: 0, 1: 8, 2: value, 5: 4}.get(kind, len(message))
