"""``holdfast check``: what is not as it should be."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import NOTHING_TO_DO, Answer
from holdfast.cli.groups import CARE, AsJson, Detailed, Directory, Look, State
from holdfast.cli.prune import Grace, Yes

CleanPartial = Annotated[
    str,
    typer.Option(
        "--clean-partial",
        metavar="24h",
        help="Remove broken checkpoints and leftovers of saves that old, never on a live run.",
        rich_help_panel=CARE,
        show_default=False,
    ),
]


def check(
    directory: Directory,
    *,
    clean_partial: CleanPartial = "",
    grace: Grace = "",
    yes: Yes = False,
    look: Look,
    state: State,
    detailed: Detailed = False,
    as_json: AsJson = False,
) -> Answer:
    """Show broken checkpoints, dangling pointers, and what crashed saves and prunes left behind.

    Only reads, unless --clean-partial is given: then leftovers are removed by the same steps as in a prune.
    """
    if clean_partial:
        return _cleaned(directory, clean_partial, grace, look, state, yes=yes, as_json=as_json)
    from holdfast.cli.work import now
    from holdfast.prune import check as checked
    from holdfast.report.trouble import trouble

    found = checked(directory, pattern=look.pattern or None, layout=look.layout or None, **state.where())
    at = now()
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.check/1", "now": at, "findings": found},
        lines=lambda screen: trouble(found, screen, now=at),
        code=NOTHING_TO_DO if detailed and not found else 0,
    )


def _cleaned(directory: str, age: str, grace: str, look: Look, state: State, *, yes: bool, as_json: bool) -> Answer:
    from datetime import timedelta

    from holdfast.cli.pruning import confirmed, progress
    from holdfast.cli.work import duration
    from holdfast.prune import clean_partial
    from holdfast.report.outcome import done

    older_than = duration("--clean-partial", age) or timedelta(0)
    if not yes:
        confirmed(f"Remove what is partial in {directory} and did not change for {age}?")
    with progress() as step:
        report = clean_partial(
            directory,
            older_than,
            pattern=look.pattern or None,
            layout=look.layout or None,
            grace=duration("--grace", grace) or timedelta(0),
            progress=step,
            **state.where(),
        )
    return Answer(
        as_json=as_json,
        document=report.to_json,
        lines=lambda screen: done(report, screen),
        code=report.exit_code,
    )
