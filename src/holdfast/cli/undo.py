"""``holdfast undo``: bring back what is still in the trash."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, Several, State


def undo(directory: Directory, step: Several = [], *, state: State, as_json: AsJson = False) -> Answer:  # noqa: B006 - Typer's way to say "none by default"; never changed
    """Bring back what the last prune dropped, or these checkpoints, from the trash.

    Byte for byte, with their times, over nothing. What comes back is pinned for 7 days, else the next prune would
    drop it again: `holdfast unpin` takes the pin off.
    """
    from holdfast.cli.work import name_of
    from holdfast.prune import trash
    from holdfast.prune import undo as undone
    from holdfast.report.outcome import done

    where = state.where()
    waiting = {e.name: e.step for e in trash(directory, **where)}
    report = undone(directory, [name_of(s, waiting, f"the trash of {directory}") for s in step], **where)
    return Answer(
        as_json=as_json,
        document=report.to_json,
        lines=lambda screen: done(report, screen),
        code=report.exit_code,
    )
