"""A text that is too large to be read whole is given to rules line by line: none of them may fail over it."""

from __future__ import annotations

import msgspec
import pytest

from fulldress.scan import rule as module
from fulldress.scan.rule import Rule
from fulldress.scan.samples import as_sample, context_of
from fulldress.scan.sweep import load_rules


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.META.slug)
def test_no_rule_fails_over_lines_of_a_text_that_it_cannot_read(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 0)
    for sample in map(as_sample, (*rule.BAD, *rule.GOOD)):
        files = {
            place: content if isinstance(content, bytes) or content.startswith("#!") else "\n" * 30 + content
            for place, content in sample.files.items()
        }
        for finding in rule.check(context_of(msgspec.structs.replace(sample, files=files))):
            assert finding.rule == rule.META.slug


def test_a_password_in_a_large_program_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 0)
    rule = next(rule for rule in load_rules() if rule.META.slug == "secret-in-code")
    files = {"src/Tls.java": "\n" * 30 + 'System.setProperty("javax.net.ssl.keyStorePassword", "geheim1");\n'}
    assert [(f.place, f.line) for f in rule.check(context_of(files))] == [("src/Tls.java", 31)]
