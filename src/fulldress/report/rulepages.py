"""The pages of the rules, written from their docstrings: what ``explain`` prints and ``docs/rules`` holds.

``python -m fulldress.report.rulepages docs/rules`` writes them; a test fails when they are not current.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from fulldress.model.finding import SEVERITIES
from fulldress.scan.rule import Family, Rule, cure_of
from fulldress.scan.sweep import load_rules
from fulldress.store.codec import write_bytes

NOTE = "<!-- Written from the rule's docstring by `make docs`; do not edit. -->\n\n"
WAIVING = """\
`fulldress scan` runs every rule over the package and `fulldress explain RULE` prints its page. A finding that a named
person accepts is waived by its fingerprint (the sixteen digits behind `more:`), which stands for what is written there and
not for a line number: `fulldress waive FINGERPRINT --reason ... --owner ... --until ...` adds it to
`03-findings/waivers.toml`. Past its last day a waiver counts for nothing and the finding is back. A critical finding needs a
`second` person.

```toml
[[waiver]]
fingerprint = "d792d64774a2e3b0"
reason = "the vendor confirmed the new key by telephone, minutes in OPS-4711"
owner = "Erika Musterfrau"
second = "Max Mustermann"
expires = 2026-12-31
```"""


NO_REFERENCES = "## References\n- none"


def rule_page(rule: Rule) -> str:
    """One rule as Markdown: title, facts, and its docstring."""
    meta = rule.META
    first, _, rest = (inspect.getdoc(rule) or "").partition("\n")
    needs = f" Needs: {', '.join(meta.needs)}." if meta.needs else ""
    cure = " `fulldress adapt` can cure it." if cure_of(rule) is not None else ""
    facts = f"Family: {meta.family}. Severity: {meta.severity}. Confidence: {meta.confidence}.{needs}{cure}"
    return f"# {meta.slug}\n\n{first}\n\n{facts}\n\n{rest.strip().removesuffix(NO_REFERENCES).rstrip()}\n"


HEADINGS: dict[Family, str] = {
    "secret": "Secrets",
    "migration": "Migrations",
    "privilege": "Scripts and privilege",
    "schedule": "Scheduled work",
    "endpoint": "Endpoints",
    "systemd": "systemd",
    "configuration": "Configuration",
    "tls": "Certificates",
    "archive": "Archives",
    "provenance": "Origin",
}


def index_page(rules: list[Rule]) -> str:
    """The list of all rules, by family, the most severe first."""
    curable = sum(cure_of(rule) is not None for rule in rules)
    lines = [
        "# Rules",
        "",
        f"{len(rules)} rules; `fulldress adapt` writes the patch or the plan step for {curable} of them.",
        "",
    ]
    lines += [WAIVING, ""]
    for family, heading in HEADINGS.items():
        lines += _table(heading, [rule for rule in rules if rule.META.family == family])
    return NOTE + "\n".join(lines)


def _table(heading: str, rules: list[Rule]) -> list[str]:
    if not rules:
        return []
    ranked = sorted(rules, key=lambda rule: (SEVERITIES.index(rule.META.severity), rule.META.slug))
    lines = [f"## {heading}", "", "| rule | finds | severity | needs | cured by `adapt` |", "|---|---|---|---|---|"]
    for rule in ranked:
        meta = rule.META
        cure = "yes" if cure_of(rule) is not None else "no"
        needs = ", ".join(meta.needs) or "–"
        lines.append(f"| [{meta.slug}]({meta.slug}.md) | {meta.title} | {meta.severity} | {needs} | {cure} |")
    return [*lines, ""]


def pages() -> dict[str, str]:
    """File name -> content, for all of ``docs/rules``."""
    rules = load_rules()
    return {"README.md": index_page(rules), **{f"{r.META.slug}.md": NOTE + rule_page(r) for r in rules}}


def main() -> None:
    """Write the pages into the directory given, and take pages of rules away that no longer exist."""
    target = Path(sys.argv[1])
    wanted = pages()
    for name, text in wanted.items():
        write_bytes(target / name, text.encode())
    for path in target.glob("*.md"):
        if path.name not in wanted:
            path.unlink()


if __name__ == "__main__":
    main()
