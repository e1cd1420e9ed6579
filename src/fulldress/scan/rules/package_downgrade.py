"""The package brings an older version than the one that is installed.

## What it does
Compares the version of every Debian package, RPM and Python package inside with what the inventory found installed under
that name, by the ordering of its own ecosystem (epochs, `~`, pre-releases).

## Why it matters
The package manager refuses it, and the installation stops half way; or a script forces it, and old defects come back and
data of the newer version are read by older code.

## Example
```
lims-core 2:7.2.0-1 is inside, 2:7.2.4-1 is installed on app1
```

## Fix
Ask the vendor for the right package, or for a downgrade that is meant and can be undone.

## References
- Debian Policy 5.6.12; PEP 440
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.errors import UsageError
from fulldress.formats import version
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Finding
from fulldress.scan.libraries import Library, libraries, plain
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="package-downgrade",
    family="archive",
    title="Older than what is installed",
    severity="high",
    confidence="certain",
    needs=("estate",),
)
_MANAGERS = {"deb": ("dpkg", "deb"), "rpm": ("rpm", "rpm"), "python": ("pip", "pep440")}


def check(context: Context) -> Iterator[Finding]:
    """One finding for each package that is older than the newest installed one of its name."""
    assert context.estate is not None
    installed: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for host in context.estate.hosts:
        for package in host.packages:
            installed.setdefault((package.manager, plain(package.name)), []).append((host.name, package.version))
    for lib in libraries(context):
        manager, scheme = _MANAGERS.get(lib.kind, ("", ""))
        newer = [
            h for h in installed.get((manager, plain(lib.name)), ()) if lib.version and _older(lib.version, h[1], scheme)
        ]
        if newer and lib.own:
            yield _finding(lib, newer)


def _older(left: str, right: str, scheme: str) -> bool:
    try:
        return version.compare(left, right, scheme) < 0
    except UsageError:  # a version that its ecosystem's grammar does not allow
        return False


def _finding(lib: Library, newer: list[tuple[str, str]]) -> Finding:
    host, there = newer[0]
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{lib.name} {lib.version} is inside, {there} is installed on {host}",
        place=lib.place,
        excerpt="; ".join(f"{h}: {v}" for h, v in newer[:6]),
        consequence="The package manager refuses it in the middle of the installation, or older code meets newer data.",
        fix="Ask the vendor for the package of the right version, or for a downgrade that is meant and can be undone.",
    )


def _estate(package: InstalledPackage) -> Estate:
    return Estate(
        taken="2026-10-01T00:00:00Z",
        hosts=(HostFacts(name="app1", hostname="app1", os="debian", os_version="12", packages=(package,)),),
    )


_CONTROL = {"a.deb!/DEBIAN/control": "Package: lims\nVersion: 1:2.0~rc1-1\n"}
BAD = (
    Sample(files=dict(_CONTROL), estate=_estate(InstalledPackage(name="lims", version="1:2.0-1"))),
    Sample(
        files={"a-1.0.dist-info/METADATA": "Name: A_b\nVersion: 1.0\n"},
        estate=_estate(InstalledPackage(name="a-b", version="1.1", manager="pip")),
    ),
)
GOOD = (
    Sample(files=dict(_CONTROL), estate=_estate(InstalledPackage(name="lims", version="2.9-1"))),
    Sample(files=dict(_CONTROL), estate=_estate(InstalledPackage(name="lims", version="9", manager="pip"))),
    Sample(files=dict(_CONTROL), estate=_estate(InstalledPackage(name="other", version="9"))),
)
