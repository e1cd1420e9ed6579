"""Settings that a server no longer knows, and which server runs here."""

from __future__ import annotations

import pytest

from fulldress.model.estate import DatabaseFacts, Estate, HostFacts, InstalledPackage
from fulldress.scan.rule import Sample
from fulldress.scan.rules import setting_gone
from fulldress.scan.samples import context_of

FILES = {
    "etc/postgresql/15/main/conf.d/x.conf": "wal_keep_segments = 64\n",
    "bin/a.sh": "#!/bin/sh\njava -XX:MaxPermSize=9m\n",
}


def severities(postgresql: str, java: str) -> list[str]:
    host = HostFacts(
        name="machine:a",
        hostname="a",
        os="debian",
        os_version="12",
        packages=(InstalledPackage(name="postgresql-15", version=f"{postgresql}.8-0"),),
        databases=(DatabaseFacts(name="a", server_version=f"{postgresql}.8"),),
        runtimes={"java": java},
    )
    estate = Estate(taken="2026-01-01T00:00:00Z", hosts=(host,))
    return [f.severity for f in setting_gone.check(context_of(Sample(files=FILES, estate=estate)))]


@pytest.mark.parametrize(
    ("postgresql", "java", "told"),
    [("15", "17.0.1", ["high", "high"]), ("12", "8.0.392", []), ("12", "17.0.1", ["high"])],
)
def test_by_what_runs_here(postgresql: str, java: str, told: list[str]) -> None:
    assert severities(postgresql, java) == told


def test_without_an_estate_it_is_likely() -> None:
    assert [f.severity for f in setting_gone.check(context_of(FILES))] == ["medium", "medium"]
