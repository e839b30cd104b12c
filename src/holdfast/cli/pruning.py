"""From a plan to a report: asks where a person is there, refuses where nobody is, shows progress, and acts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from holdfast.cli.answer import PARTIAL, Answer, show
from holdfast.cli.work import duration, plan_of, with_metrics
from holdfast.errors import HoldfastError, NotFoundError, RefusedError, UsageError
from holdfast.report.outcome import Unit, pruned, runs
from holdfast.report.timeline import timeline
from holdfast.report.words import count, total
from holdfast.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.checkpoint import Run
    from holdfast.cli.groups import Care, Look, State
    from holdfast.plan import Plan
    from holdfast.preservation_policies import PreservationPolicy
    from holdfast.prune import Report

DEFAULT_SHARE = "50%"
"""What may go from each run where nobody looks at that run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ways:
    """How is a plan to be carried out?"""

    grace: timedelta
    state_dir: str | None
    trash_dir: str | None
    in_place: bool


def ways(grace: str, state: State, *, in_place: bool) -> Ways:
    """How, after what the command line says?"""
    return Ways(
        grace=duration("--grace", grace) or timedelta(0),
        state_dir=state.state_dir or None,
        trash_dir=state.trash_dir or None,
        in_place=in_place,
    )


def shown(plan: Plan, *, code: int, as_json: bool) -> Answer:
    """What does a dry run answer? The plan itself."""
    return Answer(as_json=as_json, document=plan.to_json, lines=lambda s: timeline(plan, s), code=code)


def carried_out(plan: Plan, how: Ways, *, yes: bool, as_json: bool, code: int = 0) -> Answer:
    """Ask, act, and answer with the report. A plan over its drop limit is refused before anything else."""
    _within_limit(plan, f"{plan.root}: ")
    asked = bool(plan.dropped) and not yes
    if asked:
        _ask(plan, how, as_json=as_json)
    report = act(plan, how)
    return Answer(
        as_json=as_json,
        document=report.to_json,
        lines=lambda screen: pruned(plan, report, screen, headed=not asked),
        code=report.exit_code or code,
    )


def _within_limit(plan: Plan, where: str = "") -> None:
    if plan.refusal:
        raise RefusedError(f"{where}{plan.refusal}; if that is meant, raise it with --max-drop")


def a_person_is_there() -> bool:
    """Can somebody be asked?"""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> None:
    """Ask on standard error; ``RefusedError`` unless the answer is yes, or if nobody is there to be asked."""
    if not a_person_is_there():
        raise RefusedError("nobody is here to be asked: add --yes to do it, or --dry-run to see the plan")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError("not done, as answered; nothing was dropped")


def _ask(plan: Plan, how: Ways, *, as_json: bool) -> None:
    if not a_person_is_there():
        confirmed("")
    if not as_json:
        show(lambda screen: timeline(plan, screen))
    size = total((d.size for d in plan.dropped), plan.bytes_shared)
    fate = f"They wait {format_duration(how.grace)} in the trash." if how.grace else "They are gone for good then."
    confirmed(f"\nDrop {count(len(plan.dropped), 'checkpoint')} ({size})? {fate}")


def act(plan: Plan, how: Ways) -> Report:
    """Carry the plan out, with a bar on a terminal where it takes long."""
    from holdfast.prune import prune

    with progress() as step:
        return prune(
            plan,
            grace=how.grace,
            state_dir=how.state_dir,
            trash_dir=how.trash_dir,
            in_place=how.in_place,
            progress=step,
        )


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar on standard error, where that is a terminal: takes what is being done, how far, and of how many."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def step(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        yield step


# Several runs ------------------------------------------------------------------------------------------------------


def units_below(directory: str, policy: PreservationPolicy, look: Look, care: Care, state: State) -> list[Unit]:
    """What would become of each run below a directory, or why can it not be told? None loses more than the limit."""
    from holdfast.scan import find_runs

    limited = dataclasses.replace(care, max_drop=care.max_drop or DEFAULT_SHARE)
    unread: list[Unit] = []
    _check_chosen(look)
    found = find_runs(directory, on_error=lambda path, error: unread.append(Unit(name=path, error=error)))
    found = [run for run in found if look.layout in {"", run.layout} and look.template in {"", run.template}]
    if not (found or unread):
        which = " as chosen by --layout and --template" if look.layout or look.template else ""
        raise NotFoundError(
            f"no run{which} was found in or below {directory}; `holdfast layouts` lists what is recognised"
        )
    return [*(_unit(run, policy, look, limited, state) for run in found), *unread]


def _check_chosen(look: Look) -> None:
    """``UsageError`` where what chooses a run cannot choose among several."""
    if look.pattern:
        raise UsageError("--pattern names the files of one run: leave out --all-runs, and give each run's directory")
    if look.layout:
        from holdfast.layouts import registry

        registry.layout(look.layout)


def _unit(run: Run, policy: PreservationPolicy, look: Look, care: Care, state: State) -> Unit:
    name = f"{run.root}/{run.template}"
    try:
        plan = plan_of(with_metrics(run, look), policy, look, care, state)
        _within_limit(plan)
    except HoldfastError as error:
        return Unit(name=name, error=error)
    return Unit(name=name, plan=plan)


def check_none_refused(units: Sequence[Unit]) -> None:
    """``RefusedError`` if there is a run that must not be pruned."""
    refused = [f"{unit.name}: {unit.error}" for unit in units if unit.error is not None]
    if refused:
        raise RefusedError("nothing was dropped, because of " + "; ".join(refused))


def all_carried_out(units: Sequence[Unit], how: Ways, *, yes: bool, dry_run: bool, as_json: bool) -> Answer:
    """Ask once, act on each run that is not refused, and answer with what became of each."""
    if not (yes or dry_run) and any(u.plan.dropped for u in units if u.plan):
        _ask_all(units, as_json=as_json)
    done = units if dry_run else [_acted(unit, how) for unit in units]
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.runs/1", "runs": [_unit_document(u) for u in done]},
        lines=lambda screen: runs(done, screen),
        code=_worst([u.code for u in done]),
    )


def _ask_all(units: Sequence[Unit], *, as_json: bool) -> None:
    if not a_person_is_there():
        confirmed("")
    if not as_json:
        show(lambda screen: runs(units, screen))
    dropped = sum(len(u.plan.dropped) for u in units if u.plan)
    confirmed(f"\nDrop {count(dropped, 'checkpoint')} in {count(len(units), 'run')}?")


def _acted(unit: Unit, how: Ways) -> Unit:
    if unit.plan is None:
        return unit
    try:
        return dataclasses.replace(unit, report=act(unit.plan, how))
    except HoldfastError as error:
        return dataclasses.replace(unit, error=error)


def _worst(codes: Sequence[int]) -> int:
    """0 if all went well; the common code if all went wrong in one way; else 3: done in part."""
    return codes[0] if len(set(codes)) == 1 else PARTIAL


def _unit_document(unit: Unit) -> dict[str, Any]:
    return {
        "run": unit.name,
        "plan": json.loads(unit.plan.to_json()) if unit.plan else None,
        "report": json.loads(unit.report.to_json()) if unit.report else None,
        "error": {"type": type(unit.error).__name__, "message": str(unit.error)} if unit.error else None,
    }
