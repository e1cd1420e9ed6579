"""Old and new under one schedule: false alarms, power, and what is called unchanged."""

from __future__ import annotations

import math
import random

import pytest

from fulldress.measure.compare import ALL, shifts, tail
from fulldress.measure.load import Outcome
from fulldress.model.rehearsal import EndpointShift
from fulldress.model.release import Objectives
from fulldress.rehearse.comparison import SLICE_S, WARM_S, part_of, slices
from fulldress.rehearse.model_traffic import InSession, Planned, Take
from fulldress.rehearse.verdict import compare_check

Q95_MS = 88.0
"""Of :func:`played`, about: the slow ones are beyond it."""


def played(
    draw: random.Random, count: int, *, factor: float = 1.0, moments: float = 0.0, name: str = "GET /a", seconds: float = 60
) -> list[Outcome]:
    """Requests of which 3 % are slow; ``factor`` slows the slow ones; ``moments`` makes stretches of 5 s slow or fast."""
    found, moods = [], [math.exp(moments * draw.gauss(0, 1)) for _ in range(int(seconds / 5) + 1)]
    for n in range(count):
        at = n * seconds / count
        slow = draw.random() < 0.03
        took = math.exp(math.log(160) + 0.5 * draw.gauss(0, 1) if slow else math.log(40) + 0.35 * draw.gauss(0, 1))
        took *= factor if took >= Q95_MS else 1.0
        found.append(Outcome(at, took * moods[int(at / 5)] / 1000, 200, name))
    return found


def row(rows: tuple[EndpointShift, ...], name: str = "GET /a") -> EndpointShift:
    return next(one for one in rows if one.endpoint == name)


@pytest.mark.parametrize("moments", [0.0, 0.1])
def test_without_a_change_at_most_one_comparison_in_a_hundred_cries_wolf(moments: float) -> None:
    draw, alarms = random.Random(4), 0
    for _ in range(100):
        arms = [[one for k in range(3) for one in played(draw, 200, moments=moments, name=f"e{k}")] for _ in range(2)]
        alarms += any(one.judgement == "regressed" for one in shifts(*arms))
    assert alarms <= 1


def test_a_fifth_more_at_p99_is_found_with_30000_requests() -> None:
    draw = random.Random(2)
    for _ in range(3):
        found = row(shifts(played(draw, 30_000), played(draw, 30_000, factor=1.2)))
        assert found.judgement == "regressed"
        assert found.measure == "p99"
        assert 0 < found.low < 0.2 < found.high


def test_30000_requests_without_a_change_are_unchanged() -> None:
    draw = random.Random(3)
    found = row(shifts(played(draw, 30_000), played(draw, 30_000)))
    assert found.judgement == "unchanged"
    assert -0.25 < found.low < 0 < found.high < 0.25


def test_faster_is_improved() -> None:
    draw = random.Random(3)
    assert row(shifts(played(draw, 9000, factor=1.6), played(draw, 9000))).judgement == "improved"


def test_few_requests_say_nothing() -> None:
    draw = random.Random(3)
    assert row(shifts(played(draw, 50), played(draw, 50))).judgement == "not enough data"


def test_failures_count_as_the_slowest() -> None:
    draw = random.Random(3)
    good = played(draw, 2000)
    bad = [Outcome(one.due, None, 0, one.endpoint, 0.0, "no-answer") if n % 20 == 0 else one for n, one in enumerate(good)]
    found = row(shifts(good, bad))
    assert found.judgement == "regressed"
    assert found.p99_after == 60_000


def test_what_is_certain_but_small_is_no_regression() -> None:
    before = [Outcome(n / 100, 0.0010 + n % 97 / 1e6, 200, "GET /a") for n in range(6000)]
    after = [Outcome(one.due, (one.latency or 0) * 1.3, 200, one.endpoint) for one in before]
    assert row(shifts(before, after)).judgement == "unchanged"  # 0.3 ms


def test_a_slow_moment_of_one_clone_is_no_regression() -> None:
    draw = random.Random(5)
    before, after = played(draw, 6000), played(draw, 6000)
    stalled = [Outcome(one.due, 2.0 if 20 < one.due < 21 else one.latency, 200, one.endpoint) for one in after]
    assert row(shifts(before, stalled)).judgement == "not enough data"


def moody(draw: random.Random, moods: list[float], factor: float = 1.0, count: int = 12_000) -> list[Outcome]:
    """The same moments were slow or fast for both versions, as on a machine that has more to do than this."""
    calm = played(draw, count, factor=factor)
    return [Outcome(one.due, (one.latency or 0) * moods[int(one.due / 5)], 200, one.endpoint) for one in calm]


