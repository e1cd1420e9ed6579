"""There is not enough room on the host for the package, or for the tables that its migrations write anew.

## What it does
Adds up what the package will lay down (Debian packages by their own paths, archives by where the scripts unpack them) and
holds it against the free space of the file systems that the inventory found. A migration that rewrites a table needs the
table's size once more, and as much again for the log: that is held against the database's file system.

## Why it matters
A full disk in the middle of a rewrite stops not only the migration but the database: PostgreSQL cannot write its log.

## Example
```
ALTER TABLE result ALTER COLUMN id TYPE bigint;    -- 80 GB with indexes, 30 GB free
```

## Fix
Make room before the window, or move the table's rewrite online in batches.

## References
- PostgreSQL: ALTER TABLE, Notes ("temporarily require as much as double the disk space")
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.model.estate import DatabaseFacts, Estate, HostFacts, Volume
from fulldress.model.finding import Finding
from fulldress.scan.database import migrations
from fulldress.scan.reading import scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="disk-space",
    family="privilege",
    title="Not enough room on the host",
    severity="high",
    confidence="likely",
    needs=("estate",),
)
_DEB = late(r"\.deb!/(?!DEBIAN/)(.+)$")
_DATA = ("/var/lib/postgresql", "/var/lib", "/var", "/")
_UNPACKED = late(r"^/[\w./-]+$")
RESERVE = 0.05
"""Of a file system: below that much free space nothing works well any more."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for the files, and one for each table."""
    assert context.estate is not None
    for host in context.estate.hosts[:1]:  # the upgrade's target stands first
        if host.volumes:
            yield from _files(context, host)
            yield from _tables(context, host)


def _files(context: Context, host: HostFacts) -> Iterator[Finding]:
    """Bytes by file system. What only lies in the package says nothing of where it goes: scripts do."""
    wanted: dict[str, int] = {}
    rest = 0
    for entry in context.package.entries:
        if entry.kind == "container" or not entry.sha256:
            continue
        match = _DEB.search(entry.place)
        if match is not None:
            volume = _volume(host, f"/{match[1]}")
            wanted[volume.path] = wanted.get(volume.path, 0) + entry.size
        elif "!/" in entry.place:
            rest += entry.size
    for path in _unpacks(context) if rest else ():
        volume = _volume(host, path)
        wanted[volume.path] = wanted.get(volume.path, 0) + rest
        break  # once: which archive goes where is not known
    for volume in host.volumes:
        size = wanted.get(volume.path, 0)
        if size > volume.free_bytes - volume.size_bytes * RESERVE and size > 1 << 20:
            yield Finding(
                rule=META.slug,
                severity=META.severity if size > volume.free_bytes else "medium",
                confidence=META.confidence,
                title=f"{_said(size)} go to {volume.path} of {host.name}, where {_said(volume.free_bytes)} are free",
                place="",
                excerpt=f"{volume.path}: {_said(volume.free_bytes)} of {_said(volume.size_bytes)} free",
                consequence="The installation stops half way with a full disk, and what else writes there stops with it.",
                fix="Make room before the window; old versions and logs are the usual place to look.",
            )


def _unpacks(context: Context) -> Iterator[str]:
    """Directories into which the upgrade's scripts unpack archives."""
    for script in scripts(context):
        if role(context, script.entry.place) != "upgrade":
            continue
        for command in script.commands:
            argv = shell.unwrapped(command)
            name = argv[0].rpartition("/")[2] if argv else ""
            options = {"tar": ("-C", "--directory"), "unzip": ("-d",), "bsdtar": ("-C",)}.get(name, ())
            for option, value in pairwise(argv):
                if option in options and _UNPACKED.match(value):
                    yield value


