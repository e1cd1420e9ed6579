"""The third parties answer over real HTTP and remember what was done to them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import world

API, HOOKS, FLAGS = "api.instrument-cloud.example", "hooks.lab-partner.example", "flags.dten-cloud.example"
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Send one request to a fresh world: ``ask(host, method, path, body)`` → (status, JSON)."""
    server = world.server("127.0.0.1", 0, tmp_path / "world.json")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def asked(host: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Host": host})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    yield asked
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_webhook_is_registered_listed_and_deleted(ask: Ask) -> None:
    status, made = ask(HOOKS, "POST", "/v1/webhooks", {"url": "http://x/", "events": ["a"]})
    assert status == 201 and made["id"].startswith("wh_")
    assert made in ask(HOOKS, "GET", "/v1/webhooks")[1]["webhooks"]
    assert ask(HOOKS, "DELETE", f"/v1/webhooks/{made['id']}") == (204, None)
    assert ask(HOOKS, "DELETE", f"/v1/webhooks/{made['id']}")[0] == 404


def test_a_flag_is_read_and_set(ask: Ask) -> None:
    path = "/v1/flags/hybrid-approval"
    assert ask(FLAGS, "GET", path)[1]["enabled"] is False
    assert ask(FLAGS, "PUT", path, {"enabled": True})[0] == 200
    assert ask(FLAGS, "GET", path)[1] == {"name": "hybrid-approval", "enabled": True}
    assert ask(FLAGS, "PUT", path, {"enabled": "yes"})[0] == 400


def test_the_reference_service_fails_as_often_as_set(ask: Ask) -> None:
    ask("any", "PUT", "/_state/settings", {"fail_every": 3, "latency_ms": 0})
    assert [ask(API, "GET", "/v2/reference/ph")[0] for _ in range(6)] == [200, 200, 503, 200, 200, 503]


def test_reference_values_are_stable(ask: Ask) -> None:
    first, second = (ask(API, "GET", "/v2/reference/lead")[1] for _ in range(2))
    assert first == second and first["method"] == "lead"


def test_events_are_counted_and_state_is_on_disk(ask: Ask, tmp_path: Path) -> None:
    assert ask(HOOKS, "POST", "/v1/events", {"event": "result.approved"})[0] == 202
    assert json.loads((tmp_path / "world.json").read_text())["events"] == 1
    assert ask("any", "GET", "/_state")[1]["events"] == 1


def test_an_unknown_name_is_misdirected(ask: Ask) -> None:
    assert ask("sftp.old-labs.example", "GET", "/")[0] == 421


def test_what_it_remembers_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    world.World(path).answer(FLAGS, "PUT", "/v1/flags/x", {"enabled": True})
    assert world.World(path).state["flags"]["x"] is True
