"""The file of a fixed zone, as the system's own library reads it."""

from __future__ import annotations

import io
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fulldress.formats.zonefile import fixed_zone


@pytest.mark.parametrize("offset", [0, 3600, -3601, 45_296, -86_399])
def test_the_zone_lies_where_it_should(offset: int) -> None:
    zone = ZoneInfo.from_file(io.BytesIO(fixed_zone(offset)))
    assert datetime(2026, 11, 29, tzinfo=UTC).astimezone(zone).utcoffset() == timedelta(seconds=offset)


def test_the_c_library_reads_it(tmp_path: Path) -> None:
    (tmp_path / "Zone").write_bytes(fixed_zone(-3 * 3600 - 25))
    seen = subprocess.run(
        ["date", "-d", "@1795320000", "+%H:%M:%S %Z"], env={"TZ": f":{tmp_path}/Zone"}, capture_output=True, check=True
    )
    assert seen.stdout == b"00:59:35 RHS\n"


def test_no_zone_lies_a_day_away() -> None:
    with pytest.raises(ValueError, match="86400"):
        fixed_zone(86_400)
