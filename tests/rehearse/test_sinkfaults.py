"""Scripted misbehaviour of third parties, met by real clients, and what they did about it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fulldress.rehearse.attempts import retries
from fulldress.rehearse.outside import Endpoint, Fault
from fulldress.rehearse.stubs.faults import Faults

from .sinking import ThreadedSink

Make = Callable[..., ThreadedSink]
API = "api.example"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[ThreadedSink] = []

    def made(**policy: Any) -> ThreadedSink:
        opened.append(ThreadedSink(tmp_path, {"endpoint": {API: policy}}).__enter__())
        opened[-1].aim(API, 80)
        return opened[-1]

    yield made
    for one in opened:
        one.__exit__()


def ask(sink: ThreadedSink, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", sink.listen.tcp, timeout=5)
    try:
        client.request(method, path, "{}" if method == "POST" else None, dict(headers or {}))
        answer = client.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        client.close()


def test_the_first_calls_fail_and_the_client_s_waiting_is_told(make: Make) -> None:
    sink = make(fault=[{"path": "/v1/*", "first": 2, "status": 503, "retry-after-s": 3}])
    seen = [ask(sink, "/v1/hooks", "POST")]
    time.sleep(0.3)
    seen += [ask(sink, "/v1/hooks", "POST"), ask(sink, "/v1/hooks", "POST")]
    assert [status for status, _ in seen] == [503, 503, 201]
    assert seen[0][1]["Retry-After"] == "3"
    (row,) = retries(sink.entries())
    assert (row.attempts, row.failed, row.recovered, row.asked_s, row.scripted) == (3, 2, True, 3, ("503",))
    assert 0.3 <= row.intervals[0] < 2
    assert row.intervals[1] < 0.3


def test_a_call_that_is_struck_before_it_is_obeyed_changes_nothing(make: Make) -> None:
    sink = make(fault=[{"status": 500}])
    ask(sink, "/v1/hooks", "POST")
    (entry,) = sink.entries("request")
    assert (entry.kind, entry.created, entry.scripted) == ("", "", "500")


def test_more_calls_than_allowed_are_told_to_wait(make: Make) -> None:
    sink = make(fault=[{"allowed": 2, "within-s": 30, "status": 429, "retry-after-s": 7}])
    assert [ask(sink, "/")[0] for _ in range(4)] == [404, 404, 429, 429]


def test_a_reset_is_a_reset(make: Make) -> None:
    sink = make(fault=[{"kind": "reset"}])
    with pytest.raises(ConnectionResetError):
        ask(sink, "/")


def test_half_an_answer_after_the_request_was_obeyed(make: Make) -> None:
    sink = make(fault=[{"kind": "truncate"}], initial={"/v1/a": {"name": "x" * 500}})
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(sink, "/v1/a")
    assert 200 < len(caught.value.partial) < 400


def test_an_answer_that_trickles(make: Make) -> None:
    sink = make(fault=[{"kind": "trickle", "latency-s": 0.002}])
    before = time.monotonic()
    assert ask(sink, "/")[0] == 404
    assert time.monotonic() - before > 0.1


def test_no_answer_ever(make: Make) -> None:
    sink = make(fault=[{"kind": "timeout"}])
    with sink.connect() as sock:
        sock.settimeout(0.5)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_service_that_is_still_starting(make: Make) -> None:
    sink = make(**{"refuse-first": 2})
    for _ in range(2):
        with pytest.raises(ConnectionError):
            ask(sink, "/")
    assert ask(sink, "/")[0] == 404
    row = next(row for row in retries(sink.entries()) if not row.path)
    assert (row.attempts, row.failed, row.recovered) == (3, 2, True)


def test_an_upgrade_is_refused_cleanly(make: Make) -> None:
    status, headers = ask(make(), "/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert (status, headers["Upgrade"]) == (426, "HTTP/1.1")


def test_a_share_strikes_the_same_requests_under_one_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(Endpoint(fault=(Fault(share=0.3),), seed=seed))
        return [faults.strike("GET", "/", 0.0) is not None for _ in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert 40 <= sum(struck(1)) <= 80


def test_a_range_of_latency_stays_within(make: Make) -> None:
    sink = make(**{"latency-s": [0.15, 0.2]})
    before = time.monotonic()
    ask(sink, "/")
    assert 0.15 <= time.monotonic() - before < 1.5


def test_keep_alive_and_chunks_and_continue_on_one_connection(make: Make) -> None:
    sink = make()
    with socket.create_connection(("127.0.0.1", sink.listen.tcp), timeout=5) as sock:
        sock.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b'7\r\n{"a":1}\r\n0\r\n\r\n')
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert json.loads(answer.read())["a"] == 1
        sock.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.status == 200
