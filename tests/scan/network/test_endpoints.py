"""Endpoints in text: found, told apart, redirected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.scan.network.endpoints import names_host, outside, redirected, replacement, urls


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x=http://Api.Partner.example:8080/v1?q=1 y", [("http", "", "api.partner.example", "8080", "/v1?q=1")]),
        ("sftp://import@files.partner.example./out", [("sftp", "import", "files.partner.example", "", "/out")]),
        ("'https://a.example','http://b.example'", [("https", "", "a.example", "", ""), ("http", "", "b.example", "", "")]),
        ("http://[2001:db8::1]:80/x", [("http", "", "[2001:db8::1]", "80", "/x")]),
        ("jdbc:postgresql://db/app", [("postgresql", "", "db", "", "/app")]),
        ("file:///etc/x chrome://y", []),
        ("http://${HOST}/v1", []),
        ("nothing here", []),
    ],
)
def test_urls(line: str, found: list[tuple[str, ...]]) -> None:
    assert [(u.scheme, u.userinfo, u.host, u.port, u.rest) for u in urls(line)] == found


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("api.partner.example", True),
        ("8.8.8.8", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("[::1]", False),
        ("localhost", False),
        ("db", False),
        ("app.internal", False),
        ("www.w3.org", False),
        ("example.com", False),
        ("docs.partner.example", False),
        ("169.254.169.254", False),
    ],
)
def test_outside(host: str, yes: bool) -> None:
    assert outside(host) is yes


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("user@old.example:/x", True),
        ("OLD.example.", True),
        ("http://old.example/", True),
        ("my-old.example", False),
        ("sub.old.example", False),
        ("old.example.net", False),
        ("old-example", False),
    ],
)
def test_names_host(text: str, yes: bool) -> None:
    assert bool(names_host("old.example").search(text)) is yes


@pytest.mark.parametrize(
    ("line", "old", "new", "changed"),
    [
        ("a=sftp://u@old.example/x", "old.example", "new.example", "a=sftp://u@new.example/x"),
        ("a=http://old.example:80/v2", "old.example", "https://gw.example/p", "a=https://gw.example/p/v2"),
        ("a=http://u:p@old.example/v2", "old.example", "https://gw.example", "a=https://u:p@gw.example/v2"),
        ("host = old.example", "old.example", "https://gw.example/p", "host = gw.example"),
        ("a=http://old.example/v2/x", "http://old.example/v2", "https://gw.example", "a=https://gw.example/x"),
        ("other.old.example", "old.example", "new.example", "other.old.example"),
    ],
)
def test_redirected(line: str, old: str, new: str, changed: str) -> None:
    assert redirected(line, old, new) == changed


def test_redirecting_twice_changes_nothing_more() -> None:
    once = redirected("a=http://old.example/v2", "old.example", "https://old.example.gw.example/x")
    assert redirected(once, "old.example", "https://old.example.gw.example/x") == once


def test_the_most_specific_replacement_wins() -> None:
    declared = {"old.example": "a", "http://old.example/v2": "b", "very-old.example.net": "c"}
    assert replacement(declared, "old.example") == ("http://old.example/v2", "b")
    assert replacement(declared, "other.example") is None


@given(st.text(max_size=200))
def test_never_raises(text: str) -> None:
    list(urls(text))
    redirected(text, "old.example", "https://new.example")
