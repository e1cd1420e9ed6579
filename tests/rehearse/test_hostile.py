"""Servers that do what no server should: counted by kind, never an exception, nothing left behind."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from fulldress.measure.load import Outcome
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.openloop import Engine, Options

from .server import Behaviour, hostile

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def play(port: int, count: int = 8, timeout_s: float = 0.4, body: bytes | None = None) -> list[Outcome]:
    planned = [Planned(n / 200, "POST" if body else "GET", "/", body, "x") for n in range(count)]
    engine = Engine(
        planned, Options(host="127.0.0.1", port=port, timeout_s=timeout_s, warm_connections=2, max_connections=20)
    )
    before = set(Path("/proc/self/fd").iterdir())
    engine.warm_up()
    begun = time.monotonic()
    engine.run(time.monotonic_ns(), time.time())
    assert time.monotonic() - begun < 2 + timeout_s
    assert not engine._links
    assert len(set(Path("/proc/self/fd").iterdir()) - before) < 40, "the servers' ends are closed by their threads"
    return list(engine.outcomes())


def drip(connection: socket.socket) -> None:
    for byte in HEAD:
        connection.send(bytes((byte,)))
        time.sleep(0.05)


def forever(piece: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.send(piece)
        while True:
            connection.send(b"X-Pad: " + b"x" * 8000 + b"\r\n" if piece.endswith(b"OK\r\n") else b"y" * 8000)

    return behave


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        pytest.param(lambda _: None, "no-answer", id="hangs up"),
        pytest.param(reset, "no-answer", id="resets"),
        pytest.param(lambda c: c.send(HEAD + b"half"), "cut", id="hangs up within the body"),
        pytest.param(lambda c: c.send(HEAD[:20]), "cut", id="hangs up within the head"),
        pytest.param(lambda c: c.send(b"220 smtp ready\r\n\r\n"), "garbled", id="another protocol"),
        pytest.param(lambda c: c.send(b"\x16\x03\x01\x00\x05" * 9), "garbled", id="bytes"),
        pytest.param(
            lambda c: c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "garbled", id="bad chunk"
        ),
        pytest.param(
            lambda c: c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "garbled", id="lengths"
        ),
        pytest.param(forever(b"HTTP/1.1 200 OK\r\n"), "garbled", id="a head without end"),
        pytest.param(drip, "timed-out", id="a head byte by byte"),
        pytest.param(forever(b"HTTP/1.1 200 OK\r\n\r\n"), "timed-out", id="a body without end"),
        pytest.param(lambda c: c.send(b"HTTP/1.1 100 Continue\r\n\r\n") and time.sleep(1), "timed-out", id="only interim"),
        pytest.param(lambda _: time.sleep(1), "timed-out", id="silence"),
    ],
)
def test_it_is_counted_by_its_kind(behave: Behaviour, kind: str) -> None:
    with hostile(behave) as port:
        found = play(port)
    assert {one.failure for one in found} == {kind}
    assert len(found) == 8
    assert all(one.status == 0 for one in found)
    assert {one.latency is None for one in found} == {kind != "timed-out"}


def test_an_answer_of_many_megabytes_is_read_and_not_kept() -> None:
    def large(connection: socket.socket) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"z" * 100_000)

    with hostile(large) as port:
        found = play(port, count=2, timeout_s=5)
    assert [(one.status, one.failure) for one in found] == [(200, "")] * 2


def test_a_request_of_many_megabytes_is_sent_whole() -> None:
    received: list[int] = []

    def slow_reader(connection: socket.socket) -> None:
        connection.settimeout(1)
        total = 65536
        while total < 3_000_000:
            time.sleep(0.001)
            piece = len(connection.recv(65536))
            if not piece:
                break
            total += piece
        received.append(total)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with hostile(slow_reader) as port:
        found = play(port, count=1, timeout_s=5, body=b"b" * 3_100_000)
    assert [(one.status, one.failure) for one in found] == [(200, "")]
    assert received[0] >= 3_000_000


def test_an_answer_before_the_request_was_sent_whole_counts() -> None:
    def impatient(connection: socket.socket) -> None:
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.3)

    with hostile(impatient) as port:
        found = play(port, count=1, timeout_s=2, body=b"b" * 30_000_000)
    assert [one.status for one in found] == [413]


def test_a_listener_whose_queue_is_full_is_no_connection_or_a_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        found = play(listener.getsockname()[1], count=12)
    assert {one.failure for one in found} <= {"no-connection", "timed-out"}
    assert len(found) == 12


def test_an_answer_nobody_asked_for_costs_its_connection_only() -> None:
    def chatty(connection: socket.socket) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        connection.send(answer)
        time.sleep(0.02)
        connection.send(answer)
        time.sleep(0.5)

    with hostile(chatty) as port:
        engine = Engine(
            [Planned(n / 10, "GET", "/", None, "x") for n in range(4)], Options(host="127.0.0.1", port=port, timeout_s=1)
        )
        engine.warm_up()
        engine.run(time.monotonic_ns(), time.time())
    assert [(one.status, one.failure) for one in engine.outcomes()] == [(200, "")] * 4
