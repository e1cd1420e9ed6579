"""From the installed version to the offered one: the stops that may not be skipped, and what blocks the way.

Works on the ``[[version]]`` rows of the matrix (see inventory/matrix.py) and the estate; pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fulldress.formats.version import compare, key_of, sort_key
from fulldress.inventory.matrix import VersionRow
from fulldress.model.estate import Estate, UpgradePath
from fulldress.model.package import PackageLock

_OFFERED = (
    r"(?:^|/){product}[-_]v?(?P<version>\d[0-9A-Za-z.+~-]*?)(?:_(?:all|amd64|arm64|i386))?"
    r"\.(?:deb|rpm|jar|war|whl|zip|t(?:ar\.)?[gx]z|tar)$"
)


def installed_version(estate: Estate, product: str) -> str:
    """The version of the product on the first host that has it; ``""`` when none has."""
    for host in estate.hosts:
        for found in host.products:
            if found.name == product and found.version:
                return found.version
    return ""


def offered_version(lock: PackageLock, product: str) -> str:
    """The version that a package brings, read from the file names inside (``packages/lims_5.0_all.deb``); ``""`` if none.

    The newest wins when several are inside; a package that hides its version needs ``--to``.
    """
    pattern = re.compile(_OFFERED.format(product=re.escape(product)), re.IGNORECASE)
    places = [lock.name, *(entry.place for entry in lock.entries if entry.kind in ("container", "file"))]
    found = [match["version"] for place in places if (match := pattern.search(place))]
    return max(found, key=sort_key, default="")


def upgrade_path(versions: Iterable[VersionRow], estate: Estate, product: str, installed: str, target: str) -> UpgradePath:
    """The stops between two versions and the reason when the way is not known or not open."""
    mine = [v for v in versions if v.product in ("", product)]
    scheme = next((v.scheme for v in mine if v.scheme), "")
    order = key_of(scheme)
    rows = sorted(mine, key=lambda v: order(v.version))
    direction = compare(installed, target, scheme)
    if direction == 0:
        return _path(product, installed, target, (), True, "this version is already installed")
    if direction > 0:
        return _path(
            product, installed, target, (), False, f"{target} is older than the installed {installed}: not an upgrade"
        )
    if not any(compare(row.version, target, scheme) == 0 for row in rows):
        return _path(product, installed, target, (), False, f"the matrix does not know version {target}")
    stops, gap = _stops(rows, installed, target, scheme)
    why = [gap] if gap else []
    way = [row for row in rows if any(compare(row.version, v, scheme) == 0 for v in (*stops, target))]
    for row in way:
        why.extend(_blocks(row, estate))
    return _path(product, installed, target, tuple(stops), not why, "; ".join(why))


def _path(product: str, installed: str, target: str, stops: tuple[str, ...], known: bool, why: str) -> UpgradePath:
    return UpgradePath(product=product, installed=installed, target=target, stops=stops, known=known, why=why)


def _stops(rows: Sequence[VersionRow], installed: str, target: str, scheme: str) -> tuple[list[str], str]:
    """Walk back from the target: each version's ``from`` and each required stop in between."""
    stops: list[str] = []
    here = next(row for row in rows if compare(row.version, target, scheme) == 0)
    while True:
        below = [
            r for r in rows if compare(installed, r.version, scheme) < 0 and compare(r.version, here.version, scheme) < 0
        ]
        required = [r for r in below if r.required_stop]
        reach = [r for r in below if here.from_ and compare(r.version, here.from_, scheme) >= 0 and not r.blocked]
        direct = not here.from_ or compare(installed, here.from_, scheme) >= 0
        if required and (direct or not reach or compare(required[-1].version, here.from_, scheme) >= 0):
            following = required[-1]
        elif direct:
            return stops, ""
        elif reach:
            following = reach[0]
        else:
            return stops, f"{here.version} needs at least {here.from_} installed, and the matrix knows no stop on the way"
        stops.insert(0, following.version)
        here = following


def _blocks(row: VersionRow, estate: Estate) -> list[str]:
    why = [f"{row.version} is blocked: {row.blocked}"] if row.blocked else []
    for host in estate.hosts:
        least = row.minimum_os.get(host.os)
        if row.minimum_os and least is None:
            why.append(f"{row.version} does not name {host.os}, which {host.name} runs")
        elif least is not None and compare(host.os_version, least) < 0:
            why.append(f"{row.version} needs {host.os} {least}, {host.name} runs {host.os_version}")
    return why
