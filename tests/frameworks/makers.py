"""Small runs of real trainers. Each returns the directory of the run; the frameworks are imported when they are used.

Tests get this module as the fixture ``makers``.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path

os.environ.update(
    JAX_PLATFORMS="cpu", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", WANDB_DISABLED="true", CUDA_VISIBLE_DEVICES=""
)


@contextlib.contextmanager
def foreign_warnings():
    """The frameworks warn of themselves and of one another; Holdfast's own warnings stay errors outside of this."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def state(i):
    """A small state of training, at step ``i``."""
    import numpy as np

    return {"w": np.arange(6, dtype=np.float32) * i}


def make_orbax_v0(root, steps=(0, 1, 2, 3), metrics=None, **options):
    """``CheckpointManager``. ``metrics``: a function of the step (stored because a ``best_fn`` is set)."""
    with foreign_warnings():
        import orbax.checkpoint as ocp

        if metrics is not None:
            options.setdefault("best_fn", lambda found: next(iter(found.values())))
            options.setdefault("keep_checkpoints_without_metrics", True)
        with ocp.CheckpointManager(Path(root).absolute(), options=ocp.CheckpointManagerOptions(**options)) as manager:
            for step in steps:
                save = ocp.args.StandardSave(state(step))
                manager.save(step, args=save, metrics=metrics(step) if metrics else None, force=True)
                manager.wait_until_finished()
    return Path(root)


def load_orbax_v0(root, **options):
    """The newest step that ``CheckpointManager`` finds, and its state restored."""
    with foreign_warnings():
        import orbax.checkpoint as ocp

        with ocp.CheckpointManager(Path(root).absolute(), options=ocp.CheckpointManagerOptions(**options)) as manager:
            step = manager.latest_step()
            return step, manager.restore(step, args=ocp.args.StandardRestore(state(0)))


def make_orbax_v1(root, steps=(0, 1, 2, 3), metrics=None, **options):
    """``training.Checkpointer``. ``metrics``: a function of the step."""
    with foreign_warnings():
        import jax.numpy as jnp
        from orbax.checkpoint import v1 as ocp

        with ocp.training.Checkpointer(Path(root).absolute(), **options) as checkpointer:
            for step in steps:
                value = {name: jnp.asarray(array) for name, array in state(step).items()}
                checkpointer.save(step, value, metrics=metrics(step) if metrics else None)
    return Path(root)


def load_orbax_v1(root):
    """The newest step that ``training.Checkpointer`` finds, and its state loaded."""
    with foreign_warnings():
        from orbax.checkpoint import v1 as ocp

        with ocp.training.Checkpointer(Path(root).absolute()) as checkpointer:
            return checkpointer.latest.step, checkpointer.load(checkpointer.latest.step)


def hf_trainer(root, **options):
    """A ``Trainer`` of a tiny random GPT-2 that saves every second step into ``root``."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 16

        def __getitem__(self, i):
            tokens = torch.randint(0, 32, (8,))
            return {"input_ids": tokens, "labels": tokens}

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=32, n_positions=8, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0)
    defaults = {
        "per_device_train_batch_size": 4,
        "logging_steps": 2,
        "save_strategy": "steps",
        "save_steps": 2,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "max_steps": 8,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    arguments = TrainingArguments(output_dir=str(root), **{**defaults, **options})
    return Trainer(model=GPT2LMHeadModel(config), args=arguments, train_dataset=Data(), eval_dataset=Data())


def make_hf(root, **options):
    """The Hugging Face ``Trainer``: checkpoint-2, -4, -6 and -8 unless the options say otherwise."""
    with foreign_warnings():
        hf_trainer(root, **options).train()
    return Path(root)


def resume_hf(root, **options):
    """Train on from the newest checkpoint; the step that was reached. Its own newest must be that of the run."""
    with foreign_warnings():
        trainer = hf_trainer(root, **options)
        trainer.train(resume_from_checkpoint=True)
        return trainer.state.global_step


def make_series(root, steps=(100, 200, 300), name="model_{step}.pt"):
    """Files of ``torch.save`` or safetensors, one for each step."""
    Path(root).mkdir(parents=True, exist_ok=True)
    for step in steps:
        path = Path(root) / name.format(step=step)
        if path.suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file(state(step), path)
        else:
            import torch

            torch.save({"step": step, "w": torch.arange(4.0)}, path)
    return Path(root)
