"""Each promise of the page on safety names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs/safety.md").read_text(encoding="utf-8").splitlines() if "`tests/" in line]


def places(row):
    found = [ROOT / place for place in re.findall(r"`(tests/[\w/.]*)`", row)]
    return found + [found[0].parent / place for place in re.findall(r"`(test_\w+\.py)`", row)]


def numbers(row):
    for first, last in re.findall(r"S(\d+)(?: ?– ?S?(\d+))?", row.replace("S1–S11", "S1 – S11")):
        yield from range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_promise_are_there_under_its_number(row):
    assert all(place.exists() for place in places(row))
    files = [f for place in places(row) for f in (place.rglob("test_*.py") if place.is_dir() else [place])]
    text = "".join(f.read_text(encoding="utf-8") for f in files).lower()
    for number in numbers(row):
        assert re.search(rf"\bs{number}\b|_s{number}[_(]", text), f"S{number}"


def test_the_page_has_its_table():
    assert len(ROWS) >= 10
