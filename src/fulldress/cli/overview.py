"""The first screen: what ``fulldress --help`` prints, made from the folder of commands without importing any of them.

Imports nothing heavy, not even click, which alone costs four times the start of a bare interpreter.
"""

from __future__ import annotations

import os

COMMANDS = os.path.join(os.path.dirname(__file__), "commands")  # noqa: PTH118, PTH120 - pathlib costs 3 ms of start-up
ORDER = (
    "new",
    "vendor",
    "intake",
    "trust",
    "inventory",
    "matrix",
    "scan",
    "waive",
    "adapt",
    "plan",
    "mirror",
    "rehearse",
    "run",
    "resume",
    "rollback",
    "status",
    "explain",
    "doctor",
    "machine",
)
"""The order of work; commands not named here follow alphabetically."""

HEAD = """\
Usage: fulldress [OPTIONS] COMMAND [ARGS]...

  Take a vendor's upgrade package apart, rehearse it full dress on a clone of
  production, run exactly what was rehearsed.

  A first look, no root, nothing installed:  fulldress scan vendor.zip
  A release from start to end:               fulldress new, then the commands
                                             below in order
  Where am I, and what is stale:             fulldress status

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Commands:
"""


FOOT = """

Exit codes: 0 fine, 1 broke, 2 wrong command line or file, 3 nothing to look at,
10 findings, 20 no-go, 21 stale, 30 rolled back, 31 rollback incomplete,
130 interrupted.
Every command: fulldress COMMAND --help. Every rule and error: fulldress explain."""


def names() -> list[str]:
    """All commands, in the order of work."""
    found = [n[:-3] for n in os.listdir(COMMANDS) if n.endswith(".py") and n[0] != "_"]  # noqa: PTH208 - as above
    return sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))


def text() -> str:
    """The whole screen."""
    return HEAD + "\n".join(f"  {name:<10} {_first_line(f'{COMMANDS}/{name}.py')}" for name in names()) + FOOT


def _first_line(path: str) -> str:
    """The first line of a module's docstring, without compiling the module."""
    with open(path, encoding="utf-8") as stream:  # noqa: PTH123 - as above
        return stream.readline().strip().strip('"')
