"""Start-up: ``holdfast --help`` and a plan of a small run, beside ``python -c 'import numpy'``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Contender, race

if TYPE_CHECKING:
    from harness import Row


def rows(*, quick: bool) -> list[Row]:
    """Whole processes, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for step in range(10):
            (Path(folder) / f"model_{step}.pt").write_bytes(_EMPTY_ZIP)
        commands = {
            "import numpy (floor)": [sys.executable, "-c", "import numpy"],
            "holdfast --help": [sys.executable, "-m", "holdfast", "--help"],
            "holdfast plan": [sys.executable, "-m", "holdfast", "plan", folder, "latest(3)"],
        }
        contenders = {name: Contender(lambda _, c=command: _call(c)) for name, command in commands.items()}
        return race("startup", "whole process", contenders, rounds=2 if quick else 9, base="import numpy (floor)")


_COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The sources are compiled once, as they are where they are installed: the first round is not counted."""
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, env=_COMPILED)
