"""The layout of ``docs/extending.md`` works as it stands there, installed as any distribution would bring it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "extending.md"


@pytest.fixture
def acme(tmp_path):
    """Code and entry point of the page, where Python finds installed distributions; and a run of Acme's."""
    code = re.search(r"<!-- acme_layout.py -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    section, line = re.search(r"```toml\n\[project.entry-points.\"(.*?)\"\]\n(.*?)\n```", PAGE.read_text()).groups()
    site = tmp_path / "site"
    (site / "acme-3.1.dist-info").mkdir(parents=True)
    (site / "acme_layout.py").write_text(code)
    (site / "acme-3.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 3.1\n")
    (site / "acme-3.1.dist-info" / "entry_points.txt").write_text(f"[{section}]\n{line.replace(chr(34), '')}\n")
    for step in (100, 200, 300):
        folder = tmp_path / "run" / f"acme-{step:06}"
        folder.mkdir(parents=True)
        (folder / "state.bin").write_bytes(b"x" * 4096)
        done = {"step": step, "saved_at": 1795486482.9 + step, "metrics": {"loss": 300 / step}, "bytes": 4096}
        (folder / "DONE.json").write_text(json.dumps(done))
    (tmp_path / "run" / "acme-000300" / "DONE.json").unlink()
    return tmp_path


LOOK = """
import json, sys
from holdfast.scan import scan
run = scan(sys.argv[1])
print(json.dumps([run.layout, run.atomic, [[c.step, c.status, c.why, c.time and str(c.time), c.metrics] for c in run.checkpoints]]))
"""


def test_the_layout_of_the_page_is_found_by_its_entry_point_and_reads_its_runs(acme):
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(acme / "run")], env={"PYTHONPATH": str(acme / "site")}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    layout, atomic, checkpoints = json.loads(done.stdout)
    found = {step: rest for step, *rest in checkpoints}
    assert ("acme", True) == (layout, atomic)
    assert ["complete", "", "2026-11-24 02:16:22.900000+00:00", {"loss": 3.0}] == found[100]
    assert "partial" == found[300][0], "the error over its time must not lose what is known of it"


def test_the_code_of_the_page_is_as_short_as_it_says():
    code = re.search(r"<!-- acme_layout.py -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    assert 40 >= sum(1 for line in code.splitlines() if line.strip())
