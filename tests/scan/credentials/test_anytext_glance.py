"""What is told of bytes at a glance is what reading their texts would tell: no secret is passed over."""

from __future__ import annotations

import pytest

from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.anytext import may_hold, secrets_of
from fulldress.scan.credentials.secretlines import FORM_WORDS
from fulldress.scan.rule import Rule, Sample
from fulldress.scan.sweep import load_rules

RULES = [rule for rule in load_rules() if rule.META.family == "secret"]
KEYS = (
    *(
        "password",
        "DB_PASSWD",
        "smtpPass",
        "kennwort",
        "contrasena",
        "heslo",
        "senha",
        "wachtwoord",
        "clientSecret",
        "api.key",
    ),
    *(
        "API_KEY",
        "accessKey",
        "private-key",
        "HMAC_KEY",
        "licence key",
        "SESSION_KEY_2",
        "key_base",
        "bindpw",
        "root_pw",
        "db_pw",
    ),
    *(
        "wpa_psk",
        "auth_token",
        "credentials",
        "bearer",
        "passphrase",
        "storageKey",
        "webhook_key",
        "masterauth",
        "requirepass",
    ),
)


def texts(rule: Rule) -> list[str]:
    files = [s.files if isinstance(s, Sample) else s for s in (*rule.BAD, *rule.GOOD)]
    contents = [text for sample in files for text in sample.values()]
    return [c if isinstance(c, str) else c.decode("latin-1") for c in contents]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.META.slug)
def test_a_secret_is_never_passed_over(rule: Rule) -> None:
    found = {text: [what for what, _ in secrets_of(text) if not what.startswith("a token")] for text in texts(rule)}
    assert [text for text, what in found.items() if what and not may_hold(text.encode())] == []


@pytest.mark.parametrize("key", [key for key in KEYS if secrets.is_secret_key(key)])
def test_the_name_of_a_secret_is_never_passed_over(key: str) -> None:
    assert may_hold(b"\0\x01\0\x09" + key.encode() + b"\x01\0")


@pytest.mark.parametrize("word", FORM_WORDS)
def test_a_form_is_never_passed_over(word: str) -> None:
    assert may_hold(f"\0{word.upper()}=(".encode())


@pytest.mark.parametrize("data", [b"\0Lcom/x/Key;\x01author: \xc3\xa9\0", b"EEE, dd MMM yyyy HH:mm:ss zzz", b""])
def test_what_holds_none_is_passed_over(data: bytes) -> None:
    assert not may_hold(data)
