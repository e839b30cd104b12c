"""Is a file, or a set of files, whole? Exact answers for a few bytes of reading; nothing is unpickled.

Each check looks at what a format writes last, or at the length that it promises: a zip's end record, the header of
safetensors, the end-of-file address of HDF5, the footer of a TensorFlow table, the values that a msgpack map counts.
What they cannot see is damage *inside* a file of the right length. Every read is bounded.

Sources: PKWARE's APPNOTE 6.3.10, safetensors 0.8.0's format page, the HDF5 file format specification 3.0, LevelDB's
table format, the msgpack specification; each tried on files that the frameworks wrote.
"""

from __future__ import annotations

import itertools
import re
import struct
from typing import TYPE_CHECKING

from holdfast.layouts.base import COMPLETE, Finding, Look, loads, partial, unknown
from holdfast.stores.base import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

ZIP = b"PK\x03\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF"
"""How a file begins that ``torch.save`` wrote before 1.6 (or with the old serialization asked for)."""
MAX_HEADER = 16 << 20
"""A longer header of safetensors is not read: about 100,000 tensors."""
MAX_VALUES = 500_000
"""So many msgpack values are counted at most."""
SLACK_NS = 2_000_000_000
_END, _TAIL = 22, 22 + 0xFFFF + 20 + 56


def all_whole(findings: Iterable[Finding]) -> Finding:
    """What do several checks say together? The first partial one, else the first unknown one, else complete.

    Lazy: stops at the first partial one. No checks at all: complete.
    """
    doubt = COMPLETE
    for finding in findings:
        if finding.status is COMPLETE.status:
            continue
        if finding.status == "partial":
            return finding
        doubt = finding if doubt is COMPLETE else doubt
    return doubt


def entry_of(look: Look, path: str) -> Entry | Finding:
    """Which regular file is there? A finding instead where it is missing (partial) or a link (unknown)."""
    entry = look.files.get(path)
    if entry is None:
        return partial(f"{path} is missing")
    if entry.kind is Kind.LINK:
        return unknown(f"{path} is a link: not followed")
    return entry if entry.kind is Kind.FILE else unknown(f"{path} is no file")


def whole(look: Look, path: str) -> Finding:
    """Is this file whole, by the format that its first bytes show (zip, HDF5, safetensors by its name)?

    Unknown for a format without a cheap check: legacy torch pickles among them. An empty file is partial.
    Costs two or three small reads.
    """
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    if entry.size == 0:
        return partial(f"{path} is empty")
    if path.endswith(".safetensors"):
        return safetensors(look, path)
    if path.endswith(".json"):
        return json_file(look, path)
    head = look.read(path, limit=8) or b""
    if head == HDF5:
        return hdf5(look, path)
    if head.startswith(ZIP) or head == TORCH_LEGACY or ZIP.startswith(head):
        return torch_file(look, path)
    return unknown(f"{path} is of no kind with a cheap check")


def torch_file(look: Look, path: str) -> Finding:
    """Is a ``torch.save`` file whole? Partial also if it begins like none: one full of zeros, say."""
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    head = look.read(path, limit=8) or b""
    if head == TORCH_LEGACY:
        return unknown(f"{path} is a torch file of the old kind: no cheap check tells whether it is whole")
    return zip_file(look, path) if head.startswith(ZIP) else partial(f"{path} does not begin like a torch file")


def json_file(look: Look, path: str) -> Finding:
    """Is a JSON file whole? At most 16 MiB are read; longer: unknown."""
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    if entry.size > MAX_HEADER:
        return unknown(f"{path} is longer than 16 MiB: not read")
    return COMPLETE if look.json(path) is not None else partial(f"{path} is no whole JSON")


# --- zip -----------------------------------------------------------------------------------------------------------


def zip_file(look: Look, path: str) -> Finding:
    """Is a zip (``.pt .ckpt .keras .npz``) whole: does its end record lead back to its directory of contents?

    Plain and zip64 (``torch.save`` always writes both records). One read of the last 64 KiB, one of four bytes.
    """
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    tail = look.read(path, start=-_TAIL, limit=_TAIL) or b""
    directory = _zip_directory(tail, entry.size - len(tail))
    if directory is None:
        return partial(f"{path} has no zip end record: it is cut short")
    if look.read(path, start=directory, limit=4) != b"PK\x01\x02":
        return partial(f"{path} has no directory of contents where its end record says")
    return COMPLETE


def _zip_directory(tail: bytes, before: int) -> int | None:
    """Where does the directory start, absolutely? None unless it ends exactly where the records begin."""
    end = _zip_end(tail)
    if end is None:
        return None
    size, start = struct.unpack_from("<II", tail, end + 12)
    records = before + end
    if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07":
        records = int.from_bytes(tail[end - 12 : end - 4], "little")
        inside = records - before
        if not 0 <= inside <= end - 76 or tail[inside : inside + 4] != b"PK\x06\x06":
            return None
        size, start = struct.unpack_from("<QQ", tail, inside + 40)
    return start if size and start + size == records else None


