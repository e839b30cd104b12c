"""Which layout claims what? The registry's order over a store, without the scan's own rules."""

import io
import json
from typing import NamedTuple

import pytest

from holdfast.layouts.base import Candidate, Look
from holdfast.layouts.registry import layouts
from holdfast.stores.base import Kind
from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore


class Claim(NamedTuple):
    """One checkpoint, as the first layout that recognises it sees it."""

    layout: object
    candidate: Candidate
    look: Look

    @property
    def finding(self):
        return self.layout.status(self.candidate, self.look)

    @property
    def status(self):
        return str(self.finding.status)

    @property
    def step(self):
        return self.layout.step(self.candidate, self.look)

    def ask(self, what):
        return getattr(self.layout, what)(self.candidate, self.look)


def claims_in(store, base=""):
    look, taken, found = Look(store, base), set(), {}
    entries = look.list()
    for layout in layouts():
        for candidate in layout.candidates(entries):
            within = look.within(candidate.members)
            if taken.isdisjoint(candidate.members) and layout.recognises(candidate, within):
                taken.update(candidate.members)
                found[candidate.name] = Claim(layout, candidate, within)
    return found


def claims_below(store, base=""):
    here = claims_in(store, base)
    members = {member for claim in here.values() for member in claim.candidate.members}
    found = {f"{base}/{name}".strip("/"): claim for name, claim in here.items()}
    for entry in store.list(base):
        if entry.kind is Kind.DIR and entry.path not in members:
            found |= claims_below(store, f"{base}/{entry.path}".strip("/"))
    return found


def snapshot(store, base=""):
    """Every file below a place of a store, for a copy in memory to break."""
    prefix = f"{base}/" if base else ""
    files = [entry.path for entry in store.tree(base) if entry.kind is Kind.FILE]
    return {path: store.read(prefix + path, limit=1 << 30) for path in files}


@pytest.fixture
def claims():
    """``claims(store, base)``: what is claimed directly in a place, by name; a path or a mapping is made a store."""
    return lambda where, base="": claims_in(_store(where), base)


@pytest.fixture
def all_claims():
    """``all_claims(where)``: what is claimed at any depth, by path, never looking into a checkpoint."""
    return lambda where: claims_below(_store(where))


@pytest.fixture
def files_of():
    """``files_of(path)``: the bytes of every file below a path."""
    return lambda where: snapshot(_store(where))


def _store(where):
    if isinstance(where, dict):
        return MemoryStore(where, clock=lambda: 1_700_000_000_000_000_000)
    return where if hasattr(where, "facts") else LocalStore(where)


@pytest.fixture(scope="session")
def torch_bytes():
    """``torch_bytes(value)``: what ``torch.save`` writes, under any stem."""
    torch = pytest.importorskip("torch")

    def save(value):
        buffer = io.BytesIO()
        torch.save(value, buffer)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def as_json():
    return lambda value: json.dumps(value).encode()


class Sample(NamedTuple):
    """A run's directory with whole checkpoints of one framework: real bytes, or built as its source writes them."""

    files: dict
    """The bytes by path; a str is a link."""
    base: str
    """The run's directory within it."""
    names: tuple
    """The checkpoints of it that are whole."""
    idle: tuple = ()
    """Patterns of files whose loss or damage no cheap check can see, or that no trainer needs."""

    def store(self, **changes):
        """As a store; ``changes`` replace or (None) remove a path."""
        files = {**self.files, **changes}
        store = MemoryStore(
            {p: d for p, d in files.items() if isinstance(d, bytes)}, clock=lambda: 1_700_000_000 * 10**9
        )
        for path, target in files.items():
            if isinstance(target, str):
                store.link(path, target)
        return store


def _recorded(real, folder, names, idle=()):
    files = snapshot(LocalStore(real / folder))
    for path in (real / folder).rglob("*"):
        if path.is_symlink():
            files[str(path.relative_to(real / folder))] = str(path.readlink())
    return Sample(files, "", names, idle)


