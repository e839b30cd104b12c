"""``holdfast pin``: never drop this one."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, Look, State, Which

Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why: it is shown in every plan.", show_default=False)
]
Length = Annotated[
    str, typer.Option("--for", metavar="30d", help="Only that long; else until it is unpinned.", show_default=False)
]


def pin(
    directory: Directory,
    step: Which,
    *,
    reason: Reason = "",
    length: Length = "",
    look: Look,
    state: State,
    as_json: AsJson = False,
) -> Answer:
    """Pin a checkpoint: no plan drops it, whatever the policy says, until it is unpinned."""
    from holdfast.cli.work import duration, now, one_checkpoint
    from holdfast.prune import pin as pinned
    from holdfast.report.held import held

    run, checkpoint = one_checkpoint(directory, step, look)
    span = duration("--for", length)
    made = pinned(
        run.root,
        checkpoint.name,
        reason=reason,
        until=now() + span if span is not None else None,
        fingerprint=checkpoint.fingerprint,
        state_dir=state.state_dir or None,
    )
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.pin/1", "root": run.root, "pin": made},
        lines=lambda screen: held([made], screen, now=now()),
    )
