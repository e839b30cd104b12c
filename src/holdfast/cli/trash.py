"""``holdfast trash``: what waits to be purged."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, State


def trash(directory: Directory, *, state: State, as_json: AsJson = False) -> Answer:
    """Show what waits in the trash of a run, until when it can be undone, and how much purging it frees."""
    from holdfast.cli.work import now
    from holdfast.prune import trash as waiting
    from holdfast.report.waste import waste

    found = waiting(directory, **state.where())
    at = now()
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.trash/1", "now": at, "entries": found},
        lines=lambda screen: waste(found, screen, now=at),
    )
