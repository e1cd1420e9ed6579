"""Nouns of the estate: what is installed on the hosts that the upgrade touches. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A systemd unit as the host's own systemd reports it."""

    name: str
    load: str
    active: str
    sub: str
    enabled: str = ""
    """enabled, disabled, static, masked ... (``systemctl list-unit-files``)."""
    after: tuple[str, ...] = ()
    """Units that come before this one, as systemd sees it (its own defaults and other units' ``Before=`` among them)."""
    requires: tuple[str, ...] = ()
    """Units without which it does not start or stay (Requires, Requisite, BindsTo)."""
    wants: tuple[str, ...] = ()
    """Units that it pulls in, by ``Wants=`` or by a link in its ``.wants`` directory."""
    dropins: tuple[str, ...] = ()
    """Files that change it (``NAME.service.d/*.conf``), those of its template among them."""


class InstalledPackage(msgspec.Struct, frozen=True, kw_only=True):
    """An installed package of the host's package manager."""

    name: str
    version: str
    manager: Literal["dpkg", "rpm", "pip", "npm", "jar", "other"] = "dpkg"
    place: str = ""
    """Where it lies, for those that are no part of the system's package manager (pip, npm, jar)."""
    purl: str = ""
    """The package URL that an imported bill of materials gives."""
    held: bool = False
    """A person told the package manager to leave it as it is (``apt-mark hold``, a version lock, an exclude)."""
    depends: tuple[str, ...] = ()
    """Names that it depends on, alternatives joined by ``|``; of Debian packages."""
    provides: tuple[str, ...] = ()
    """Names that it stands for besides its own."""


class ConfigKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one configuration file. Values of secret-looking keys are replaced by ``<secret>``."""

    file: str
    key: str
    """Section and key joined by a dot: ``hybrid.enable``."""
    value: str
    line: int
    format: str = ""
    """yaml, json, xml, nginx, postgresql, ssh, apache or words; empty for ``key = value``, which alone a step can write."""


class CronJob(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduled command in the estate (or in a package)."""

    file: str
    line: int
    schedule: str
    user: str
    command: str
    zone: str = ""
    """Where a ``CRON_TZ`` above it holds; else it follows the host's clock."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """An installed product and its version, found by a declared probe."""

    name: str
    version: str
    probe: str = ""


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A systemd timer and when it fires next."""

    name: str
    activates: str
    calendar: tuple[str, ...] = ()
    """``OnCalendar=`` expressions."""
    monotonic: tuple[str, ...] = ()
    """``OnBootSec=`` and its kin, as the host writes them."""
    next: str = ""
    """UTC, ISO 8601; empty when it is not due at a known moment."""
    persistent: bool = False


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A port, or a socket in the file system, on which a program waits."""

    protocol: Literal["tcp", "udp", "unix"]
    address: str
    """For ``unix`` the path, with ``@`` in front where it is none of the file system."""
    port: int
    """0 for ``unix``."""
    program: str = ""
    """Empty when the host did not let us see it."""
    unit: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate in a file of the host (the system's trust store apart)."""

    file: str
    subject: str
    issuer: str
    names: tuple[str, ...] = ()
    """Subject alternative names."""
    not_before: str
    not_after: str
    """UTC, ISO 8601."""
    sha256: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the host and the groups it belongs to."""

    name: str
    uid: int
    home: str = ""
    shell: str = ""
    groups: tuple[str, ...] = ()


class SudoRule(msgspec.Struct, frozen=True, kw_only=True):
    """One permission of sudoers: these users may run these commands as these others."""

    file: str
    line: int
    users: tuple[str, ...]
    """Names, ``%group``, ``ALL``; aliases are resolved."""
    hosts: tuple[str, ...] = ("ALL",)
    runas: tuple[str, ...] = ("root",)
    commands: tuple[str, ...] = ()
    nopasswd: bool = False
    requiretty: bool = False


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an installed package that is not as the package shipped it."""

    path: str
    package: str
    shipped: str
    """Digest on record with the package manager: MD5 for dpkg, mostly SHA-256 for rpm."""
    found: str
    """The same digest of what is there; empty when the file is gone."""
    conffile: bool = False


class OwnedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files under /etc, the programs' directories and /opt, held against the packages that own them."""

    checked: int = 0
    changed: tuple[ChangedFile, ...] = ()
    unowned: dict[str, int] = {}
    """Directory -> number of files under it that belong to no package."""
    unowned_paths: tuple[str, ...] = ()
    """The first of them, by path."""


