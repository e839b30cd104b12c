"""Whole files are told from cut ones, exactly, and nothing is executed."""

import io
import pickle
import pickletools
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.layouts import integrity, opcodes
from holdfast.layouts.base import Look
from holdfast.layouts.bundle import shard_ends
from holdfast.stores.memory import MemoryStore


def look_at(data, name="f"):
    return Look(MemoryStore({name: data}), "", (name,))


def status(check, data, name="f"):
    return str(check(look_at(data, name), name).status)


def zipped(entries=None, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (entries or {"a/data.pkl": b"x" * 100}).items():
            archive.writestr(name, data)
        archive.comment = comment
    return buffer.getvalue()


def safetensors(tensors, extra=b""):
    import json

    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + extra


@given(st.integers(0, 10_000), st.binary(max_size=300))
@settings(deadline=None)
def test_a_zip_is_whole_only_at_its_full_length(cut, comment):
    data = zipped(comment=comment)
    assert status(integrity.zip_file, data) == "complete"
    if cut < len(data):
        assert status(integrity.zip_file, data[:cut]) == "partial"


def test_a_zip_with_more_after_its_end_is_not_whole():
    assert status(integrity.zip_file, zipped() + b"\0" * 30) == "partial"


def test_a_zip_whose_directory_lost_bytes_is_not_whole():
    data = zipped({f"a/{i}": b"x" * 50 for i in range(5)})
    at = data.find(b"PK\x01\x02") + 60
    assert status(integrity.zip_file, data[:at] + data[at + 7 :]) == "partial"


def test_a_zip_with_a_hole_where_its_directory_should_be_is_not_whole():
    data = zipped()
    at = data.find(b"PK\x01\x02")
    assert status(integrity.zip_file, data[:at] + b"\0" * 4 + data[at + 4 :]) == "partial"


def test_a_zip_that_lost_bytes_before_its_directory_is_not_whole():
    data = zipped()
    assert status(integrity.zip_file, data[:50] + data[60:]) == "partial"


def test_end_records_inside_a_comment_do_not_fool_it():
    assert status(integrity.zip_file, zipped(comment=b"PK\x05\x06" * 50)) == "complete"
    assert status(integrity.zip_file, b"PK\x03\x04" + b"PK\x05\x06" * 20_000) == "partial"


def test_a_zip64_beyond_four_gigabytes_is_checked_by_its_own_records():
    start, size = 5 << 30, 46
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, size, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, start + size, 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    tail = b"PK\x01\x02" + b"\0" * (size - 4) + record + locator + end
    assert integrity._zip_directory(tail, start) == start
    assert integrity._zip_directory(tail, start - 1) is None, "a byte is missing before it"
    assert integrity._zip_directory(tail[:-1], start) is None
    assert integrity._zip_directory(tail.replace(b"PK\x06\x06", b"xxxx"), start) is None


def test_torch_files_are_whole_and_old_ones_unknown(real):
    assert status(integrity.whole, (real / "st/plain_zip.pt").read_bytes()) == "complete"
    assert status(integrity.whole, (real / "st/plain_legacy.pt").read_bytes()) == "unknown"
    assert status(integrity.torch_file, b"\0" * 5000) == "partial"
    assert status(integrity.whole, b"PK") == "partial"
    assert status(integrity.whole, b"hello") == "unknown"
    assert status(integrity.whole, b"") == "partial"


@given(st.dictionaries(st.text(max_size=8), st.integers(0, 50), max_size=5), st.integers(-3, 3))
@settings(deadline=None)
def test_safetensors_are_whole_only_at_exactly_the_length_of_their_header(sizes, off):
    at, tensors = 0, {}
    for name, size in sizes.items():
        if name != "__metadata__":
            tensors[name] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
            at += size
    expected = "complete" if off == 0 else "partial"
    if at + off >= 0:
        assert status(integrity.safetensors, safetensors(tensors, b"x" * (at + off))) == expected


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff" * 8, b"\xff" * 100, b"\x02" + b"\0" * 7 + b"{", safetensors([]), safetensors({"a": {"data_offsets": [5, 1]}}),
     safetensors({"a": {"data_offsets": "x"}}), safetensors({"a": 3}), b"\x64\0\0\0\0\0\0\0" + b"[" * 100],
)  # fmt: skip
def test_what_is_no_safetensors_header_is_partial(data):
    assert status(integrity.safetensors, data) == "partial"


def test_s23_a_header_beyond_the_bound_is_not_read(real):
    size = integrity.MAX_HEADER + 1
    assert status(integrity.safetensors, size.to_bytes(8, "little") + b" " * size) == "unknown"


@pytest.mark.parametrize("version", ["earliest", "v108", "v110", "latest"])
def test_hdf5_of_each_superblock_is_whole_only_at_its_full_length(version, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["a"] = list(range(1000))
    data = path.read_bytes()
    assert status(integrity.whole, data) == "complete"
    assert status(integrity.whole, data[:-1]) == "partial"
    assert status(integrity.whole, data + b"\0") == "partial"
    assert status(integrity.whole, data[:40]) == "partial"


def test_an_hdf5_that_a_writer_still_has_open_is_partial(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["a"] = [1]
        file.swmr_mode = True
        file.flush()
        assert status(integrity.hdf5, path.read_bytes()) == "partial"


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=40) | st.binary(max_size=300),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=40), inner, max_size=20), max_leaves=20), st.data())  # fmt: skip
@settings(deadline=None)
def test_msgpack_is_whole_only_with_all_the_values_that_it_counts(value, data):
    msgpack = pytest.importorskip("msgpack")
    packed = msgpack.packb({"state": value})
    assert status(integrity.msgpack, packed) == "complete"
    assert status(integrity.msgpack, packed[: data.draw(st.integers(0, len(packed) - 1))]) == "partial"
    assert status(integrity.msgpack, packed + b"\xc0") == "partial"