def _zip_end(tail: bytes) -> int | None:
    """Where is the end record: the last one whose comment reaches exactly to the end of the file?"""
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END <= len(tail) and at + _END + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
            return at
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return None


def zip_first(look: Look, path: str, *, limit: int = 4096) -> tuple[str, bytes]:
    """What is the first entry of a zip called, and how does it begin? ``("", b"")``: no zip, or compressed.

    ``torch.save`` puts its ``data.pkl`` there, Keras its ``metadata.json``. One read of ``limit`` bytes; the file
    may be cut short.
    """
    data = look.read(path, limit=limit) or b""
    if len(data) < 30 or not data.startswith(ZIP) or data[8:10] != b"\0\0":
        return "", b""
    size, length, extra = struct.unpack_from("<IxxxxHH", data, 18)
    start = 30 + length + extra
    stop = start + size if 0 < size < 0xFFFFFFFF else None
    return data[30 : 30 + length].decode(errors="replace"), data[start:stop]


# --- safetensors ---------------------------------------------------------------------------------------------------


def safetensors(look: Look, path: str) -> Finding:
    """Is a safetensors file exactly as long as its header says? One read of eight bytes, one of the header."""
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    length = int.from_bytes((look.read(path, limit=8) or b"").ljust(8, b"\xff"), "little")
    if entry.size < 8 or 8 + length > entry.size:
        return partial(f"{path} is shorter than its header")
    if length > MAX_HEADER:
        return unknown(f"{path} has a header longer than 16 MiB: not read")
    end = _last_offset(look.read(path, start=8, limit=length) or b"")
    if end is None:
        return partial(f"{path} has a header that cannot be read")
    return COMPLETE if entry.size == 8 + length + end else partial(f"{path} is not as long as its header says")


def _last_offset(header: bytes) -> int | None:
    """Where do the tensors end, by the header? None: it is no header."""
    tensors = loads(header)
    if not isinstance(tensors, dict):
        return None
    ends = [_end(tensor) for name, tensor in tensors.items() if name != "__metadata__"]
    return None if None in ends else max((end for end in ends if end is not None), default=0)


def _end(tensor: object) -> int | None:
    match tensor:
        case {"data_offsets": [int(start), int(end)]} if 0 <= start <= end:
            return end
        case _:
            return None


# --- HDF5, TensorFlow's table, msgpack -----------------------------------------------------------------------------


def hdf5(look: Look, path: str) -> Finding:
    """Is an HDF5 file (``.h5``) as long as its superblock says, and closed by its writer? One read of 64 bytes.

    Superblock versions 0 to 3.
    """
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    end = _hdf5_end(look.read(path, limit=96) or b"")
    if end is None:
        return partial(f"{path} has no readable HDF5 superblock")
    return COMPLETE if end == entry.size else partial(f"{path} is not as long as its superblock says")


def _hdf5_end(block: bytes) -> int | None:
    if len(block) < 48 or not block.startswith(HDF5) or block[8] > 3:
        return None
    new = block[8] >= 2
    width = block[9 if new else 13]
    if width not in (4, 8) or (new and block[11] & 1):  # the flag: some writer still has it open
        return None
    at = 12 + 2 * width if new else (28 if block[8] else 24) + 2 * width
    return int.from_bytes(block[at : at + width], "little")


def table(look: Look, path: str) -> Finding:
    """Is a TensorFlow ``.index`` whole: does it end in a table's footer? One read of eight bytes."""
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    if entry.size >= 48 and look.read(path, start=-8, limit=8) == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb":
        return COMPLETE
    return partial(f"{path} does not end like an index")


def msgpack(look: Look, path: str) -> Finding:
    """Does a msgpack file hold exactly the values that it counts? Skips over the arrays without reading them.

    Reads 64 KiB at a time, only where headers are. More than 500,000 values: unknown.
    """
    entry = entry_of(look, path)
    if isinstance(entry, Finding):
        return entry
    end = _msgpack_end(_Window(look, path), entry.size)
    if end is None:
        return unknown(f"{path} holds too many values to count")
    return COMPLETE if end == entry.size else partial(f"{path} ends before the values that it counts")


