"""The load generator against a real server on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from fulldress.errors import FulldressError, UsageError
from fulldress.measure.load import report
from fulldress.model.rehearsal import LoadReport
from fulldress.rehearse.loadgen import Job, Zero
from fulldress.rehearse.model_traffic import Expect, InSession, Planned, Take
from fulldress.rehearse.openloop import Engine, Options
from fulldress.rehearse.traffic import child_environment, shards_for, split, start_load

from .server import Server, plain


def steady(rate: int, seconds: float, path: str = "/x", method: str = "GET", body: bytes | None = None) -> list[Planned]:
    return [Planned(n / rate, method, path, body, f"{method} {path}") for n in range(int(rate * seconds))]


def play(server: Server, planned: list[Planned], timeout_s: float = 10.0) -> LoadReport:
    """Without a process of its own: what it sends and how it counts is the same."""
    engine = Engine(planned, Options(host="127.0.0.1", port=server.port, timeout_s=timeout_s))
    engine.warm_up()
    engine.run(time.monotonic_ns(), time.time())
    return report(engine.outcomes(), source="test", started=engine.started, ended=engine.ended)


def test_every_request_is_sent_and_answered() -> None:
    with Server() as server:
        found = play(server, steady(200, 1))
    assert (found.scheduled, found.completed, found.failed) == (200, 200, 0)
    assert len(server.seen) == 200
    assert found.endpoints["GET /x"].sent == 200
    assert found.bucket_seconds == 0.1
    assert sum(bucket.sent for bucket in found.buckets) == 200
    assert server.connections < 60, "connections are kept"


def test_requests_leave_when_they_are_due(tmp_path: Path) -> None:
    with Server() as server:
        load = start_load(server.address, steady(50, 1), directory=tmp_path)
        load.wait()
    late = [seen[0] - (load.started + n / 50) for n, seen in enumerate(server.seen)]
    assert sorted(late)[len(late) // 2] < 0.05
    assert min(late) > -0.02, "none leaves before it is due"


def test_a_stalled_server_shows_what_its_users_would_have_waited(tmp_path: Path) -> None:
    with Server() as server:
        load = start_load(server.address, steady(200, 3), directory=tmp_path)
        server.stall(after_s=load.started + 1 - time.time(), seconds=1.0)
        found = load.wait()
    assert found.failed == 0
    assert 800 < found.p99 < 1500
    assert 900 < found.worst < 1800
    assert 0.9 < found.outage_seconds < 1.8
    assert found.p50 < 200


def test_server_errors_are_failures_with_their_status(tmp_path: Path) -> None:
    with Server(lambda *_: plain(b"no", "503 Unavailable")) as server:
        load = start_load(server.address, steady(50, 0.4), directory=tmp_path)
        found = load.wait()
    assert (found.completed, found.failed) == (20, 20)
    assert found.failures == {"server-error": 20}
    assert {sample.status for sample in load.samples()} == {503}
    assert found.outage_seconds > 0.3, "errors are no service"


def test_refused_connections_are_failures_without_latency(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    load = start_load(f"http://127.0.0.1:{port}", steady(50, 0.4), directory=tmp_path)
    found = load.wait()
    assert (found.scheduled, found.completed, found.failed) == (20, 0, 20)
    assert found.failures == {"no-connection": 20}
    assert found.p99 == 0
    assert all(sample.latency is None for sample in load.samples())


def test_silence_is_a_time_out_counted_from_the_due_time() -> None:
    with Server() as server:
        server.silent = True
        found = play(server, steady(20, 0.5), timeout_s=0.5)
    assert (found.completed, found.failed) == (0, 10)
    assert 490 < found.p50 < 700


def test_a_connection_closed_without_an_answer_fails_the_request() -> None:
    with Server(lambda *_: b"") as server:
        found = play(server, steady(50, 0.4))
    assert (found.completed, found.failed) == (0, 20)


def test_a_server_that_closes_after_each_answer_loses_no_request() -> None:
    with Server() as server:
        server.close_after = True
        found = play(server, steady(100, 1))
    assert (found.completed, found.failed) == (100, 0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n<pause>0\r\n\r\n", id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc<pause>def", id="two segments"),
        pytest.param(b"HTTP/1.1 20<pause>0 OK\r\ncontent-length: 2\r\n\r\nok", id="split status line"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n<pause>HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", id="interim"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="no content"),
        pytest.param(plain(b"", "302 Found", "Location: /y\r\n"), id="redirect"),
    ],
)
def test_every_framing_of_an_answer_ends_the_request(answer: bytes) -> None:
    with Server(lambda *_: answer) as server:
        found = play(server, steady(50, 0.4), timeout_s=2)
    assert (found.completed, found.failed) == (20, 0)
    assert {path for _, _, path, _ in server.seen} == {"/x"}, "redirects are not followed"
    assert found.worst < 1000


def test_an_answer_may_end_with_its_connection() -> None:
    with Server(lambda *_: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello") as server:
        server.close_after = True
        found = play(server, steady(50, 0.4), timeout_s=2)
    assert (found.completed, found.failed) == (20, 0)


def test_head_has_no_body_to_wait_for() -> None:
    with Server(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n") as server:
        found = play(server, steady(50, 0.4, method="HEAD"), timeout_s=2)
    assert (found.completed, found.failed) == (20, 0)


def test_bodies_arrive_whole() -> None:
    with Server() as server:
        found = play(server, steady(20, 0.5, method="POST", body=b'{"value":1}'))
    assert found.failed == 0
    assert [body for _, _, _, body in server.seen] == [b'{"value":1}'] * 10


def test_garbage_instead_of_http_is_a_failure() -> None:
    with Server(lambda *_: b"\x00\x01 not http\r\n\r\n") as server:
        found = play(server, steady(50, 0.2), timeout_s=1)
    assert (found.completed, found.failed) == (0, 10)


def test_stopping_early_still_reports(tmp_path: Path) -> None:
    with Server() as server:
        load = start_load(server.address, steady(100, 60), directory=tmp_path)
        time.sleep(1)
        begun = time.monotonic()
        found = load.stop()
    assert time.monotonic() - begun < 3
    assert 40 < found.scheduled < 150
    assert found.failed == 0
    assert not load.running


def test_the_generator_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    with Server() as server:
        job = Job(
            options=Options(host="127.0.0.1", port=server.port),
            planned=tuple(steady(50, 60)),
            directory=str(tmp_path),
            lifeline=True,
        )
        child = subprocess.Popen(
            [sys.executable, "-m", "fulldress.rehearse.loadgen"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        child.stdin.write(msgspec.json.encode(Zero(monotonic_ns=time.monotonic_ns(), epoch=time.time())) + b"\n")
        child.stdin.close()
        assert child.wait(5) == 0
        child.stdout.close()


def test_a_killed_generator_is_an_error_not_a_report(tmp_path: Path) -> None:
    with Server() as server:
        load = start_load(server.address, steady(50, 60), directory=tmp_path)
        os.kill(load._processes[0].pid, signal.SIGKILL)
        with pytest.raises(FulldressError, match="exit code"):
            load.wait()


@pytest.mark.parametrize("target", ["ftp://127.0.0.1", "127.0.0.1:80", "http:///x", "http://h/path"])
def test_an_address_that_is_none_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        start_load(target, steady(1, 1), directory=tmp_path)


def test_a_restart_is_an_outage_of_its_length(tmp_path: Path) -> None:
    with Server() as first:
        load = start_load(first.address, steady(100, 4), directory=tmp_path)
        time.sleep(1.2)
    time.sleep(1)
    with Server(port=first.port):
        found = load.wait()
    assert 0.9 < found.outage_seconds < 1.7
    assert 80 < found.failed < 180
    assert found.completed + found.failed == found.scheduled == 400


def test_connections_that_the_server_tires_of_lose_no_request() -> None:
    with Server(idle_s=0.1) as server:
        found = play(server, steady(9, 2))
    assert (found.completed, found.failed) == (18, 0)
    assert server.connections > 10, "the server did hang up"


def test_an_empty_schedule_ends_at_once() -> None:
    with Server() as server:
        found = play(server, [])
    assert (found.scheduled, found.completed, found.failed) == (0, 0, 0)


class TestShards:
    def test_any_number_of_them_sends_the_same_schedule(self, tmp_path: Path) -> None:
        planned = [Planned(n / 400, "GET", f"/{n}", None, f"GET /{n % 3}") for n in range(200)]
        seen, reports = [], []
        for shards in (1, 3):
            with Server() as server:
                load = start_load(server.address, planned, directory=tmp_path / str(shards), shards=shards)
                reports.append(load.wait())
                seen.append(sorted(path for _, _, path, _ in server.seen))
                dues = [round(one.due - load.started, 4) for one in load.samples()]
            assert dues == [round(one.at_s, 4) for one in planned]
        assert seen[0] == seen[1]
        assert [len(one.shards) for one in reports] == [1, 3]
        for one in reports:
            assert (one.scheduled, one.completed, one.failed) == (200, 200, 0)
            assert {name: part.sent for name, part in one.endpoints.items()} == {"GET /0": 67, "GET /1": 67, "GET /2": 66}
        assert [shard.requests for shard in reports[1].shards] == [67, 67, 66]
        assert all(shard.cpu_seconds > 0 for shard in reports[1].shards)

    def test_their_report_is_that_of_all_their_samples(self, tmp_path: Path) -> None:
        with Server() as server:
            load = start_load(server.address, steady(100, 0.5), directory=tmp_path, shards=2)
            found = load.wait()
        latencies = sorted((one.latency or 0) * 1000 for one in load.samples())
        assert found.worst == pytest.approx(latencies[-1], abs=0.001)
        assert found.p50 == pytest.approx(latencies[24], abs=0.001)
        assert sum(bucket.sent for bucket in found.buckets) == 50

    def test_stopping_ends_all_of_them(self, tmp_path: Path) -> None:
        with Server() as server:
            load = start_load(server.address, steady(100, 60), directory=tmp_path, shards=2)
            time.sleep(0.5)
            found = load.stop()
        assert 10 < found.scheduled < 120
        assert not load.running

    def test_one_that_is_killed_makes_the_load_an_error(self, tmp_path: Path) -> None:
        with Server() as server:
            load = start_load(server.address, steady(50, 60), directory=tmp_path, shards=2)
            os.kill(load._processes[1].pid, signal.SIGKILL)
            load._processes[0].terminate()
            with pytest.raises(FulldressError, match="exit code"):
                load.wait()
        assert not load.running

    def test_a_session_stays_in_one(self) -> None:
        planned = [Planned(n / 10, "GET", "/", None, "x", session=InSession(n % 5)) for n in range(20)]
        homes: dict[int, set[int]] = {}
        for number, part in enumerate(split(planned, 3)):
            for one in part:
                assert one.session is not None
                homes.setdefault(one.session.id, set()).add(number)
        assert all(len(each) == 1 for each in homes.values())
        assert set().union(*homes.values()) == {0, 1, 2}

    @pytest.mark.parametrize("shards", [0, 17])
    def test_their_number_is_bounded(self, shards: int, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            start_load("http://127.0.0.1", [], directory=tmp_path, shards=shards)

    def test_a_slow_schedule_needs_one(self) -> None:
        assert shards_for(steady(1000, 2)) == 1
        assert shards_for([]) == 1

    def test_a_fast_schedule_takes_up_to_half_of_the_processors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
        assert shards_for(steady(45_000, 1)) == 3
        assert shards_for(steady(200_000, 1)) == 4


def test_a_header_that_cannot_be_sent_is_refused_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        start_load("http://127.0.0.1", [Planned(0, "GET", "/", headers=(("X", "a\nb"),))], directory=tmp_path)


def test_what_went_wrong_is_in_the_samples(tmp_path: Path) -> None:
    planned = [Planned(0, "GET", "/", None, "x", (), Expect(200, 300, b"absent"))]
    with Server() as server:
        load = start_load(server.address, planned, directory=tmp_path)
        found = load.wait()
    assert (found.completed, found.failed, found.failures) == (1, 1, {"unexpected": 1})
    assert [(one.status, one.failure) for one in load.samples()] == [(200, "unexpected")]


def test_the_report_says_how_much_of_it_the_generator_spoilt(tmp_path: Path) -> None:
    with Server() as server:
        load = start_load(server.address, steady(100, 1), directory=tmp_path)
        os.kill(load._processes[0].pid, signal.SIGSTOP)
        time.sleep(0.7)
        os.kill(load._processes[0].pid, signal.SIGCONT)
        found = load.wait()
    limited = sum(one.generator_limited for one in load.samples())
    assert found.generator_limited == pytest.approx(limited / 100)
    assert found.generator_limited > 0.2


@pytest.mark.parametrize(
    "planned",
    [
        pytest.param(Planned(0, "GET", "/a b"), id="target"),
        pytest.param(Planned(0, "GET", "/a\r\nX: y"), id="lines"),
        pytest.param(Planned(0, "GET", "/", session=InSession(1, 0, (Take("a", "text", "("),))), id="expression"),
        pytest.param(Planned(0, "GET", "/", session=InSession(1, 0, (Take("a", "json", "a"),))), id="pointer"),
    ],
)
def test_what_would_fail_when_due_is_refused_before_the_start(planned: Planned, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        start_load("http://127.0.0.1", [planned], directory=tmp_path)
