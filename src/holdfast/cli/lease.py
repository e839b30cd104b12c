"""``holdfast lease``: run a command while a checkpoint may not be dropped."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Annotated

import typer

from holdfast.cli.answer import Answer, tell
from holdfast.cli.groups import AsJson, Directory, Look, State, Which
from holdfast.errors import LeaseError, UsageError

KILLED = 128
"""A shell's way to say by which signal a command ended."""

Command = Annotated[
    list[str], typer.Argument(metavar="-- CMD", help="What to run, with its arguments.", show_default=False)
]
Owner = Annotated[
    str, typer.Option("--owner", metavar="NAME", help="Who reads it; shown in plans.", show_default=False)
]
Ttl = Annotated[
    str, typer.Option("--ttl", metavar="60s", help="The silence after which it lapses.", show_default=False)
]


def lease(
    directory: Directory,
    step: Which,
    command: Command,
    *,
    owner: Owner = "",
    ttl: Ttl = "",
    look: Look,
    state: State,
    as_json: AsJson = False,
) -> Answer:
    """Run a command while a checkpoint may not be dropped by anybody. Exits as the command does."""
    from holdfast.cli.work import duration, one_checkpoint
    from holdfast.prune import lease as leased

    run, checkpoint = one_checkpoint(directory, step, look)
    silence = duration("--ttl", ttl) or timedelta(minutes=1)
    where = state.state_dir or None
    code = 1
    try:
        with leased(f"{run.root}/{checkpoint.name}", owner=owner, ttl=silence.total_seconds(), state_dir=where):
            code = _code_of(command, as_json=as_json)
    except LeaseError as error:
        tell(f"holdfast: {error}")
        code = code or 1
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.lease/1", "name": checkpoint.name, "exit_code": code},
        lines=lambda _: [],
        code=code,
    )


def _code_of(command: list[str], *, as_json: bool) -> int:
    """Run it. With ``--json`` what it prints goes to standard error: standard output is for the document."""
    try:
        code = subprocess.run(command, stdout=sys.stderr if as_json else None, check=False).returncode  # noqa: S603 - the user's own command
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be run: {error.strerror}") from error
    return KILLED - code if code < 0 else code
