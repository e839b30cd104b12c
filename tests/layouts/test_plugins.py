"""Layouts of other distributions."""

import subprocess
import sys

from holdfast.layouts.plugins import plugins


def test_a_distribution_adds_a_layout_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "theirs_for_a_test.py").write_text("class Theirs: pass\n")
    info = tmp_path / "theirs_for_a_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs-for-a-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[holdfast.layouts]\ntheirs = theirs_for_a_test:Theirs\n")
    assert plugins() == []
    monkeypatch.syspath_prepend(tmp_path)
    assert [one.__name__ for one in plugins()] == ["Theirs"]


def test_what_importlib_metadata_costs_is_not_paid_where_there_is_nothing_to_find():
    code = "import sys; from holdfast.layouts.registry import layouts; layouts(); sys.exit('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
