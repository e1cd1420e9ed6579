"""The memory of a third party."""

from __future__ import annotations

import json

import pytest

from fulldress.rehearse.outside import Answer, Endpoint
from fulldress.rehearse.stubs import rest
from fulldress.rehearse.stubs.rest import Rest


def test_a_body_that_is_no_json_is_remembered_by_digest() -> None:
    party = Rest(Endpoint())
    party.ask("PUT", "/x", b"\xff\xfe secret")
    body = party.ask("GET", "/x", b"").body
    assert list(json.loads(body)) == ["sha256"]
    assert b"secret" not in body


def test_a_list_posted_still_gets_an_id() -> None:
    reply = Rest(Endpoint()).ask("POST", "/x", b"[1, 2]")
    assert json.loads(reply.body) == {"id": reply.notes["created"], "value": [1, 2]}


def test_ids_are_the_same_in_every_rehearsal() -> None:
    made = [Rest(Endpoint(id_prefix="wh_")).ask("POST", "/x", b"{}").notes["created"] for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].startswith("wh_")


def test_a_trailing_slash_is_the_same_place() -> None:
    party = Rest(Endpoint())
    party.ask("PUT", "/x/", b"1")
    assert party.ask("GET", "/x", b"").body == b"1"


def test_latency_is_the_endpoints_and_the_answers() -> None:
    party = Rest(Endpoint(latency_s=0.1, answer=(Answer(path="/slow", latency_s=0.5),)))
    assert sorted(party.ask("GET", "/slow", b"").latencies) == [0.1, 0.5]
    assert party.ask("GET", "/x", b"").latencies == (0.1,)


def test_a_scripted_string_is_sent_as_it_is() -> None:
    party = Rest(Endpoint(answer=(Answer(path="/robots.txt", body="User-agent: *"),)))
    assert party.ask("GET", "/robots.txt", b"").body == b"User-agent: *"


def test_an_unknown_method_is_not_allowed() -> None:
    assert Rest(Endpoint()).ask("BREW", "/coffee", b"").status == 405


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_MOST_RESOURCES", 3)
    party = Rest(Endpoint())
    assert [party.ask("POST", "/x", b"{}").status for _ in range(5)] == [201, 201, 201, 507, 507]
    monkeypatch.setattr(rest, "_MOST_BYTES", 10)
    party = Rest(Endpoint())
    assert [party.ask("PUT", "/x", b'"1234"').status for _ in range(3)] == [201, 507, 507]


def test_a_deeply_nested_body_does_no_harm() -> None:
    assert Rest(Endpoint()).ask("PUT", "/x", b"[" * 100_000).status == 201
