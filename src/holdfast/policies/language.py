"""The language: ``latest(3) | every(steps=1000) & best(2, "eval/loss", mode="min")``, read and never evaluated.

Python's own grammar gives the tree; of it only calls of known words with plain values, ``|``, ``&``, ``~`` and
parentheses are accepted. ``str(policy)`` writes what ``parse`` reads.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import warnings
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import PolicyError, PolicySyntaxError, PolicyTypeError
from holdfast.policies.calendar import daily, hourly, latest_duration, monthly, weekly, within, yearly
from holdfast.policies.count import everything
from holdfast.policies.filters import after, at, before, has
from holdfast.policies.metric import best
from holdfast.policies.size import latest
from holdfast.policies.spacing import closest, every, log_spaced, spaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.policies.base import Policy

WORDS: Final[dict[str, Callable[..., Policy]]] = {
    word.__name__: word
    for word in (
        latest, every, spaced, closest, log_spaced, best, hourly, daily, weekly, monthly, yearly, within,
        latest_duration, at, before, after, has, everything,
    )
}  # fmt: skip
"""Every word that the language knows."""

_INSTEAD: Final = {
    "LatestN": "latest(3)",
    "PreserveAll": "everything()",
    "EveryNSteps": "every(steps=1000), or spaced(steps=1000) if not exact",
    "EveryNSeconds": "spaced(hours=6)",
    "EveryNStepsClosest": "closest(steps=1000)",
    "CustomSteps": "at(500, 1500)",
    "BestN": 'best(2, "eval/loss", mode="min")',
    "LatestDuration": 'latest_duration("7d")',
    "LatestBytes": 'latest(bytes="500GB")',
    "AnyPreservationPolicy": "a | b",
    "CalendarN": "daily(7)",
    "Within": 'within("7d")',
    "LogSpaced": "log_spaced(2)",
    "last": "latest(3)",
    "keep": "latest(3)",
    "all": "everything()",
}
_LONGEST: Final = 10_000
_PYTHON_ONLY: Final = ("where", "Where")


def parse(text: str) -> Policy:
    """Which policy does the text spell? ``parse(str(p)) == p`` for all that the language can spell.

    Several lines and ``#`` comments are allowed. Nothing is evaluated.

    Raises:
        PolicySyntaxError: it spells none; points at the column, and says what to write instead.
    """
    if not isinstance(text, str):
        raise PolicyTypeError(f"{text!r} is no text: write a policy as 'latest(3) | every(steps=1000)'")
    if len(text) > _LONGEST:
        raise PolicySyntaxError(f"the policy has {len(text)} characters; at most {_LONGEST} are read")
    try:
        return _Reader(text).policy()
    except RecursionError:
        raise PolicySyntaxError("the policy is nested too deeply to be read") from None


class _Reader:
    """One text being read. It is wrapped in a call, so that it may span lines and must be one expression."""

    _OPEN: Final = "_("

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.splitlines() or [""]

    def policy(self) -> Policy:
        call = self._tree()
        inside = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_"
        if not inside or call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
            raise self._error("this is no policy: write rules joined by |, as latest(3) | every(steps=1000)", None)
        if not call.args:
            raise self._error("the policy is empty: write one, as latest(3) | every(steps=1000)", None)
        if len(call.args) > 1:
            raise self._error("rules are joined by |, not by commas: latest(3) | every(steps=1000)", call.args[1])
        return self._read(call.args[0])

    def _tree(self) -> Any:  # noqa: ANN401 - any node
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(f"{self._OPEN}{self._text}\n)", mode="eval").body
        except SyntaxError as error:
            raise self._unreadable(error) from None
        except (ValueError, MemoryError) as error:
            raise self._error(f"this cannot be read: {error}", None) from None

    def _unreadable(self, error: SyntaxError) -> PolicySyntaxError:
        line, column = (error.lineno or 1) - 1, (error.offset or 1) - 1
        column -= len(self._OPEN) if line == 0 else 0
        hint = "; a rule that holds a Python function has no spelling here" if "<" in self._text else ""
        return self._at(f"this is no policy: {error.msg}{hint}", line, column)

    def _read(self, node: ast.expr) -> Policy:
        try:
            match node:
                case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                    return self._read(left) | self._read(right)
                case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
                    return self._read(left) & self._read(right)
                case ast.UnaryOp(op=ast.Invert(), operand=operand):
                    return ~self._read(operand)
                case ast.Call(func=ast.Name(id=word)):
                    return self._call(node, word)
        except PolicySyntaxError:
            raise
        except PolicyError as error:
            raise self._error(str(error), node) from None
        raise self._error(self._stray(node), node)

    def _stray(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=word) if word in WORDS:
                return f"{word} needs parentheses: {self._example(word)}"
            case ast.Name(id=word):
                return self._unknown(word)
            case ast.BoolOp() | ast.BinOp(op=ast.Add()):
                return "rules are joined by | (what either keeps) and & (a pick among what a filter admits)"
            case ast.UnaryOp(op=ast.Not()):
                return "a filter is negated by ~, as ~at(500)"
            case ast.UnaryOp() | ast.BinOp():
                return "the operators are |, & and ~"
            case _:
                return "a rule is a word with parentheses, as latest(3)"

    def _call(self, node: ast.Call, word: str) -> Policy:
        make = WORDS.get(word)
        if make is None:
            raise self._error(self._unknown(word), node)
        given = [self._value(a) for a in node.args]
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._error(f"{word}(**...): write the arguments one by one", keyword.value)
            named[keyword.arg] = self._value(keyword.value)
        self._check_names(node, word, make)
        try:
            inspect.signature(make).bind(*given, **named)
        except TypeError as error:
            raise self._error(f"{word}(): {error}; write {self._example(word)}", node) from None
        return make(*given, **named)

    def _check_names(self, node: ast.Call, word: str, make: Callable[..., Policy]) -> None:
        accepted = _accepted(make)
        for keyword in node.keywords:
            if keyword.arg not in accepted:
                near = _near(str(keyword.arg), accepted)
                takes = ", ".join(f"{name}=" for name in accepted) or "nothing"
                column = keyword.col_offset, keyword.lineno
                message = f"{word}() has no {keyword.arg!r}{near}; it takes {takes}"
                raise self._at(message, column[1] - 1, self._column(*column))

    def _value(self, node: ast.expr) -> Any:  # noqa: ANN401 - any plain value
        match node:
            case ast.Constant(value=int() | float() | str() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as number)):
                return -number if isinstance(sign, ast.USub) else number
            case ast.Name(id="none" | "null" | "true" | "false" as word):
                raise self._error(f"{word}: write None, True or False as Python does", node)
            case ast.Name(id=word):
                raise self._error(f'{word} is no value: put a text in quotes, "{word}"', node)
        raise self._error('an argument is a number, a text in quotes ("eval/loss"), or None', node)

    def _unknown(self, word: str) -> str:
        if word in _PYTHON_ONLY:
            return "where(...) holds a Python function: make it in Python, from holdfast.policies import where"
        if word in _INSTEAD:
            return f"unknown rule {word!r}: the language writes {_INSTEAD[word]}"
        return f"unknown rule {word!r}{_near(word, WORDS)}; known are {', '.join(WORDS)}"

    def _example(self, word: str) -> str:
        return {
            "latest": "latest(3)",
            "every": "every(steps=1000)",
            "spaced": "spaced(steps=1000) or spaced(hours=6)",
            "closest": "closest(steps=1000)",
            "log_spaced": "log_spaced(2)",
            "best": 'best(2, "eval/loss", mode="min")',
            "within": 'within("7d")',
            "latest_duration": 'latest_duration("7d")',
            "at": "at(500, 1500)",
            "before": "before(step=1000)",
            "after": "after(step=1000)",
            "has": 'has("eval/loss")',
            "everything": "everything()",
        }.get(word, f"{word}(7)")

    # Where it is

    def _error(self, message: str, node: ast.expr | None) -> PolicySyntaxError:
        if node is None:
            return PolicySyntaxError(message, self._lines[0] if len(self._lines) == 1 else "", 0)
        return self._at(message, node.lineno - 1, self._column(node.col_offset, node.lineno))

    def _column(self, offset: int, lineno: int) -> int:
        """The column in characters, of an offset in bytes into what was parsed."""
        source = f"{self._OPEN}{self._text}".split("\n")[lineno - 1]
        column = len(source.encode()[:offset].decode(errors="ignore"))
        return column - len(self._OPEN) if lineno == 1 else column

    def _at(self, message: str, line: int, column: int) -> PolicySyntaxError:
        shown = self._lines[line] if line < len(self._lines) else self._lines[-1]
        return PolicySyntaxError(message, shown, min(max(column, 0), len(shown)))


def _accepted(make: Callable[..., Policy]) -> list[str]:
    names: list[str] = []
    for name, parameter in inspect.signature(make).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            names += ["weeks", "days", "hours", "minutes", "seconds"]
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            names.append(name)
    return names


def _near(word: str, known: Any) -> str:  # noqa: ANN401 - any collection of words
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""
