"""What a pass reads on the machine and in the journal, and the line that it can cut."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

from fulldress.adapters import procs
from fulldress.rehearse.crashpass import repeated_events, repeated_jobs
from fulldress.rehearse.runner import FarHost, Link, follow
from fulldress.store.journal import Journal


def test_one_success_of_a_phase_is_not_repeated() -> None:
    codes = {
        "r-a-do": None,
        "r-a-again": 0,
        "r-a-probe": 0,
        "r-a-undo": None,
        "r-a-undo-again": 0,
        "r-b-do": 0,
        "r-b-undo": 0,
    }
    assert repeated_jobs(codes, ["a", "b"], "r") == []


def test_two_successes_of_a_phase_are() -> None:
    assert repeated_jobs({"r-a-do": 0, "r-a-again": 0}, ["a"], "r") == ["a"]
    assert repeated_jobs({"r-a-undo": 0, "r-a-undo.2": 0}, ["a"], "r") == ["a"]


def test_a_failure_that_was_tried_again_is_none() -> None:
    assert repeated_jobs({"r-a-undo": 1, "r-a-undo.2": 0}, ["a"], "r") == []


def test_a_step_named_like_anothers_job_is_not_mixed_up_with_it() -> None:
    assert repeated_jobs({"r-a-do": 0, "r-a-do-do": 0}, ["a", "a-do"], "r") == []


def test_an_event_that_was_written_twice_for_one_attempt(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for step, attempt in (("a", 1), ("b", 1), ("b", 2)):
        journal.append("step-ended", run="r", step=step, phase="do", attempt=attempt)
    assert repeated_events(path, "r") == []
    journal.append("step-ended", run="r", step="a", phase="do", attempt=1)
    assert repeated_events(path, "r") == ["a"]
    assert repeated_events(path, "another run") == []


def test_a_cut_line_loses_what_is_sent_and_counts_it(tmp_path: Path) -> None:
    ours, theirs = Link(tmp_path / "link"), Link(tmp_path / "link")
    host = FarHost("local:", theirs)
    assert host.run(["echo", "there"]).stdout == b"there\n"
    ours.sever()
    assert host.run(["echo", "there"]).code is None
    assert (ours.cut, ours.lost) == (True, 1)
    ours.join()
    assert host.run(["true"]).ok


def test_an_answer_is_lost_when_the_line_is_cut_meanwhile(tmp_path: Path) -> None:
    link = Link(tmp_path / "link")
    host = FarHost("local:", link)
    done = host.run(["python3", "-c", f"open({str(link.path)!r}, 'r+b').write(b'\\x01')"])
    assert (done.code, link.lost) == (None, 1)


def test_a_machine_that_is_down_gives_no_answer(tmp_path: Path) -> None:
    assert FarHost("machine:not-there", Link(tmp_path / "link")).run(["true"]).code is None


def _maker(line: multiprocessing.connection.Connection) -> None:  # type: ignore[name-defined]
    child = multiprocessing.get_context("fork").Process(target=_follower, args=(procs.me(),))
    child.start()
    line.send(procs.of(child.pid or 0))
    os._exit(0)


def _follower(maker: procs.Proc) -> None:
    follow(maker)
    time.sleep(60)


def test_what_follows_its_maker_ends_with_it() -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    maker = context.Process(target=_maker, args=(theirs,))
    maker.start()
    child = ours.recv()
    maker.join()
    assert procs.wait_gone(child, 10)
