"""Which layouts do other distributions add, by an entry point in the group ``holdfast.layouts``?

Looked for without ``importlib.metadata`` first: its import takes longer than that of all layouts together, and there
is mostly nothing to find.
"""

from __future__ import annotations

import os
import sys

GROUP = "holdfast.layouts"


def plugins() -> list[object]:
    """What the entry points name; imports it. Reads one small file of each distribution."""
    if not any(_declares(folder) for folder in sys.path):
        return []
    import importlib.metadata  # noqa: PLC0415 - see the module

    return [point.load() for point in importlib.metadata.entry_points(group=GROUP)]


def _declares(folder: str) -> bool:
    """Does a distribution in this directory of ``sys.path`` have the group? An archive may have: it is not opened."""
    try:
        with os.scandir(folder or ".") as entries:
            infos = [e.path for e in entries if e.name.endswith((".dist-info", ".egg-info"))]
    except NotADirectoryError:
        return True
    except OSError:
        return False
    return any(_mentions(f"{info}/entry_points.txt") for info in infos)


def _mentions(file: str) -> bool:
    try:
        with open(file, "rb") as text:  # noqa: PTH123 - pathlib would cost more than the reading
            return GROUP.encode() in text.read()
    except OSError:
        return False
