"""Two processes share the rules: nothing is lost, nothing run for nothing, whatever becomes of the helper."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fulldress.model.finding import Finding
from fulldress.scan.crew import First, shared_out

GROUPS = [[0, 2], [1], [3, 4], [5]]


def children() -> set[str]:
    return {c for t in Path("/proc/self/task").iterdir() for c in (t / "children").read_text().split()}


def finding(number: int) -> Finding:
    return Finding(
        rule=f"rule-{number}",
        severity="low",
        confidence="certain",
        title=f"\udce9 {number}".encode("utf-8", "surrogateescape").decode("latin-1"),
        place="a",
        excerpt=str(os.getpid()),
        consequence="c",
        fix="f",
    )


def test_every_rule_runs_once_and_two_processes_do_it() -> None:
    def slow(number: int) -> list[Finding]:
        time.sleep(0.05)
        return [finding(number)] * number

    done = shared_out(GROUPS, slow)
    assert {number: len(found) for number, found in done.items()} == {n: n for n in range(6)}
    assert len({f.excerpt for found in done.values() for f in found}) == 2


def test_what_the_helper_could_not_do_is_done_here() -> None:
    me = os.getpid()

    def run(number: int) -> list[Finding]:
        if os.getpid() != me:
            os._exit(3)
        time.sleep(0.05)
        return [finding(number)]

    done = shared_out(GROUPS, run)
    assert sorted(done) == list(range(6))
    assert {f.excerpt for found in done.values() for f in found} == {str(me)}


def test_an_interrupt_ends_the_helper() -> None:
    me = os.getpid()
    seen: list[int] = []

    def run(number: int) -> list[Finding]:
        if os.getpid() == me:
            seen.append(number)
            raise KeyboardInterrupt
        time.sleep(30)
        return []

    before = children()
    with pytest.raises(KeyboardInterrupt):
        shared_out(GROUPS, run)
    assert len(seen) == 1
    assert children() <= before


def test_what_all_rules_need_is_made_once_and_known_to_both() -> None:
    known: dict[int, int] = {}

    def make(numbers: Iterator[int]) -> bytes:
        mine = []
        for number in numbers:
            time.sleep(0.01)
            known[number] = os.getpid()
            mine.append(number)
        return bytes(mine)

    def take(data: bytes) -> None:
        known.update(dict.fromkeys(data, -1))

    def run(number: int) -> list[Finding]:
        time.sleep(0.02)
        return [msgspec.structs.replace(finding(number), title=" ".join(str(known[n]) for n in sorted(known)))]

    done = shared_out(GROUPS, run, First(9, make, take))
    told = {f.excerpt: f.title.split() for found in done.values() for f in found}
    assert len(told) == 2
    assert all(len(said) == 9 and set(said) == {pid, "-1"} for pid, said in told.items())


def test_a_helper_that_ends_while_it_makes_that_leaves_its_part_to_who_asks() -> None:
    me = os.getpid()
    taken: list[bytes] = []

    def make(numbers: Iterator[int]) -> bytes:
        mine = []
        for number in numbers:
            time.sleep(0.01)
            mine.append(number)
            if os.getpid() != me:
                os._exit(3)
        return bytes(mine)

    done = shared_out(GROUPS, lambda number: [finding(number)], First(9, make, taken.append))
    assert sorted(done) == list(range(6))
    assert taken == []
