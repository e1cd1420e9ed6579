"""What is hidden in free text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.redact import redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl -u bob:pw1 http://x", "curl -u bob:<secret> http://x"),
        ("PGPASSWORD='a b' psql", "PGPASSWORD=<secret> psql"),
        ("x --api-key=abc --z", "x --api-key=<secret> --z"),
        ("-H 'Authorization: Bearer wh_live_91aa'", "-H 'Authorization: Bearer <secret>'"),
        ("redis://:pw@cache:6379/0", "redis://:<secret>@cache:6379/0"),
        ("AKIAABCDEFGHIJKLMNOP", "<secret>"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- b", "a <secret> b"),
    ],
)
def test_secrets_are_hidden(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://api.example:8080/v2?x=1",
        "run-parts --report /etc/cron.daily",
        "git@github.com:a/b",
        "bearer of news",
        "workers = 4",
        "10:30@noon",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.text())
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)
