"""The command line: finds the command's file, runs it, and turns every failure into a diagnostic and an exit code.

Commands are discovered by folder (``cli/commands/NAME.py`` with a ``command``) and imported only when they are run; the
first line of the file's docstring is the command's line in ``--help``. Nothing heavy may be imported here.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from pathlib import Path

import click

from fulldress import __version__
from fulldress.errors import EXIT_BROKE, EXIT_INTERRUPTED, FulldressError

COMMANDS = Path(__file__).parent / "commands"
ORDER = [
    "new",
    "intake",
    "inventory",
    "matrix",
    "scan",
    "adapt",
    "plan",
    "rehearse",
    "run",
    "resume",
    "rollback",
    "status",
    "explain",
    "doctor",
    "machine",
]
"""The order of work, for ``--help``; commands not named here follow alphabetically."""


class LazyGroup(click.Group):
    """Loads one command's module, and only that one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of work."""
        del ctx
        names = sorted(p.stem for p in COMMANDS.glob("*.py") if not p.stem.startswith("_"))
        return sorted(names, key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if not (COMMANDS / f"{cmd_name}.py").is_file():
            return None
        module = importlib.import_module(f"fulldress.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a command, without importing any."""
        rows = [(name, _first_line(COMMANDS / f"{name}.py")) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _first_line(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    return doc.partition("\n")[0]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fulldress")
def cli() -> None:
    """Take a vendor's upgrade package apart, rehearse it full dress on a clone of production, run what was rehearsed.

    \b
    A first look, no root, nothing installed:   fulldress scan vendor.zip
    A release from start to end:                 fulldress new, then the commands below in order
    Where am I, and what is stale:               fulldress status
    """


def main() -> None:
    """Entry point. Exit codes: 0 fine, 1 broke, 2 usage, 3 nothing to look at, 10 findings, 20 no-go, 21 stale,
    30 rolled back, 31 rollback incomplete, 130 interrupted."""
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except FulldressError as error:
        click.echo(diagnostic(error), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_BROKE)


def diagnostic(error: FulldressError) -> str:
    """The failure as people read it: what, why, fix, more."""
    lines = [click.style("error: ", fg="red", bold=True) + error.what]
    if error.why:
        lines.append(f"  why:  {error.why}")
    if error.fix:
        lines.append(f"  fix:  {error.fix}")
    lines.append(f"  more: fulldress explain {error.slug}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
