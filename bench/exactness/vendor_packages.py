"""Three vendor packages of different houses, with hazards on marked lines and traps beside them.

How written: by someone who had the list of hazards and had not read one rule; then scanned, and only then were rules
changed. ``material/vendors/*.txt`` holds the files; ``¤H name severity¤`` ends a line that must be reported at least so
severely, ``¤T name¤`` one on which a finding of high or critical severity is a false alarm. A hazard counts as found when
a finding lies on its line, on its file as a whole, or names the line. The estate is small and made by hand: Europe/Berlin
over the night when clocks go forward, with retired hosts. Marks were not moved or taken back afterwards, though a few
were mistaken (a CHECK that is brief under a lock_timeout, a purge of what is not installed).

Found before any fix, with the estate: 39 of 54, 40 of 60, 25 of 51; without it: 36, 33 and 21. Traps alarmed: 0, 0 and 3.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path

from exactness import Row
from exactness._vendors import House, Mark, houses
from fulldress.intake.unpack import unpack
from fulldress.model.estate import Account, DatabaseFacts, Estate, HostFacts, InstalledPackage, Listener, Unit
from fulldress.model.finding import SEVERITIES, Finding
from fulldress.model.release import Declared, Release, Window
from fulldress.scan.rule import Context
from fulldress.scan.sweep import sweep
from fulldress.store.blobs import BlobStore

UNITS = ("nginx", "cron", "ssh", "postgresql", "postgresql@15-main", "tomcat9", "systemd-timesyncd")
TARGETS = ("network.target", "network-online.target", "multi-user.target", "timers.target")
PACKAGES = {"postgresql-15": "15.18-0+deb12u1", "python3": "3.11.2-1", "openjdk-17-jre": "17.0.12", "nginx": "1.22.1-9"}
ACCOUNTS = {"root": 0, "www-data": 33, "postgres": 109, "tmsapp": 990, "helio": 991, "mbk": 992}
COMMANDS = "bash sh psql curl wget sftp ssh scp rsync java python3 python3.11 systemctl nginx crontab flock rm useradd sed "
COMMANDS += (
    "cat cp mv ln mkdir chmod chown dirname readlink mktemp id find install sleep ls tar gzip unzip date grep awk dd su "
)
COMMANDS += "sysctl pkill dpkg apt-get ldconfig at"
TABLES = dict.fromkeys(
    ("shipment", "carrier", "tracking_event", "reading", "meter", "reading_part", "document", "folder"), 4_000_000
)
HOST = HostFacts(
    name="machine:prod",
    hostname="prod1",
    os="debian",
    os_version="12",
    timezone="Europe/Berlin",
    units=tuple(
        Unit(name=n if "." in n else f"{n}.service", load="loaded", active="active", sub="running")
        for n in (*UNITS, *TARGETS)
    ),
    packages=tuple(InstalledPackage(name=n, version=v) for n, v in PACKAGES.items()),
    databases=(
        DatabaseFacts(name="app", server_version="15.18", tables={f"public.{t}": rows for t, rows in TABLES.items()}),
    ),
    commands=tuple(COMMANDS.split()),
    users=tuple(ACCOUNTS),
    accounts=tuple(Account(name=n, uid=u, groups=(n,)) for n, u in ACCOUNTS.items()),
    listeners=(Listener(protocol="tcp", address="0.0.0.0", port=9100, program="node_exporter"),),
)
RETIRED = ("sftp-old.example.de", "legacy-db.intern.example.de", "ldap1.example.de", "smtp-retired.example.de")
ESTATE = Estate(
    taken="2027-03-26T09:00:00Z",
    hosts=(HOST,),
    retired=RETIRED,
    replacements={"sftp-old.example.de": "sftp2.example.de", "legacy-db.intern.example.de": "pg1.intern.example.de"},
)
RELEASE = Release(
    name="vendors",
    estate=Declared(timezone="Europe/Berlin", database="app"),
    window=Window(start="2027-03-28T01:15", minutes=60),  # ends at 03:15: 02:00 to 03:00 does not exist that night
)


AT_LEAST = {"java": (48, 52), "python": (50, 57), "perl": (44, 49)}
"""Hazards found that a change may not fall below: without and with the estate."""


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for house in houses():
            for estate in (None, ESTATE):
                least = AT_LEAST[house.name.partition(".")[0]][estate is not None]
                rows += rows_of(house, scanned(house, Path(folder), estate), "estate" if estate else "alone", least)
    return rows


def scanned(house: House, folder: Path, estate: Estate | None) -> tuple[Finding, ...]:
    """What a scan says about the package."""
    package = folder / house.name
    package.write_bytes(house.data)
    blobs = BlobStore(folder / f"blobs-{house.name}")
    lock = unpack(package, blobs)
    return sweep(Context(lock, blobs.read, estate=estate, release=RELEASE if estate else None)).findings


def told(mark: Mark, findings: tuple[Finding, ...]) -> list[Finding]:
    """The findings that name the marked line, first or among further places."""
    name = re.escape(mark.place.rpartition("/")[2])
    named = re.compile(rf"{name}:{mark.line}(?!\d)|{name}:\d[^;]*\(lines? (?:\d+, )*{mark.line}\b")
    further = re.compile(rf"\(lines? (?:\d+, )*{mark.line}\b")
    return [
        f
        for f in findings
        if (_same(f.place, mark.place) and (f.line in (0, mark.line) or further.search(f.consequence)))
        or named.search(_said(f))
    ]


def _same(place: str, marked: str) -> bool:
    return place == marked or place.endswith("!/" + marked)


def _said(finding: Finding) -> str:
    return f"{finding.title} {finding.excerpt} {finding.consequence} {finding.fix}"


def _loud(findings: list[Finding], severity: str) -> bool:
    return any(SEVERITIES.index(f.severity) <= SEVERITIES.index(severity) for f in findings)


def rows_of(house: House, findings: tuple[Finding, ...], how: str, least: int, most: int = 0) -> list[Row]:
    """What was found of a package's hazards, how severe, and which traps were alarmed."""
    hazards = [m for m in house.marks if m.severity]
    traps = [m for m in house.marks if not m.severity]
    seen = [m for m in hazards if told(m, findings)]
    names = {"high": "high", "medium": "medium", "low": "low"}
    loud = [m for m in seen if _loud(told(m, findings), names[m.severity])]
    false = [m for m in traps if _loud([f for f in findings if _same(f.place, m.place) and f.line == m.line], "high")]
    missed = Counter(m.name for m in hazards if m not in seen)
    return [
        Row(
            f"{house.name} {how}: hazards found",
            len(seen),
            len(hazards),
            len(seen) >= least,
            f"at least {least}",
            ", ".join(missed),
        ),
        Row(
            f"{house.name} {how}: as severe",
            len(loud),
            len(hazards),
            True,
            "-",
            ", ".join(m.name for m in seen if m not in loud),
        ),
        Row(
            f"{house.name} {how}: traps alarmed",
            len(false),
            len(traps),
            len(false) <= most,
            f"at most {most}",
            ", ".join(m.name for m in false),
        ),
    ]
