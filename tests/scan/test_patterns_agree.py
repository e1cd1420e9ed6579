"""What rules look for is searched by an engine of its own: it must find what Python's finds, in the rule's own samples.

(The engine has lost matches: of ``x{0,4}y?[ab]z{0,4}(w+)?(b|c)``, with other bytes before them.)
"""

from __future__ import annotations

import re

import pytest

from fulldress.formats.patterns import Matcher, Pattern
from fulldress.scan.rule import Rule, Sample
from fulldress.scan.sweep import load_rules


def texts(rule: Rule) -> list[bytes]:
    files = [s.files if isinstance(s, Sample) else s for s in (*rule.BAD, *rule.GOOD)]
    contents = [text for sample in files for text in sample.values()]
    plain = [c.encode("utf-8", "surrogateescape") if isinstance(c, str) else c for c in contents]
    return [lead + text for text in plain if len(text) < 10_000 for lead in (b"", b"some other line\n" * 3)]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_no_match_of_a_rule_is_lost() -> None:
    lost = []
    matcher = Matcher(list(dict.fromkeys(p for rule in load_rules() for p in patterns_of(rule))))
    for rule in load_rules():
        plain = [(p, re.compile(p.regex.encode(), re.MULTILINE)) for p in patterns_of(rule)]
        for text in texts(rule) if plain else ():
            seen = matcher.look(text)
            found = {matcher.patterns[n] for n in seen.found.ends}
            if not seen.binary and not seen.encoding:
                lost += [(p.regex, text[:200]) for p, regex in plain if p not in found and regex.search(text)]
    assert lost == []


def patterns_of(rule: Rule) -> tuple[Pattern, ...]:
    return getattr(rule, "LOOKS_FOR", ())