class _Window:
    """Which bytes are at a place of a file? Keeps the last 64 KiB that it read."""

    def __init__(self, look: Look, path: str) -> None:
        self._look, self._path = look, path
        self._start, self._data = 0, b""

    def at(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``; fewer at the end of the file."""
        if not self._start <= start <= start + length <= self._start + len(self._data):
            self._start, self._data = start, self._look.read(self._path, start=start, limit=1 << 16) or b""
        return self._data[start - self._start : start - self._start + length]


def _msgpack_end(window: _Window, size: int) -> int | None:
    """Where does the first value end? -1: beyond the file, or no msgpack. None: too many values."""
    at, wanted = 0, 1
    for _ in range(MAX_VALUES):
        if not wanted or at >= size:
            return at if not wanted else -1
        skip, children = _msgpack_value(window.at(at, 6))
        at, wanted = at + skip, wanted - 1 + children
        if not skip:
            return -1
    return None


_FIXED = dict(
    zip((0xC0, 0xC2, 0xC3, *range(0xCA, 0xD9)), (1, 1, 1, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18), strict=True)
)
_SIZED = dict(
    zip(
        (*range(0xC4, 0xCA), *range(0xD9, 0xDC)),
        zip((1, 2, 4) * 3, (0, 0, 0, 1, 1, 1, 0, 0, 0), strict=True),
        strict=True,
    )
)
_NESTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def _msgpack_value(head: bytes) -> tuple[int, int]:
    """How many bytes does a value take without its children, and how many children has it? ``(0, 0)``: none."""
    kind = head[0] if head else 0xC1
    if kind <= 0x7F or kind >= 0xE0:
        return 1, 0
    if kind <= 0x8F:
        return 1, 2 * (kind & 0x0F)
    if kind <= 0x9F:
        return 1, kind & 0x0F
    if kind <= 0xBF:
        return 1 + (kind & 0x1F), 0
    return _msgpack_long(kind, head)


def _msgpack_long(kind: int, head: bytes) -> tuple[int, int]:
    if kind in _SIZED:
        width, type_byte = _SIZED[kind]
        return 1 + width + type_byte + int.from_bytes(head[1 : 1 + width]), 0
    if kind in _NESTED:
        width, each = _NESTED[kind]
        return 1 + width, each * int.from_bytes(head[1 : 1 + width])
    return _FIXED.get(kind, 0), 0


# --- sets of files -------------------------------------------------------------------------------------------------

SHARD = re.compile(r"(?P<stem>.+?)-(?P<i>\d{5})-of-(?P<n>\d{5})(?P<rest>\.[\w.]+)?")
"""``model-00001-of-00003.safetensors``."""
INDEX = re.compile(r".+\.(?:safetensors|bin)\.index(?:\.[\w-]+)?\.json")


def shards_missing(names: Iterable[str], *, first: int = 1) -> list[str]:
    """Which of ``X-00001-of-0000N`` are not among the names? ``first`` is 0 for TensorFlow.

    Names that disagree on N count as sets of their own. Pure.
    """
    sets: dict[tuple[str, str, str], set[int]] = {}
    for match in filter(None, map(SHARD.fullmatch, names)):
        sets.setdefault((match["stem"], match["n"], match["rest"] or ""), set()).add(int(match["i"]))
    return [name for key, have in sets.items() for name in _absent(key, have, first)]


def _absent(key: tuple[str, str, str], have: Collection[int], first: int) -> Iterator[str]:
    stem, n, rest = key
    missing = (i for i in range(first, first + int(n)) if i not in have)
    return (f"{stem}-{i:05}-of-{n}{rest}" for i in itertools.islice(missing, 3))


def shard_set(look: Look, index: str) -> Finding:
    """Is every shard that an index file (``model.safetensors.index.json``) names there and whole?

    Reads the index (16 MiB at most) and each shard's header once; the count ``-of-N`` must agree.
    """
    parsed = look.json(index) if index in look.files else None
    weights = parsed.get("weight_map") if isinstance(parsed, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
        return partial(f"{index} is no whole index")
    folder = index.rpartition("/")[0]
    names = sorted(set(weights.values()))
    gone = shards_missing(names)
    if gone:
        return partial(f"{index} does not name {gone[0]}")
    return all_whole(whole(look, f"{folder}/{name}".lstrip("/")) for name in names)


def weights(look: Look, folder: str) -> Finding:
    """Are the weights that lie directly in a folder whole: each set by its index, each single file by itself?

    Files: ``*.safetensors``, ``*.bin``. Numbered shards without their index are partial: it is written last.
    """
    names = [path.rpartition("/")[2] for path in look.files if path.rpartition("/")[0] == folder]
    indexes = [name for name in names if INDEX.fullmatch(name)]
    singles = [name for name in names if name.endswith((".safetensors", ".bin"))]
    if not indexes and any(map(SHARD.fullmatch, singles)):
        return partial(f"{folder} holds shards without their index")
    prefix = f"{folder}/" if folder else ""
    sets = (shard_set(look, prefix + name) for name in sorted(indexes))
    return all_whole(itertools.chain(sets, (whole(look, prefix + name) for name in sorted(singles))))


def ranks_missing(ranks: Collection[int]) -> list[int]:
    """Which ranks are missing between 0 and the highest that is there? Pure. At most three.

    That the highest itself is missing cannot be seen.
    """
    return list(itertools.islice((rank for rank in range(max(ranks, default=-1) + 1) if rank not in ranks), 3))


def rewritten(look: Look, marker: str, paths: Iterable[str]) -> Finding:
    """Is any of these files newer than the marker that is written last, by more than two seconds?

    Then the checkpoint is being written again in place, and the marker is the old one's.
    """
    mark = look.files.get(marker)
    times = ((path, look.files[path].mtime_ns) for path in paths if path in look.files)
    newer = next((path for path, time in times if mark and time > mark.mtime_ns + SLACK_NS), None)
    told = f"{newer} is newer than {marker}: it is being written again, or was copied without its times"
    return partial(told) if newer else COMPLETE
