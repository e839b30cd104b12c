"""``holdfast purge``: free what waits in the trash."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import NOTHING_TO_DO, Answer
from holdfast.cli.groups import AsJson, Detailed, Directory, State
from holdfast.cli.prune import Yes

OlderThan = Annotated[
    str, typer.Option("--older-than", metavar="7d", help="Only what was dropped that long ago.", show_default=False)
]


def purge(
    directory: Directory,
    *,
    older_than: OlderThan = "",
    yes: Yes = False,
    state: State,
    detailed: Detailed = False,
    as_json: AsJson = False,
) -> Answer:
    """Free the bytes of what waits in the trash. From then on there is no undo. Asks first."""
    from holdfast.cli.pruning import confirmed, progress
    from holdfast.cli.work import duration
    from holdfast.prune import purge as purged
    from holdfast.prune import trash
    from holdfast.report.outcome import done
    from holdfast.report.words import count, size

    found = trash(directory, **state.where())
    age = duration("--older-than", older_than)
    if found and not yes:
        amount = f"{count(len(found), 'checkpoint')} ({size(sum(e.bytes for e in found))})"
        confirmed(f"Free what waits in the trash{' long enough' if age else ''}, of {amount}? There is no undo.")
    with progress() as step:
        report = purged(directory, older_than=age, progress=step, **state.where())
    return Answer(
        as_json=as_json,
        document=report.to_json,
        lines=lambda screen: done(report, screen),
        code=report.exit_code or (NOTHING_TO_DO if detailed and not report.items else 0),
    )
