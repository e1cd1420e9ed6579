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


class InstalledPackage(msgspec.Struct, frozen=True, kw_only=True):
    """An installed package of the host's package manager."""

    name: str
    version: str
    manager: Literal["dpkg", "rpm", "pip", "npm"] = "dpkg"


class ConfigKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one configuration file. Values of secret-looking keys are replaced by ``<secret>``."""

    file: str
    key: str
    """Section and key joined by a dot: ``hybrid.enable``."""
    value: str
    line: int


class CronJob(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduled command in the estate (or in a package)."""

    file: str
    line: int
    schedule: str
    user: str
    command: str


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """An installed product and its version, found by a declared probe."""

    name: str
    version: str
    probe: str = ""


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL database: sizes in bytes, rows as estimated by the server."""

    name: str
    server_version: str
    schema_version: str = ""
    size_bytes: int = 0
    tables: dict[str, int] = {}
    """Qualified table name -> estimated rows."""


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


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """One config key at a version boundary: what happens to it, and what the vendor says to write instead."""

    product: str
    key: str
    change: Literal["added", "removed", "renamed", "default-changed", "required"]
    since: str
    """First version in which the change holds."""
    instead: str = ""
    value: str = ""
    """For ``required``: the value that must be there, or the product silently falls back."""
    consequence: str = ""


class KeyImpact(msgspec.Struct, frozen=True, kw_only=True):
    """A matrix row joined to the places where this estate uses the key."""

    row: MatrixRow
    uses: tuple[ConfigKey, ...]
    """Empty for a ``required`` key that the estate does not set yet."""
    cure: str
    """What to write instead, in words."""


class UpgradePath(msgspec.Struct, frozen=True, kw_only=True):
    """``02-inventory/path.json``: from the installed to the offered version, with the stops that may not be skipped."""

    schema_version: int = 1
    product: str
    installed: str
    target: str
    stops: tuple[str, ...]
    known: bool
    why: str = ""
