"""Which laws a policy obeys, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.report.screen import Screen, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.policies.laws import Law, LintReport

_LOOKS = {True: ("✓ holds", "good"), False: ("✗ does not hold", "bad"), None: ("◌ not promised", "warn")}


def laws(report: LintReport, screen: Screen) -> Iterator[str]:
    """Which laws hold? And a counter-example for each that does not."""
    yield from lines_of([f"policy {report.policy}"], screen, "bold")
    for law in report.laws:
        yield ""
        yield from _law(law, screen)
    for note in report.notes:
        yield from ("", *lines_of([f"note: {note}"], screen, "warn"))


def _law(law: Law, screen: Screen) -> Iterator[str]:
    text, style = _LOOKS[law.holds]
    yield f"{screen.paint(screen.plain(text), style)}  {screen.paint(screen.plain(law.name), 'bold')}"
    yield from lines_of([law.says], screen, "dim", indent="  ")
    if law.counter_example:
        for line in str(law.counter_example).splitlines():
            text = line.lstrip()
            yield from lines_of([text], screen, indent="  " + line[: len(line) - len(text)])
