"""The click group: finds a command's file and imports that one only."""

from __future__ import annotations

from importlib import import_module

import click

from fulldress import __version__
from fulldress.cli import overview


class LazyGroup(click.Group):
    """Loads one command's module, and only that one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of work."""
        return overview.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in overview.names():
            return None
        command: click.Command = import_module(f"fulldress.cli.commands.{cmd_name}").command
        return command

    def get_help(self, ctx: click.Context) -> str:
        """The first screen."""
        return overview.text()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fulldress")
def cli() -> None:
    """Fulldress."""
