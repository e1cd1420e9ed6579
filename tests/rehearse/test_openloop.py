"""The open-loop engine's book-keeping, without a server."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.openloop import Engine, Options
from fulldress.rehearse.wire import render


def engine_of(count: int) -> Engine:
    planned = [Planned(n / 100, "GET", "/x", None, "GET /x") for n in range(count)]
    return Engine(planned, Options(host="127.0.0.1", port=1))


def test_an_answer_before_the_due_time_has_no_negative_latency() -> None:
    engine = engine_of(1)
    engine._next = 1
    engine._due[0], engine._sent[0], engine._done[0], engine._status[0] = 100_000, 85_000, 97_000, 200
    (one,) = engine.outcomes()
    assert one.latency == pytest.approx(12e-6)
    assert one.lag == 0


def test_a_late_generator_does_not_shorten_the_latency() -> None:
    engine = engine_of(1)
    engine._next = 1
    engine._due[0], engine._sent[0], engine._done[0], engine._status[0] = 0, 5_000_000, 6_000_000, 200
    (one,) = engine.outcomes()
    assert (one.latency, one.lag) == (pytest.approx(0.006), pytest.approx(0.005))


def test_what_was_never_due_is_not_reported() -> None:
    assert list(engine_of(5).outcomes()) == []


def test_connections_are_bounded() -> None:
    """A listener that accepts and says nothing: the engine holds no more than it may."""

    async def play() -> tuple[int, int]:
        opened = 0

        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal opened
            opened += 1
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        options = Options(
            host="127.0.0.1", port=server.sockets[0].getsockname()[1], timeout_s=0.5, max_connections=3, warm_connections=9
        )
        engine = Engine([Planned(0.0, "GET", "/", None, "GET /")] * 20, options)
        await engine.warm_up()
        await engine.run()
        first = opened
        server.close()
        return first, sum(one.status == 0 for one in engine.outcomes())

    opened, failed = asyncio.run(play())
    assert failed == 20
    assert opened <= 6, "three at a time, and no storm after the time-outs"


def test_a_second_stop_ends_at_once() -> None:
    async def play() -> float:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            options = Options(host="127.0.0.1", port=silent.getsockname()[1], timeout_s=30)
            engine = Engine([Planned(0.0, "GET", "/", None, "GET /")] * 5, options)
            await engine.warm_up()
            running = asyncio.create_task(engine.run(delay_s=0.01))
            await asyncio.sleep(0.2)
            begun = asyncio.get_running_loop().time()
            engine.stop()
            engine.stop()
            await running
            return asyncio.get_running_loop().time() - begun

    assert asyncio.run(play()) < 1


def test_a_request_as_bytes() -> None:
    assert render(Planned(0, "GET", "/a?b=1", None), "lims.example") == (
        b"GET /a?b=1 HTTP/1.1\r\nHost: lims.example\r\nUser-Agent: fulldress-rehearsal\r\nAccept: */*\r\n\r\n"
    )
    posted = render(Planned(0, "POST", "/a", b'{"a":1}'), "h")
    assert posted.endswith(b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}')
