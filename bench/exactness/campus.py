"""A package of one more world, a university's learning platform: Rails and PHP on MariaDB, Sidekiq, Apache, Shibboleth.

How written: by the one who wrote ``isp_and_warehouse``, after what those taught was mended and with the rules of which that
speaks read, to see how far the mending carries; from what such a vendor's package holds, not from the rules. All marks were
set and committed before the first scan. ``material/campus/campus.txt`` holds the files; counted as ``unseen`` counts.

Found at first, with the estate: 43 of 88; without it: 37; no trap alarmed. The two packages before had gone from 120 of 197
and 122 of 214 to 163 and 169 by then: what was mended carries to other settings and commands, hardly to a language and
frameworks (Ruby, Rails, Moodle) that no rule knew.

On the first two packages of ``records_and_meters``, another's set at which nobody who mended here had looked, what these
first taught (the town's portal not yet) took the hazards found with the estate from 104 to 111 of 193 and from 105 to 111 of
213; without it from 89 to 98 and from 85 to 92.
"""

from __future__ import annotations

from collections.abc import Iterator

from exactness import Row
from exactness._unseen import Unseen
from exactness._worlds import package
from exactness.isp_and_warehouse import COMMANDS
from exactness.unseen import accounts_of, known_of, measured, units_of
from fulldress.model.estate import DatabaseFacts, HostFacts, InstalledPackage, Listener, MatrixRow, Volume

CAMPUS = HostFacts(
    name="machine:campus1",
    hostname="campus1",
    os="debian",
    os_version="12",
    timezone="Europe/Zurich",
    units=units_of("apache2 mariadb memcached redis-server lectorium-sidekiq lectorium-puma shibd ssh cron"),
    packages=(
        InstalledPackage(name="mariadb-server", version="1:10.11.9"),
        InstalledPackage(name="apache2", version="2.4.62-1"),
        InstalledPackage(name="memcached", version="1.6.18-1"),
    ),
    databases=(
        DatabaseFacts(
            name="lectorium",
            engine="mysql",
            server_version="10.11.9",
            tables={f"lectorium.{t}": 8_000_000 for t in ("submissions", "courses", "grades", "mdl_log", "mdl_user")},
        ),
    ),
    commands=tuple((COMMANDS + " mysql mysqldump php ruby bundle yarn git setfacl unzip apache2").split()),
    users=("root", "www-data", "mysql", "redis", "memcache"),
    accounts=accounts_of("root www-data mysql redis memcache"),
    listeners=(Listener(protocol="tcp", address="127.0.0.1", port=3306, program="mariadbd"),),
    runtimes={"php": "8.2.20", "ruby": "3.1.2"},
    volumes=(Volume(path="/", also=("/srv", "/var"), free_bytes=50 << 30, size_bytes=200 << 30),),
)
KNOWN = {
    "campus": known_of(
        CAMPUS,
        ("maria-old.uni.internal", "moodle-old.uni.internal", "sis-alt.uni.internal"),
        "2026-12-20T02:00",
        90,
        MatrixRow(product="lectorium", key="course.legacy_import", change="removed", since="6.4"),
        "/srv/lectorium/config/settings.yml",
    )
}
AT_LEAST = {"campus": (67, 73)}
"""Hazards found that a change may not fall below: without and with the estate."""
MISTAKEN = {"campus": (0, 0)}
"""Traps alarmed at most: without and with the estate."""


def packages() -> Iterator[Unseen]:
    """The package, the same at each call but for keys."""
    yield package("campus", "campus", ".tar.gz")


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    return measured(packages(), KNOWN, AT_LEAST, MISTAKEN)
