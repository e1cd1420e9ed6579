"""Load reports from single requests."""

from __future__ import annotations

import pytest

from fulldress.formats.accesslog import Request, template
from fulldress.measure.load import OTHER, Outcome, bad_run, bucket_seconds_for, from_access_log, outage, punctuality, report
from fulldress.model.rehearsal import LoadReport


def made(*outcomes: Outcome, seconds: float = 10.0) -> LoadReport:
    return report(outcomes, source="test", started=1000.0, ended=1000.0 + seconds)


def test_counts_and_percentiles() -> None:
    found = made(*(Outcome(1000 + n / 100, n / 1000, 200, "GET /") for n in range(1, 101)))
    assert (found.scheduled, found.completed, found.failed, found.waited) == (100, 100, 0, 0)
    assert found.p50 == pytest.approx(50)
    assert found.p99 == pytest.approx(99)
    assert found.worst == 100
    assert found.endpoints["GET /"].worst == 100


def test_each_way_to_fail() -> None:
    found = made(
        Outcome(1000, 0.01, 200, "a"),
        Outcome(1001, 0.01, 503, "a"),
        Outcome(1002, None, 0, "a"),
        Outcome(1003, 10.0, 0, "a"),
        Outcome(1004, 0.01, 404, "a"),
    )
    assert (found.scheduled, found.completed, found.failed, found.waited) == (5, 3, 3, 1)
    assert found.worst == 10_000


def test_a_refused_connection_does_not_make_the_median_better() -> None:
    refused = [Outcome(1000 + n, None, 0, "a") for n in range(9)]
    assert made(Outcome(1000, 0.5, 200, "a"), *refused).p50 == 500


def test_buckets_lie_where_requests_were_due() -> None:
    found = made(Outcome(1000.05, 5.0, 200, "a"), Outcome(1000.31, 0.001, 500, "a"))
    assert [(round(b.start - 1000, 3), b.sent, b.failed) for b in found.buckets] == [(0.0, 1, 0), (0.3, 1, 1)]


def test_the_longer_the_load_the_wider_its_buckets() -> None:
    assert (bucket_seconds_for(60), bucket_seconds_for(3600), bucket_seconds_for(200_000)) == (0.1, 1.0, 10.0)


def test_nothing_sent_is_a_report_of_nothing() -> None:
    found = made()
    assert (found.scheduled, found.completed, found.p99, found.outage_seconds, found.buckets) == (0, 0, 0, 0, ())


def test_lag_of_the_generator_is_told() -> None:
    assert made(Outcome(1000, 0.1, 200, "a", lag=0.004)).lag_p99_ms == 4


def test_requests_that_left_late_are_told_as_a_share() -> None:
    found = made(*(Outcome(1000, 0.1, 200, "a", lag=lag) for lag in (0.0, 0.0001, 0.0011, 0.02)))
    assert (found.generator_limited, found.lag_p50_ms) == (0.5, 0.1)


def test_failures_are_counted_by_kind() -> None:
    found = made(
        Outcome(1000, 0.1, 200, "a", failure="unexpected"),
        Outcome(1000, 0.1, 502, "a"),
        Outcome(1000, None, 0, "a"),
        Outcome(1000, 0.1, 499, "a"),
        Outcome(1000, 0.1, 200, "a"),
    )
    assert found.failures == {"client-gave-up": 1, "no-answer": 1, "server-error": 1, "unexpected": 1}
    assert found.failed == 4


def test_endpoints_are_bounded() -> None:
    found = made(*(Outcome(1000, 0.1, 200, f"GET /{n}") for n in range(2100)))
    assert len(found.endpoints) == 2001
    assert found.endpoints[OTHER].sent == 100


class TestOutage:
    def test_lasts_from_the_first_unanswered_request_to_the_next_answer(self) -> None:
        assert outage([0, 1, 2, 3, 4], [0.01, 4.01, 4.02, 4.03, 4.04], 5) == pytest.approx(3.01)

    def test_lasts_to_the_end_when_no_answer_came(self) -> None:
        assert outage([0, 1, 2], [0.01], 10) == 9

    def test_is_not_a_quiet_time_without_requests(self) -> None:
        assert outage([0, 100], [0.01, 100.01], 200) == pytest.approx(0.01)

    def test_is_not_one_slow_request_among_answered_ones(self) -> None:
        dues = [n / 10 for n in range(50)]
        answers = [due + 0.02 for due in dues if due != 1.0] + [4.9]
        assert outage(dues, answers, 5) == pytest.approx(0.12)

    def test_server_errors_are_no_answers(self) -> None:
        outcomes = [Outcome(1000 + n / 10, 0.01, 503 if 10 <= n < 30 else 200, "a") for n in range(50)]
        assert made(*outcomes).outage_seconds == pytest.approx(2.01)


def entry(at: float, *, status: int = 200, seconds: float = 0.1, path: str = "/api/results/7?x=1") -> Request:
    return Request(at=at, seconds=seconds, method="GET", path=path, status=status, size=1)


def test_a_log_gives_the_same_report_as_a_generator() -> None:
    lines = [entry(999.9), entry(1000), entry(1001, status=502), entry(1002, status=499, seconds=3), entry(1010)]
    found = from_access_log(lines, 1000, 1010, endpoint=template)
    assert (found.scheduled, found.completed, found.failed, found.waited) == (3, 2, 2, 1)
    assert found.source == "access log"
    assert list(found.endpoints) == ["GET /api/results/{id}"]
    assert found.seconds == 10


class TestOutageOfAnEndpoint:
    """A locked table takes down the endpoints that need it, while others go on."""

    def test_it_lasts_from_the_first_bad_request_to_the_end_of_the_last(self) -> None:
        assert bad_run([(0, 0.01, False), (1, 3.0, True), (2, 3.0, True), (3.5, 3.6, False)]) == 2.0

    def test_a_good_request_in_between_ends_it(self) -> None:
        assert bad_run([(0, 1, True), (1, 1.1, False), (2, 2.5, True)]) == 1.0

    def test_without_bad_requests_there_is_none(self) -> None:
        assert bad_run([(0, 1, False)]) == 0.0
        assert bad_run([]) == 0.0

    def test_refused_requests_count_between_them(self) -> None:
        assert bad_run([(0, 0, True), (1.5, 1.5, True)]) == 1.5

    def test_bad_requests_far_apart_are_two_runs_because_nobody_asked_in_between(self) -> None:
        assert bad_run([(0, 0.5, True), (14, 14.2, True)]) == 0.5

    def test_the_report_names_the_endpoint_that_was_hit_although_others_went_on(self) -> None:
        hit = [Outcome(due=t / 10, latency=3.0 - t / 10, status=200, endpoint="GET /results") for t in range(10, 25)]
        fine = [Outcome(due=t / 10, latency=0.01, status=200, endpoint="GET /other") for t in range(60)]
        found = report([*fine, *hit], source="x", started=0, ended=6, slow_ms=500)
        assert found.worst_endpoint == "GET /results"
        assert found.endpoint_outage_seconds == pytest.approx(2.0)
        assert found.endpoints["GET /other"].outage_seconds == 0.0
        assert found.outage_seconds < 0.2


def test_the_generator_is_told_of_in_words() -> None:
    late = made(*(Outcome(1000, 0.1, 200, "a", lag=lag) for lag in (0.0, 0.0, 0.0, 0.02)))
    assert (
        punctuality(late)
        == "Of 4 requests the generator sent 25.00% more than a millisecond late (lag p50 0 ms, p99 20 ms)."
    )
    assert "sent none more" in punctuality(made(Outcome(1000, 0.1, 200, "a")))
