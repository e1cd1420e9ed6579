"""What is hidden in free text, and what is not."""

from __future__ import annotations

import time

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
        ("Authorization: Basic Ym9iOnB3", "Authorization: Basic <secret>"),
        ("AKIAABCDEFGHIJKLMNOP", "<secret>"),
        ('{"api_key": "abc", "x": 1}', '{"api_key": "<secret>", "x": 1}'),
        ('{"db_password": "a \\"b\\" c", "port": 5432}', '{"db_password": "<secret>", "port": 5432}'),
        ('curl -d \'{"password":"hunter2"}\' https://h', 'curl -d \'{"password":"<secret>"}\' https://h'),
        ('curl -d "{\\"token\\": \\"ab cd\\"}" https://h', 'curl -d "{\\"token\\": \\"<secret>\\"}" https://h'),
        ("{'pin': 1, 'secret': 4711}", "{'pin': 1, 'secret': <secret>}"),
        ("nothing to hide: 42", "nothing to hide: 42"),
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


def test_a_hostile_line_costs_no_more_than_its_length() -> None:
    began = time.process_time()
    for text in ("password" * 20_000, '"password":"' * 10_000, '"secret"' + " " * 100_000, "a" * 100_000):
        redacted(text)
    assert time.process_time() - began < 5


@given(st.text())
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)
