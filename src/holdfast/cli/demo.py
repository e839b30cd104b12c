"""``holdfast demo``: everything once, on a model trained for the purpose."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson

Where = Annotated[
    str,
    typer.Option("--dir", metavar="DIR", help="Make the demo's run there, instead of in a new temporary directory."),
]


def demo(*, directory: Where = "", as_json: AsJson = False) -> Answer:
    """Train a small model for a few seconds, then scan, plan, prune, undo and prune its checkpoints."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # so small a network is fastest on one thread
    from holdfast import demo as show
    from holdfast.cli.app import main

    show.check_extra()
    place = show.place(directory)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext(), contextlib.chdir(place):
        show.demo(show.Stage(say=show.to_terminal, command=main))
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.demo/1", "directory": str(place)},
        lines=lambda screen: ["", screen.plain(f"Look around in {place}")],
    )
