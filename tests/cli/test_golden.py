"""What is printed, to the letter, at 80 and 200 columns and where only ASCII can be shown.

``HOLDFAST_GOLDEN=write`` writes the files anew; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

from holdfast.plan import Outcome
from holdfast.prune.report import Done, Item, Report
from holdfast.report.inventory import inventory, overview
from holdfast.report.outcome import pruned
from holdfast.report.screen import Screen
from holdfast.report.timeline import because, timeline

GOLDEN = Path(__file__).parent / "golden"
SCREENS = {
    "80": Screen(width=80),
    "200": Screen(width=200),
    "ascii": Screen(width=80, unicode=False),
    "colour": Screen(width=120, colour=True),
}


def same(name, lines):
    text = "".join(line + "\n" for line in lines)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("screen", SCREENS)
def test_a_plan(made_plan, screen):
    same(f"plan-{screen}", timeline(made_plan, SCREENS[screen]))


@pytest.mark.parametrize("screen", SCREENS)
def test_a_run(made_run, now, screen):
    same(f"scan-{screen}", inventory(made_run, SCREENS[screen], now=now, zone="Europe/Berlin"))


@pytest.mark.parametrize("screen", SCREENS)
def test_several_runs(made_run, now, screen):
    same(f"runs-{screen}", overview([made_run, made_run], SCREENS[screen], now=now))


@pytest.mark.parametrize("outcome", Outcome)
def test_the_reasons_for_one(made_plan, outcome):
    decision = next(d for d in made_plan.decisions if d.outcome is outcome)
    same(f"why-{outcome.name.lower()}", because(made_plan, decision, Screen(width=80)))


@pytest.mark.parametrize("screen", SCREENS)
def test_a_prune_in_the_past_tense(made_plan, screen):
    report = Report(
        root=made_plan.root,
        action="prune",
        items=(
            Item(name="checkpoint-39050", step=39050, outcome=Done.PRUNED, bytes=3_865_470_566),
            Item(name="checkpoint-39000", step=39000, outcome=Done.SKIPPED, why="changed since the plan was made"),
            Item(name="checkpoint-38500", step=38500, outcome=Done.FAILED, why="Permission denied"),
        ),
        waiting=3_865_470_566,
    )
    same(f"pruned-{screen}", pruned(made_plan, report, SCREENS[screen]))


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.txt")), ids=lambda f: f.stem)
def test_nothing_printed_is_too_wide_or_moves_the_cursor(file):
    text = file.read_text(encoding="utf-8")
    assert "\x1b[31m\n" not in text
    assert all(ch in {"\n", "\x1b"} or ch.isprintable() for ch in text)
    if "colour" not in file.stem:
        assert "\x1b" not in text
    if "ascii" in file.stem:
        assert text.isascii()
    if "-80" in file.stem or "ascii" in file.stem:
        assert max(map(len, text.splitlines())) <= 80
