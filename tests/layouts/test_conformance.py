"""What every layout owes, whoever wrote it: one suite over samples of all."""

import pickle
import re
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import StoreError
from holdfast.layouts.base import Look
from holdfast.layouts.registry import layouts
from holdfast.stores.base import Entry, Kind
from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore

SAMPLES = [
    ("orbax", "v0"), ("hf", "steps"), ("accelerate", "auto"), ("lightning", "files"), ("lightning", "sharded"),
    ("lightning", "slash"), ("dcp", "steps"), ("torchtitan", "sync"), ("megatron", "core"), ("megatron", "old"),
    ("safetensors", "set"), ("tensorflow", "manager"), ("tensorflow", "saver"), ("keras", "keras"), ("keras", "h5"),
    ("keras-backup", "backup"), ("flax", "keep2"), ("deepspeed", "zero1"), ("deepspeed", "zero3"),
    ("deepspeed", "zero0"), ("deepspeed", "universal"), ("nemo", "directory"), ("composer", "file"),
    ("composer", "sharded"), ("ray", "v2"), ("ray-tune", "v1"), ("levanter", "step"), ("t5x", "step"),
    ("fairseq", "updates"), ("fairseq", "shards"), ("ultralytics", "weights"), ("series", "pt"),
]  # fmt: skip
each = pytest.mark.parametrize("sample", SAMPLES, ids="-".join, indirect=True)
each_layout = pytest.mark.parametrize("layout", layouts(), ids=lambda layout: layout.name)
QUESTIONS = ("step", "time", "metrics", "resumable", "resume_only", "pinned", "status", "marker")


def idle(sample, path, what):
    """Is this damage one that the sample says nobody can see?"""
    for pattern in sample.idle:
        regex, _, only = pattern.partition(":")
        if re.fullmatch(regex, path) and only in ("", what):
            return True
    return False


def members(sample, claims, name):
    claim = claims(sample.store(), sample.base)[name]
    prefix = f"{sample.base}/" if sample.base else ""
    return [prefix + path for path, entry in claim.look.files.items() if entry.kind is Kind.FILE]


def ask_everything(look, entries):
    """Every question to every layout about everything; only StoreError may come out."""
    for layout in layouts():
        for candidate in layout.candidates(entries):
            within = look.within(candidate.members)
            try:
                if layout.recognises(candidate, within):
                    for question in QUESTIONS:
                        getattr(layout, question)(candidate, within)
                    layout.limits(look, entries, candidate)
                    for pointer in layout.pointers(look, entries, candidate):
                        layout.repoint(pointer, look, candidate.name, without=("x",))
            except StoreError:
                pass


def test_every_layout_has_a_sample():
    assert {layout.name for layout in layouts()} == {name for name, _ in SAMPLES}


@each
def test_whole_checkpoints_are_complete_and_claimed_by_their_own_layout(sample, claims, request):
    name = request.node.callspec.params["sample"][0]
    found = claims(sample.store(), sample.base)
    seen = {checkpoint: (found[checkpoint].layout.name, found[checkpoint].finding) for checkpoint in sample.names}
    assert {checkpoint: (name, "complete") for checkpoint in sample.names} == {
        checkpoint: (layout, finding.status) for checkpoint, (layout, finding) in seen.items()
    }, seen


@each
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_file_cut_short_is_never_complete(sample, claims, keep):
    name = sample.names[0]
    for path in members(sample, claims, name):
        if idle(sample, path, "cut"):
            continue
        cut = sample.files[path][: int(len(sample.files[path]) * keep)]
        claim = claims(sample.store(**{path: cut}), sample.base).get(name)
        assert claim is None or claim.status != "complete", f"{path} cut to {len(cut)} bytes"


@each
def test_without_one_of_its_files_it_is_never_complete(sample, claims):
    name = sample.names[0]
    for path in members(sample, claims, name):
        if idle(sample, path, "gone"):
            continue
        claim = claims(sample.store(**{path: None}), sample.base).get(name)
        assert claim is None or claim.status != "complete", f"without {path}"


