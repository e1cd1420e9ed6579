"""Upgrade paths: stops, blocks, and the versions they run between."""

from __future__ import annotations

import pytest

from fulldress.inventory.matrix import VersionRow
from fulldress.inventory.paths import installed_version, offered_version, upgrade_path
from fulldress.model.estate import Estate, HostFacts, Product
from fulldress.model.package import Entry, PackageLock

HOST = HostFacts(
    name="machine:a", hostname="a", os="debian", os_version="12", products=(Product(name="lims", version="4.2"),)
)
ESTATE = Estate(taken="2026-01-01T00:00:00Z", hosts=(HOST,))


def row(version: str, least: str = "", *, stop: bool = False, os: str = "", blocked: str = "") -> VersionRow:
    return VersionRow(
        version=version, from_=least, required_stop=stop, minimum_os={"debian": os} if os else {}, blocked=blocked
    )


ROWS = [
    row("4.4", "4.0", stop=True),
    row("5.0", "4.2"),
    row("5.2", "5.0", os="12"),
    row("6.0", "5.2", os="13"),
    row("5.1", "5.0", blocked="lost data"),
]


@pytest.mark.parametrize(
    ("installed", "target", "stops", "known"),
    [
        ("4.2", "4.4", (), True),
        ("4.2", "5.0", ("4.4",), True),
        ("4.4", "5.0", (), True),
        ("4.2", "5.2", ("4.4", "5.0"), True),
        ("3.0", "5.0", ("4.4",), False),
        ("4.2", "6.0", ("4.4", "5.0", "5.2"), False),
        ("5.0", "5.1", (), False),
        ("5.0", "5.0", (), True),
        ("5.2", "5.0", (), False),
        ("4.2", "7.0", (), False),
    ],
)
def test_stops(installed: str, target: str, stops: tuple[str, ...], known: bool) -> None:
    path = upgrade_path(ROWS, ESTATE, "lims", installed, target)
    assert (path.stops, path.known) == (stops, known)
    assert known or path.why


def test_reasons_name_the_block_and_the_host() -> None:
    assert "lost data" in upgrade_path(ROWS, ESTATE, "lims", "5.0", "5.1").why
    assert "needs debian 13, machine:a runs 12" in upgrade_path(ROWS, ESTATE, "lims", "5.2", "6.0").why


def test_the_installed_version_is_the_probed_one() -> None:
    assert installed_version(ESTATE, "lims") == "4.2"
    assert installed_version(ESTATE, "other") == ""


@pytest.mark.parametrize(
    ("place", "version"),
    [
        ("packages/lims_5.0_all.deb", "5.0"),
        ("lims-5.1.2.tar.gz", "5.1.2"),
        ("lib/lims-v6.jar", "6"),
        ("lims-docs.txt", ""),
        ("my-lims_9.deb", ""),
    ],
)
def test_the_offered_version_comes_from_names_inside_the_package(place: str, version: str) -> None:
    lock = PackageLock(
        name="x.zip", sha256="0", size=0, format="zip", entries=(Entry(place=place, kind="container"),), bytes_inspected=0
    )
    assert offered_version(lock, "lims") == version


def test_the_declared_scheme_decides_which_version_is_newer() -> None:
    versions = [
        VersionRow(version="2024.10", from_="2024.4", scheme="calendar"),
        VersionRow(version="24.04", required_stop=True, scheme="calendar"),
    ]
    found = upgrade_path(versions, ESTATE, "lims", "2023-12-01", "2024.10")
    assert (found.stops, found.known) == (("24.04",), True)
    rpms = [VersionRow(version="5.0^20260101-1", scheme="rpm")]
    assert upgrade_path(rpms, ESTATE, "lims", "5.0-3", "5.0^20260101-1").known
    assert not upgrade_path(rpms, ESTATE, "lims", "5.0.1-1", "5.0^20260101-1").known
