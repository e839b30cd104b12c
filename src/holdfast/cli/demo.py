"""``holdfast demo``: everything once, on a model trained for the purpose."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson

Where = Annotated[str, typer.Option("--dir", metavar="DIR", help="Where the demo's run is made.")]


def demo(*, directory: Where = "demo-run", as_json: AsJson = False) -> Answer:
    """Train a small model for a few seconds, then scan, plan, prune, undo and prune its checkpoints."""
