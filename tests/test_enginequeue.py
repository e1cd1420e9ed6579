"""Items of a queue: each is played by one, and by another when that one died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pgserver import postgres_server

from fulldress.enginequeue import MOST_TAKES, WorkQueue
from fulldress.errors import UsageError


def of_file(path: Path) -> str:
    return f"sqlite:///{path / 'queue.sqlite'}"


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return of_file(tmp_path)
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def queue(url: str, request: pytest.FixtureRequest) -> WorkQueue:
    queue = WorkQueue(url, request.node.name[:80], lease_s=0.3)
    queue.open(b"facts")
    return queue


def test_each_item_is_taken_once_in_order(queue: WorkQueue) -> None:
    assert queue.put([b"a", b"b"]) == [1, 2]
    first, second = queue.take("one"), queue.take("two")
    assert first is not None and second is not None
    assert ((first.number, first.body), (second.number, second.body)) == ((1, b"a"), (2, b"b"))
    assert queue.take("three") is None


def test_results_come_back_with_the_numbers(queue: WorkQueue) -> None:
    numbers = queue.put([b"a", b"b"])
    for _ in numbers:
        taken = queue.take("one")
        assert taken is not None
        assert queue.report(taken.number, "one", taken.body * 2)
    assert queue.results() == {1: b"aa", 2: b"bb"}
    assert queue.results(known=[1]) == {2: b"bb"}
    assert queue.owners() == {"one": 2}
    assert queue.put([b"c"]) == [3]


def test_a_taker_that_says_nothing_loses_its_item_and_is_not_heard(queue: WorkQueue) -> None:
    queue.put([b"a"])
    assert queue.take("slow") is not None
    time.sleep(0.4)
    again = queue.take("quick")
    assert again is not None and again.takes == 2
    assert not queue.report(1, "slow", b"late")
    assert queue.report(1, "quick", b"good")
    assert queue.results() == {1: b"good"}


def test_a_taker_that_lives_keeps_its_item(queue: WorkQueue) -> None:
    queue.put([b"a"])
    assert queue.take("one") is not None
    for _ in range(3):
        time.sleep(0.15)
        assert queue.renew("one") == 1
    assert queue.take("two") is None


def test_an_item_that_kills_its_takers_is_given_up(queue: WorkQueue) -> None:
    queue.put([b"a"])
    for number in range(MOST_TAKES):
        assert queue.take(f"taker {number}") is not None
        time.sleep(0.35)
    assert queue.take("one more") is None
    assert queue.given_up() == [1]


def test_work_that_is_over_says_so(queue: WorkQueue) -> None:
    queue.put([b"a"])
    assert queue.facts() == b"facts"
    queue.close()
    assert (queue.facts(), queue.take("one")) == (None, None)


def test_work_whose_leader_is_gone_is_over(queue: WorkQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulldress.enginequeue.LEADERLESS_S", 0.2)
    queue.lead()
    assert queue.facts() == b"facts"
    time.sleep(0.3)
    assert queue.facts() is None


TAKER = """
import sys, time
from fulldress.enginequeue import WorkQueue
url, work, owner = sys.argv[1:]
queue = WorkQueue(url, work, lease_s=1.0)
while queue.facts() is not None:
    taken = queue.take(owner)
    if taken is None:
        time.sleep(0.02)
        continue
    if owner == "doomed":
        print("took", flush=True)
        time.sleep(60)
    queue.report(taken.number, owner, owner.encode() + b" " + taken.body)
"""


def test_another_process_takes_over_from_one_that_was_killed(url: str) -> None:
    queue = WorkQueue(url, f"killed-{os.getpid()}-{url[:6]}", lease_s=1.0)
    queue.open(b"")
    queue.put(str(number).encode() for number in range(12))
    argv = [sys.executable, "-c", TAKER, url, queue.work]
    with subprocess.Popen([*argv, "doomed"], stdout=subprocess.PIPE) as doomed:
        assert doomed.stdout is not None and doomed.stdout.readline() == b"took\n"
        with subprocess.Popen([*argv, "other"]) as other:
            doomed.send_signal(signal.SIGKILL)
            until = time.monotonic() + 20
            while len(queue.results()) < 12 and time.monotonic() < until:
                time.sleep(0.05)
            found, owners = queue.results(), queue.owners()
            queue.close()
            assert other.wait(10) == 0
    assert sorted(found) == list(range(1, 13))
    assert owners == {"other": 12}


def test_what_is_no_database_is_refused() -> None:
    with pytest.raises(UsageError, match="URL of a database"):
        WorkQueue("not a url", "w")
    with pytest.raises(UsageError, match="over mysql"):
        WorkQueue("mysql://host/db", "w")


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in WorkQueue("postgresql://me:hunter2@host/db", "w").shown
