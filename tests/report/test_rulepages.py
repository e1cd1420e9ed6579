"""docs/rules is written from the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.report.rulepages import pages, rule_page
from fulldress.scan.rule import cure_of
from fulldress.scan.sweep import load_rules

DOCS = Path(__file__).parents[2] / "docs/rules"


@pytest.mark.parametrize("name", sorted(pages()))
def test_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], (
        "run `python -m fulldress.report.rulepages docs/rules`"
    )


def test_no_page_without_a_rule() -> None:
    assert {p.name for p in DOCS.glob("*.md")} == set(pages())


def test_a_page_says_what_the_rule_needs_and_whether_it_cures() -> None:
    rules = {rule.META.slug: rule for rule in load_rules()}
    page = rule_page(rules["endpoint-retired"])
    assert "Needs: estate." in page and "can cure it" in page
    assert "can cure it" not in rule_page(rules["signature-verdict"])


def test_the_index_names_every_rule_once_with_severity_family_and_cure() -> None:
    page = pages()["README.md"]
    for rule in load_rules():
        [row] = [line for line in page.splitlines() if line.startswith(f"| [{rule.META.slug}]")]
        assert rule.META.severity in row
        assert row.endswith("| yes |" if cure_of(rule) else "| no |")
