"""Print the page of a rule or of an error.

Pages are the docstrings of the rules and of the errors; nothing else knows them.
"""

from __future__ import annotations

import difflib

import click

from fulldress.adapters.peers import NAMES
from fulldress.cli.errorpages import error_pages
from fulldress.errors import UsageError
from fulldress.model.finding import CURE_RAISED
from fulldress.report.rulepages import rule_page
from fulldress.scan.rule import Rule
from fulldress.scan.sweep import RAISED, load_rules

_RAISED_PAGE = f"""# {RAISED}

A rule failed while it looked at the package, so the package was not (completely) looked at for what that rule finds; all
other rules went on. Report the failure with the package's digest, and check by hand what the rule looks for.
"""

_CURE_PAGE = f"""# {CURE_RAISED}

A cure failed: the rule found something and can usually write the patch, but not here. The package stays as it is at that
place, and all other cures went on. Do by hand what the finding's `fix` says; report the failure with the package's digest.
"""
_PEER_PAGE = """# {slug}

What another program, {peer}, says of the package under its own name {code}. It was asked because of `--peers`.

Such an opinion confirms a finding of ours when it is about the same line and topic (`also said by`); alone it is listed low,
once for each code with the number of places, and `fulldress adapt` does not cure it. Read what {peer} itself writes about
{code}. A person may accept it: `fulldress waive`.
"""


@click.command(epilog="Example:  fulldress explain endpoint-retired")
@click.argument("slug", required=False)
@click.option("--list", "listing", is_flag=True, help="All slugs, one line each.")
def command(slug: str | None, listing: bool) -> None:
    """Print the page of a rule or of an error; SLUG stands under `more:` of every finding and diagnostic."""
    rules = {rule.META.slug: rule for rule in load_rules()}
    if slug in rules and not listing:
        click.echo(rule_page(rules[slug]).rstrip())
        return
    errors = {RAISED: _RAISED_PAGE, CURE_RAISED: _CURE_PAGE, **error_pages()}
    peer, _, code = (slug or "").partition("/")
    if listing or slug is None:
        click.echo(_list(rules, errors))
    elif slug in errors:
        click.echo(errors[slug].replace("``", "`").rstrip())
    elif peer in NAMES and code.replace("-", "").replace(".", "").isalnum():
        click.echo(_PEER_PAGE.format(slug=slug, peer=peer, code=code).rstrip())
    else:
        raise _unknown(slug, [*rules, *errors])


def _list(rules: dict[str, Rule], errors: dict[str, str]) -> str:
    found = [(slug, f"{rule.META.severity}: {rule.META.title}") for slug, rule in rules.items()]
    failed = [(slug, page.split("\n")[2].removeprefix("Why: ")) for slug, page in sorted(errors.items())]
    width = max(len(slug) for slug, _ in found + failed)

    def lines(rows: list[tuple[str, str]]) -> str:
        return "\n".join(f"  {slug:<{width}}  {line}" for slug, line in rows)

    return f"Rules: what a finding means\n{lines(found)}\n\nErrors: what a failure means\n{lines(failed)}"


def _unknown(slug: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(slug, known, n=3, cutoff=0.4)
    return UsageError(
        f"nothing is called {slug!r}",
        why="neither a rule nor an error has that slug",
        fix=f"did you mean {' or '.join(near)}?" if near else "fulldress explain --list shows all",
    )
