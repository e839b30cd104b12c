"""``holdfast scan``: what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.answer import PARTIAL, Answer, tell
from holdfast.cli.groups import LOOK, AsJson, Directory, Look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.checkpoint import Run
    from holdfast.report.screen import Screen

Parts = Annotated[
    bool,
    typer.Option(
        "--parts", help="also the bytes that are needed only to resume", rich_help_panel=LOOK, show_default=False
    ),
]


def scan(directory: Directory, *, look: Look, parts: Parts = False, as_json: AsJson = False) -> Answer:
    """Show the checkpoints of a run, or one line for each run below a directory. Only reads."""
    from holdfast.cli.work import now, runs_of
    from holdfast.report.words import zone_of

    zone_of(look.zone)
    at = now()
    runs, unread = runs_of(directory, look)
    for path, error in unread.items():
        tell(f"holdfast: {path}: {error}")
    resume = [_resume_bytes(run) if parts else None for run in runs]

    def lines(screen: Screen) -> Iterator[str]:
        from holdfast.report.inventory import inventory, overview

        if len(runs) > 1 and not parts:
            yield from overview(runs, screen, now=at)
            return
        for i, (run, sizes) in enumerate(zip(runs, resume, strict=True)):
            yield from [""] if i else []
            yield from inventory(run, screen, now=at, zone=look.zone, parts=sizes)

    return Answer(
        as_json=as_json,
        document=lambda: {
            "schema": "holdfast.scan/1",
            "now": at,
            "runs": [{"run": run, "resume_bytes": sizes} for run, sizes in zip(runs, resume, strict=True)],
            "unread": {path: str(error) for path, error in unread.items()},
        },
        lines=lines,
        code=PARTIAL if unread else 0,
    )


def _resume_bytes(run: Run) -> dict[str, int]:
    from holdfast.parts import resume_bytes

    return resume_bytes(run)
