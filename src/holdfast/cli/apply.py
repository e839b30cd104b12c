"""``holdfast apply``: carry out a plan that was saved and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, State
from holdfast.cli.prune import Grace, InPlace, Yes
from holdfast.errors import NotFoundError

if TYPE_CHECKING:
    from holdfast.plan import Plan

File = Annotated[str, typer.Argument(metavar="FILE", help="A plan that `holdfast plan --out FILE` saved.")]


def apply(
    file: File,
    *,
    grace: Grace = "",
    in_place: InPlace = False,
    yes: Yes = False,
    state: State,
    as_json: AsJson = False,
) -> Answer:
    """Carry out a saved plan, where the run still matches it. What changed since is skipped, and said."""
    from holdfast.cli.pruning import carried_out, ways

    return carried_out(_read(file), ways(grace, state, in_place=in_place), yes=yes, as_json=as_json)


def _read(file: str) -> Plan:
    from holdfast.plan import Plan

    try:
        return Plan.from_json(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{file} cannot be read ({error}); give a file that `holdfast plan --out` wrote") from error
