"""From calls and samples to holds: pure, so every order of events can be tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.model.rehearsal import LockHold
from fulldress.rehearse.intervals import Sample, from_events, from_samples, holds
from fulldress.rehearse.uprobes import Event

DB, T = 7, 20000


def events(*calls: tuple[float, int, str, int] | tuple[float, int, str]) -> list[Event]:
    """(time, pid, kind, mode); a session lock is written ``acq+``, the statement of what follows ``qry text``."""
    found = []
    texts: dict[int, str] = {}
    for call in calls:
        at, pid, word = call[:3]
        mode = call[3] if len(call) > 3 else 0
        kind, _, text = word.partition(" ")
        if kind == "qry":
            texts[pid] = text
        else:
            told = texts.get(pid, "") if kind.startswith(("acq", "slp")) else ""
            found.append(Event(at, pid, kind.rstrip("+"), DB, T, mode, kind.endswith("+"), told))
    return found


def held(*calls: tuple[float, int, str, int] | tuple[float, int, str], end: float = 100.0) -> list[LockHold]:
    return holds(from_events(events(*calls), DB, end), lambda _: "public.t", lambda _: True, 1000.0)


def summary(found: list[LockHold]) -> list[tuple[float, str, float, float, int]]:
    return [(h.at, h.mode, h.waited, h.held, h.waiters) for h in found]


def test_a_plain_hold_with_its_statement() -> None:
    (hold,) = held((1, 5, "qry ALTER TABLE t"), (2, 5, "acq", 8), (4, 5, "rel"))
    assert (hold.at, hold.relation, hold.mode, hold.held, hold.waited) == (1002, "public.t", "AccessExclusive", 2, 0)
    assert (hold.statement, hold.backend) == ("ALTER TABLE t", 5)


def test_a_wait_then_a_hold_and_those_behind_it() -> None:
    found = held((1, 5, "acq", 8), (1, 5, "slp", 8), (2, 6, "slp", 1), (3, 5, "wok", 0), (4, 5, "rel"), (4, 6, "wok", 0))
    assert summary(found) == [(1001, "AccessExclusive", 2, 1, 1), (1002, "AccessShare", 2, 0, 0)]


def test_a_wait_that_was_given_up_holds_nothing() -> None:
    assert summary(held((1, 5, "acq", 8), (1, 5, "slp", 8), (3, 5, "rel+"))) == [(1001, "AccessExclusive", 2, 0, 0)]
    assert summary(held((1, 5, "acq", 8), (1, 5, "slp", 8), (3, 5, "wok", 2), (3, 5, "rel+"))) == [
        (1001, "AccessExclusive", 2, 0, 0)
    ]


def test_a_session_lock_survives_commit_and_ends_with_its_release() -> None:
    assert summary(held((1, 5, "qry C"), (1, 5, "acq+", 4), (2, 5, "rel"), (9, 5, "rlr+", 4))) == [
        (1001, "ShareUpdateExclusive", 0, 8, 0)
    ]


def test_a_lock_taken_twice_ends_with_its_second_release() -> None:
    assert summary(held((1, 5, "acq", 5), (2, 5, "acq", 5), (3, 5, "rlr", 5), (4, 5, "rlr", 5)))[0][3] == 3


def test_what_is_still_open_ends_with_the_trace() -> None:
    assert summary(held((1, 5, "acq", 8), end=11))[0][3] == 10
    assert summary(held((1, 5, "slp", 1), end=4)) == [(1001, "AccessShare", 3, 0, 0)]


def test_other_databases_do_not_count() -> None:
    foreign = [Event(1, 5, "acq", DB + 1, T, 8), Event(2, 5, "rel")]
    assert from_events(foreign, DB, 9) == []


def test_parallel_workers_count_once_and_lone_vacuums_not_at_all() -> None:
    text = "qry CREATE INDEX"
    found = held((1, 5, text), (1, 5, "acq", 5), (2, 6, text), (2, 6, "acq", 5), (3, 6, "rel"), (4, 5, "rel"))
    assert [(h.backend, h.held) for h in found] == [(5, 3)]
    vacuum = [(1, 5, "acq", 4), (4, 5, "rel")]
    assert held(*vacuum) == []  # type: ignore[arg-type]
    assert held((1, 5, "qry autovacuum: VACUUM t"), *vacuum) == []  # type: ignore[arg-type]
    assert len(held(*vacuum[:1], (2, 6, "acq", 5), (2, 6, "slp", 5), (4, 5, "rel"), (4, 6, "wok", 0), (5, 6, "rel"))) == 2  # type: ignore[arg-type]


def test_what_lies_inside_a_stronger_lock_of_the_same_statement_is_not_told_again() -> None:
    found = held((1, 5, "qry ALTER"), (1, 5, "acq", 8), (2, 5, "acq", 5), (4, 5, "rel"))
    assert [hold.mode for hold in found] == ["AccessExclusive"]


def test_a_parallel_worker_that_joins_its_leader_did_not_wait() -> None:
    calls = [(1, 5, "qry C"), (1, 5, "acq", 5), (2, 6, "qry C"), (2, 6, "acq", 5), (2, 6, "slp", 5), (2.0001, 6, "wok", 0)]
    found = held(*calls, (3, 6, "rel"), (4, 5, "rel"))  # type: ignore[arg-type]
    assert [hold.backend for hold in found] == [5]


def test_a_relation_that_is_new_is_told_only_when_somebody_waited() -> None:
    alone = from_events(events((1, 5, "acq", 8), (3, 5, "rel")), DB, 9)
    assert holds(alone, str, lambda _: False, 0) == []
    wanted = from_events(events((1, 5, "acq", 8), (2, 6, "slp", 1), (3, 5, "rel"), (3, 6, "wok", 0)), DB, 9)
    assert len(holds(wanted, str, lambda _: False, 0)) == 2


@pytest.mark.parametrize(("mode", "waiting", "behind"), [(5, 1, 0), (5, 3, 1), (4, 3, 0), (8, 1, 1), (7, 2, 1), (4, 4, 1)])
def test_only_conflicting_waiters_queue_behind(mode: int, waiting: int, behind: int) -> None:
    found = held((1, 5, "qry C"), (1, 5, "acq", mode), (2, 6, "slp", waiting), (3, 6, "wok", 0), (4, 5, "rel"))
    assert next(h for h in found if h.backend == 5).waiters == behind


CALLS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["acq", "acq+", "slp", "wok", "rlr", "rlr+", "rel", "rel+", "qry x"]),
        st.integers(1, 8),
    ),
    max_size=40,
)


@given(CALLS)
def test_any_order_of_calls_gives_sane_holds(calls: list[tuple[int, str, int]]) -> None:
    timed = [
        (float(at), pid, kind, mode if kind[:3] != "acq" else max(mode, 4)) for at, (pid, kind, mode) in enumerate(calls)
    ]
    for hold in held(*timed, end=float(len(calls))):
        assert 0 <= hold.held <= len(calls)
        assert 0 <= hold.waited <= len(calls)
        assert hold.at + hold.waited + hold.held <= 1000 + len(calls)


def sampled(*rows: tuple[float, int, int, bool] | tuple[float]) -> list[tuple[int, float, float | None, float | None]]:
    samples = [Sample(r[0], r[1], T, r[2], r[3], "q") if len(r) > 1 else Sample(r[0], 0, 0, 0, False) for r in rows]
    return [(i.pid, i.asked, i.got, i.end) for i in from_samples(samples)]


def test_samples_begin_and_end_half_way() -> None:
    assert sampled((0,), (2, 5, 8, False), (4, 5, 8, True), (6, 5, 8, True), (8,)) == [(5, 1, 3, 7)]


def test_samples_of_several_backends_at_once() -> None:
    assert sampled((0,), (2, 5, 8, True), (2, 6, 1, False), (4, 6, 1, False), (6,)) == [(5, 1, 1, 3), (6, 1, None, 5)]
