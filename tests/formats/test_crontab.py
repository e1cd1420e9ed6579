"""Crontabs: which lines are jobs, and when they fire, clock changes included."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.formats.crontab import disable, jobs, next_firing, parse_schedule

VIENNA = ZoneInfo("Europe/Vienna")
CORPUS = Path(__file__).parents[3] / "shared/corpora/units/cron/cron.d"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIENNA)


def fires(schedule: str, after: str) -> str:
    moment = next_firing(schedule, at(after))
    return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M %Z")


def test_jobs_of_a_system_crontab() -> None:
    text = "# c\nSHELL=/bin/sh\n\n0 3 * * * app /bin/x a b\n@reboot root /bin/y\n* * * *\n61 * * * * root x\n"
    assert [(j.line, j.schedule, j.user, j.command) for j in jobs(text, file="f")] == [
        (4, "0 3 * * *", "app", "/bin/x a b"),
        (5, "@reboot", "root", "/bin/y"),
    ]


def test_jobs_of_a_user_crontab() -> None:
    (job,) = jobs("*/5 * * * * /bin/x\r\n", file="f", system=False)
    assert (job.user, job.command) == ("", "/bin/x")


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 3 * * *", "2026-11-29 02:30", "2026-11-29 03:00 CET"),
        ("0 3 * * *", "2026-11-29 03:00", "2026-11-30 03:00 CET"),
        ("*/20 8-9 * * mon-fri", "2026-11-27 09:41", "2026-11-30 08:00 CET"),
        ("@daily", "2026-11-29 02:30", "2026-11-30 00:00 CET"),
        ("@weekly", "2026-11-27 00:00", "2026-11-29 00:00 CET"),
        ("0 5 1 * mon", "2026-11-03 00:00", "2026-11-09 05:00 CET"),
        ("0 5 */2 * mon", "2026-11-03 00:00", "2026-11-09 05:00 CET"),
        ("0 0 29 2 *", "2026-11-03 00:00", "2028-02-29 00:00 CET"),
        ("0 0 * * 7", "2026-11-27 00:00", "2026-11-29 00:00 CET"),
        ("5/30 1 * * *", "2026-11-27 01:06", "2026-11-27 01:35 CET"),
        ("0 0 30 2 *", "2026-11-03 00:00", "never"),
        ("@reboot", "2026-11-03 00:00", "never"),
        ("nonsense", "2026-11-03 00:00", "never"),
    ],
)
def test_next_firing(schedule: str, after: str, expected: str) -> None:
    assert fires(schedule, after) == expected


def test_skipped_hour_fires_right_after_the_change() -> None:
    assert fires("30 2 * * *", "2026-03-28 12:00") == "2026-03-29 03:00 CEST"
    assert fires("30 2 * * *", "2026-03-29 03:00") == "2026-03-30 02:30 CEST"


def test_skipped_hour_of_a_wildcard_job_is_lost() -> None:
    assert fires("*/30 2 * * *", "2026-03-28 12:00") == "2026-03-30 02:00 CEST"
    assert fires("*/30 * * * *", "2026-03-29 01:31") == "2026-03-29 03:00 CEST"


def test_repeated_hour_fires_once_for_a_fixed_time_and_twice_for_a_wildcard() -> None:
    assert fires("30 2 * * *", "2026-10-25 01:00") == "2026-10-25 02:30 CEST"
    first = next_firing("30 2 * * *", at("2026-10-25 01:00"))
    assert first is not None
    second = next_firing("30 2 * * *", first)
    assert second is not None and second.strftime("%d %H:%M %Z") == "26 02:30 CET"
    wild = next_firing("*/30 * * * *", first)
    assert wild is not None and wild.strftime("%d %H:%M %Z") == "25 02:00 CET"


def test_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        next_firing("0 3 * * *", datetime(2026, 1, 1))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(VIENNA)),
)
def test_a_daily_job_fires_within_a_day_and_an_hour(minute: int, hour: int, after: datetime) -> None:
    moment = next_firing(f"{minute} {hour} * * *", after)
    assert moment is not None
    assert 0 < (moment.astimezone(UTC) - after.astimezone(UTC)).total_seconds() <= 26 * 3600


@pytest.mark.parametrize(
    "field", ["60 * * * *", "*/0 * * * *", "5-1 * * * *", "a * * * *", "* * 0 * *", "* * * 13 *", "² * * * *"]
)
def test_refused_fields(field: str) -> None:
    assert parse_schedule(field) is None


def test_disable_keeps_every_other_line() -> None:
    text = "A=b\n0 3 * * * root x\n@daily root y\n"
    changed = disable(text, 2, "held\nnow")
    assert changed == "A=b\n# held now\n# 0 3 * * * root x\n@daily root y\n"
    assert [j.command for j in jobs(changed, file="f")] == ["y"]


def test_real_crontabs() -> None:
    if not CORPUS.is_dir():
        pytest.skip("no ../shared/corpora here")
    for path in sorted(CORPUS.iterdir()):
        lines = [s for line in path.read_text().splitlines() if (s := line.strip()) and s[0] in "0123456789*@"]
        found = jobs(path.read_text(), file=path.name)
        assert len(found) == len(lines), path
        assert all(j.schedule == "@reboot" or next_firing(j.schedule, at("2026-11-29 00:00")) for j in found)
