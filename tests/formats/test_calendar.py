"""systemd's calendar events: the forms that systemd prints, the next elapse across clock changes, time spans."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import stand_aside

from fulldress.formats import calendar

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("weekly", "Mon *-*-* 00:00:00"),
        ("Sat,Thu,Mon..Wed", "Mon..Thu,Sat *-*-* 00:00:00"),
        ("Wed, 17:48", "Wed *-*-* 17:48:00"),
        ("*:0/5", "*-*-* *:00/5:00"),
        ("*-*~1", "*-*~01 00:00:00"),
        ("2003-03-05 05:40 UTC", "2003-03-05 05:40:00 UTC"),
        ("Mon..Sun 3:00", "*-*-* 03:00:00"),
        ("12,14,13,12:20,10,30", "*-*-* 12,13,14:10,20,30:00"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    event = calendar.parse(text)
    assert event is not None
    assert event.normalised() == normal
    again = calendar.parse(normal)
    assert again is not None and again.normalised() == normal


@pytest.mark.parametrize("text", ["", "25:00", "foo", "Mon *-*-32", "Fri..Mon 05:00", "*:0/0", "1 2 3 4", "Mon *-13-01"])
def test_what_systemd_refuses(text: str) -> None:
    assert calendar.parse(text) is None


@pytest.mark.parametrize(
    ("text", "after", "next_one"),
    [
        ("02:30", "2026-03-28T12:00", "2026-03-30 02:30 CEST"),  # skipped on the 29th
        ("02:30", "2026-10-24T12:00", "2026-10-25 02:30 CEST"),  # twice on the 25th: the first
        ("*-02-29", "2026-03-01T00:00", "2028-02-29 00:00 CET"),
        ("*-*~1 23:00", "2026-02-01T00:00", "2026-02-28 23:00 CET"),
        ("Mon *-05~07/1", "2026-03-01T00:00", "2026-05-25 00:00 CEST"),
        ("03:00 UTC", "2026-07-01T00:00", "2026-07-01 05:00 CEST"),
        ("2003-03-05 05:40", "2026-07-01T00:00", "never"),
    ],
)
def test_next_elapse(text: str, after: str, next_one: str) -> None:
    event = calendar.parse(text)
    assert event is not None
    moment = calendar.next_elapse(event, datetime.fromisoformat(after).replace(tzinfo=VIENNA))
    assert (moment.strftime("%Y-%m-%d %H:%M %Z") if moment else "never") == next_one


def test_each_elapse_leads_to_the_next() -> None:
    event = calendar.parse("*:0/20")
    assert event is not None
    minutes, moment = [], datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(3):
        after = calendar.next_elapse(event, moment)
        assert after is not None and after > moment
        minutes.append(after.minute)
        moment = after
    assert minutes == [20, 40, 0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5min", 300.0),
        ("1h 30min", 5400.0),
        ("10", 10.0),
        ("1d", 86400.0),
        ("infinity", float("inf")),
        ("x", None),
        ("", None),
    ],
)
def test_time_spans(text: str, seconds: float | None) -> None:
    assert calendar.span(text) == seconds


PART = st.sampled_from(["*", "0", "5", "0/7", "1,2,30", "3..9"])


@settings(max_examples=15, deadline=None)
@given(hour=PART.filter(lambda p: "30" not in p), minute=PART, day=st.sampled_from(["*", "1", "~1", "15,31", "1..7"]))
def test_agrees_with_systemd(hour: str, minute: str, day: str) -> None:
    if shutil.which("systemd-analyze") is None:
        stand_aside("needs systemd-analyze")
    date = f"*-*{day}" if day.startswith("~") else f"*-*-{day}"
    text = f"{date} {hour}:{minute}"
    argv = ["systemd-analyze", "calendar", "--base-time=2026-10-24 20:00:00", "--", text]
    env = {**os.environ, "TZ": "Europe/Vienna", "LC_ALL": "C"}
    said = subprocess.run(argv, capture_output=True, text=True, check=True, env=env).stdout
    facts = dict(line.strip().split(": ", 1) for line in said.splitlines() if ": " in line)
    event = calendar.parse(text)
    assert event is not None
    moment = calendar.next_elapse(event, datetime(2026, 10, 24, 20, tzinfo=VIENNA))
    assert moment is not None
    assert (event.normalised(), moment.strftime("%a %Y-%m-%d %H:%M:%S %Z")) == (
        facts.get("Normalized form", text),
        facts["Next elapse"],
    )
