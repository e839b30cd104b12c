"""``docs/layouts.md`` has a row for every layout, and every test that it names exists."""

import re
from pathlib import Path

from holdfast.layouts.registry import layouts

ROOT = Path(__file__).parent.parent
PAGE = (ROOT.parent / "docs" / "layouts.md").read_text()
ROWS = re.findall(r"^\| `([\w-]+)`[^|]*\|(.*)\|$", PAGE, re.MULTILINE)


def test_every_layout_has_its_row_and_its_sample_in_the_table():
    assert sorted(name for name, _ in ROWS) == sorted(layout.name for layout in layouts())
    suite = (ROOT / "layouts" / "test_conformance.py").read_text()
    samples = {"-".join(pair) for pair in re.findall(r'\("([\w-]+)", "(\w+)"\)', suite)}
    for name, row in ROWS:
        named = set(re.findall(r"\[([\w-]+)\]", row))
        assert named, name
        assert named <= samples


def test_every_cell_is_filled():
    for name, row in ROWS:
        assert all(cell.strip() for cell in row.split("|")), name
        assert len(row.split("|")) == 6


def test_every_test_that_the_page_names_exists():
    for folder, name in set(re.findall(r"`(frameworks/)?(test_\w+)`", PAGE)):
        where = ROOT / (folder or "layouts/")
        defined = (path.read_text() for path in where.glob("test_*.py"))
        assert any(f"def {name}(" in text for text in defined), name
