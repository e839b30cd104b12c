"""Which commands are there, and how does a line of arguments become an answer and an exit code?

A command's file is imported only when the command is called, and each imports what it works with inside: that is
what keeps ``holdfast --help`` fast.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from holdfast import __version__
from holdfast.cli.answer import Answer, send_error, show
from holdfast.errors import HoldfastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.report.screen import Screen

INTERRUPTED = 130


class Topic(NamedTuple):
    """Which commands belong together, and what does each do, in a line?"""

    title: str
    commands: dict[str, str]


TOPICS = (
    Topic(
        "Look",
        {
            "scan": "what is there: a run's checkpoints, or the runs below a directory",
            "plan": "what would stay and what would go, each with its reasons; changes nothing",
            "why": "why one checkpoint would stay or go",
            "check": "what is broken, dangling or left over; --clean-partial removes leftovers",
        },
    ),
    Topic(
        "Prune",
        {
            "prune": "carry a policy out; asks first; --dry-run only shows the plan",
            "apply": "carry out a plan that `plan --out` saved",
            "undo": "bring back what is still in the trash",
            "trash": "what waits in the trash, and how much purging it frees",
            "purge": "free what waits in the trash",
            "log": "who dropped what, when, and by which policy",
        },
    ),
    Topic(
        "Protect",
        {
            "pin": "never drop this one",
            "unpin": "let a pinned one go again",
            "pins": "what is pinned and what is leased",
            "lease": "run a command while a checkpoint may not be dropped",
            "adopt": "take over the state of a run that was moved or copied",
        },
    ),
    Topic(
        "Learn",
        {
            "lint": "which laws a policy obeys, with a counter-example where it does not",
            "layouts": "which frameworks' checkpoints are recognised",
            "demo": "train a small model, then scan, plan, prune, undo and prune again",
        },
    ),
)
COMMANDS = {name: about for topic in TOPICS for name, about in topic.commands.items()}

EXIT_CODES = """\
0  done
1  error (nothing was dropped because of it)
2  the request makes no sense as written
3  done in part (the report says what was not)
4  refused by a guard (the message says how to mean it)
5  locked (another pruner is at work there)
6  nothing to do (only with --detailed-exitcode)"""

_EPILOG = "Exit codes: " + ", ".join(" ".join(line.split()) for line in EXIT_CODES.splitlines())

EXAMPLES = """\
holdfast plan runs/llama 'latest(3) | every(steps=1000) | best(2, "eval/loss", mode="min")'
holdfast prune runs/llama --keep-latest 3 --keep-best eval/loss:min:2 --grace 7d
holdfast undo runs/llama"""


class Plainly:
    """Parameters that are texts, flags and lists of texts, taken as they come.

    Typer checks each value through pydantic, whose import alone takes longer than NumPy's. The commands read
    numbers, durations and sizes themselves, with the library's own words for what is wrong.
    """

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a click context, wherever Typer keeps click
        """All parameters, ``--help`` included."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # that of the command it is mixed into
        for parameter in found:
            if not isinstance(parameter.process_value, functools.partial):
                parameter.process_value = functools.partial(_as_it_comes, parameter, parameter.process_value)
        return found


class Plain(Plainly, TyperCommand):
    """One command."""


def _as_it_comes(parameter: Any, checked: Any, context: Any, value: Any) -> Any:  # noqa: ANN401 - Typer's own
    if parameter.required and value in (None, (), []):
        return checked(context, value)  # says that it is missing, in Typer's words
    many = parameter.nargs == -1 or getattr(parameter, "multiple", False)
    _check_given(parameter, context, value)
    taken = (value or ()) if many else value
    return parameter.callback(context, parameter, taken) if parameter.callback else taken


def _check_given(parameter: Any, context: Any, value: Any) -> None:  # noqa: ANN401 - Typer's own
    """``UsageError`` for a value that is empty: a shell's variable that is not set must not choose what is dropped."""
    blank = isinstance(value, str) and not value.strip()
    source = context.get_parameter_source(parameter.name)
    if blank and source is not None and source.name == "COMMANDLINE":
        shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar or parameter.name
        raise UsageError(f"{shown} is empty: give a value (is a variable of the shell not set?), or leave it out")


