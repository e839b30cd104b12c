"""Where text goes: how wide it is there, whether it takes colour, and which characters it can show."""

from __future__ import annotations

import dataclasses
import functools
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PIPED = 10_000
"""The width where nobody looks: nothing wraps, so that each checkpoint is one line for ``grep``."""
_NARROWEST = 40
_STYLES = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1", "name": "36", "": ""}
_PLAIN = {"●": "+", "○": "-", "◌": "?", "◐": "~", "·": "-", "→": "->", "…": "...", "✓": "ok", "✗": "x"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """How wide, how colourful, and how many characters is the place where text goes?"""

    width: int = 80
    colour: bool = False
    unicode: bool = True
    here: str = ""
    """The directory in which one works: paths below it are shown from there."""

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Screen:
        """What can a stream show? ``COLUMNS``, ``NO_COLOR``, ``FORCE_COLOR`` and ``TERM=dumb`` are honoured."""
        terminal = stream.isatty()
        return cls(
            width=_width(stream, environ),
            colour=_colour(environ, terminal),
            unicode=_can_show(stream),
            here=_here(),
        )

    def place(self, path: str) -> str:
        """How would one type the path here?"""
        return path.removeprefix(f"{self.here}/") if self.here else path

    def plain(self, text: str) -> str:
        """How is the text shown here? What cannot be shown is written as an escape."""
        safe = clean(text)
        if self.unicode:
            return safe
        for fine, coarse in _PLAIN.items():
            safe = safe.replace(fine, coarse)
        return safe.encode("ascii", "backslashreplace").decode("ascii")

    def paint(self, text: str, style: str = "") -> str:
        """How does the text look in a style, where there is colour?"""
        code = _STYLES[style]
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text.strip() else text


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # the directory was removed
        return ""


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    if environ.get("COLUMNS", "").isdecimal():
        return max(_NARROWEST, int(environ["COLUMNS"]))
    try:
        return max(_NARROWEST, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return PIPED


def _colour(environ: Mapping[str, str], terminal: bool) -> bool:  # noqa: FBT001 - one private caller
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return terminal or bool(environ.get("FORCE_COLOR"))


def _can_show(stream: TextIO) -> bool:
    try:
        "".join(_PLAIN).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def clean(text: str) -> str:
    """What is left of the text without what moves a cursor, hides, or cannot be encoded? Each such character, escaped.

    Names of files are hostile: they hold escape sequences, newlines, marks that turn the direction of writing, and
    bytes that are no text.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as os.fsdecode gives it
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def columns(text: str) -> int:
    """How many columns of a terminal does the text take? East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


@functools.cache
def _columns_of(char: str) -> int:
    return 0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")


class Cell(NamedTuple):
    """What stands in one cell, and in which style?"""

    text: str
    style: str = ""


class Column(NamedTuple):
    """What is a column called, and to which side does it lean?"""

    title: str
    right: bool = False


GAP = "  "


def table(heads: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Screen, indent: str = "  ") -> Iterator[str]:
    """Which lines make the table? The last column wraps in the width that is left, or goes below if that is little.

    The other columns are as wide as their widest cell: they hold words and numbers, and are never cut.
    """
    shown = [[Cell(screen.plain(c.text), c.style) for c in row] for row in rows]
    titles = [Cell(h.title, "dim") for h in heads]
    widths = [max(columns(row[i].text) for row in [titles, *shown]) for i in range(len(heads) - 1)]
    used = len(indent) + sum(widths) + len(GAP) * len(widths)
    below = screen.width - used < 24  # narrower than this, wrapped text is a ragged ribbon
    margin = len(indent) + 4 if below else used
    for row in [titles, *shown]:
        left = GAP.join(
            screen.paint(_padded(c.text, w, right=h.right), c.style)
            for c, w, h in zip(row, widths, heads, strict=False)
        )
        last = list(wrap(row[-1].text, max(16, screen.width - margin)))
        first = "" if below and row is not titles else (last.pop(0) if last else "")
        yield f"{indent}{left}{GAP}{screen.paint(first, row[-1].style)}".rstrip()
        for more in last if row is not titles else ():
            yield " " * margin + screen.paint(more, row[-1].style)


def _padded(text: str, width: int, *, right: bool) -> str:
    room = " " * (width - columns(text))
    return room + text if right else text + room


def wrap(text: str, width: int) -> Iterator[str]:
    """How is it broken into lines of at most ``width`` columns? At blanks; a longer word anywhere."""
    if columns(text) <= width:
        yield from [text] if text else []
        return
    line, used = "", 0
    for word in _pieces(text.split(" "), width):
        size = columns(word)
        if line and used + 1 + size > width:
            yield line
            line, used = word, size
        else:
            line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    if line:
        yield line


def _pieces(words: Iterable[str], width: int) -> Iterator[str]:
    for word in words:
        rest = word
        while columns(rest) > width:
            cut = next(i for i in range(len(rest), 0, -1) if columns(rest[:i]) <= width)
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


def lines_of(
    parts: Iterable[str], screen: Screen, style: str = "", *, indent: str = "", separator: str = " · "
) -> Iterator[str]:
    """How do the parts stand beside one another? As many as fit on a line; what goes on is indented."""
    line = ""
    for part in (screen.plain(p) for p in parts):
        joined = f"{line}{screen.plain(separator)}{part}" if line else part
        if line and len(indent) + columns(joined) > screen.width:
            yield from _folded(line, screen, style, indent)
            line = part
        else:
            line = joined
    yield from _folded(line, screen, style, indent)


def _folded(line: str, screen: Screen, style: str, indent: str) -> Iterator[str]:
    room = screen.width - len(indent)
    for i, text in enumerate([line] if columns(line) <= room else wrap(line, room - 2)):
        yield indent + ("  " if i else "") + screen.paint(text, style)
