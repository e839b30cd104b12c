"""What most commands do first: find the run, read the policy, make the plan, name a checkpoint."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.keeping import policy_of
from holdfast.errors import NotFoundError, UsageError
from holdfast.report.words import zone_of
from holdfast.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdfast.checkpoint import Checkpoint, Run
    from holdfast.cli.groups import Care, Keep, Look, State
    from holdfast.errors import StoreError
    from holdfast.plan import Decision, Plan
    from holdfast.preservation_policies import PreservationPolicy


def now() -> datetime:
    """As of which moment does a command decide? The only clock of the command line."""
    return datetime.now(tz=UTC)


def one_run(directory: str, look: Look, policy: PreservationPolicy | None = None) -> Run:
    """Which one run is meant? Refused, with a list, if there are several."""
    from holdfast.scan import scan

    run = scan(
        directory,
        policy=policy,
        pattern=look.pattern or None,
        layout=look.layout or None,
        template=look.template or None,
    )
    return with_metrics(run, look)


def runs_of(directory: str, look: Look) -> tuple[list[Run], dict[str, StoreError]]:
    """Which runs lie in and below a directory, and which directories below cannot be read?

    Only the one run that is meant, if a layout, template or pattern says so.
    """
    from holdfast.scan import find_runs

    if look.layout or look.template or look.pattern:
        return [one_run(directory, look)], {}
    unread: dict[str, StoreError] = {}
    runs = [with_metrics(run, look) for run in find_runs(directory, on_error=unread.__setitem__)]
    return runs or [one_run(directory, look)], unread  # the one says what is there instead


def with_metrics(run: Run, look: Look) -> Run:
    """What does the file that ``--metrics`` names, relative to the run's directory, add to the run?"""
    if not look.metrics:
        return run
    from holdfast import sidecar

    spec = sidecar.Sidecar.parse(look.metrics)
    path = Path(run.root) / spec.file
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise UsageError(f"--metrics {look.metrics}: {spec.file} is no file, in {run.root}")
    try:
        with path.open("rb") as file:
            data = file.read(sidecar.LIMIT + 1)
    except OSError as error:
        raise UsageError(f"--metrics {look.metrics}: {spec.file}: {error.strerror}, in {run.root}") from error
    if len(data) > sidecar.LIMIT:
        raise UsageError(f"--metrics {look.metrics}: {spec.file} is larger than {sidecar.LIMIT >> 20} MiB")
    return spec.attach(run, data)


def plan_of(run: Run, policy: PreservationPolicy, look: Look, care: Care, state: State) -> Plan:
    """What would become of one run, as of now, with its pins and leases?"""
    from holdfast.plan import plan
    from holdfast.prune import holds

    at = now()
    zone_of(look.zone)  # a zone that is none is said before any work
    return plan(
        run,
        policy,
        now=at,
        holds=holds(run.root, state_dir=state.state_dir or None, now=at),
        trust_file_times=care.trust_file_times,
        min_age=duration("--min-age", care.min_age),
        drop_limit=drop_limit(care.max_drop),
        repoint=care.repoint,
        zone=look.zone,
    )


def planned(directory: str, text: str, keep: Keep, look: Look, care: Care, state: State) -> Plan:
    """What would become of the run in a directory, after all that the command line says?"""
    policy = policy_of(text, keep, look.zone)
    return plan_of(one_run(directory, look, policy), policy, look, care, state)


def duration(flag: str, text: str) -> timedelta | None:
    """How long? None if the flag was not given."""
    if not text:
        return None
    try:
        return parse_duration(text)
    except UsageError as error:
        raise UsageError(f"{flag} {text}: {error}") from error


def drop_limit(text: str) -> float | None:
    """How many may be dropped: a number, or a share of all (``50%``)? None: no limit."""
    if not text:
        return None
    try:
        limit = float(text[:-1]) / 100 if text.endswith("%") else int(text)
    except ValueError:
        limit = -1
    if not limit >= 0 or (text.endswith("%") and limit > 1):
        raise UsageError(f"--max-drop {text}: give a number of checkpoints (20) or a share up to 100% (50%)")
    return limit


def chosen(plan: Plan, wanted: str) -> Decision:
    """Which one checkpoint of the plan does a name or a step stand for?"""
    return plan[name_of(wanted, {d.name: d.step for d in plan.decisions}, plan.root)]


def name_of(wanted: str, steps: Mapping[str, int | None], root: str) -> str:
    """Which name, among these of a run, does a name or a step stand for? Refused, with the candidates, if several."""
    if wanted in steps:
        return wanted
    same = sorted(name for name, step in steps.items() if step is not None and wanted == str(step))
    if len(same) == 1:
        return same[0]
    if same:
        raise UsageError(f"step {wanted} is ambiguous here: {', '.join(same)}; give the name")
    raise NotFoundError(f"no checkpoint {wanted!r} in {root}; there are {_some(steps)}")


def _some(names: Iterable[str], most: int = 8) -> str:
    known = sorted(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def one_checkpoint(directory: str, wanted: str, look: Look) -> tuple[Run, Checkpoint]:
    """Which run lies in the directory, and which one checkpoint of it does a name or a step stand for?"""
    run = one_run(directory, look)
    name = name_of(wanted, {c.name: c.step for c in run.checkpoints}, run.root)
    return run, next(c for c in run.checkpoints if c.name == name)


def written(file: str, text: str) -> None:
    """Put a text into a file that the user named, whole or not at all."""
    path = Path(file)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name a file that can be written") from error