def test_moments_that_were_slow_for_both_hide_neither_a_change_nor_that_there_is_none() -> None:
    found = []
    for seed in (7, 8, 9):
        draw = random.Random(seed)
        moods = [math.exp(0.6 * draw.gauss(0, 1)) for _ in range(13)]
        same, slower = (row(shifts(moody(draw, moods), moody(draw, moods, factor))) for factor in (1.0, 1.5))
        assert same.judgement != "regressed"
        assert -0.3 < same.low < same.high < 0.5
        found.append(slower.judgement)
    assert found.count("regressed") >= 2


def test_shared_moods_cry_wolf_no_more_often_than_none() -> None:
    draw, alarms = random.Random(11), 0
    for _ in range(60):
        moods = [math.exp(0.5 * draw.gauss(0, 1)) for _ in range(13)]
        alarms += row(shifts(moody(draw, moods, count=600), moody(draw, moods, count=600))).judgement == "regressed"
    assert alarms <= 1


def test_everything_together_is_a_row_and_regressions_come_first() -> None:
    draw = random.Random(6)
    before = played(draw, 4000) + played(draw, 4000, name="GET /b")
    after = played(draw, 4000) + played(draw, 4000, name="GET /b", factor=2)
    rows = shifts(before, after)
    assert {one.endpoint for one in rows} == {"GET /a", "GET /b", ALL}
    assert row(rows, "GET /b").judgement == "regressed"
    assert rows[0].judgement == "regressed"
    assert row(rows, ALL).before == 8000


def test_an_endpoint_of_one_side_only_is_not_compared() -> None:
    draw = random.Random(6)
    names = {one.endpoint for one in shifts(played(draw, 500), played(draw, 500) + played(draw, 9, name="new"))}
    assert names == {"GET /a", ALL}


def test_the_lot_is_exact() -> None:
    assert tail(3, 0, 3, 3) == pytest.approx(1 / 20)  # all three bad ones of six requests on one side
    assert tail(0, 5, 10, 10) == 1
    assert tail(10, 10, 100, 100) == pytest.approx(0.5, abs=0.1)
    assert tail(40, 0, 100, 100, 8.0) > tail(40, 0, 100, 100)


class TestVerdict:
    def shift(self, judgement: str, p99: float = 200.0) -> EndpointShift:
        draw = random.Random(1)
        (one, *_) = shifts(played(draw, 100), played(draw, 100))
        values = {**{name: getattr(one, name) for name in one.__struct_fields__}, "judgement": judgement, "p99_after": p99}
        return EndpointShift(**values)

    @pytest.mark.parametrize(
        ("judgements", "p99", "expected"),
        [
            (["unchanged", "not enough data"], 200, "pass"),
            (["unchanged", "regressed"], 200, "inconclusive"),
            (["unchanged", "regressed"], 2000, "fail"),
            (["not enough data"], 200, "no-data"),
            ([], 200, "no-data"),
        ],
    )
    def test_a_row_of_the_verdict(self, judgements: list[str], p99: float, expected: str) -> None:
        found = compare_check([self.shift(one, p99) for one in judgements], Objectives(max_p99_ms=1000))
        assert found.judgement == expected

    def test_what_was_seen_is_said_also_where_it_tells_nothing(self) -> None:
        found = compare_check([self.shift("not enough data", 165)], Objectives())
        assert found.measured.startswith("not told by 100 requests of each in uneven moments, p99 ")
        assert compare_check([], Objectives()).measured == "not enough requests"


class TestSlices:
    PLANNED = tuple(Planned(n / 10, "GET", f"/{n}", None, "GET /x") for n in range(3000))

    def test_warm_up_and_then_equal_parts(self) -> None:
        warm, *rest = slices(self.PLANNED, 90)
        assert len(warm) == WARM_S * 10
        assert [len(one) for one in rest] == [SLICE_S * 10] * 6
        assert [one.at_s for one in rest[1]] == pytest.approx([one.at_s for one in rest[0]])
        assert rest[1][0].path == "/150"

    def test_a_longer_comparison_begins_again(self) -> None:
        _, *rest = slices(self.PLANNED, 600)
        assert len(rest) == 40
        assert rest[0][0] == rest[20][0]

    def test_a_session_goes_on_in_the_next_slice(self) -> None:
        visit = [Planned(at, "GET", f"/{at}", None, "GET /x", session=InSession(1)) for at in (8.0, 12.0, 31.0)]
        assert [one.path for one in part_of(visit, 0, 30)] == ["/8.0", "/12.0"]
        assert [(one.path, one.at_s) for one in part_of(visit, 30, 60)] == [("/31.0", 1.0)]

    def test_a_session_with_a_login_does_not(self) -> None:
        login = Planned(8.0, "POST", "/login", b"", "POST /login", session=InSession(1, 0.0, (Take("t", "json", "/t"),)))
        visit = [login, Planned(31.0, "GET", "/x", None, "GET /x", session=InSession(1))]
        assert [one.path for one in part_of(visit, 0, 60)] == ["/login", "/x"]
        assert part_of(visit, 30, 60) == []
