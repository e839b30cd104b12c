"""``holdfast adopt``: take over the state of a run that was moved or copied."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, State


def adopt(directory: Directory, *, state: State, as_json: AsJson = False) -> Answer:
    """Say that a state directory belongs to this run, after the run was moved, copied or restored.

    Until then nothing is dropped there: its pins, leases and trash may be those of another run.
    """
    from holdfast.prune import adopt as adopted

    told = adopted(directory, state_dir=state.state_dir or None)
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.adopt/1", "state": told},
        lines=lambda screen: [screen.plain(f"adopted {told}")],
    )
