"""A mistake is one clear message, an exit code that says what kind, and with --json one valid document (S3, S24)."""

import json
import os
import pty
import subprocess
import sys

import pytest

from holdfast import errors

ERRORS = [
    (1, "NotFoundError", ["scan", "{none}"]),
    (1, "NotFoundError", ["why", "{run}", "77", "latest(3)"]),
    (1, "NotFoundError", ["apply", "{none}", "--yes"]),
    (1, "FormatError", ["apply", "{run}/metrics.jsonl", "--yes"]),
    (1, "NotFoundError", ["undo", "{run}"]),
    (1, "NotFoundError", ["unpin", "{run}", "100"]),
    (2, "UsageError", ["plan", "{run}"]),
    (2, "PolicySyntaxError", ["plan", "{run}", "latest(3"]),
    (2, "PolicySyntaxError", ["plan", "{run}", "lastest(3)"]),
    (2, "UsageError", ["plan", "{run}", "latest(0)"]),
    (2, "PolicySyntaxError", ["plan", "{run}", "latest(-1)"]),
    (2, "PolicySyntaxError", ["plan", "{run}", "within('7 parsecs')"]),
    (2, "UsageError", ["plan", "{run}", "--keep-latest", "x"]),
    (2, "MetricError", ["plan", "{run}", 'best(2, "eval/los", mode="min")', "--metrics", "metrics.jsonl"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--zone", "Mars/Olympus"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--min-age", "soon"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--max-drop", "most"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--max-drop", "200%"]),
    (2, "UsageError", ["plan", "{run}", "", "--keep-latest", "3"]),
    (2, "UsageError", ["plan", "{run}", "--keep-latest", "3", "--keep-daily", ""]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--keep-best", " "]),
    (2, "UsageError", ["prune", "{run}", "latest(3)", "--yes", "--grace", ""]),
    (2, "UsageError", ["prune", "{run}", "latest(3)", "--yes", "--max-drop", ""]),
    (2, "UsageError", ["prune", "{run}", "latest(3)", "--yes", "--state-dir", ""]),
    (2, "UsageError", ["prune", "{run}", "latest(3)", "--yes", "--all-runs", "--pattern", "w-{{step}}.bin"]),
    (2, "UsageError", ["prune", "{run}", "latest(3)", "--yes", "--all-runs", "--layout", "obrax"]),
    (1, "NotFoundError", ["prune", "{run}", "latest(3)", "--yes", "--all-runs", "--template", "stpe_{{step}}.pt"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--layout", "obrax"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--metrics", "none.jsonl"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--out", "{none}/plan.json"]),
    (2, "UsageError", ["plan"]),
    (2, "UsageError", ["plan", "{run}", "latest(3)", "--keep-lastest", "3"]),
    (2, "UsageError", ["plna", "{run}"]),
    (2, "UsageError", ["lease", "{run}", "100", "--", "no-such-command-here"]),
    (4, "RefusedError", ["prune", "{run}", "latest(3)"]),
    (4, "RefusedError", ["prune", "{run}", "latest(3)", "--yes", "--max-drop", "1"]),
]


@pytest.mark.parametrize(
    ("code", "kind", "arguments"), ERRORS, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_an_error_is_one_message_and_one_document(code, kind, arguments, run, tmp_path, holdfast):
    given = [a.format(run=run, none=tmp_path / "none") for a in arguments]
    said = holdfast(*given)
    assert (code, "") == (said.code, said.out)
    assert said.err.startswith("holdfast: ")
    assert "Traceback" not in said.err
    before_command = given.index("--") if "--" in given else len(given)
    document = holdfast(*given[:before_command], "--json", *given[before_command:])
    assert document.code == code
    error = document.json["error"]
    assert document.json["schema"] == "holdfast.error/1"
    assert (kind, code) == (error["type"], error["exit_code"])
    assert error["message"] in document.err.replace("holdfast: ", "", 1)
    assert len(list(run.glob("*.safetensors"))) == 10


def test_every_kind_of_error_has_an_exit_code_that_the_help_explains(holdfast):
    told = holdfast("--help").out
    kinds = [errors.HoldfastError, *_below(errors.HoldfastError)]
    assert all(f"  {kind.exit_code}  " in told for kind in kinds)
    for code, word in enumerate(["done", "error", "sense", "part", "refused", "locked", "nothing to do"]):
        assert any(line.startswith(f"  {code}  ") and word in line for line in told.splitlines())


def _below(kind):
    return [k for one in kind.__subclasses__() for k in (one, *_below(one))]


def test_each_command_explains_itself_and_the_exit_codes(holdfast):
    from holdfast.cli.app import COMMANDS

    for command in COMMANDS:
        said = holdfast(command, "--help")
        assert said.code == 0
        assert "Usage: holdfast" in said.out
        assert "4 refused" in said.out
        assert "--json" in said.out


def test_a_bug_is_shown_whole_and_is_still_a_document(holdfast, monkeypatch):
    monkeypatch.setattr("holdfast.cli.work.runs_of", lambda *_: 1 / 0)
    said = holdfast("scan", ".", "--json")
    assert said.code == 1
    assert "a bug in holdfast" in said.json["error"]["message"]
    assert "Traceback" in said.err


def test_an_interrupt_is_told_and_is_still_a_document(holdfast, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("holdfast.cli.work.runs_of", interrupted)
    said = holdfast("scan", ".", "--json")
    assert said.code == 130
    assert said.json["error"]["message"] == "interrupted"


def run_program(*arguments, env=None, **more):
    return subprocess.run(
        [sys.executable, "-m", "holdfast", *map(str, arguments)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        check=False,
        **more,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_no_encoding_makes_it_fail(run, encoding):
    (run / os.fsdecode(b"\xff\xfe.txt")).write_text("")
    (run / "名前\x1b[2J.txt").write_text("")
    for command in (
        ["scan", run],
        ["plan", run, "latest(3)"],
        ["plan", run, "latest(3)", "--json"],
        ["plan", "--help"],
        ["--help"],
    ):
        done = run_program(*command, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout
        done.stdout.decode(encoding)


@pytest.mark.parametrize("width", ["20", "80"])
def test_help_can_be_printed_anywhere(width):
    for command in ("plan", "prune", "lease"):
        said = run_program(command, "--help", env={"PYTHONIOENCODING": "ascii", "COLUMNS": width})
        assert (0, b"") == (said.returncode, said.stderr)


def test_piped_output_is_one_line_per_checkpoint(run):
    done = run_program("plan", run, "latest(3)", env={"COLUMNS": ""})
    lines = [line for line in done.stdout.decode().splitlines() if " keep " in line or " drop " in line]
    assert len([line for line in lines if line.startswith("  ")]) == 10


def test_a_reader_that_has_seen_enough_ends_it_quietly(run):
    script = f"{sys.executable} -m holdfast plan {run} 'latest(3)' | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert done.stderr == b""


def at_a_terminal(arguments, typed):
    """Run it where a person is there: on a pseudo-terminal; what it printed, and its exit code."""
    terminal, its_end = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "holdfast", *map(str, arguments)],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(its_end)
    os.write(terminal, typed.encode())
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    return shown.decode(), program.wait()


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 3), ("n\n", 4, 10), ("\n", 4, 10), ("\x04", 4, 10)])
def test_a_person_is_shown_the_plan_and_asked(run, typed, code, left):
    shown, got = at_a_terminal(["prune", run, "latest(3)"], typed)
    assert code == got, shown
    assert "would keep 3" in shown
    assert "Drop 7 checkpoints" in shown
    assert len(list(run.glob("*.safetensors"))) == left


def test_a_terminal_gets_colour_and_no_color_is_honoured(run, monkeypatch):
    assert "\x1b[32m" in at_a_terminal(["plan", run, "latest(3)"], "")[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in at_a_terminal(["plan", run, "latest(3)"], "")[0]


def test_a_dry_run_and_a_plan_are_the_same_document_but_for_the_moment(run):
    first = json.loads(run_program("plan", run, "latest(3)", "--json").stdout)
    second = json.loads(run_program("prune", run, "latest(3)", "--dry-run", "--json").stdout)
    for one in (first, second):
        del one["now"], one["id"]
    assert first == second


def test_the_front_page_imports_neither_numpy_nor_a_command():
    code = (
        "import sys; from holdfast.cli import main; main(['--help'])\n"
        "heavy = {'numpy', 'rich', 'pydantic', 'holdfast.plan', 'holdfast.cli.plan'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_plan_imports_no_pydantic_and_no_rich(run):
    code = (
        f"import sys; from holdfast.cli import main; main(['plan', {str(run)!r}, 'latest(3)'])\n"
        "heavy = {'rich', 'pydantic', 'torch', 'jax'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
