"""Titles are sentences: a capital at the beginning unless it is a name, and small words after it."""

from __future__ import annotations

import re

import pytest

from fulldress.scan.rule import Rule, Sample
from fulldress.scan.samples import as_sample, context_of
from fulldress.scan.sweep import load_rules, sweep
from fulldress.scan.titles import NAMES, sentence

RULES = load_rules()
PROPER = {"Java", "Windows", "Kubernetes", "Debian", "Python", "Content", "PostgreSQL", "Secret"}


def reads_as_sentence(title: str, around: str) -> bool:
    """True for a capital, a figure or a mark at the beginning, or for a name: odd letters, or a word of the package."""
    first = title.split()[0].rstrip(",:")
    if not title[0].islower() or first in NAMES:
        return True
    return first == sentence(title).split()[0].rstrip(",:") and (not first.isalpha() or first in around)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.META.slug)
def test_a_rules_own_title_is_a_sentence(rule: Rule) -> None:
    title = rule.META.title
    assert title[0].isupper() or title.split()[0] in NAMES
    assert not title.endswith(".")
    capitals = set(re.findall(r"(?<=\s)[A-Z][a-z]+\b", title))
    assert not capitals - PROPER


@pytest.mark.parametrize(("rule", "sample"), [(r, as_sample(s)) for r in RULES for s in r.BAD])
def test_the_title_of_every_finding_is_a_sentence(rule: Rule, sample: Sample) -> None:
    for finding in sweep(context_of(sample), [rule]).findings:
        assert reads_as_sentence(finding.title, str(sample)), finding.title
        assert not finding.title.endswith("."), finding.title


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a token in x.ini", "A token in x.ini"),
        ("the package's keyring", "The package's keyring"),
        ("run.sh reboots the host itself", "run.sh reboots the host itself"),
        ("dpkg may fail unnoticed", "dpkg may fail unnoticed"),
        ("a is missing", "a is missing"),
        ("3 names", "3 names"),
    ],
)
def test_names_keep_their_letters(title: str, shown: str) -> None:
    assert sentence(title) == shown
