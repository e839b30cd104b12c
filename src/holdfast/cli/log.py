"""``holdfast log``: who dropped what, when, and by which policy."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, State

Reasons = Annotated[bool, typer.Option("--reasons", help="Also why each checkpoint was dropped.", show_default=False)]


def log(directory: Directory, *, reasons: Reasons = False, state: State, as_json: AsJson = False) -> Answer:
    """Show what was done to a run: prunes, undos, purges, pins; the oldest first."""
    from holdfast.prune import log as journal
    from holdfast.report.history import history

    records = journal(directory, state_dir=state.state_dir or None)
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.log/1", "records": records},
        lines=lambda screen: history(records, screen, reasons=reasons),
    )
