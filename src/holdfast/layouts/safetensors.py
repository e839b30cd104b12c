"""Sharded weights with an index, as ``save_pretrained`` writes them: ``model-00001-of-00003.safetensors``.

Read: transformers 5.23.0 (``modeling_utils.py:save_pretrained``), safetensors 0.8.0, and what they wrote. Shards come
first, the index last; saving again with another number of shards deletes the old ones *before*. The directory's name
is its user's. A directory with one whole ``model.safetensors`` counts too, if a ``config.json`` lies beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial
from holdfast.layouts.integrity import INDEX, SHARD, rewritten, weights
from holdfast.layouts.names import counted, folders, holds_checkpoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.stores.base import Entry

_SINGLE = frozenset({"model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin"})
_CONFIG = frozenset({"config.json", "adapter_config.json", "generation_config.json"})


@final
class SafetensorsSet(Layout):
    """Weights alone, as ``save_pretrained`` leaves them: an index and its shards, or one file beside its config."""

    name = "safetensors"
    title = "safetensors sets (save_pretrained)"
    verified = "transformers 5.23.0 and safetensors 0.8.0, run"

    def candidates(self, entries: Sequence[Entry]) -> Iterable[Candidate]:
        """Any directory: what lies inside decides. Only a number that counts training makes a series.

        ``llama-2`` beside ``llama-3`` are two models, not two checkpoints of one run.
        """
        return (found._replace(alias=found.alias or not counted(found.name)) for found in folders(entries))

    def recognises(self, candidate: Candidate, look: Look) -> bool:
        """By an index, numbered shards, or the usual file with its config. Never where checkpoints lie in it."""
        names = look.names(candidate.name)
        if holds_checkpoints(look, candidate.name):
            return False
        shards = [name for name in names if SHARD.fullmatch(name) and name.endswith((".safetensors", ".bin"))]
        return bool(shards) or any(map(INDEX.fullmatch, names)) or bool(names & _SINGLE and names & _CONFIG)

    def marker(self, candidate: Candidate, look: Look) -> str:
        """The index."""
        names = sorted(filter(INDEX.fullmatch, look.names(candidate.name)))
        return f"{candidate.name}/{names[0]}" if names else ""

    def status(self, candidate: Candidate, look: Look) -> Finding:
        """Every shard that the index names there and whole, and none newer than it by more than two seconds."""
        folder = candidate.name
        finding = weights(look, folder)
        indexes = [name for name in look.names(folder) if INDEX.fullmatch(name)]
        if finding != COMPLETE or not indexes:
            return finding
        shards = [f"{folder}/{name}" for name in look.names(folder) if SHARD.fullmatch(name)]
        if not shards:
            return partial(f"{folder} holds an index without shards")
        return rewritten(look, f"{folder}/{indexes[0]}", shards) if len(indexes) == 1 else finding

    def resumable(self, candidate: Candidate, look: Look) -> bool | None:
        """No: these are weights alone."""
        del candidate, look
        return False
