"""What a command answers, and how it reaches standard output: as lines for a person, or as one JSON document."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from holdfast.report.screen import Screen

PARTIAL = 3
NOTHING_TO_DO = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What does a command say, in both forms, and which exit code does that mean?"""

    as_json: bool
    document: Callable[[], Mapping[str, Any] | str]
    """A mapping with its ``schema``, or the text of a JSON document that is made already."""
    lines: Callable[[Screen], Iterable[str]]
    code: int = 0

    def send(self) -> None:
        """Print it on standard output."""
        if self.as_json:
            from holdfast.report.document import dumps

            document = self.document()
            sys.stdout.write(document if isinstance(document, str) else dumps(document) + "\n")
        else:
            show(self.lines)


def show(lines: Callable[[Screen], Iterable[str]]) -> None:
    """Print lines for a person on standard output."""
    from holdfast.report.screen import Screen

    for line in lines(Screen.of(sys.stdout)):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell(message: str) -> None:
    """Say something besides the answer, on standard error."""
    from holdfast.report.screen import Screen

    screen = Screen.of(sys.stderr)
    sys.stderr.write("\n".join(screen.plain(line) for line in message.splitlines()) + "\n")
    sys.stderr.flush()


def send_error(error: Exception, code: int, *, as_json: bool) -> None:
    """Say what went wrong: one clear message on standard error, and with ``--json`` a document as well."""
    message = str(error) or type(error).__name__
    if as_json:
        from holdfast.report.document import dumps

        kind = type(error).__name__ if isinstance(error, HoldfastError) else "UsageError" if code == 2 else "Error"
        details = {"type": kind, "message": message, "exit_code": code}
        sys.stdout.write(dumps({"schema": "holdfast.error/1", "error": details}) + "\n")
        sys.stdout.flush()
    tell(f"holdfast: {message}")
