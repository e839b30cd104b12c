"""``holdfast prune``: carry a policy out."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.answer import NOTHING_TO_DO, Answer
from holdfast.cli.groups import CARE, AsJson, Care, Detailed, Directory, Keep, Look, PolicyText, State

Grace = Annotated[
    str,
    typer.Option(
        "--grace",
        metavar="7d",
        help="Keep what is dropped in the trash that long, for `undo`. Without it, it is gone at once.",
        rich_help_panel=CARE,
        show_default=False,
    ),
]
InPlace = Annotated[
    bool,
    typer.Option(
        "--in-place",
        help="Where no trash can be had: free at once, in place. No undo.",
        rich_help_panel=CARE,
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=CARE, show_default=False)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Only show the plan.", rich_help_panel=CARE, show_default=False)
]
AllRuns = Annotated[
    bool,
    typer.Option(
        "--all-runs",
        help="DIR holds several runs: prune each, none of them by more than --max-drop (50%).",
        rich_help_panel=CARE,
        show_default=False,
    ),
]
AllOrNothing = Annotated[
    bool,
    typer.Option(
        "--all-or-nothing",
        help="With --all-runs: if one run is refused, touch none.",
        rich_help_panel=CARE,
        show_default=False,
    ),
]


def prune(
    directory: Directory,
    policy: PolicyText = "",
    *,
    keep: Keep,
    look: Look,
    care: Care,
    state: State,
    grace: Grace = "",
    in_place: InPlace = False,
    all_runs: AllRuns = False,
    all_or_nothing: AllOrNothing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    detailed: Detailed = False,
    as_json: AsJson = False,
) -> Answer:
    """Drop what the policy does not keep, after a second look at each.

    Asks first when a person is there, and needs --yes when not. With --grace what is dropped waits in the trash,
    and `holdfast undo` brings it back; without, its bytes are freed at once.
    """
    from holdfast.cli import pruning
    from holdfast.cli.keeping import policy_of
    from holdfast.cli.work import planned

    how = pruning.ways(grace, state, in_place=in_place)
    if all_runs:
        rule = policy_of(policy, keep, look.zone)
        units = pruning.units_below(directory, rule, look, care, state)
        if all_or_nothing:
            pruning.check_none_refused(units)
        return pruning.all_carried_out(units, how, yes=yes, dry_run=dry_run, as_json=as_json)
    made = planned(directory, policy, keep, look, care, state)
    nothing = NOTHING_TO_DO if detailed and not made.dropped else 0
    if dry_run:
        return pruning.shown(made, code=nothing, as_json=as_json)
    return pruning.carried_out(made, how, yes=yes, as_json=as_json, code=nothing)
