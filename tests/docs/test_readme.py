"""What the README shows is what the program does.

``HOLDFAST_GOLDEN=write`` puts what the demo prints now into the README; read the difference before you commit it.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.cli.app import EXIT_CODES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(marker):
    return re.search(rf"{re.escape(marker)}\n+```\w*\n(.*?)```", README, re.DOTALL)[1]


def normal(text):
    """Without what differs from run to run and from machine to machine: times, ages, users, the last digits."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "WHEN", text)
    text = re.sub(r"~?\b\d+[sm]\b", "AGE", text)
    text = re.sub(r"pinned by \S+", "pinned by SOMEBODY", text)
    text = re.sub(r"Look around in \S+", "Look around in DIR", text)
    text = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2g}", text)
    return " ".join(text.split())


def test_the_demo_in_the_readme_is_what_the_demo_prints(tmp_path):
    pytest.importorskip("safetensors")
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "demo", "--dir", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        shown = re.sub(r"pinned by \S+", "pinned by ann@gpu-01", done.stdout)
        shown = re.sub(r"Look around in \S+", "Look around in /tmp/holdfast-demo-r4zl1c0q", shown)
        before = block_after("<!-- the demo -->")
        (ROOT / "README.md").write_text(README.replace(before, shown), encoding="utf-8")
        return
    assert normal(done.stdout) == normal(block_after("<!-- the demo -->"))


def test_the_exit_codes_in_the_readme_are_those_of_the_help():
    assert EXIT_CODES.split() == block_after("<!-- exit codes -->").split()


def policies_in_the_readme():
    table = README.split("## Coming from elsewhere")[1].split("\n## ")[0]
    return [
        code
        for row in table.splitlines()
        for code in re.findall(r"`([a-z_]+\([^`]*)`", row.split("|")[-2] if "|" in row else "")
    ]


@pytest.mark.parametrize("text", policies_in_the_readme())
def test_each_policy_in_the_readme_can_be_read(text):
    from holdfast.policies import parse

    assert str(parse(text.replace("\\|", "|"))) == text.replace("\\|", "|")


def test_the_flags_in_the_readme_are_those_of_the_command_line():
    from holdfast.cli.groups import Keep
    from holdfast.cli.keeping import policy_of

    line = next(line for line in README.splitlines() if "--keep-latest" in line and line.startswith("holdfast plan"))
    flags = shlex.split(line)[3:]
    given = {f.removeprefix("--").replace("-", "_"): v for f, v in zip(flags[::2], flags[1::2], strict=True)}
    given["keep_best"] = [given["keep_best"]]
    text = next(line for line in README.splitlines() if line.startswith("holdfast plan") and "|" in line)
    assert str(policy_of("", Keep(**given), "UTC")) == shlex.split(text)[3]


def python_in_the_readme():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", python_in_the_readme(), ids=lambda c: c.splitlines()[0])
def test_the_python_in_the_readme_runs(code, tmp_path, monkeypatch):
    if "orbax" in code:
        pytest.importorskip("orbax.checkpoint")
    monkeypatch.chdir(tmp_path)
    run = Path("runs/llama")
    run.mkdir(parents=True)
    if "scan" in code:
        header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        for step in range(1000, 9000, 1000):
            file = run / f"step_{step}.safetensors"
            file.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
            os.utime(file, (1.7e9 + step, 1.7e9 + step))
    exec(compile(code, "README.md", "exec"), {})
    if "scan" in code:
        assert len(list(run.iterdir())) < 8
