"""The open-loop engine's book-keeping."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fulldress.rehearse.model_traffic import InSession, Planned
from fulldress.rehearse.openloop import Engine, Options
from fulldress.rehearse.wire import Reader

from .server import Server


def engine_of(count: int) -> Engine:
    planned = [Planned(n / 100, "GET", "/x", None, "GET /x") for n in range(count)]
    return Engine(planned, Options(host="127.0.0.1", port=1))


def play(planned: list[Planned], options: Options) -> Engine:
    engine = Engine(planned, options)
    engine.warm_up()
    engine.run(time.monotonic_ns(), time.time())
    return engine


@contextmanager
def silent() -> Iterator[tuple[int, list[socket.socket]]]:
    """A listener that accepts and says nothing."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def accept() -> None:
            try:
                while True:
                    held.append(listener.accept()[0])
            except OSError:
                pass

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], held
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for one in held:
        one.close()


def test_an_answer_before_the_due_time_has_no_negative_latency() -> None:
    engine = engine_of(1)
    engine._launched.append(0)
    engine._due[0], engine._sent[0], engine._done[0], engine._status[0] = 100_000, 85_000, 97_000, 200
    (one,) = engine.outcomes()
    assert one.latency == pytest.approx(12e-6)
    assert one.lag == 0


def test_a_late_generator_does_not_shorten_the_latency() -> None:
    engine = engine_of(1)
    engine._launched.append(0)
    engine._due[0], engine._sent[0], engine._done[0], engine._status[0] = 0, 5_000_000, 6_000_000, 200
    (one,) = engine.outcomes()
    assert (one.latency, one.lag) == (pytest.approx(0.006), pytest.approx(0.005))


def test_what_was_never_due_is_not_reported() -> None:
    assert list(engine_of(5).outcomes()) == []


def test_connections_are_bounded() -> None:
    with silent() as (port, held):
        options = Options(host="127.0.0.1", port=port, timeout_s=0.5, max_connections=3, warm_connections=9)
        engine = play([Planned(0.0, "GET", "/", None, "GET /")] * 20, options)
        assert sum(one.status == 0 for one in engine.outcomes()) == 20
        assert len(held) <= 6, "three at a time, and no storm after the time-outs"
        assert engine.held_back == 17, "those that no connection was free for"


def test_no_descriptor_is_left_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with silent() as (port, _):
        play([Planned(0.0, "GET", "/", None, "GET /")] * 20, Options(host="127.0.0.1", port=port, timeout_s=0.1))
    with Server() as server:
        play([Planned(n / 200, "GET", "/", None, "GET /") for n in range(40)], Options(host="127.0.0.1", port=server.port))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_second_stop_ends_at_once() -> None:
    with silent() as (port, _):
        engine = Engine([Planned(0.0, "GET", "/", None, "GET /")] * 5, Options(host="127.0.0.1", port=port, timeout_s=30))
        running = threading.Thread(target=lambda: engine.run(time.monotonic_ns(), time.time()))
        running.start()
        time.sleep(0.2)
        engine.stop()
        engine.stop()
        running.join(1)
        assert not running.is_alive()


def test_a_host_that_has_no_address_is_no_connection() -> None:
    engine = play([Planned(0.0, "GET", "/", None, "GET /")] * 3, Options(host="no-such-host.invalid", port=80))
    assert [one.failure for one in engine.outcomes()] == ["no-connection"] * 3


def test_requests_out_of_order_leave_in_the_order_they_are_due() -> None:
    with Server() as server:
        planned = [Planned(at, "GET", f"/{at}", None, "x") for at in (0.1, 0.0, 0.05)]
        engine = play(planned, Options(host="127.0.0.1", port=server.port))
        assert [path for _, _, path, _ in server.seen] == ["/0.0", "/0.05", "/0.1"]
        dues = [one.due for one in engine.outcomes()]
        assert dues == sorted(dues)


def test_stopping_ends_sessions_too() -> None:
    with Server() as server:
        tie = InSession(1, 0.01)
        planned = [Planned(n / 100, "GET", f"/{n}", None, "x", session=tie) for n in range(1000)]
        engine = Engine(planned, Options(host="127.0.0.1", port=server.port))
        running = threading.Thread(target=lambda: engine.run(time.monotonic_ns(), time.time()))
        running.start()
        time.sleep(0.3)
        engine.stop()
        running.join(2)
        assert not running.is_alive()
    assert 3 < len(list(engine.outcomes())) < 100


def test_parsers_are_let_go_without_the_garbage_collector() -> None:
    """It is off while load is sent."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    gc.collect()
    gc.disable()
    try:
        with Server(lambda *_: chunked) as server:
            planned = [Planned(n / 200, "GET", "/", None, "x") for n in range(20)]
            engine = play(planned, Options(host="127.0.0.1", port=server.port))
        assert [one.status for one in engine.outcomes()] == [200] * 20
        assert not [one for one in gc.get_objects() if isinstance(one, Reader)]
    finally:
        gc.enable()
