"""The traffic model, schedules drawn from it, and their fidelity."""

from __future__ import annotations

import math
import random
import uuid
from collections import Counter
from collections.abc import Sequence

import pytest

from fulldress.errors import NothingToDo, UsageError
from fulldress.formats.accesslog import Request
from fulldress.measure.twosample import dispersion, distance
from fulldress.rehearse.bodies import fill
from fulldress.rehearse.fitting import fit
from fulldress.rehearse.likeness import figures
from fulldress.rehearse.model_traffic import Hour, Planned, TrafficModel, left_out
from fulldress.rehearse.schedule import schedule

MIDNIGHT = 1_795_132_800.0
"""A midnight in UTC."""


def request(at: float, path: str = "/a", method: str = "GET", status: int = 200) -> Request:
    return Request(at=at, seconds=0.01, method=method, path=path, status=status, size=1)


def bursty_log(seed: int = 1) -> list[Request]:
    """Two hours: quiet at 3, busy and clumped at 10; 80 % list, 15 % item, 5 % writes."""
    draw = random.Random(seed)
    out = []
    for hour, rate in ((3, 0.2), (10, 4.0)):
        for tens in range(360):
            clump = draw.choice([0.1, 0.1, 0.1, 3.7])
            for _ in range(draw_poisson(draw, rate * clump * 10)):
                at = MIDNIGHT + hour * 3600 + tens * 10 + draw.random() * 10
                kind = draw.random()
                if kind < 0.8:
                    out.append(request(at, f"/api/results?page={draw.randint(1, 3)}"))
                elif kind < 0.95:
                    out.append(request(at, f"/api/results/{draw.randint(1, 500)}"))
                else:
                    out.append(request(at, "/api/results", "POST", 201))
    return sorted(out, key=lambda one: one.at)


def draw_poisson(draw: random.Random, mean: float) -> int:
    limit, count, product = math.exp(-mean), 0, draw.random()
    while product > limit:
        count += 1
        product *= draw.random()
    return count


@pytest.fixture(scope="module")
def model() -> TrafficModel:
    return fit(bursty_log())


def test_endpoints_hours_and_counts_are_learnt(model: TrafficModel) -> None:
    assert {one.name for one in model.endpoints} == {
        "GET /api/results",
        "GET /api/results/{id}",
        "POST /api/results",
    }
    assert set(model.hours) == {3, 10}
    assert model.busiest == 10
    assert 3 < model.per_minute(10) / 60 < 5
    assert sum(one.count for one in model.endpoints) == model.requests


def test_a_schedule_has_the_rate_of_the_hour_and_its_multiple(model: TrafficModel) -> None:
    rate = model.per_minute(10) / 60 * 0.95
    for multiple in (0.5, 1.0, 2.5):
        planned = schedule(model, seconds=3600, multiple=multiple, hour="busiest", seed=1)
        assert len(planned) / 3600 == pytest.approx(rate * multiple, rel=0.15)


def test_it_is_sorted_and_within_its_time(model: TrafficModel) -> None:
    planned = schedule(model, seconds=90, seed=1)
    times = [one.at_s for one in planned]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 90


def test_the_same_seed_gives_the_same_schedule(model: TrafficModel) -> None:
    assert schedule(model, seconds=60, seed=7) == schedule(model, seconds=60, seed=7)
    assert schedule(model, seconds=60, seed=7) != schedule(model, seconds=60, seed=8)


def test_only_paths_really_asked_for_are_sent(model: TrafficModel) -> None:
    real = {one.path for one in bursty_log()}
    assert {one.path for one in schedule(model, seconds=600, seed=1)} <= real


def test_the_peak_is_the_busiest_ten_minutes(model: TrafficModel) -> None:
    counts = [len(one.offsets_ms) for one in model.peak]
    assert len(counts) <= 10
    assert sum(counts) / len(counts) > model.per_minute(10)
    assert "mix of endpoints" in measured(model, schedule(model, seconds=600, seed=1), seconds=600)


def test_an_hour_may_be_chosen(model: TrafficModel) -> None:
    quiet = schedule(model, seconds=600, hour=3, seed=1)
    assert len(quiet) < len(schedule(model, seconds=600, hour=10, seed=1)) / 5
    with pytest.raises(UsageError, match="hour 4"):
        schedule(model, seconds=60, hour=4, seed=1)