class MigrationState(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration tool's own table says."""

    tool: str
    """flyway, liquibase, alembic, django, rails, golang-migrate, goose, sqlx, knex, prisma, laravel, doctrine, typeorm,
    sequelize, ef-core, phinx, drizzle, node-pg-migrate; ``hand-made`` for a table that only looks like one."""
    table: str
    version: str = ""
    applied: int = 0
    trouble: str = ""
    """A failed or dirty migration, a lock that is held: the next migration will not run over it."""


class NotSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a host that the survey could not see, and why. What it hides may collide."""

    part: str
    why: str


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A database: sizes in bytes, rows as estimated by the server."""

    name: str
    server_version: str
    schema_version: str = ""
    size_bytes: int = 0
    tables: dict[str, int] = {}
    """Qualified table name -> estimated rows."""
    engine: Literal["postgresql", "mysql"] = "postgresql"
    objects: dict[str, int] = {}
    """Kind (view, index, function, trigger, sequence, extension) -> how many."""
    extensions: dict[str, str] = {}
    """Extension -> version."""
    migrations: tuple[MigrationState, ...] = ()
    table_bytes: dict[str, int] = {}
    """Qualified table name -> bytes with its indexes; of the largest tables."""
    columns: dict[str, dict[str, str]] = {}
    """Qualified table name -> column -> its type, ``not null`` behind it where it is."""
    encoding: str = ""
    """UTF8, LATIN1, SQL_ASCII ...; of MySQL the default character set: utf8mb4, latin1 ..."""
    collation: str = ""
    """How its text is sorted by default: ``de_DE.utf8``, ``icu:de``, ``utf8mb4_general_ci``."""
    table_collations: dict[str, str] = {}
    """Tables that have another collation than their database (MySQL)."""
    invalid_indexes: tuple[str, ...] = ()
    """Indexes that a failed ``CREATE INDEX CONCURRENTLY`` left (PostgreSQL)."""
    collation_drift: str = ""
    """``2.31 to 2.36`` where the system's sort order is not the one that the indexes were built with (PostgreSQL 15 on)."""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A file system of the host, by the first directory of those asked that lies on it."""

    path: str
    also: tuple[str, ...] = ()
    """Further directories that lie on it."""
    free_bytes: int
    """What others than root may still write."""
    size_bytes: int


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of one host."""

    name: str
    hostname: str
    os: str
    os_version: str
    arch: str = ""
    timezone: str = "UTC"
    units: tuple[Unit, ...] = ()
    packages: tuple[InstalledPackage, ...] = ()
    config: tuple[ConfigKey, ...] = ()
    cron: tuple[CronJob, ...] = ()
    products: tuple[Product, ...] = ()
    databases: tuple[DatabaseFacts, ...] = ()
    commands: tuple[str, ...] = ()
    """Names of the programs on root's PATH."""
    users: tuple[str, ...] = ()
    certificate_sha256: tuple[str, ...] = ()
    """Fingerprints of the certificates in the system's trust store."""
    timers: tuple[Timer, ...] = ()
    listeners: tuple[Listener, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    accounts: tuple[Account, ...] = ()
    sudo: tuple[SudoRule, ...] = ()
    files: OwnedFiles = OwnedFiles()
    not_seen: tuple[NotSeen, ...] = ()
    volumes: tuple[Volume, ...] = ()
    locales: tuple[str, ...] = ()
    """As ``locale -a`` names them."""
    runtimes: dict[str, str] = {}
    """java, python3, node, php, ruby, perl -> version of the one on root's PATH."""
    imported: str = ""
    """The file that these facts come from, when the host itself was not asked."""


class Estate(msgspec.Struct, frozen=True, kw_only=True):
    """``02-inventory/estate.json``: facts of every host, and what the release folder declares about the estate."""

    schema_version: int = 1
    taken: str
    """UTC, ISO 8601."""
    hosts: tuple[HostFacts, ...]
    retired: tuple[str, ...] = ()
    """Names of servers that no longer exist (declared in ``release.toml``)."""
    replacements: dict[str, str] = {}
    """Retired or forbidden endpoint -> what to use instead (declared)."""
    aliases: dict[str, str] = {}
    """Other name of a server -> the name that it stands for (declared): one for a retired server is retired with it."""


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """One config key at a version boundary: what happens to it, and what the vendor says to write instead."""

    product: str
    key: str
    change: Literal["added", "removed", "renamed", "default-changed", "required", "known"]
    """``known``: nothing changes; the row says what values the key takes."""
    since: str
    """First version in which the change holds."""
    instead: str = ""
    value: str = ""
    """For ``required``: the value that must be there, or the product silently falls back."""
    consequence: str = ""
    type: str = ""
    """boolean, integer, number, duration, size, port, url, path, host or string; "" when not known."""
    range: str = ""
    """``1..64``, ``1..`` or ``..64``, in the unit that the type counts in."""
    values: tuple[str, ...] = ()
    """The only values there are."""
    silent_fallback: bool = False
    """An unknown or wrong value is ignored without a word, and the product does something else."""
    complete: bool = False
    """The matrix names every key of the product: what it does not name is unknown to the product."""
    scheme: str = ""
    """The order that the versions follow (``formats/version.py``)."""


class KeyImpact(msgspec.Struct, frozen=True, kw_only=True):
    """A matrix row joined to the places where this estate uses the key."""

    row: MatrixRow
    uses: tuple[ConfigKey, ...]
    """Empty for a ``required`` key that the estate does not set yet."""
    cure: str
    """What to write instead, in words."""
    places: tuple[str, ...] = ()
    """``host:file:line`` of each use."""


class UpgradePath(msgspec.Struct, frozen=True, kw_only=True):
    """``02-inventory/path.json``: from the installed to the offered version, with the stops that may not be skipped."""

    schema_version: int = 1
    product: str
    installed: str
    target: str
    stops: tuple[str, ...]
    known: bool
    why: str = ""
