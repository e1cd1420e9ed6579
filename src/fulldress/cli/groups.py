"""How help is laid out: commands in the order of work and with their whole sentence, options under headings.

Presentation only; knows no command by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import ClassVar

import click


class WorkGroup(click.Group):
    """Lists its commands in the order in which they are used, and cuts none of their sentences short."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of their definition."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One whole sentence for each."""
        rows = [(name, self.commands[name].get_short_help_str(limit=1000)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that is not known is answered with those that are near."""
        known(ctx, args, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


def known(ctx: click.Context, args: list[str], names: Iterable[str]) -> None:
    """Raises click's UsageError with the nearest names when the first word is no command."""
    names = list(names)
    if args and not args[0].startswith("-") and args[0] not in names:
        near = difflib.get_close_matches(args[0], names, n=2, cutoff=0.5)
        said = f" Did you mean {' or '.join(near)}?" if near else ""
        ctx.fail(f"No such command {args[0]!r}.{said}")


class Sectioned(click.Command):
    """A command with many options: they stand under headings. An option that no heading names stands under Options."""

    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Heading by heading."""
        headed = {name: heading for heading, listed in self.sections.items() for name in listed}
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.sections}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and record[1]:  # an argument says no more than the first line does
                rows.setdefault(headed.get(parameter.name or "", "Options"), []).append(record)
        for heading, listed in rows.items():
            with formatter.section(heading):
                formatter.write_dl(listed)