@each
@pytest.mark.parametrize(
    "decorated", ["{}.trash", "{}-backup", "{}.tmp", "copy of {}", " {}", "{}\n", "{}~", "old-{}", "{} (1)"]
)
def test_a_decorated_name_never_joins_the_series(sample, claims, decorated):
    name = sample.names[0]
    found = claims(sample.store(), sample.base)
    series = found[name].candidate
    prefix = f"{sample.base}/" if sample.base else ""
    changed = {}
    for member in series.members:
        for path, data in sample.files.items():
            rest = path.removeprefix(prefix)
            if rest == member or rest.startswith(f"{member}/"):
                changed[prefix + decorated.format(member) + rest[len(member) :]] = data
    for claim in claims(sample.store(**changed), sample.base).values():
        fresh = not set(claim.candidate.members) & {m for c in found.values() for m in c.candidate.members}
        if fresh and not claim.candidate.alias and claim.candidate.committed:
            assert claim.candidate.template != series.template, claim.candidate


@each
def test_an_empty_directory_or_file_of_that_name_is_not_complete(sample, claims):
    candidate = claims(sample.store(), sample.base)[sample.names[0]].candidate
    prefix = f"{sample.base}/" if sample.base else ""
    for make in (lambda store, path: store.mkdir(path), lambda store, path: store.write(path, b"")):
        store = MemoryStore({"other.txt": b""})
        for member in candidate.members:
            make(store, prefix + member)
        claim = claims(store, sample.base).get(candidate.name)
        assert claim is None or claim.status != "complete"


@each
def test_ten_thousand_names_are_told_apart_in_a_moment(sample, claims):
    claim = claims(sample.store(), sample.base)[sample.names[0]]
    others = [entry for entry in claim.look.list() if entry.path not in claim.candidate.members]
    kinds = {entry.path: entry.kind for entry in Look(sample.store(), sample.base).list()}
    numbers = [n for n in re.findall(r"\d+", claim.candidate.name) if int(n) == claim.candidate.step]
    entries = [
        Entry(member.replace(numbers[-1], f"{i:0{len(numbers[-1])}}"), kinds[member])
        for i in range(10_000)
        for member in claim.candidate.members
    ] if numbers else [Entry(f"{i}", Kind.DIR) for i in range(10_000)]  # fmt: skip
    start = time.thread_time()
    found = list(claim.layout.candidates([*others, *entries]))
    assert time.thread_time() - start < 2
    if numbers:
        assert len({candidate.name for candidate in found}) >= 10_000


NAMES = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"(checkpoint|step|epoch|iter|ckpt|model|global_step|ep)[-_=.]?[0-9]{0,30}([.](pt|ckpt|keras|index|tmp-1))?", fullmatch=True),
    st.lists(st.sampled_from(["epoch=", "1", "-", "step", "--", "_", ".ckpt", "data-00000-of-00001", "\udcff", "/", "e", "+"]), max_size=12).map("".join),
)  # fmt: skip


