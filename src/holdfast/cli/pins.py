"""``holdfast pins``: what is pinned, and what is leased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, State

if TYPE_CHECKING:
    from holdfast.checkpoint import Hold


def pins(directory: Directory, *, state: State, as_json: AsJson = False) -> Answer:
    """Show what no plan may drop at present: pins and leases, with their owners."""
    from holdfast.cli.work import now
    from holdfast.prune import holds
    from holdfast.report.held import held

    at = now()
    found = sorted(holds(directory, state_dir=state.state_dir or None, now=at), key=_by_name)
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.pins/1", "holds": found},
        lines=lambda screen: held(found, screen, now=at),
    )


def _by_name(hold: Hold) -> tuple[int, str, str]:
    """The shorter name first: ``checkpoint-400`` before ``checkpoint-1000``."""
    return (len(hold.name), hold.name, hold.kind)
