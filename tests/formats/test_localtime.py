"""Local times that people write: what does not exist and what happens twice is said, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fulldress.errors import UsageError
from fulldress.formats import crontab, localtime
from fulldress.model.estate import Estate, HostFacts
from fulldress.model.release import Declared, Release, Window

SKIPPED = [
    ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:59+01:00", "2026-03-29T03:00+02:00"),
    ("America/New_York", "2026-03-08T02:00", "2026-03-08T01:59-05:00", "2026-03-08T03:00-04:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T01:59+10:30", "2026-10-04T02:30+11:00"),
    ("Pacific/Apia", "2011-12-30T10:00", "2011-12-29T23:59-10:00", "2011-12-31T00:00+14:00"),
]
TWICE = [
    ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"),
    ("America/New_York", "2026-11-01T01:00", "2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00"),
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30"),
]


@pytest.mark.parametrize(("zone", "text", "last", "first"), SKIPPED)
def test_a_time_that_the_clocks_skip_is_refused_and_the_next_ones_are_named(
    zone: str, text: str, last: str, first: str
) -> None:
    with pytest.raises(UsageError) as told:
        localtime.moment(text, zone, "--due")
    assert told.value.slug == "time-does-not-exist"
    assert f"--due: {text} does not exist in {zone}" in told.value.what
    assert last in told.value.why and first in told.value.why
    assert last[:16] in told.value.fix and first[:16] in told.value.fix


@pytest.mark.parametrize(("zone", "text", "last", "first"), SKIPPED)
def test_what_the_refusal_proposes_is_taken(zone: str, text: str, last: str, first: str) -> None:
    before, after = (localtime.moment(proposed[:16], zone, "") for proposed in (last, first))
    assert (before.isoformat(timespec="minutes"), after.isoformat(timespec="minutes")) == (last, first)
    assert localtime.elapsed(before, after) == 60


@pytest.mark.parametrize(("zone", "text", "early", "late"), TWICE)
def test_a_time_that_happens_twice_is_refused_and_both_are_named(zone: str, text: str, early: str, late: str) -> None:
    with pytest.raises(UsageError) as told:
        localtime.moment(text, zone, "--due")
    assert told.value.slug == "time-happens-twice"
    assert early in told.value.fix and late in told.value.fix


@pytest.mark.parametrize(("zone", "text", "early", "late"), TWICE)
def test_an_offset_says_which_of_the_two_is_meant(zone: str, text: str, early: str, late: str) -> None:
    moments = [localtime.moment(chosen, zone, "") for chosen in (early, late)]
    assert [m.astimezone(UTC) for m in moments] == [datetime.fromisoformat(chosen) for chosen in (early, late)]
    assert [m.isoformat(timespec="minutes") for m in moments] == [early, late]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
def test_a_plain_time_is_that_time_in_its_zone(zone: str) -> None:
    assert localtime.moment("2026-07-01T02:30", zone, "").replace(tzinfo=None) == datetime(2026, 7, 1, 2, 30)


@pytest.mark.parametrize("text", ["Sunday night", "2026-13-01T02:30", "25:00", "9999-12-31T23:59", "0001-01-01T00:00"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(UsageError) as told:
        localtime.moment(text, "Pacific/Apia" if text.startswith("0") else "America/New_York", "--due")
    assert told.value.slug == "time-unreadable" and repr(text) in told.value.what


@pytest.mark.parametrize("name", ["Europe/Bielefeld", "../etc/passwd", "", "\0"])
def test_a_zone_that_does_not_exist_is_said(name: str) -> None:
    with pytest.raises(UsageError) as told:
        localtime.moment("2026-07-01T02:30", name, "--due")
    assert told.value.slug == "time-zone-unknown"


def _release(start: str, zone: str = "Europe/Berlin", minutes: int = 60) -> Release:
    return Release(name="x", estate=Declared(timezone=zone), window=Window(start=start, minutes=minutes))


def test_a_window_over_the_skipped_hour_is_as_long_as_declared() -> None:
    found = localtime.window(_release("2026-03-29T01:30"))
    assert found is not None and localtime.elapsed(*found) == 3600
    assert [m.isoformat() for m in found] == ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]


def test_a_window_over_the_repeated_hour_is_as_long_as_declared() -> None:
    found = localtime.window(_release("2026-10-25T01:30", minutes=120))
    assert found is not None and localtime.elapsed(*found) == 7200
    assert [localtime.shown(m) for m in found] == ["01:30 +02:00", "02:30 +01:00"]


def test_a_window_in_the_skipped_hour_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\[window\] start in release.toml: .* does not exist"):
        localtime.window(_release("2026-03-29T02:30"))


def test_the_hosts_zone_counts_where_none_is_declared() -> None:
    estate = Estate(taken="", hosts=(HostFacts(name="h", hostname="h", os="", os_version="", timezone="Pacific/Apia"),))
    found = localtime.window(_release("2026-07-01T00:00", zone="UTC"), estate)
    assert found is not None and found[0].utcoffset() == timedelta(hours=13)


def test_no_window_is_none() -> None:
    assert localtime.window(_release("")) is None and localtime.window(None) is None


def test_an_offset_in_the_window_is_not_dropped() -> None:
    found = localtime.window(_release("2026-07-01T02:30+00:00"))
    assert found is not None and found[0].isoformat() == "2026-07-01T04:30:00+02:00"


def test_hours_alone_are_shown_where_no_clock_changes() -> None:
    assert localtime.shown(localtime.moment("2026-07-01T02:30", "Europe/Berlin", "")) == "02:30"


def _firings(schedule: str, zone: str, after: str, count: int) -> list[str]:
    at: datetime | None = localtime.moment(after, zone, "")
    found = []
    for _ in range(count):
        assert at is not None
        at = crontab.next_firing(schedule, at)
        found.append(at.isoformat(timespec="minutes") if at is not None else "")
    return found


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T01:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05T01:00", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
        ("*/45 1 * * *", "Australia/Lord_Howe", "2026-04-05T01:45+11:00", ["2026-04-05T01:45+10:30"]),
        ("30 2 * * *", "America/New_York", "2026-03-08T01:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]),
        ("30 1 * * *", "America/New_York", "2026-11-01T00:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
        # cron takes a jump of a day as a new time and makes up for nothing
        ("0 10 * * *", "Pacific/Apia", "2011-12-29T01:00", ["2011-12-29T10:00-10:00", "2011-12-31T10:00+14:00"]),
    ],
)  # fmt: skip
def test_cron_at_a_change_of_the_clocks(schedule: str, zone: str, after: str, expected: list[str]) -> None:
    assert _firings(schedule, zone, after, len(expected)) == expected