class Commands(Plainly, TyperGroup):
    """All commands, each imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - a click context, wherever Typer keeps click
        """Their names, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """The command of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise UsageError(f"there is no command {cmd_name!r}; {hint}")
        return _load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """The front page: written here, so that it costs no import of a command."""
        del ctx, formatter
        show(front_page)


def _load(name: str) -> Any:  # noqa: ANN401 - a click command
    from holdfast.cli.groups import grouped

    module = importlib.import_module(f"holdfast.cli.{name}")
    only = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    settings = getattr(module, "SETTINGS", {})
    only.command(name, cls=Plain, epilog=_EPILOG, **settings)(grouped(getattr(module, name)))
    return typer.main.get_command(only)


def front_page(screen: Screen) -> Iterator[str]:
    """What is Holdfast, which commands are there, what do the exit codes mean?"""
    yield screen.paint("holdfast", "bold") + " decides which checkpoints stay, says why, and removes the rest."
    yield ""
    yield "Usage: holdfast COMMAND DIR ...     holdfast COMMAND --help     holdfast --version"
    for topic in TOPICS:
        yield from ("", screen.paint(topic.title, "bold"))
        for name, about in topic.commands.items():
            yield f"  {screen.paint(name.ljust(8), 'name')} {screen.plain(about)}"
    yield from ("", screen.paint("Every command takes --json. Exit codes", "bold"))
    yield from (f"  {line}" for line in EXIT_CODES.splitlines())
    yield from ("", screen.paint("Examples", "bold"))
    yield from (f"  {line}" for line in EXAMPLES.splitlines())


def _app() -> Any:  # noqa: ANN401 - a click command
    app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.callback(invoke_without_command=True)
    def holdfast(
        context: typer.Context,
        *,
        version: bool = typer.Option(False, "--version", help="Print the version and exit.", show_default=False),
    ) -> Answer | None:
        """Decide which checkpoints stay, say why, and remove the rest."""
        if version:
            show(lambda _: [f"holdfast {__version__}"])
            raise typer.Exit
        if context.invoked_subcommand is None:
            show(front_page)
            raise typer.Exit
        return None

    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. Prints the answer on standard output, all else on standard error."""
    _never_fail_to_print()
    given = list(sys.argv[1:] if arguments is None else arguments)
    own = given[: given.index("--")] if "--" in given else given
    as_json = "--json" in own
    try:
        return _answered(_app().main(given, prog_name="holdfast", standalone_mode=False))
    except HoldfastError as error:
        send_error(error, error.exit_code, as_json=as_json)
        return error.exit_code
    except _usage_errors() as error:
        send_error(_explained(error), 2, as_json=as_json)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        send_error(RuntimeError("interrupted"), INTERRUPTED, as_json=as_json)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its exit
        return 1
    except OSError as error:
        send_error(error, HoldfastError.exit_code, as_json=as_json)
        return HoldfastError.exit_code
    except Exception as error:  # noqa: BLE001 - a bug: shown whole, and still a document for whoever asked for one
        traceback.print_exc()
        send_error(RuntimeError(f"a bug in holdfast: {error!r}; please report it"), 1, as_json=as_json)
        return 1


def _never_fail_to_print() -> None:
    """What an encoding lacks is escaped, also in what Typer and Rich print (help, the bar)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _answered(answer: Answer | int | None) -> int:
    if answer == INTERRUPTED:  # how Typer tells it
        raise KeyboardInterrupt
    if not isinstance(answer, Answer):
        return answer or 0
    answer.send()
    return answer.code


def _usage_errors() -> tuple[type[Exception], ...]:
    """The errors of Typer's own parsing: from ``BadParameter`` up to what click, wherever Typer keeps it, raises."""
    return tuple(c for c in typer.BadParameter.__mro__ if issubclass(c, Exception) and c is not Exception)


def _explained(error: Any) -> Exception:  # noqa: ANN401 - one of click's
    command = error.ctx.command_path if getattr(error, "ctx", None) else "holdfast"
    return ValueError(f"{error.format_message()}\nTry `{command} --help`.")
