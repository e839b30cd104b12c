"""Options that several commands share, each group as one value; and what a command says about its parameters."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.cli.answer import Answer

KEEP = "What to keep"
LOOK = "What to look at"
CARE = "How careful"
STATE = "Where Holdfast keeps its own"

Directory = Annotated[str, typer.Argument(metavar="DIR", help="The run: the directory that holds its checkpoints.")]
PolicyText = Annotated[
    str,
    typer.Argument(metavar="POLICY", help="What to keep, as 'latest(3) | every(steps=1000)'.", show_default=False),
]
Which = Annotated[str, typer.Argument(metavar="STEP", help="Which checkpoint: its step, or its name.")]
Several = Annotated[
    list[str], typer.Argument(metavar="STEP", help="Which checkpoints: steps or names.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.", show_default=False)]
Detailed = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit with 6 when there is nothing to do.", show_default=False)
]


def _text(flag: str, shape: str, about: str, panel: str) -> Any:  # noqa: ANN401 - what Typer makes
    return typer.Option(flag, metavar=shape, help=about, rich_help_panel=panel, show_default=False)


def _flag(flag: str, about: str, panel: str) -> Any:  # noqa: ANN401 - what Typer makes
    return typer.Option(flag, help=about, rich_help_panel=panel, show_default=False)


def _calendar(flag: str, period: str) -> Any:  # noqa: ANN401 - what Typer makes
    return _text(flag, "N", f"the newest in each of the last N {period}s that have one", KEEP)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keep:
    """What is to be kept, said in flags? They add to the text of the policy, or stand instead of it."""

    keep_latest: Annotated[str, _text("--keep-latest", "N", "the newest N", KEEP)] = ""
    keep_every: Annotated[str, _text("--keep-every", "STEPS", "each step divisible by STEPS", KEEP)] = ""
    keep_closest: Annotated[str, _text("--keep-closest", "STEPS", "the nearest to each multiple of STEPS", KEEP)] = ""
    keep_at: Annotated[str, _text("--keep-at", "STEP,...", "these steps", KEEP)] = ""
    keep_best: Annotated[
        list[str], _text("--keep-best", "METRIC:min|max[:N]", "the best N by a metric, as eval/loss:min:2", KEEP)
    ] = dataclasses.field(default_factory=list)
    keep_within: Annotated[str, _text("--keep-within", "7d", "those at most that much older than the newest", KEEP)] = (
        ""
    )
    keep_hourly: Annotated[str, _calendar("--keep-hourly", "hour")] = ""
    keep_daily: Annotated[str, _calendar("--keep-daily", "day")] = ""
    keep_weekly: Annotated[str, _calendar("--keep-weekly", "week")] = ""
    keep_monthly: Annotated[str, _calendar("--keep-monthly", "month")] = ""
    keep_yearly: Annotated[str, _calendar("--keep-yearly", "year")] = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """Which of what lies there is meant, and where are its metrics?"""

    layout: Annotated[str, _text("--layout", "NAME", "only this framework's (see `holdfast layouts`)", LOOK)] = ""
    template: Annotated[str, _text("--template", "NAME", "only the series so named, as model_{step}.pt", LOOK)] = ""
    pattern: Annotated[str, _text("--pattern", "NAME", "a series of files named like this, as w-{step}.bin", LOOK)] = ""
    metrics: Annotated[
        str, _text("--metrics", "FILE:step,NAME,...", "metrics from a JSON-lines or CSV file beside them", LOOK)
    ] = ""
    zone: Annotated[str, _text("--zone", "ZONE", "the time zone of days and of what is shown (UTC)", LOOK)] = "UTC"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Care:
    """How careful must a plan be?"""

    trust_file_times: Annotated[bool, _flag("--trust-file-times", "rules may go by the times of files", CARE)] = False
    min_age: Annotated[str, _text("--min-age", "10m", "leave younger ones alone", CARE)] = ""
    max_drop: Annotated[str, _text("--max-drop", "N|50%", "refuse to drop more than that", CARE)] = ""
    repoint: Annotated[
        bool, _flag("--repoint", "rewrite pointers, so that what they name can be dropped; never on a live run", CARE)
    ] = False


class Where(TypedDict):
    """Which arguments do most of the library's functions on a run's state take?"""

    state_dir: str | None
    trash_dir: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """Where do pins, leases, journal and trash lie?"""

    state_dir: Annotated[
        str, _text("--state-dir", "DIR", "pins, leases, lock, journal (.holdfast beside it)", STATE)
    ] = ""
    trash_dir: Annotated[str, _text("--trash-dir", "DIR", "the trash (in the state directory)", STATE)] = ""

    def where(self) -> Where:
        """How does one say the same to the library?"""
        return {"state_dir": self.state_dir or None, "trash_dir": self.trash_dir or None}


_GROUPS = (Keep, Look, Care, State)


def grouped(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """How must Typer see the command? Each parameter that is a group, spread out into its options."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if kind in _GROUPS}
    spread = [p for own in inspect.signature(command).parameters.values() for p in _spread(own, hints[own.name])]

    @functools.wraps(command)
    def called(**given: Any) -> Answer:  # noqa: ANN401 - as Typer gives them
        made = {name: _gather(kind, given) for name, kind in groups.items()}
        return command(**given, **made)

    called.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]  # what inspect reads
    called.__annotations__ = {p.name: p.annotation for p in spread}
    del called.__wrapped__  # else Typer looks through to the function inside
    return called


def _spread(own: inspect.Parameter, kind: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - any annotation
    if kind not in _GROUPS:
        return [own.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY)]
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=_default(f), annotation=hints[f.name])
        for f in dataclasses.fields(kind)
    ]


def _default(field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 - any default
    return field.default if field.default is not dataclasses.MISSING else []


def _gather(kind: Any, given: dict[str, Any]) -> Any:  # noqa: ANN401 - one of the groups
    return kind(**{f.name: given.pop(f.name) for f in dataclasses.fields(kind)})