@each_layout
@given(st.lists(st.tuples(NAMES, st.sampled_from(Kind)), max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_names_are_read_without_an_error(layout, pairs):
    entries = [Entry(name, kind) for name, kind in pairs]
    for candidate in layout.candidates(entries):
        assert set(candidate.members) <= {name for name, _ in pairs}
        assert candidate.step is None or abs(candidate.step) < 10**27


HOSTILE = ["a" * 4000, "1" * 4000, "-" * 4000, "epoch=1-" * 500, "a=" * 2000, "a.1" * 1300, "--a=1" * 800, "checkpoint.best_" + "_1.000" * 600,
           "_" * 4000 + "1", "0." * 2000, "m--" + "=1-" * 1300 + "x", "epoch=1-a" * 400 + ".ckpt", "model-" * 600 + "00001-of-00002"]  # fmt: skip


@each_layout
def test_s23_hostile_names_cost_no_time(layout):
    for kind in (Kind.FILE, Kind.DIR):
        for name in HOSTILE:
            for suffix in ("", ".ckpt", ".keras", ".pt", ".index"):
                start = time.thread_time()
                list(layout.candidates([Entry(name + suffix, kind)]))
                assert time.thread_time() - start < 1, name[:40]


JSONS = [b"[" * 100_000, b"{}", b"[]", b"null", b"NaN", b'"x"', b"1e999", b'{"step": NaN, "timestamp": {}, "weight_map": [1]}', b"9" * 5000,
         b'{"weight_map": {"a": "../../etc/passwd", "b": "/etc/passwd"}}', b'{"checkpoint_results": [{"checkpoint_dir_name": []}, 3]}',
         b'{"global_step": 1e400, "log_history": [[]], "best_model_checkpoint": 7}', b'{"epoch": "x"}', b'{"a": 1, "a": 2}', b"\xff\xfe\x00"]  # fmt: skip


@each
def test_s23_hostile_json_in_any_file_raises_nothing(sample):
    for path in sample.files:
        if isinstance(sample.files[path], bytes):
            for data in JSONS:
                look = Look(sample.store(**{path: data}), sample.base)
                ask_everything(look, look.list())


@each
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_in_any_file_raise_nothing(sample, data):
    path = data.draw(st.sampled_from(sorted(path for path, value in sample.files.items() if isinstance(value, bytes))))
    whole = sample.files[path]
    at = data.draw(st.integers(0, len(whole)))
    broken = whole[:at] + data.draw(st.binary(max_size=40)) + whole[at + data.draw(st.integers(0, 40)) :]
    look = Look(sample.store(**{path: broken}), sample.base)
    ask_everything(look, look.list())


class Bomb:
    """Whoever unpickles this leaves a trace."""

    def __reduce__(self):
        return (exec, ("import sys; sys.holdfast_bomb = True",))


@each
def test_s23_a_pickle_in_any_place_is_never_executed(sample, torch_bytes):
    bombs = [pickle.dumps(Bomb(), protocol) for protocol in (0, 2, 4)]
    zipped = torch_bytes(
        {"epoch": Bomb(), "global_step": Bomb(), "optimizer": Bomb(), "pytorch-lightning_version": "1"}
    )
    for path in sample.files:
        if isinstance(sample.files[path], bytes):
            for bomb in [*bombs, zipped]:
                look = Look(sample.store(**{path: bomb}), sample.base)
                ask_everything(look, look.list())
    assert not hasattr(sys, "holdfast_bomb")
    pickle.loads(bombs[0])
    assert sys.__dict__.pop("holdfast_bomb"), "the bomb must be live, or this test proves nothing"


@each
def test_links_in_place_of_files_are_not_followed(sample, claims):
    name = sample.names[0]
    for path in members(sample, claims, name):
        if idle(sample, path, "gone") or idle(sample, path, "link"):
            continue
        store = sample.store(**{path: None})
        store.link(path, path.rpartition("/")[2])
        claim = claims(store, sample.base).get(name)
        assert claim is None or claim.status != "complete", f"{path} as a link to itself"


@each
def test_on_an_object_store_it_is_told_from_names_and_objects_alone(sample, claims, request):
    """No directories, no links. t5x, which moves one object after the other there, is never known to be whole."""
    files = {path: data for path, data in sample.files.items() if isinstance(data, bytes)}
    found = claims(MemoryStore(files, directories=False, clock=lambda: 1_700_000_000 * 10**9), sample.base)
    wanted = "unknown" if request.node.callspec.params["sample"][0] == "t5x" else "complete"
    assert dict.fromkeys(sample.names, wanted) == {name: found[name].status for name in sample.names}


@each
def test_files_of_a_tebibyte_cost_no_more_than_small_ones(sample, claims, tmp_path):
    name = sample.names[0]
    for path, data in sample.files.items():
        where = tmp_path / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            where.write_bytes(data)
    for path in members(sample, claims, name):
        with (tmp_path / path).open("r+b") as file:
            file.truncate(1 << 40)
    start = time.thread_time()
    look = Look(LocalStore(tmp_path), sample.base)
    ask_everything(look, look.list())
    assert time.thread_time() - start < 10


@each
def test_loops_of_links_end(sample, claims, tmp_path):
    candidate = claims(sample.store(), sample.base)[sample.names[0]].candidate
    where = tmp_path / sample.base
    where.mkdir(exist_ok=True)
    for member in candidate.members:
        (where / member).symlink_to(where, target_is_directory=True)
        (where / f"{member}x").symlink_to(f"{member}x")
    look = Look(LocalStore(tmp_path), sample.base)
    ask_everything(look, look.list())
    found = claims(tmp_path, sample.base).get(candidate.name)
    assert found is None or found.status != "complete"