@pytest.fixture(scope="session")
def samples(real, torch_bytes, as_json):
    """One sample (or more) for every layout, by the layout's name and a word."""
    import torch

    weights = {"w": torch.arange(4.0)}
    zero = {"module": weights, "optimizer": None, "global_steps": 4, "dp_world_size": 2, "mp_world_size": 1,
            "ds_config": {"zero_optimization": {"stage": 1}}}  # fmt: skip
    whole = {**zero, "optimizer": {"state": {}}, "ds_config": {"zero_optimization": {"stage": 0}}, "dp_world_size": 1}
    shard = torch_bytes({"optimizer_state_dict": weights})
    core = snapshot(LocalStore(real / "mcore" / "iter_0000100"))
    msgpack = (real / "flax_legacy/legacy/keep2/checkpoint_3").read_bytes()
    yolo = {"epoch": 0, "best_fitness": 0.1, "model": weights, "optimizer": {"state": {}}}
    fair = {"args": None, "cfg": {"task": "x"}, "model": weights}
    old = {f"iter_0000100/mp_rank_{rank:02}/model_optim_rng.pt": shard for rank in range(2)}
    row = {"loss": 2.5, "checkpoint_dir_name": "checkpoint_000000", "training_iteration": 1, "timestamp": 1795487973}
    v2 = ("checkpoint_2026-11-24_02-33-06.011990", "checkpoint_2026-11-24_02-33-07.000001")
    results = [{"version": 0, "checkpoint_dir_name": name, "metrics": {"loss": 2.5 - i}} for i, name in enumerate(v2)]
    snap = {"ray_version": "2.60.0", "checkpoint_results": results, "checkpoint_report_indices": [3, 4],
            "latest_checkpoint_result": results[1], "pending_training_results": []}  # fmt: skip
    nemo = "m--val_loss=0.50-step=100-consumed_samples=800.0"
    universal = "global_step4_universal"
    return {
        ("orbax", "v0"): _recorded(real, "orbax_v0/default", ("1", "2", "3"), (r".*/d/.*", r".*manifest\.ocdbt", r".*_sharding", r".*/_METADATA", r".*array_metadatas.*", r".*ocdbt\.process_0/.*", r"\d/_CHECKPOINT_METADATA", r".*commit_success\.txt", r".*orbax\.checkpoint")),
        ("hf", "steps"): _recorded(real, "hf/steps", ("checkpoint-6", "checkpoint-8"), (r".*config\.json", r".*training_args\.bin", r".*rng_state\.pth:gone")),
        ("accelerate", "auto"): _recorded(real, "accel/auto/checkpoints", ("checkpoint_2", "checkpoint_3"), (r".*scheduler\.bin:gone",)),
        ("lightning", "files"): _recorded(real, "lightning/link", ("epoch=1-step=8.ckpt", "epoch=2-step=12.ckpt")),
        ("lightning", "sharded"): _recorded(real, "lightning/fsdp", ("epoch=1-step=8.ckpt",)),
        ("lightning", "slash"): _recorded(real, "lightning/slash", ("m-epoch=0-val",)),
        ("dcp", "steps"): _recorded(real, "dcp", ("step_1", "step_2", "async_5")),
        ("torchtitan", "sync"): _recorded(real, "tt/checkpoint", ("step-30", "step-40", "step-50")),
        ("megatron", "core"): _recorded(real, "mcore", ("iter_0000100", "iter_0000200"), (r".*/common\.pt:gone",)),
        ("megatron", "old"): Sample({**old, "latest_checkpointed_iteration.txt": b"100"}, "", ("iter_0000100",), (r".*mp_rank_01.*:gone",)),
        ("safetensors", "set"): Sample({f"step_1/{p}": d for p, d in snapshot(LocalStore(real / "st")).items() if not p.endswith(".pt")}, "", ("step_1",), (r".*config\.json",)),
        ("tensorflow", "manager"): _recorded(real, "tf/manager", ("ckpt-3", "ckpt-4")),
        ("tensorflow", "saver"): _recorded(real, "tf/v1_saver", ("model.ckpt-2", "model.ckpt-3"), (r".*\.meta",)),
        ("keras", "keras"): _recorded(real, "keras/templated", ("model.01-8.90.keras", "model.02-8.83.keras")),
        ("keras", "h5"): _recorded(real, "keras/weights_only", ("w-1.weights.h5", "w-2.weights.h5")),
        ("keras-backup", "backup"): _recorded(real, "keras", ("backup_interrupted",)),
        ("flax", "keep2"): _recorded(real, "flax_legacy/legacy/keep2", ("checkpoint_3", "checkpoint_10")),
        ("deepspeed", "zero1"): Sample({
            "global_step4/mp_rank_00_model_states.pt": torch_bytes(zero),
            **{f"global_step4/bf16_zero_pp_rank_{r}_mp_rank_00_optim_states.pt": shard for r in range(2)}, "latest": b"global_step4"}, "", ("global_step4",)),
        ("deepspeed", "zero3"): Sample({f"global_step4/zero_pp_rank_{r}_mp_rank_00_{kind}_states.pt": data
            for r in range(2) for kind, data in (("model", torch_bytes({**zero, "ds_config": {"zero_optimization": {"stage": 3}}})), ("optim", shard))}, "", ("global_step4",)),
        ("deepspeed", "zero0"): Sample({"step_9/mp_rank_00_model_states.pt": torch_bytes(whole)}, "", ("step_9",)),
        ("deepspeed", "universal"): Sample({f"{universal}/mp_rank_00_model_states.pt": torch_bytes(zero), f"{universal}/zero/optimizer_state.pt": shard,
            f"{universal}/zero/w/fp32.pt": shard, f"{universal}/zero/w/exp_avg.pt": shard}, "", (universal,), (r".*exp_avg\.pt:gone", r".*fp32\.pt:all")),
        ("nemo", "directory"): Sample({**{f"{nemo}/weights/{p}": d for p, d in core.items()}, f"{nemo}/context/model.yaml": b"x: 1"}, "", (nemo,), (r".*model\.yaml:cut", r".*model\.yaml:link", r".*common\.pt")),
        ("composer", "file"): Sample({"ep1-ba6-rank0.pt": torch_bytes({"state": weights}), "latest-rank0.pt": "ep1-ba6-rank0.pt"}, "", ("ep1-ba6-rank0.pt",)),
        ("composer", "sharded"): Sample({f"ep1-ba6/{p}": d for p, d in snapshot(LocalStore(real / "dcp/step_1")).items()}, "", ("ep1-ba6",)),
        ("ray", "v2"): Sample({**{f"{name}/model.pt": torch_bytes(weights) for name in v2}, "checkpoint_manager_snapshot.json": as_json(snap)}, "", v2, (r".*model\.pt:gone",)),
        ("ray-tune", "v1"): Sample({"checkpoint_000000/model.pt": torch_bytes(weights), "result.json": as_json(row) + b"\n"}, "", ("checkpoint_000000",), (r".*model\.pt:gone",)),
        ("levanter", "step"): Sample({"step-10/metadata.json": as_json({"step": 10, "timestamp": "2025-09-26T12:34:56.789012", "is_temporary": True}),
            "step-10/model/w/.zarray": b"{}", "step-10/opt_state/w/.zarray": b"{}"}, "", ("step-10",), (r".*\.zarray",)),
        ("t5x", "step"): Sample({"checkpoint_100/checkpoint": msgpack, "checkpoint_100/target.w/.zarray": b"{}", "checkpoint_100/target.w/0": b"x"}, "", ("checkpoint_100",), (r".*/0", r".*\.zarray:cut", r".*\.zarray:link")),
        ("fairseq", "updates"): Sample({"checkpoint_3_1000.pt": torch_bytes(fair), "checkpoint_last.pt": torch_bytes(fair)}, "", ("checkpoint_3_1000.pt",)),
        ("fairseq", "shards"): Sample({f"checkpoint12-shard{r}.pt": torch_bytes(fair) for r in range(3)} | {"checkpoint_last-shard0.pt": torch_bytes(fair)}, "", ("checkpoint12-shard0.pt",), (r".*shard2\.pt:gone",)),
        ("ultralytics", "weights"): Sample({"weights/epoch0.pt": torch_bytes(yolo), "weights/last.pt": torch_bytes(yolo), "results.csv": b"epoch,time, metrics/mAP50(B)\n1,2.5,0.25\n"}, "weights", ("epoch0.pt",)),
        ("series", "pt"): Sample({"model_100.pt": torch_bytes(weights), "model_200.pt": torch_bytes(weights)}, "", ("model_100.pt", "model_200.pt")),
    }  # fmt: skip


@pytest.fixture
def sample(samples, request):
    """The sample of the parametrised layout and word."""
    return samples[request.param]