def test_a_msgpack_of_endless_values_is_given_up():
    assert status(integrity.msgpack, b"\xdd\xff\xff\xff\xff" + b"\xc0" * (integrity.MAX_VALUES + 9)) == "unknown"


def test_shards_are_counted_by_their_names():
    assert integrity.shards_missing(["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"]) == []
    assert integrity.shards_missing(["m-00001-of-00002.safetensors"]) == ["m-00002-of-00002.safetensors"]
    assert integrity.shards_missing(["c.data-00000-of-00001"], first=0) == []
    assert len(integrity.shards_missing(["m-00001-of-99999.bin"])) == 3, "the first three are enough"


def test_ranks_are_counted_without_a_list_as_long_as_the_highest():
    assert integrity.ranks_missing({0, 1, 2}) == []
    assert integrity.ranks_missing({0, 10**18}) == [1, 2, 3]
    assert integrity.ranks_missing(set()) == []


def test_an_index_names_its_shards_and_none_outside(real, files_of):
    files = files_of(real / "st")
    look = Look(MemoryStore({f"st/{path}": data for path, data in files.items()}), "", ("st",))
    assert str(integrity.weights(look, "st").status) == "complete"
    for index in (
        b"{}",
        b'{"weight_map": {"a": "../x.safetensors"}}',
        b'{"weight_map": {"a": 3}}',
        b'{"weight_map": []}',
        b'{"weight_map": {"a": "model-00001-of-00002.safetensors"}}',
    ):
        files["model.safetensors.index.json"] = index
        look = Look(MemoryStore({f"st/{path}": data for path, data in files.items()}), "", ("st",))
        assert str(integrity.weights(look, "st").status) == "partial"


class Bomb:
    def __reduce__(self):
        return (eval, ("1/0",))


def test_numbers_are_read_from_pickles_without_running_them():
    data = pickle.dumps({"epoch": 3, "bomb": Bomb(), "global_step": 2**40, "lr": 0.5}, 2)
    assert opcodes.numbers(data, ("epoch", "global_step", "lr", "x")) == {"epoch": 3, "global_step": 2**40, "lr": 0.5}
    assert opcodes.numbers(data[:40], ("epoch", "global_step")) == {"epoch": 3}


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_the_reader_of_opcodes_fail(data):
    opcodes.numbers(data, ("a", "b"))
    opcodes.numbers(b"\x80\x02}(" + data, ("a",))
    opcodes.names_in_metadata(look_at(data), "f")


def test_s23_a_pickle_of_endless_operations_is_given_up():
    assert sum(1 for _ in opcodes.operations(b"(" * 10**6)) == opcodes.MAX_OPS


def test_shard_names_are_those_that_the_opcodes_hold(real):
    for path in real.rglob(".metadata"):
        data = path.read_bytes()
        names = {a for _, a, _ in pickletools.genops(data) if isinstance(a, str) and a.endswith(".distcp")}
        assert names == opcodes.names_in_metadata(look_at(data), "f") != set()
        assert opcodes.names_in_metadata(look_at(data[:-1]), "f") is None, "a pickle ends in a full stop"


@pytest.mark.parametrize("protocol", [2, 4])
def test_shard_names_are_found_across_the_pieces_in_which_a_long_metadata_is_read(protocol):
    names = [f"{'x' * (i % 90)}__{i}_0.distcp" for i in range(30)]
    value = [item for name in names for item in (name, b"\0" * (1 << 18 | len(name)))]
    assert opcodes.names_in_metadata(look_at(pickle.dumps(value, protocol)), "f") == frozenset(names)


def test_the_end_of_each_tensorflow_shard_is_read_from_the_index(real):
    for index in (real / "tf").rglob("*.index"):
        ends = shard_ends(index.read_bytes())
        sizes = {0: next(index.parent.glob(f"{index.stem}.data-*")).stat().st_size}
        assert ends == sizes


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_a_damaged_index_is_unknown_or_partial_never_an_error(junk, at, drop):
    from holdfast.layouts.bundle import bundle

    data = b"\0" * 60 + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
    data = data[:at] + junk + data[at + drop :]
    look = Look(MemoryStore({"c.index": data, "c.data-00000-of-00001": b""}), "", ("c.index", "c.data-00000-of-00001"))
    assert bundle(look, "c").status in ("unknown", "partial", "complete")


def test_a_key_is_found_wherever_it_stands_and_its_absence_is_known_only_from_the_whole_pickle(torch_bytes):
    for length in (10, 5_000, 60_000):
        padding = {f"parameter.{i}": i for i in range(length)}
        look = look_at(torch_bytes({**padding, "optimizer": None, "stage": 3, "best_model_path": "a/b.ckpt"}))
        assert opcodes.has_key(look, "f", "optimizer") is True
        assert opcodes.none_after(look, "f", "optimizer") is True
        assert {"stage": 3} == opcodes.torch_numbers(look, "f", ("stage",), limit=4 << 20)
        assert "a/b.ckpt" == opcodes.text_after(look, "f", "best_model_path")
        assert opcodes.has_key(look, "f", "scheduler") is False
    assert opcodes.has_key(look, "f", "scheduler", limit=1 << 18) is None
    assert opcodes.has_key(look, "g", "scheduler") is None
    assert opcodes.has_key(look_at(b"hello"), "f", "scheduler") is None
