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
from fulldress.model.rehearsal import LoadReport
from fulldress.rehearse.loadgen import Job, Zero
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.openloop import Options
from fulldress.rehearse.traffic import child_environment, start_load

from .server import Server, plain


def steady(rate: int, seconds: float, path: str = "/x", method: str = "GET", body: bytes | None = None) -> list[Planned]:
    return [Planned(n / rate, method, path, body, f"{method} {path}") for n in range(int(rate * seconds))]


def play(server: Server, planned: list[Planned], tmp_path: Path, timeout_s: float = 10.0) -> LoadReport:
    return start_load(server.address, planned, directory=tmp_path, timeout_s=timeout_s).wait()


def test_every_request_is_sent_and_answered(tmp_path: Path) -> None:
    with Server() as server:
        report = play(server, steady(200, 1), tmp_path)
    assert (report.scheduled, report.completed, report.failed) == (200, 200, 0)
    assert len(server.seen) == 200
    assert report.endpoints["GET /x"].sent == 200
    assert report.bucket_seconds == 0.1
    assert sum(bucket.sent for bucket in report.buckets) == 200
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
        report = load.wait()
    assert report.failed == 0
    assert 800 < report.p99 < 1500
    assert 900 < report.worst < 1800
    assert 0.9 < report.outage_seconds < 1.8
    assert report.p50 < 200


def test_server_errors_are_failures_with_their_status(tmp_path: Path) -> None:
    with Server(lambda *_: plain(b"no", "503 Unavailable")) as server:
        load = start_load(server.address, steady(50, 0.4), directory=tmp_path)
        report = load.wait()
    assert (report.completed, report.failed) == (20, 20)
    assert {sample.status for sample in load.samples()} == {503}
    assert report.outage_seconds > 0.3, "errors are no service"


def test_refused_connections_are_failures_without_latency(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    load = start_load(f"http://127.0.0.1:{port}", steady(50, 0.4), directory=tmp_path)
    report = load.wait()
    assert (report.scheduled, report.completed, report.failed) == (20, 0, 20)
    assert report.p99 == 0
    assert all(sample.latency is None for sample in load.samples())


def test_silence_is_a_time_out_counted_from_the_due_time(tmp_path: Path) -> None:
    with Server() as server:
        server.silent = True
        report = play(server, steady(20, 0.5), tmp_path, timeout_s=0.5)
    assert (report.completed, report.failed) == (0, 10)
    assert 490 < report.p50 < 700


def test_a_connection_closed_without_an_answer_fails_the_request(tmp_path: Path) -> None:
    with Server(lambda *_: b"") as server:
        report = play(server, steady(50, 0.4), tmp_path)
    assert (report.completed, report.failed) == (0, 20)


def test_a_server_that_closes_after_each_answer_loses_no_request(tmp_path: Path) -> None:
    with Server() as server:
        server.close_after = True
        report = play(server, steady(100, 1), tmp_path)
    assert (report.completed, report.failed) == (100, 0)


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
def test_every_framing_of_an_answer_ends_the_request(answer: bytes, tmp_path: Path) -> None:
    with Server(lambda *_: answer) as server:
        report = play(server, steady(50, 0.4), tmp_path, timeout_s=2)
    assert (report.completed, report.failed) == (20, 0)
    assert {path for _, _, path, _ in server.seen} == {"/x"}, "redirects are not followed"
    assert report.worst < 1000


def test_an_answer_may_end_with_its_connection(tmp_path: Path) -> None:
    with Server(lambda *_: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello") as server:
        server.close_after = True
        report = play(server, steady(50, 0.4), tmp_path, timeout_s=2)
    assert (report.completed, report.failed) == (20, 0)


def test_head_has_no_body_to_wait_for(tmp_path: Path) -> None:
    with Server(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n") as server:
        report = play(server, steady(50, 0.4, method="HEAD"), tmp_path, timeout_s=2)
    assert (report.completed, report.failed) == (20, 0)


def test_bodies_arrive_whole(tmp_path: Path) -> None:
    with Server() as server:
        report = play(server, steady(20, 0.5, method="POST", body=b'{"value":1}'), tmp_path)
    assert report.failed == 0
    assert [body for _, _, _, body in server.seen] == [b'{"value":1}'] * 10


def test_garbage_instead_of_http_is_a_failure(tmp_path: Path) -> None:
    with Server(lambda *_: b"\x00\x01 not http\r\n\r\n") as server:
        report = play(server, steady(50, 0.2), tmp_path, timeout_s=1)
    assert (report.completed, report.failed) == (0, 10)


def test_stopping_early_still_reports(tmp_path: Path) -> None:
    with Server() as server:
        load = start_load(server.address, steady(100, 60), directory=tmp_path)
        time.sleep(1)
        begun = time.monotonic()
        report = load.stop()
    assert time.monotonic() - begun < 3
    assert 40 < report.scheduled < 150
    assert report.failed == 0
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
        report = load.wait()
    assert 0.9 < report.outage_seconds < 1.7
    assert 80 < report.failed < 180
    assert report.completed + report.failed == report.scheduled == 400


def test_connections_that_the_server_tires_of_lose_no_request(tmp_path: Path) -> None:
    with Server(idle_s=0.1) as server:
        report = play(server, steady(9, 2), tmp_path)
    assert (report.completed, report.failed) == (18, 0)
    assert server.connections > 10, "the server did hang up"


def test_an_empty_schedule_ends_at_once(tmp_path: Path) -> None:
    with Server() as server:
        report = play(server, [], tmp_path)
    assert (report.scheduled, report.completed, report.failed) == (0, 0, 0)