def _tables(context: Context, host: HostFacts) -> Iterator[Finding]:
    databases = [d for d in host.databases if d.engine == "postgresql" and d.table_bytes]
    volume = next(_volume(host, path) for path in _DATA if path == "/" or _named(host, path))
    told: set[str] = set()
    for migration in migrations.migrations(context) if databases else ():
        for hazard in migration.hazards:
            size = max((_bytes(d, hazard.relation) for d in databases), default=0)
            if hazard.kind != "table-rewrite" or hazard.mild or hazard.relation in told or not size:
                continue
            told.add(hazard.relation)
            if 2 * size > volume.free_bytes:
                yield Finding(
                    rule=META.slug,
                    severity="critical" if size > volume.free_bytes else "high",
                    confidence=META.confidence,
                    title=f"Rewriting {hazard.relation} needs {_said(size)} and its log as much; "
                    f"{_said(volume.free_bytes)} are free on {volume.path} of {host.name}",
                    place=migration.entry.place,
                    line=hazard.statement.line,
                    excerpt=" ".join(hazard.statement.text.split())[:200],
                    consequence="The migration is rolled back when the disk is full; the log may stop the whole database.",
                    fix="Make room first, or move the rows online in batches.",
                )


def _bytes(database: DatabaseFacts, name: str) -> int:
    return database.table_bytes.get(name, database.table_bytes.get(f"public.{name}", 0))


def _named(host: HostFacts, path: str) -> bool:
    return any(path == v.path or path in v.also for v in host.volumes)


def _volume(host: HostFacts, path: str) -> Volume:
    """The file system of a path: the one whose directory is its longest beginning."""
    best, found = -1, host.volumes[0]
    for volume in host.volumes:
        for directory in (volume.path, *volume.also):
            inside = path == directory or path.startswith(directory.rstrip("/") + "/")
            if inside and len(directory) > best:
                best, found = len(directory), volume
    return found


def _said(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"


def _here(*volumes: Volume, **tables: int) -> Estate:
    database = DatabaseFacts(name="app", server_version="15", tables=dict.fromkeys(tables, 9_000_000), table_bytes=tables)
    host = HostFacts(
        name="app1", hostname="app1", os="debian", os_version="12", volumes=volumes, databases=(database,) if tables else ()
    )
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_ROOT = Volume(path="/", also=("/usr", "/opt", "/var"), free_bytes=1 << 20, size_bytes=8 << 30)
_ROOMY = Volume(path="/", also=("/usr", "/var"), free_bytes=8 << 30, size_bytes=9 << 30)
_SMALL = Volume(path="/opt", free_bytes=1 << 20, size_bytes=1 << 30)
_BIG = b"x" * (2 << 20)
_REWRITE = "SET lock_timeout = '1s';\nALTER TABLE result ALTER COLUMN id TYPE bigint;\n"
BAD = (
    Sample(files={"a.deb!/usr/lib/a": _BIG}, estate=_here(_ROOT)),
    Sample(files={"a.deb!/opt/a/a.bin": _BIG}, estate=_here(_ROOMY, _SMALL)),
    Sample(
        files={"up.sh": "#!/bin/sh\nset -e\ntar -xzf app.tgz -C /opt/app\n", "app.tgz!/a": _BIG},
        estate=_here(_ROOMY, _SMALL),
    ),
    Sample(files={"migrations/1.sql": _REWRITE}, estate=_here(_ROOMY, result=5 << 30)),
)
GOOD = (
    Sample(files={"a.deb!/usr/lib/a": _BIG}, estate=_here(_ROOMY)),
    Sample(files={"a.deb!/usr/lib/a": _BIG}, estate=_here(_ROOMY, _SMALL)),
    Sample(files={"a.deb!/usr/lib/a": b"x", "big.txt": _BIG}, estate=_here(_ROOT)),
    Sample(files={"migrations/1.sql": _REWRITE}, estate=_here(_ROOMY, result=1 << 30)),
    Sample(files={"migrations/1.sql": _REWRITE}, estate=_here(_ROOMY, other=5 << 30)),
)
