"""``holdfast plan``: what would stay and what would go."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import NOTHING_TO_DO, Answer, tell
from holdfast.cli.groups import CARE, AsJson, Care, Detailed, Directory, Keep, Look, PolicyText, State

Out = Annotated[
    str,
    typer.Option("--out", metavar="FILE", help="Save the plan, for `apply`.", rich_help_panel=CARE, show_default=False),
]


def plan(
    directory: Directory,
    policy: PolicyText = "",
    *,
    keep: Keep,
    look: Look,
    care: Care,
    state: State,
    out: Out = "",
    detailed: Detailed = False,
    as_json: AsJson = False,
) -> Answer:
    """Show what would stay and what would go, each checkpoint with its reasons. Changes nothing.

    The policy is a text, flags, or both: what either keeps is kept.
    """
    from holdfast.cli.work import planned, written
    from holdfast.report.timeline import timeline

    made = planned(directory, policy, keep, look, care, state)
    if out:
        written(out, made.to_json())
        tell(f"saved: `holdfast apply {out}` carries it out")
    return Answer(
        as_json=as_json,
        document=made.to_json,
        lines=lambda screen: timeline(made, screen),
        code=NOTHING_TO_DO if detailed and not made.dropped else 0,
    )