class TestWrites:
    def test_are_left_out_and_said_so(self, model: TrafficModel) -> None:
        planned = schedule(model, seconds=600, seed=1)
        assert {one.method for one in planned} == {"GET"}
        assert list(left_out(model)) == ["POST /api/results"]
        assert left_out(model)["POST /api/results"] > 100

    def test_are_sent_when_a_body_is_declared(self, model: TrafficModel) -> None:
        writes = {"POST /api/results": {"value": "{int:1:9}", "note": "n {seq}"}}
        planned = schedule(model, seconds=1800, seed=1, writes=writes)
        posts = [one for one in planned if one.method == "POST"]
        assert len(posts) / len(planned) == pytest.approx(0.05, abs=0.02)
        assert all(one.body is not None and b'"value":' in one.body for one in posts)
        assert left_out(model, writes) == {}

    def test_a_misspelt_endpoint_is_refused(self, model: TrafficModel) -> None:
        with pytest.raises(UsageError, match="/api/result'") as caught:
            schedule(model, seconds=60, seed=1, writes={"POST /api/result": {}})
        assert "POST /api/results" in caught.value.fix

    def test_placeholders(self) -> None:
        draw = random.Random(1)
        filled = fill({"a": ["{seq}", 1, None], "b": "{int:3:3}", "c": "x{int:3:3}y{seq}", "d": "plain"}, draw, 5)
        assert filled == {"a": [5, 1, None], "b": 3, "c": "x3y5", "d": "plain"}
        assert uuid.UUID(str(fill("{uuid}", draw, 0))).version == 4
        assert fill("{choice:a|b}", draw, 0) in ("a", "b")

    @pytest.mark.parametrize("text", ["{unknown}", "{int:9:1}", "{int:a:b}", "{choice:}"])
    def test_unknown_placeholders_are_refused(self, text: str) -> None:
        with pytest.raises(UsageError, match="placeholder"):
            fill({"a": text}, random.Random(1), 0)


class TestFit:
    def test_an_empty_log_is_nothing(self) -> None:
        with pytest.raises(NothingToDo):
            fit([])

    def test_a_log_of_one_request_can_be_played(self) -> None:
        assert schedule(fit([request(MIDNIGHT)]), seconds=60, seed=1)[0].path == "/a"

    def test_quiet_minutes_between_busy_ones_count(self) -> None:
        log = [request(MIDNIGHT + minute * 60 + 1) for minute in (0, 1, 5, 9, 10)]
        assert fit(log).per_minute(0) == pytest.approx(3 / 9)

    def test_paths_that_failed_are_used_only_when_there_are_no_others(self) -> None:
        log = [
            request(MIDNIGHT, "/x/1", status=404),
            request(MIDNIGHT + 1, "/x/2"),
            request(MIDNIGHT + 2, "/x/3", status=500),
        ]
        assert fit(log).endpoints[0].examples == ("/x/2",)
        assert fit(log[:1]).endpoints[0].examples == ("/x/1",)

    def test_the_order_of_the_log_does_not_matter_to_its_minutes(self) -> None:
        log = bursty_log()
        assert fit(reversed(log)).mix(10) == fit(log).mix(10)

    def test_memory_is_bounded_by_leaving_out_minutes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fulldress.rehearse.fitting._MOST_KEPT", 2000)
        found = fit(bursty_log())
        assert sum(len(one.offsets_ms) for minutes in found.hours.values() for one in minutes) <= 2000
        assert found.per_minute(10) / 60 == pytest.approx(4, rel=0.5)

    def test_a_schedule_too_large_for_memory_is_refused(self, model: TrafficModel) -> None:
        with pytest.raises(UsageError, match="requests"):
            schedule(model, seconds=600, multiple=1e5, seed=1)


def measured(model: TrafficModel, planned: Sequence[Planned], *, seconds: float, hour: Hour = "peak") -> dict[str, float]:
    return {one.name: one.measured for one in figures(model, planned, seconds=seconds, hour=hour)}


class TestFidelity:
    def test_the_mix_is_near_to_the_logs_and_its_bursts_survive(self, model: TrafficModel) -> None:
        planned = schedule(model, seconds=3600, hour="busiest", seed=1)
        found = measured(model, planned, seconds=3600, hour="busiest")
        assert found["mix of endpoints"] < 0.05
        assert found["requests a minute"] < 0.2
        assert found["bursts at 10 s"] < 0.3

    def test_the_log_itself_is_bursty(self) -> None:
        ten = MIDNIGHT + 10 * 3600
        times = [one.at - ten for one in bursty_log() if one.at >= ten]
        assert (dispersion(times, 3600, 10) or 0) > 10

    def test_too_little_is_said_to_be_nothing(self, model: TrafficModel) -> None:
        found = measured(model, [], seconds=10)
        assert not {"mix of endpoints", "bursts at 1 s", "bursts at 10 s"} & found.keys()

    def test_distance(self) -> None:
        assert distance({"a": 1, "b": 3}, {"a": 10, "b": 30}) == 0
        assert distance({"a": 1}, {"b": 1}) == 1
        assert distance({"a": 1}, {}) is None

    def test_dispersion_of_even_and_random_streams(self) -> None:
        draw = random.Random(1)
        assert dispersion([n / 10 for n in range(1000)], 100, 1) == 0
        assert dispersion([draw.random() * 1000 for _ in range(10_000)], 1000, 1) == pytest.approx(1, abs=0.2)


def test_popular_paths_stay_popular() -> None:
    log = [request(MIDNIGHT + n, "/x/1" if n % 10 else f"/x/{n}") for n in range(3600)]
    paths = Counter(one.path for one in schedule(fit(log), seconds=3000, seed=1))
    assert paths["/x/1"] / sum(paths.values()) == pytest.approx(0.9, abs=0.12)
