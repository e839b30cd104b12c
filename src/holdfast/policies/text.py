"""How the language quotes a text."""

from __future__ import annotations


def quote(text: str) -> str:
    """The text in double quotes, as Python reads it back."""
    quoted = repr(text)
    return quoted if quoted[0] == '"' else '"' + quoted[1:-1].replace('"', '\\"') + '"'
