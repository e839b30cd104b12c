"""The command line: thin. Each command is a file that asks the library and answers; errors carry the exit codes."""

from holdfast.cli.app import main

__all__ = ["main"]
