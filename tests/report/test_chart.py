"""The chart: well-formed SVG, everything in its lane, no text from outside unescaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import msgspec
import pytest

from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import LoadBucket, LoadReport, LockHold
from fulldress.report.chart import HEIGHT, LEFT, RIGHT, WIDTH, Scale, latency_chart

SVG = "{http://www.w3.org/2000/svg}"


def bucket(start: float, *, sent: int = 10, failed: int = 0, p50: float = 5.0) -> LoadBucket:
    return LoadBucket(start=start, sent=sent, failed=failed, p50=p50, p99=p50 * 4, worst=p50 * 10)


def load(*buckets: LoadBucket) -> LoadReport:
    return LoadReport(
        source="log", started=100.0, seconds=20.0, bucket_seconds=1.0, scheduled=200, completed=190, failed=10, waited=3,
        slow_ms=500, p50=5, p99=20, worst=50, lag_p99_ms=0.1, outage_seconds=1.0, buckets=buckets,
    )  # fmt: skip


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def step(title: str = "stop the service", code: int | None = 0) -> StepTiming:
    return StepTiming(id="s", title=title, kind="unit", phase="do", started=105.0, ended=110.0, code=code)


def lock(mode: str = "AccessExclusive", held: float = 2.0) -> LockHold:
    return LockHold(at=106.0, relation="public.result", mode=mode, waited=0.5, held=held, backend=7, waiters=3)


def test_every_part_is_drawn() -> None:
    svg = parsed(latency_chart("as it came", load(bucket(101), bucket(102, failed=4)), [step()], [lock()]))
    kinds = {element.get("class") for element in svg.iter()}
    assert {"grid", "limit", "step", "lock hard", "p50", "p99", "worst", "failed"} <= kinds


def test_a_failed_step_looks_different() -> None:
    assert "step bad" in latency_chart("x", load(bucket(101)), [step(code=3)], [])


@pytest.mark.parametrize("hostile", ["</title><script>alert(1)</script>", '" onload="alert(1)', "a & b < c"])
def test_text_from_outside_is_escaped(hostile: str) -> None:
    svg = latency_chart(hostile, load(bucket(101)), [step(hostile)], [msgspec.structs.replace(lock(), relation=hostile)])
    root = parsed(svg)
    assert root.find(f".//{SVG}script") is None
    assert [e for e in root.iter() if "onload" in e.attrib] == []


def test_weak_and_momentary_locks_are_left_out() -> None:
    svg = latency_chart(
        "x", load(bucket(101)), [], [lock("RowExclusive"), msgspec.structs.replace(lock(held=0.0), waited=0.0)]
    )
    assert 'class="lock' not in svg


def test_a_second_without_answers_is_a_gap_not_a_zero() -> None:
    svg = parsed(latency_chart("x", load(bucket(101), bucket(102, sent=5, failed=5), bucket(103)), [], []))
    line = next(e for e in svg.iter() if e.get("class") == "p50")
    assert len((line.get("points") or "").split()) == 2


def test_an_empty_load_is_still_a_picture() -> None:
    assert parsed(latency_chart("x", load(), [], [])).get("role") == "img"


@pytest.mark.parametrize(
    ("at", "x"), [(0.0, LEFT), (100.0, LEFT), (110.0, (LEFT + WIDTH - RIGHT) / 2), (999.0, WIDTH - RIGHT)]
)
def test_times_stay_inside_the_plot(at: float, x: float) -> None:
    assert Scale(100.0, 20.0).x(at) == pytest.approx(x)


def test_latencies_rise_with_their_logarithm_and_stay_inside() -> None:
    rows = [Scale(0, 1).y(ms) for ms in (0.0, 1, 10, 100, 1000, 10_000, 10**9)]
    assert rows == sorted(rows, reverse=True)
    assert 0 < rows[-1] < rows[0] < HEIGHT
