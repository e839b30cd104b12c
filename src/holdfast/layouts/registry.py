"""Which layouts are there, and in which order are they asked?

In order of specificity: the first that recognises what lies inside a candidate has it. Content decides, so a layout
whose signature is a part of another's (torch DCP's ``.metadata`` lies inside an Accelerate checkpoint) comes later.
A distribution adds its own by an entry point in the group ``holdfast.layouts`` that names a subclass of ``Layout``;
these are asked first.
"""

from __future__ import annotations

import difflib
import functools
import importlib

from holdfast.errors import UsageError
from holdfast.layouts.base import Layout
from holdfast.layouts.plugins import plugins

OURS = (
    "holdfast.layouts.orbax:Orbax",
    "holdfast.layouts.t5x:T5X",
    "holdfast.layouts.hf_trainer:HFTrainer",
    "holdfast.layouts.ray:RayTrain",
    "holdfast.layouts.ray:RayTune",
    "holdfast.layouts.accelerate:Accelerate",
    "holdfast.layouts.nemo:NeMo",
    "holdfast.layouts.lightning:Lightning",
    "holdfast.layouts.deepspeed:DeepSpeed",
    "holdfast.layouts.megatron:Megatron",
    "holdfast.layouts.levanter:Levanter",
    "holdfast.layouts.torchtitan:Torchtitan",
    "holdfast.layouts.composer:Composer",
    "holdfast.layouts.dcp:DCP",
    "holdfast.layouts.safetensors:SafetensorsSet",
    "holdfast.layouts.tensorflow:TensorFlow",
    "holdfast.layouts.keras:KerasBackup",
    "holdfast.layouts.keras:Keras",
    "holdfast.layouts.fairseq:Fairseq",
    "holdfast.layouts.ultralytics:Ultralytics",
    "holdfast.layouts.flax:Flax",
    "holdfast.layouts.series:Series",
)
"""Module and class; imported at the first use."""


@functools.cache
def layouts() -> tuple[Layout, ...]:
    """All layouts, the most specific first. Imports them: once."""
    found = [*plugins(), *(_load(spec) for spec in OURS)]
    return tuple(_made(one) for one in found)


def layout(name: str) -> Layout:
    """The layout of that name. ``UsageError``: there is none; the message says which there are."""
    known = {one.name: one for one in layouts()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"no layout is called {name!r}{hint} There are: {', '.join(sorted(known))}.")
    return known[name]


def _load(spec: str) -> type[Layout]:
    module, _, name = spec.partition(":")
    found: type[Layout] = getattr(importlib.import_module(module), name)
    return found


def _made(found: object) -> Layout:
    if not (isinstance(found, type) and issubclass(found, Layout)):
        raise UsageError(f"an entry point of the group 'holdfast.layouts' names {found!r}: expected a class of Layout")
    return found()
