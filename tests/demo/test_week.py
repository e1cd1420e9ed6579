"""The simulated week is deterministic, readable by the product, and shaped like a laboratory's week."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo import week
from fulldress.formats.accesslog import Request, Tally, parse, template


@pytest.fixture(scope="module")
def log() -> list[str]:
    """The week as the demo writes it."""
    return week.lines()


@pytest.fixture(scope="module")
def requests(log: list[str]) -> list[Request]:
    """The week as the product reads it."""
    tally = Tally()
    found = list(parse(log, tally))
    assert tally.broken == tally.untimed == 0
    return found


def test_same_seed_same_log_other_seed_another() -> None:
    small = week.lines(scale=0.01)
    assert small == week.lines(scale=0.01)
    assert small != week.lines(scale=0.01, seed=43)


def test_every_line_is_read_by_the_product(log: list[str], requests: list[Request]) -> None:
    assert len(requests) == len(log)
    assert 150_000 <= len(log) <= 300_000


def test_lines_are_in_order_of_completion(log: list[str]) -> None:
    finished = [float(line.rsplit(" ", 1)[1]) for line in log]
    assert finished == sorted(finished)


def test_arrivals_lie_within_the_week(requests: list[Request]) -> None:
    end = week.END.timestamp()
    assert min(r.at for r in requests) >= end - 7 * 86400 - 0.01
    assert max(r.at for r in requests) < end


def test_weekend_and_night_are_quiet(requests: list[Request]) -> None:
    local = [datetime.fromtimestamp(r.at, UTC).astimezone(week.ZONE) for r in requests]
    days = Counter(t.weekday() for t in local)
    hours = Counter(t.hour for t in local)
    assert max(days[5], days[6]) * 5 < min(days[d] for d in range(5))
    assert hours[2] * 20 < hours[9]


def test_peak_minute_and_burstiness(requests: list[Request]) -> None:
    minutes = Counter(int(r.at // 60) for r in requests)
    assert 15 <= max(minutes.values()) / 60 <= 30
    # index of dispersion over ten seconds in an ordinary hour: 1.0 would be a Poisson process
    hour = [int(r.at // 10) for r in requests if 10 * 3600 <= (r.at + 3600) % 86400 < 11 * 3600]
    busy = Counter(hour)
    counts = [busy[slot] for slot in range(min(busy), max(busy) + 1) if 10 * 3600 <= (slot * 10 + 3600) % 86400 < 11 * 3600]
    mean = sum(counts) / len(counts)
    assert sum((c - mean) ** 2 for c in counts) / len(counts) / mean > 1.8


def test_mix_of_endpoints(requests: list[Request]) -> None:
    mix = Counter(f"{r.method} {template(r.path)}" for r in requests)
    wanted = {"GET /", "GET /api/results", "GET /api/results/{id}", "GET /api/samples", "GET /api/samples/{id}",
              "GET /api/analyses", "POST /api/results", "POST /api/results/{id}/approve", "GET /healthz"}  # fmt: skip
    assert wanted <= set(mix)
    assert 0.002 < sum(r.status == 404 for r in requests) / len(requests) < 0.02
    assert 0.05 < sum(r.method == "POST" for r in requests) / len(requests) < 0.2


def test_written_as_rotated_logs_newest_first(log: list[str], tmp_path: Path) -> None:
    files = week.write(tmp_path, log)
    assert [f.name for f in files] == [f"access.log.{n}" for n in range(1, 8)]
    assert "[19/Nov/2026" in files[0].read_text()[:60]
    assert sum(len(f.read_text().splitlines()) for f in files) == len(log)
