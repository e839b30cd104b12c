"""A plan, for reading: one line per checkpoint, newest first, and what it all comes to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from holdfast.plan import Decision, Outcome, Plan
from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, lines_of, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LOOKS = {Outcome.KEEP: ("●", "good"), Outcome.DROP: ("○", "bad"), Outcome.SET_ASIDE: ("◌", "warn")}
SEPARATOR = " · "


def timeline(plan: Plan, screen: Screen) -> Iterator[str]:
    """What would become of the run? The policy as understood, each checkpoint with its reasons, and the sum."""
    yield from heading(plan, screen)
    yield ""
    yield from rows(plan, plan.decisions, screen)
    yield from remarks(plan, screen)
    yield ""
    yield from lines_of(summary(plan), screen, "bold")


def heading(plan: Plan, screen: Screen) -> Iterator[str]:
    """Which policy, as of when, in which zone; and for which run?"""
    policy = f"policy {plan.policy}"
    yield from lines_of([policy, f"now {words.moment(plan.now, plan.zone)}"], screen, "bold")
    yield from lines_of([f"run {screen.place(plan.root)}", f"{plan.layout} {plan.template}"], screen, "dim")


def rows(plan: Plan, decisions: Sequence[Decision], screen: Screen) -> Iterator[str]:
    """What would become of each of these? One line each."""
    metrics = wanted(plan.policy, decisions)
    called = labels(decisions)
    heads = [
        Column("verdict"),
        Column("step", right=True),
        Column("age", right=True),
        Column("size", right=True),
        *(Column(name, right=True) for name in metrics),
        Column("reasons"),
    ]
    yield from table(heads, [_row(plan, d, metrics, called[d.name]) for d in decisions], screen)


def _row(plan: Plan, decision: Decision, metrics: Sequence[str], label: str) -> list[Cell]:
    glyph, style = _LOOKS[decision.outcome]
    kept = decision.outcome is Outcome.KEEP
    return [
        Cell(f"{glyph} {decision.outcome}", style),
        Cell(label or words.NONE, "bold" if kept else ""),
        Cell(words.age(decision.time, plan.now, decision.time_source)),
        Cell(words.size(decision.size)),
        *(Cell(words.number(decision.metrics.get(name))) for name in metrics),
        Cell(named(decision.name, label, [*decision.reasons, *decision.guards]), "" if kept else "dim"),
    ]


class _Stepped(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def step(self) -> int | None: ...


def labels(checkpoints: Iterable[_Stepped]) -> dict[str, str]:
    """How is each called? By name: its step, where that says which one it is; else nothing."""
    known = list(checkpoints)
    often = Counter(c.step for c in known)
    return {c.name: str(c.step) if c.step is not None and often[c.step] == 1 else "" for c in known}


def named(name: str, label: str, texts: Sequence[str]) -> str:
    """What is said of a checkpoint? With its name in front, where its step does not say which one it is."""
    said = SEPARATOR.join(texts)
    if label:
        return said
    return f"{name}: {said}" if said else name


def wanted(policy: str, decisions: Iterable[Decision]) -> list[str]:
    """Which metrics does the policy speak of, among those that there are?"""
    present = {name for d in decisions for name in d.metrics}
    return sorted(n for n in present if f'"{n}"' in policy or f'"{n.replace("/", ".")}"' in policy)


def remarks(plan: Plan, screen: Screen) -> Iterator[str]:
    """What else is to be known? Notes, a live run, file times, what was not recognised."""
    lines = list(_remarks(plan))
    if lines:
        yield ""
    for line in lines:
        yield from lines_of([line], screen, "dim")


def _remarks(plan: Plan) -> Iterator[str]:
    yield from (f"note: {note}" for note in plan.notes)
    if plan.live:
        yield "note: live: something in this run changed within the hour"
    if any(words.age(d.time, plan.now, d.time_source).startswith("~") for d in plan.decisions):
        yield "~ the time of the files; nothing in these checkpoints records when they were saved"
    if plan.foreign:
        shown = ", ".join(f.path for f in plan.foreign[:4])
        more = f", and {len(plan.foreign) - 4} more" if len(plan.foreign) > 4 else ""
        yield f"not a checkpoint of this run, never touched: {shown}{more}"


def summary(plan: Plan) -> Iterator[str]:
    """What would it come to? ``would keep 9 (112 GiB) · drop 31 (388 GiB) · set aside 2``."""
    kept, dropped = plan.kept, plan.dropped
    yield f"would keep {len(kept)}" + (f" ({words.total(d.size for d in kept)})" if kept else "")
    size = words.total((d.size for d in dropped), plan.bytes_shared)
    yield f"drop {len(dropped)}" + (f" ({size})" if dropped else "")
    if plan.set_aside:
        yield f"set aside {len(plan.set_aside)}"
    if plan.refusal:
        yield f"refused: {plan.refusal}"


def because(plan: Plan, decision: Decision, screen: Screen) -> Iterator[str]:
    """Why does one checkpoint stay or go? One reason a line."""
    glyph, style = _LOOKS[decision.outcome]
    verb = {Outcome.KEEP: "would be kept", Outcome.DROP: "would be dropped", Outcome.SET_ASIDE: "is set aside"}
    yield from heading(plan, screen)
    yield ""
    facts = (words.age(decision.time, plan.now, decision.time_source), words.size(decision.size))
    known = ", ".join(f for f in facts if f != words.NONE)
    subject = f"{glyph} {decision.name} {verb[decision.outcome]}"
    yield screen.paint(screen.plain(subject), style) + screen.plain(f" ({known})" if known else "")
    for label, texts in (("rule", decision.reasons), ("guard", decision.guards)):
        name = "why" if decision.outcome is Outcome.SET_ASIDE else "misses" if _misses(decision, label) else label
        yield from (line for text in texts for line in lines_of([f"{name}: {text}"], screen, indent="  "))
    for name, value in decision.metrics.items():
        yield from lines_of([f"{name} = {words.number(value)}"], screen, "dim", indent="  ")


def _misses(decision: Decision, label: str) -> bool:
    return decision.outcome is Outcome.DROP and label == "rule"
