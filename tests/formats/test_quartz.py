"""Quartz and Spring: which expressions they accept, and when these fire."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from fulldress.formats import quartz

VIENNA = ZoneInfo("Europe/Vienna")
BASE = datetime(2026, 3, 28, 12, tzinfo=VIENNA)


@pytest.mark.parametrize(
    ("text", "next_one"),
    [
        ("0 0 12 L * ?", "2026-03-31 12:00"),
        ("0 0 12 LW * ?", "2026-03-31 12:00"),
        ("0 0 12 L-3 * ?", "2026-03-28 12:00"),
        ("0 15 10 ? * 6L", "2026-04-24 10:15"),
        ("0 15 10 ? * 6#3", "2026-04-17 10:15"),
        ("0 0 12 15W 8 ?", "2026-08-14 12:00"),  # the 15th is a Saturday
        ("0 0 12 1W 8 ?", "2026-08-03 12:00"),  # never into the month before
        ("0 0 10 ? * 2-6 2027", "2027-01-01 10:00"),
        ("0 0 10 ? * FRI-MON", "2026-03-29 10:00"),
        ("0 30 2 * * ?", "2026-03-30 02:30"),  # skipped on the 29th
        ("0 0 0 30 2 ?", "never"),
    ],
)
def test_quartz(text: str, next_one: str) -> None:
    fires = quartz.parse(text)
    assert fires is not None
    moment = quartz.next_firing(fires, BASE.replace(hour=11))
    assert (moment.strftime("%Y-%m-%d %H:%M") if moment else "never") == next_one


@pytest.mark.parametrize(
    "text", ["0 0 3 * * *", "0 0 3 ? * ?", "0 0 3 * *", "0 0 25 * * ?", "0 0 3 32 * ?", "x", "0 0 3 ? * 1#6"]
)
def test_what_quartz_refuses(text: str) -> None:
    assert quartz.parse(text) is None


def test_spring_counts_its_days_from_sunday_as_zero() -> None:
    for sunday in ("0", "7", "SUN"):
        fires = quartz.parse(f"0 0 4 * * {sunday}", spring=True)
        assert fires is not None
        assert quartz.next_firing(fires, BASE) == datetime(2026, 3, 29, 4, tzinfo=VIENNA)
    assert quartz.parse("@daily", spring=True) is not None
    assert quartz.parse("0 0 4 * * SUN 2026", spring=True) is None
