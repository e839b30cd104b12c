"""What was done to a run, for reading: one line for each act, not one for each checkpoint."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from holdfast.report import words
from holdfast.report.screen import Cell, Column, Screen, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Record = Mapping[str, Any]

_SHOWN_ELSEWHERE = {"time", "event", "who", "plan", "policy", "step", "name", "bytes", "outcome", "reasons"}
_WORDS = {"prune": "meant to drop", "pruned": "dropped", "pin": "pinned", "unpin": "unpinned", "undone": "restored"}


def history(records: Sequence[Record], screen: Screen, *, reasons: bool = False) -> Iterator[str]:
    """What was done? One line for each act, the oldest first; with ``reasons`` why each checkpoint was dropped.

    What was meant to be dropped is shown only where nothing says that it was: there a prune was stopped.
    """
    done = {r.get("plan") for r in records if r.get("event") == "pruned"}
    acts = [act for act in _acts(records) if not (act[0].get("event") == "prune" and act[0].get("plan") in done)]
    if not acts:
        yield "nothing was ever done here"
        return
    why = _why(records) if reasons else {}
    policies = {r.get("plan"): r["policy"] for r in records if r.get("policy")}
    heads = [Column("time (UTC)"), Column("act"), Column("who"), Column("what")]
    rows = [row for act in acts for row in _rows(act, policies.get(act[0].get("plan"), ""), why)]
    yield from table(heads, rows, screen, indent="")


def _acts(records: Sequence[Record]) -> list[list[Record]]:
    """Neighbouring records of one act."""
    grouped = itertools.groupby(records, key=lambda r: (r.get("event"), r.get("plan"), r.get("outcome"), r.get("time")))
    return [list(group) for _, group in grouped]


def _why(records: Iterable[Record]) -> dict[tuple[str, str], Sequence[str]]:
    return {(r.get("plan", ""), r["name"]): r["reasons"] for r in records if r.get("reasons") and "name" in r}


def _rows(act: Sequence[Record], policy: str, why: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[list[Cell]]:
    first = act[0]
    event = str(first.get("event", words.NONE))
    outcome = first.get("outcome", "pruned")
    yield [
        Cell(str(first.get("time", words.NONE))[:19].replace("T", " "), "dim"),
        Cell(_WORDS.get(event, event) if outcome in {"pruned", "restored"} else str(outcome), "name"),
        Cell(str(first.get("who", words.NONE))),
        Cell(" · ".join([*_which(act), *([policy] if policy else []), *_besides(first)])),
    ]
    for record in act:
        if reasons := why.get((record.get("plan", ""), record.get("name", ""))):
            told = f"{_called(record)}: {' · '.join(map(str, reasons))}"
            yield [Cell(""), Cell(""), Cell(""), Cell(told, "dim")]


def _which(act: Sequence[Record]) -> Iterator[str]:
    """``6 (1.3 MiB): 100, 240, 300``."""
    named = [r for r in act if "name" in r]
    if named:
        size = sum(r.get("bytes") or 0 for r in named)
        many = f"{len(named)}" + (f" ({words.size(size)})" if size else "")
        yield f"{many}: {', '.join(map(_called, named))}"


def _called(record: Record) -> str:
    return str(record["step"] if record.get("step") is not None else record["name"])


def _besides(record: Record) -> Iterator[str]:
    for key, value in record.items():
        if key not in _SHOWN_ELSEWHERE and value not in ("", None, []):
            yield f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
