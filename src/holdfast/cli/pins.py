"""``holdfast pins``: what is pinned, and what is leased."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, State


def pins(directory: Directory, *, state: State, as_json: AsJson = False) -> Answer:
    """Show what no plan may drop at present: pins and leases, with their owners."""
    from holdfast.cli.work import now
    from holdfast.prune import holds
    from holdfast.report.held import held

    at = now()
    found = holds(directory, state_dir=state.state_dir or None, now=at)
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.pins/1", "holds": found},
        lines=lambda screen: held(found, screen, now=at),
    )
