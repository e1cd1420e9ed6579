"""Two more vendor packages, a Java EE archive and a PHP and Node portal, for an estate of which more is known.

How written: as :mod:`exactness.vendor_packages`, by someone who knew the list of hazards and some of the rules (those on
preconditions, package managers, boot order, certificates and shell commands); all marks were set before the first scan.
The estate has what the older one lacks: held packages and what depends on what, units that require others, room, locales,
runtimes, ports. Marks were not moved afterwards, though one trap is mistaken: a job at 01:30 is inside the window.

Found at first, with the estate: 56 of 66 and 51 of 69; without it: 48 and 39. Traps alarmed: 2 and 0, 1 and 0.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from exactness import Row
from exactness._vendors import SECOND, houses
from exactness.vendor_packages import ESTATE, HOST, RETIRED, rows_of, scanned
from fulldress.model.estate import DatabaseFacts, InstalledPackage, Unit, Volume

HELD = (
    InstalledPackage(name="libreoffice-core", version="4:7.4.7-1", held=True),
    InstalledPackage(name="openjdk-17-jre", version="17.0.12", depends=("libc6",)),
    InstalledPackage(name="billing-agent", version="3.1", depends=("openjdk-17-jre", "libc6")),
)
NEEDING = (
    Unit(name="da-queue.service", load="loaded", active="active", sub="running"),
    Unit(name="billing.service", load="loaded", active="active", sub="running", requires=("da-queue.service",)),
)
ARCHIVE = DatabaseFacts(
    name="archiv",
    server_version="15.18",
    tables={"public.document": 90_000_000, "public.folder": 200_000, "public.customers": 5_000_000},
    table_bytes={"public.document": 60 << 30},
)
RICHER = msgspec.structs.replace(
    HOST,
    units=(*HOST.units, *NEEDING),
    packages=(*(p for p in HOST.packages if not p.name.startswith("openjdk")), *HELD),
    databases=(ARCHIVE,),
    volumes=(Volume(path="/", also=("/usr", "/opt", "/var", "/var/lib"), free_bytes=40 << 30, size_bytes=200 << 30),),
    locales=("C", "C.utf8", "en_US.utf8", "POSIX"),
    runtimes={"java": "17.0.12", "node": "20.11.0", "php": "8.2.20", "python3": "3.11.2"},
)
KNOWN = msgspec.structs.replace(
    ESTATE,
    hosts=(RICHER,),
    retired=(*RETIRED, "db-alt.intern.example.de", "mysql-alt.intern.example.de", "nas-alt.intern.example.de"),
)
AT_LEAST = {"archive": (50, 60), "portal": (50, 60)}
"""Hazards found that a change may not fall below: without and with the estate."""

MISTAKEN = {"archive": 1, "portal": 0}
"""Traps that are none: what is said of them is true."""


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for house in houses(SECOND):
            for estate in (None, KNOWN):
                least = AT_LEAST[house.name.partition(".")[0]][estate is not None]
                found = scanned(house, Path(folder), estate)
                most = MISTAKEN[house.name.partition(".")[0]] if estate else 0
                rows += rows_of(house, found, "estate" if estate else "alone", least, most)
    return rows
