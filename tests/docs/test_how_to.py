"""Every command and every piece of Python in docs/how-to.md and docs/concepts.md runs, and says what the page says.

Each ``##`` section runs from top to bottom in a directory of its own, with the run that its ``<!-- made: -->`` names.

    console     commands after ``$``, and all that they print
    sh          commands that must succeed
    crontab     lines of a crontab, run once
    python      runs; shares its names with the section

``HOLDFAST_GOLDEN=write`` puts what the commands print now into the page; read the difference before you commit it.
"""

import errno
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.cli import main
from holdfast.errors import StoreError
from holdfast.plan import plan
from holdfast.prune import prune
from holdfast.scan import scan
from holdfast.stores.faults import Faults

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANN = "ann@gpu-01"
SHELL = re.compile(r"[|;&<>$*]")


def sections():
    for page in ("concepts", "how-to"):
        for part in re.split(r"^## ", (DOCS / f"{page}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if BLOCK.search(part):
                yield pytest.param(page, part, id=f"{page}: {part.splitlines()[0]}")


def commands(block):
    """Each command, with its backslashed lines, and what it printed."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
        yield "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).strip("\n")


def normal(text):
    """Without what differs from run to run: times and short ages; and without the layout of a table."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "WHEN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "WHEN", text)
    text = re.sub(r"\b\d+s\b", "AGE", text)
    return " ".join(text.split())


def shown(text):
    """With a name in place of whoever runs the tests, and the heading of its column as wide as that name."""
    whoever = re.search(r"(?<=\s)[\w.-]+@[\w.-]+", text)
    if whoever:
        text = text.replace(whoever[0], ANN)
        text = re.sub(
            r"^(hold .*owner|time .*who)( +)",
            lambda m: f"{m[1]}{' ' * (len(m[2]) + len(ANN) - len(whoever[0]))}",
            text,
            flags=re.MULTILINE,
        )
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


class Shell:
    """Where the commands of a section run, and what they print."""

    def __init__(self, where, capfd):
        self._where, self._capfd = where, capfd

    def run(self, command):
        """Its exit code, and what it printed, with the directory called /data and the user ann."""
        self._capfd.readouterr()
        command = command.replace("/data/", f"{self._where}/")
        if SHELL.search(re.sub(r"'[^']*'", "", command)) or not command.startswith("holdfast "):
            code = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, check=False).returncode
        else:
            code = main(shlex.split(command.replace("\\\n", " "))[1:])
        out, err = self._capfd.readouterr()
        return code, shown(f"{err}{out}".replace(str(self._where), "/data"))


@pytest.fixture
def shell(tmp_path, tmp_path_factory, monkeypatch, capfd):
    """A directory in which ``holdfast`` and ``python`` are those of the tests."""
    programs = tmp_path_factory.mktemp("bin")
    for name, how in {"holdfast": "-m holdfast", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {how} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capfd)


@pytest.fixture
def made(tmp_path, trainer_run, file_run):
    """The run that a section names."""

    def make(name):
        runs = tmp_path / "runs"
        match name:
            case "trainer":
                trainer_run(runs / "llama")
            case "two":
                trainer_run(runs / "llama")
                trainer_run(runs / "qwen", steps=range(100, 400, 100))
            case "evaluation":
                trainer_run(runs / "llama")
                (tmp_path / "evaluate.py").write_text("import sys\nprint('evaluated', sys.argv[1])\n")
            case "own names":
                file_run(runs / "net", name="net-{}.pt", steps=range(100, 600, 100))
            case "own metrics":
                file_run(runs / "llama", steps=range(200, 1200, 200), log="metrics.jsonl")
            case "copied":
                file_run(runs / "copy", steps=range(100, 600, 100), hours=0)
            case "rewound":
                file_run(runs / "llama", steps=[100, 200, 500, 600, 300, 400])
            case "nothing":
                pass
            case _:
                raise AssertionError(f"no run is called {name!r}")

    return make


def console(block, shell):
    """The block anew; a command that prints what it printed before, but for times, stays as it is."""
    for command, expected in commands(block):
        _, printed = shell.run(command)
        yield f"$ {command}"
        yield expected if normal(expected) == normal(printed) else printed


def ran(kind, block, shell, names):
    """The block as it must be, after it ran."""
    if kind == "console":
        return "\n".join(line for line in console(block, shell) if line) + "\n"
    if kind == "crontab":
        for line in block.splitlines():
            code, printed = shell.run(line.split(None, 5)[5].replace("\\%", "%"))
            assert code == 0, printed
    elif kind == "sh":
        code, printed = shell.run(f"set -e\n{block}")
        assert code == 0, printed
    elif kind == "python":
        exec(compile(block, "how-to.md", "exec"), names)
    else:
        raise AssertionError(f"nobody runs a block of {kind}")
    return block


@pytest.mark.parametrize(("page", "section"), list(sections()))
def test_what_the_page_says_is_what_happens(page, section, shell, made):
    if "orbax" in section.splitlines()[0].lower():
        pytest.importorskip("orbax.checkpoint")
    made(m[1] if (m := re.search("<!-- made: (.*) -->", section)) else "trainer")
    names = {"__name__": page}
    for kind, block in BLOCK.findall(section):
        if kind == "text":
            continue
        anew = ran(kind, block, shell, names)
        if os.environ.get("HOLDFAST_GOLDEN") == "write":
            file = DOCS / f"{page}.md"
            file.write_text(file.read_text(encoding="utf-8").replace(block, anew, 1), encoding="utf-8")
        else:
            assert anew == block


FULL = OSError(errno.ENOSPC, "No space left on device")


def test_what_the_page_says_of_a_full_disk_is_what_happens(tmp_path, made):
    made("trainer")
    told = " ".join((DOCS / "how-to.md").read_text(encoding="utf-8").split())
    root = tmp_path / "runs" / "llama"
    made_plan = plan(scan(str(root)), "latest(3)", now=datetime.now(UTC))
    full = Faults(0, FULL, watch={"mkdir", "write", "symlink"}, again=True)
    with pytest.raises(StoreError) as refused:
        prune(made_plan, grace=timedelta(days=7), fs=full.posix)
    assert str(refused.value) in told
    full = Faults(0, FULL, watch={"mkdir", "write", "symlink"}, again=True)
    report = prune(made_plan, fs=full.posix)
    assert all(warning in told for warning in report.warnings)
    assert len(list(root.iterdir())) == 3


@pytest.mark.parametrize("page", sorted(p.name for p in DOCS.glob("*.md")))
def test_links_between_the_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", text):
        file, _, anchor = target.partition("#")
        there = DOCS / (file or page)
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]
            assert anchor in slugs, target
