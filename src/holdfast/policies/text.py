"""How texts are quoted and counts are told."""

from __future__ import annotations


def quote(text: str) -> str:
    """The text in double quotes, as Python reads it back."""
    quoted = repr(text)
    return quoted if quoted[0] == '"' else '"' + quoted[1:-1].replace('"', '\\"') + '"'


def are(count: int) -> str:
    """``1 is``, ``3 are``."""
    return "1 is" if count == 1 else f"{count} are"
