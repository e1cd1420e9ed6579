"""Print the page of a rule or of an error.

Pages are the docstrings of the rules and of the errors; nothing else knows them.
"""

from __future__ import annotations

import difflib
import inspect

import click

from fulldress.cli.reference import every_error
from fulldress.errors import FulldressError, UsageError
from fulldress.report.rulepages import rule_page
from fulldress.scan.rule import Rule
from fulldress.scan.sweep import load_rules


@click.command()
@click.argument("slug", required=False)
@click.option("--list", "listing", is_flag=True, help="All slugs, one line each.")
def command(slug: str | None, listing: bool) -> None:
    """Print the page of a rule or of an error; SLUG stands under `more:` of every finding and diagnostic."""
    rules = {rule.META.slug: rule for rule in load_rules()}
    errors = {kind.slug: kind for kind in every_error()}
    if listing or slug is None:
        click.echo(_list(rules, errors))
    elif slug in rules:
        click.echo(rule_page(rules[slug]).rstrip())
    elif slug in errors:
        click.echo(_error_page(errors[slug]))
    else:
        raise _unknown(slug, [*rules, *errors])


def _list(rules: dict[str, Rule], errors: dict[str, type[FulldressError]]) -> str:
    rows = [(slug, f"{rule.META.severity}: {rule.META.title}") for slug, rule in rules.items()]
    rows += [(slug, inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]) for slug, kind in errors.items()]
    width = max(len(slug) for slug, _ in rows)
    return "\n".join(f"{slug:<{width}}  {line}" for slug, line in rows)


def _error_page(kind: type[FulldressError]) -> str:
    return f"# {kind.slug}\n\nExit code {kind.exit_code}.\n\n{inspect.cleandoc(kind.__doc__ or '')}"


def _unknown(slug: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(slug, known, n=3, cutoff=0.4)
    return UsageError(
        f"nothing is called {slug!r}",
        why="neither a rule nor an error has that slug",
        fix=f"did you mean {' or '.join(near)}?" if near else "fulldress explain --list shows all",
    )
