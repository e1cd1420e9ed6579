"""Secrets: what is one, what is not, and that it is hidden wherever it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.scan.credentials.secrets import (
    HIDDEN,
    PROVIDER,
    URL_USERINFO,
    hidden,
    is_real,
    is_secret_key,
    userinfos,
    variable,
)
from fulldress.scan.rule import Sample
from fulldress.scan.rules import keystore_default_password
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import sweep

VALUE = "q7Zk42xw"


@pytest.mark.parametrize(
    "text",
    [
        f"echo ls | sshpass -p '{VALUE}' sftp a@b",
        f"sshpass -v -p{VALUE} ssh a@b",
        f"curl -u admin:{VALUE} https://x",
        f"curl --user=admin:{VALUE} https://x",
        f'-H "Authorization: Bearer {VALUE}"',
        f"X-Api-Key: {VALUE}",
        f"mysql -u root -p{VALUE} db",
        f"mysqldump --password={VALUE}",
        f"tool --client-secret {VALUE}",
        f"PGPASSWORD={VALUE} psql",
        f"db.password = {VALUE}",
        f'"api_key": "{VALUE}"',
        f"postgresql://app:{VALUE}@db/app",
        f"jdbc:x://db/app?user=a&password={VALUE}",
        f"openssl -passin pass:{VALUE}",
    ],
)
def test_hidden(text: str) -> None:
    shown = hidden(text)
    assert VALUE not in shown
    assert HIDDEN in shown
    assert hidden(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "psql -p 5432 -U app",
        "password = ${DB_PASSWORD}",
        'token: "$TOKEN"',
        "mkdir -p /x",
        "plain text",
        "https://x.example/?page=2",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert hidden(text) == text


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1" * 18,
        "glpat-" + "x" * 20,
        "AKIA" + "B2" * 8,
        "xoxb-1234567890-abc",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.abcdefghijk",
        "acme_live_" + "Zz9" * 6,
    ],
)
def test_provider_tokens(token: str) -> None:
    assert PROVIDER.search(f'x="{token}"')


@pytest.mark.parametrize("token", ["AKIAIOSFODNN7EXAMPLE", "ghp_short", "acme_test_" + "Zz9" * 6])
def test_examples_are_no_tokens(token: str) -> None:
    assert not PROVIDER.search(token)


@pytest.mark.parametrize("key", ["password", "db.password", "API_TOKEN", "clientSecret", "api-key", "PGPASSWORD", "passwd"])
def test_secret_keys(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["password_file", "token_ttl", "passwordPolicy", "user", "secrets_path", "tokenizer"])
def test_other_keys(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    "value", ["", "x", "${A}", "{{ a }}", "<your password>", "****", "true", "/etc/x", "os.environ['A']", "%A%"]
)
def test_placeholders(value: str) -> None:
    assert not is_real(value)


@pytest.mark.parametrize("value", ["geheim1", "'quoted9'", "Passw0rd!", "changeme"])
def test_real_values(value: str) -> None:
    assert is_real(value)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("bridge", "bridge.api.token"), "BRIDGE_API_TOKEN"),
        (("hooks.partner", "token"), "HOOKS_PARTNER_TOKEN"),
        (("app", "apiToken"), "APP_API_TOKEN"),
        (("9x",), "S_9X"),
        (("…",), "SECRET"),
    ],
)
def test_variable(parts: tuple[str, ...], name: str) -> None:
    assert variable(*parts) == name


@given(st.text(max_size=300))
def test_never_raises(text: str) -> None:
    assert isinstance(hidden(text), str)


@given(st.lists(st.sampled_from(["http", "://", ":", "@", "u", "pa55", "/", " ", "$", "a.b://", "'", "1:2"]), max_size=14))
def test_passwords_in_urls_are_those_that_the_expression_finds(parts: list[str]) -> None:
    text = "".join(parts)
    assert [m.span() for m in userinfos(text)] == [m.span() for m in URL_USERINFO.finditer(text)]


def test_stores_that_are_not_tried_are_said() -> None:
    store = b"\xfe\xed\xfe\xed\0\0\0\2" + bytes(40)
    files: dict[str, str | bytes] = {f"tls/{n:03}.jks": store for n in range(keystore_default_password.MAX_STORES + 3)}
    files["tls/large.jks"] = store + bytes(keystore_default_password.MAX_BYTES)
    found = sweep(context_of(Sample(files=files)), [keystore_default_password]).findings
    assert [(f.title, f.severity) for f in found] == [("4 keystores on which no password was tried", "low")]


@pytest.mark.parametrize(
    "command",
    [
        "sudo -S systemctl stop x <<< 'Kx8horse22'",
        "chmod -R 777 /opt; mc alias set a https://s3.lab.internal k Kx8horse22",
        "iptables -F; redis-cli -a Kx8horse22 flushall",
        "ufw disable; ldapmodify -w Kx8horse22 -f x",
    ],
)
def test_no_rule_shows_what_a_command_is_given(command: str) -> None:
    report = sweep(context_of({"scripts/1.sh": f"#!/bin/sh\n{command}\n"}))
    assert any(finding.rule == "secret-in-command" for finding in report.findings)
    assert "Kx8horse22" not in repr(report)
