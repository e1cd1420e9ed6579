"""A small package of a fourth world, a town's web portal: FastAPI, Celery, Mongo, RabbitMQ, Elasticsearch, Helm, Terraform.

How written: as ``campus``, by the same, after what that taught was mended, to see how far it carries by then. All marks were
set and committed before the first scan. ``material/townhall/townhall.txt`` holds the files; counted as ``unseen`` counts.

Found at first, with the estate: 35 of 62; without it: 31; no trap alarmed.
"""

from __future__ import annotations

from collections.abc import Iterator

from exactness import Row
from exactness._unseen import Unseen
from exactness._worlds import package
from exactness.isp_and_warehouse import COMMANDS
from exactness.unseen import accounts_of, known_of, measured, units_of
from fulldress.model.estate import DatabaseFacts, HostFacts, InstalledPackage, MatrixRow, Volume

TOWN = HostFacts(
    name="machine:portal1",
    hostname="portal1",
    os="debian",
    os_version="12",
    timezone="Europe/Berlin",
    units=units_of("nginx postgresql postgresql@15-main rabbitmq-server elasticsearch mongod supervisor ssh cron"),
    packages=(
        InstalledPackage(name="postgresql-15", version="15.8-0+deb12u1"),
        InstalledPackage(name="rabbitmq-server", version="3.10.8"),
    ),
    databases=(
        DatabaseFacts(
            name="portal", server_version="15.8", tables={f"public.{t}": 4_000_000 for t in ("antrag", "person", "akte")}
        ),
    ),
    commands=tuple(
        (COMMANDS + " pip alembic mongo kubectl helm rabbitmqctl supervisorctl ssh-keyscan passwd mount").split()
    ),
    users=("root", "www-data", "postgres", "portal"),
    accounts=accounts_of("root www-data postgres portal"),
    runtimes={"python3": "3.11.2", "node": "18.19.0"},
    volumes=(Volume(path="/", also=("/opt", "/var"), free_bytes=50 << 30, size_bytes=200 << 30),),
)
KNOWN = {
    "townhall": known_of(
        TOWN,
        ("archiv-alt.stadt.internal", "mx-alt.stadt.internal", "sql-alt.stadt.internal"),
        "2026-12-13T04:00",
        60,
        MatrixRow(product="portal", key="forms.legacy_pdf", change="removed", since="3.9"),
        "/etc/portal/portal.yml",
    )
}
AT_LEAST = {"townhall": (44, 48)}
"""Hazards found that a change may not fall below: without and with the estate."""
MISTAKEN = {"townhall": (0, 0)}
"""Traps alarmed at most: without and with the estate."""


def packages() -> Iterator[Unseen]:
    """The package, the same at each call."""
    yield package("townhall", "townhall", ".zip")


def measure() -> list[Row]:
    """Hazards found, traps reported, alone and with an estate."""
    return measured(packages(), KNOWN, AT_LEAST, MISTAKEN)
