"""The click group: finds a command's file and imports that one only."""

from __future__ import annotations

import os
from importlib import import_module

import click

from fulldress import __version__
from fulldress.cli import overview
from fulldress.cli.groups import known
from fulldress.errors import UsageError


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

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that is not known is answered with those that are near, a file with `scan`."""
        if args and args[0] not in overview.names() and os.path.isfile(args[0]):  # noqa: PTH113 - pathlib costs start-up
            raise UsageError(f"{args[0]} is a file, not a command", fix=f"to look at a package: fulldress scan {args[0]}")
        known(ctx, args, overview.names())
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """The first screen."""
        return overview.text()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fulldress")
def cli() -> None:
    """Fulldress."""
