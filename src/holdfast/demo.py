"""``holdfast demo``: a small model is trained for real, with a policy in its loop; then each command is shown.

Two spirals, a network of three hidden layers, Adam, all in NumPy, seeded: the same numbers on every machine, to the
digits that are shown. It overfits, as models do, so that its best checkpoint is not among its latest.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import shlex
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holdfast.errors import ExistsError, HoldfastError, UsageError
from holdfast.report.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Weights = dict[str, Array]

STEPS = 600
SAVE_EVERY = 20
LAYERS = (2, 96, 96, 96, 1)
IN_LOOP = 'latest(3) | every(steps=100) | best(2, "eval/loss", mode="min")'
AFTER = 'latest(1) | every(steps=200) | best(1, "eval/loss", mode="min")'
LAST = 'latest(1) | best(1, "eval/loss", mode="min")'
LOG = "metrics.jsonl"
RUN = "spirals"


def spirals(count: int, seed: int) -> tuple[Array, Array]:
    """Points on two noisy spirals, and on which of the two each lies."""
    rng = np.random.default_rng(seed)
    angle = np.sqrt(rng.random(count)) * 2.2 * np.pi
    side = rng.integers(0, 2, count).astype(np.float64)
    turned = angle + np.pi * side
    points = np.stack([angle * np.cos(turned), angle * np.sin(turned)], axis=1) / 6
    return points + 0.12 * rng.standard_normal((count, 2)), side


def fresh(seed: int) -> Weights:
    """The weights before training."""
    rng = np.random.default_rng(seed)
    made: Weights = {}
    for i, (wide, out) in enumerate(itertools.pairwise(LAYERS)):
        made[f"{i}.weight"] = rng.standard_normal((wide, out)) / np.sqrt(wide)
        made[f"{i}.bias"] = np.zeros(out)
    return made


def activations(weights: Weights, points: Array) -> list[Array]:
    """What each layer puts out, the input first, the logits last."""
    found, depth = [points], len(LAYERS) - 1
    for i in range(depth):
        out = found[-1] @ weights[f"{i}.weight"] + weights[f"{i}.bias"]
        found.append(np.tanh(out) if i < depth - 1 else out)
    return found


def loss(logits: Array, side: Array) -> float:
    """The mean cross-entropy."""
    return float(np.mean(np.logaddexp(0, logits) - logits * side))


def gradients(weights: Weights, points: Array, side: Array) -> tuple[Weights, float]:
    """Which way is down, for each weight; and the loss here."""
    outs = activations(weights, points)
    logits = outs[-1][:, 0]
    delta = ((1 / (1 + np.exp(-logits)) - side) / len(side))[:, None]
    found: Weights = {}
    for i in reversed(range(len(LAYERS) - 1)):
        found[f"{i}.weight"], found[f"{i}.bias"] = outs[i].T @ delta, delta.sum(axis=0)
        delta = (delta @ weights[f"{i}.weight"].T) * (1 - outs[i] ** 2)
    return found, loss(logits, side)


@dataclasses.dataclass
class Adam:
    """The optimizer, whose moments are two thirds of each checkpoint."""

    weights: Weights
    rate: float = 5e-3
    step: int = 0

    def __post_init__(self) -> None:
        self.first = {k: np.zeros_like(w) for k, w in self.weights.items()}
        self.second = {k: np.zeros_like(w) for k, w in self.weights.items()}

    def update(self, slopes: Weights) -> None:
        """One step down."""
        self.step += 1
        for k, slope in slopes.items():
            self.first[k] = 0.9 * self.first[k] + 0.1 * slope
            self.second[k] = 0.999 * self.second[k] + 0.001 * slope**2
            mean, power = self.first[k] / (1 - 0.9**self.step), self.second[k] / (1 - 0.999**self.step)
            self.weights[k] = self.weights[k] - self.rate * mean / (np.sqrt(power) + 1e-8)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """All that is needed to go on training."""
        parts = {"model": self.weights, "adam.first": self.first, "adam.second": self.second}
        return {f"{part}.{k}": w.astype(np.float32) for part, some in parts.items() for k, w in some.items()}


def save(run: Path, step: int, tensors: Mapping[str, NDArray[np.float32]], logged: Mapping[str, float]) -> None:
    """A checkpoint and its line in the log. By a rename: a reader never sees half a checkpoint."""
    from safetensors.numpy import save_file  # noqa: PLC0415 - the extra `demo`

    part = run / f"step_{step:04}.part"
    save_file(dict(tensors), part, metadata={"step": str(step)})
    part.replace(run / f"step_{step:04}.safetensors")
    with (run / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps({"step": step, **logged}) + "\n")


def prune_in_loop(run: Path) -> int:
    """What a training loop does after each save: scan, plan, prune. How many were dropped?"""
    from holdfast.plan import plan  # noqa: PLC0415 - imported late: `holdfast --help` must be fast
    from holdfast.policies import parse  # noqa: PLC0415 - as above
    from holdfast.prune import prune  # noqa: PLC0415 - as above
    from holdfast.scan import scan  # noqa: PLC0415 - as above
    from holdfast.sidecar import Sidecar  # noqa: PLC0415 - as above

    policy = parse(IN_LOOP)
    found = Sidecar(LOG).attach(scan(run, policy=policy), (run / LOG).read_bytes())
    made = plan(found, policy, now=datetime.now(tz=UTC), min_age=timedelta(0))
    return len([i for i in prune(made).items if i.outcome == "pruned"])


def train(run: Path) -> Iterator[tuple[int, float, float, int]]:
    """Train; after each save yields the step, both losses, and how many checkpoints the policy dropped."""
    points, side = spirals(300, seed=0)
    held_points, held_side = spirals(1000, seed=1)
    optimizer = Adam(fresh(seed=0))
    for step in range(1, STEPS + 1):
        slopes, train_loss = gradients(optimizer.weights, points, side)
        optimizer.update(slopes)
        if step % SAVE_EVERY == 0:
            eval_loss = loss(activations(optimizer.weights, held_points)[-1][:, 0], held_side)
            save(run, step, optimizer.tensors(), {"train/loss": train_loss, "eval/loss": eval_loss})
            yield step, train_loss, eval_loss, prune_in_loop(run)


# The show ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Stage:
    """Where the demo is shown, and how it calls a command."""

    say: Callable[[str], None]
    command: Callable[[list[str]], int]

    def shown(self, remark: str, *arguments: str) -> None:
        """A remark, the command as one would type it, and what it really prints."""
        self.say(f"\n# {remark}\n{_typed(arguments)}\n")
        code = self.command([*arguments])
        if code:
            raise HoldfastError(f"the demo stopped: its command ended with exit code {code}: {shlex.join(arguments)}")


def _typed(arguments: Sequence[str]) -> str:
    """The command as one would type it; its options on a line of their own where it is long."""
    line = f"$ holdfast {shlex.join(arguments)}"
    return line if len(line) <= 80 else line.replace(" --", " \\\n    --", 1)


def place(directory: str) -> Path:
    """An empty directory for the demo: the one that is named, or a new temporary one."""
    if not directory:
        return Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    path = Path(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        empty = not any(path.iterdir())
    except OSError as error:
        raise UsageError(f"--dir {directory}: {error.strerror}; name a directory that can be made") from error
    if not empty:
        raise ExistsError(f"--dir {directory}: there is something in it; name a new or an empty directory")
    return path


def check_extra() -> None:
    """The demo saves real safetensors files."""
    if importlib.util.find_spec("safetensors") is None:
        raise UsageError("the demo needs safetensors: pip install 'holdfast[demo]'")


def demo(stage: Stage) -> None:
    """Train, then scan, plan, prune, undo, and prune again: all in the working directory."""
    Path(RUN).mkdir()
    _train_aloud(Path(RUN), stage.say)
    _commands(stage)


def _train_aloud(run: Path, say: Callable[[str], None]) -> None:
    say(f"# A small network learns two spirals. After each save, a policy in the loop prunes:\n#   {IN_LOOP}\n")
    saved = dropped = 0
    for step, train_loss, eval_loss, gone in train(run):
        saved, dropped = saved + 1, dropped + gone
        if step % (5 * SAVE_EVERY) == 0:
            say(
                f"step {step:3}  train loss {train_loss:.4f}  eval loss {eval_loss:.4f}"
                f"  {saved:2} saved, {dropped:2} dropped, {saved - dropped:2} there"
            )


def _commands(stage: Stage) -> None:
    log = ("--metrics", LOG)
    young = ("--min-age", "0s")
    stage.shown("What is there now? The eval loss was best long before the end.", "scan", RUN, *log)
    stage.shown("Fewer will do. (--min-age: they are seconds old.)", "plan", RUN, AFTER, *log, *young)
    stage.shown("Prune, with a week in which to think again.", "prune", RUN, AFTER, *log, *young, "--grace=7d", "--yes")
    stage.shown("Step 240 was wanted after all. What comes back is pinned for a week.", "undo", RUN, "240")
    stage.shown("Why does it stay?", "why", RUN, "240", LAST, *log, *young)
    stage.shown("Only the last and the best, and free the bytes at once.", "prune", RUN, LAST, *log, *young, "--yes")
    stage.shown("What the first prune dropped still waits.", "trash", RUN)
    stage.shown("Free that too.", "purge", RUN, "--yes")


def to_terminal(text: str) -> None:
    """Print it at once; commands and remarks in a colour of their own where there is colour."""
    screen = Screen.of(sys.stdout)
    sys.stdout.write("".join(f"{screen.paint(screen.plain(line), _style(line))}\n" for line in text.split("\n")))
    sys.stdout.flush()


def _style(line: str) -> str:
    if line.startswith(("$ ", "    --")):
        return "name"
    return "dim" if line.startswith("#") else ""
