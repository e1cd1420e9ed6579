"""Bulk false positives: what the scan says of packages that nobody tampered with.

``FULLDRESS_ORDINARY`` names a folder with packages as the registries give them; ``NotHere`` when it is not set. Fill it by

    apt-get download haproxy nginx-common openssh-server redis-server rsyslog monit logrotate mariadb-server \\
        postgresql-common tomcat10
    pip download --no-deps -d . requests flask django celery sqlalchemy alembic cryptography gunicorn boto3 sentry-sdk

and add others as you like. Counted are findings of high or critical; ``signature-verdict`` is left out, because a single
package from a registry is signed by the registry's index, which is not beside it here. The table ``TRUE`` names the
findings that a person judged to be right, with the reason; everything else is noise.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from exactness import NotHere, Row
from fulldress.cli.scanwork import package_context
from fulldress.model.finding import Finding
from fulldress.scan.sweep import sweep

SUFFIXES = (".deb", ".whl", ".rpm", ".jar", ".zip", ".gz")
UNSIGNED = "signature-verdict"
LIMIT = 1


class Judged(NamedTuple):
    """A kind of finding that is right in an ordinary package."""

    package: str
    rule: str
    place: str
    why: str


TRUE: tuple[Judged, ...] = (
    Judged("mariadb-server", "unguarded-destruction", r"(^|[/!])post(inst|rm)$", "purge really removes the databases"),
    Judged(
        "postgresql-15-partman",
        "index-blocks-writes",
        r"\.sql$",
        "the extension's update scripts index without CONCURRENTLY",
    ),
)
"""Package (its beginning), rule, place (a regular expression), reason."""


def measure() -> list[Row]:
    """One row for each package."""
    named = os.environ.get("FULLDRESS_ORDINARY", "")
    folder = Path(named)
    packages = sorted(p for p in folder.iterdir() if p.name.endswith(SUFFIXES)) if named and folder.is_dir() else []
    if not packages:
        raise NotHere("set FULLDRESS_ORDINARY to a folder of packages (see bench/exactness/ordinary.py)")
    return [_row(package) for package in packages]


def _row(package: Path) -> Row:
    with package_context(package, vendor=None, sandboxed=True, progress=None) as context:
        report = sweep(context)
    loud = [f for f in report.findings if f.severity in ("critical", "high") and f.rule != UNSIGNED]
    noise = [f for f in loud if not _right(package.name, f)]
    said = "; ".join(f"{f.rule} at {f.place.rpartition('/')[2]}: {f.title}"[:150] for f in loud[:4])
    more = f" (and {len(loud) - 4} more)" if len(loud) > 4 else ""
    name = re.split(r"[_-]\d", package.name)[0]
    judged = f" [{len(loud) - len(noise)} judged right]" if len(loud) > len(noise) else ""
    return Row(
        f"{name}: loud findings that are noise", len(noise), LIMIT, len(noise) <= LIMIT, "at most 1", said + more + judged
    )


def _right(package: str, finding: Finding) -> bool:
    return any(
        package.startswith(j.package) and finding.rule == j.rule and re.search(j.place, finding.place) is not None
        for j in TRUE
    )
