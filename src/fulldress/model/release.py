"""The noun a person writes: ``release.toml``, the head of the release folder. No I/O."""

from __future__ import annotations

import msgspec


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[estate]``: what the machines cannot tell about themselves."""

    hosts: tuple[str, ...] = ()
    """Addresses, the upgrade's target first: ``machine:NAME``, ``ssh:user@host``, ``local:``, ``chroot:/path``."""
    timezone: str = "UTC"
    retired: tuple[str, ...] = ()
    replacements: dict[str, str] = {}
    aliases: dict[str, str] = {}
    """Other name of a server (a CNAME, a name in hosts files) -> the name that it stands for."""
    config_files: tuple[str, ...] = ()
    """Globs of the configuration files that belong to the product."""
    product: str = ""
    version_command: str = ""
    """Prints the installed version of the product."""
    more_products: dict[str, str] = {}
    """Further products: name -> command that prints its installed version."""
    database: str = ""
    schema_version_query: str = ""
    more_databases: tuple[str, ...] = ()
    """Further databases: ``postgresql:NAME``, ``mysql:NAME``."""
    imports: tuple[str, ...] = ()
    """CycloneDX files of hosts that cannot be asked, relative to the release folder."""
    matrix: tuple[str, ...] = ()
    """TOML files with config keys × versions, relative to the release folder."""
    chain: tuple[str, ...] = ()
    """PEM files of intermediate certificates, as the vendor's own channels offer them, relative to the release folder."""
    access_log: str = "/var/log/nginx/access.log"
    base_url: str = "http://127.0.0.1/"
    """Where users reach the product on the host; the load goes there."""
    allow_differences: tuple[str, ...] = ()
    """``part:glob | reason``: what may differ after a rollback."""


class Objectives(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[objectives]``: the limits that a rehearsal and a run are held to."""

    max_failed_ratio: float = 0.01
    max_p99_ms: float = 1000.0
    max_outage_seconds: float = 5.0
    slow_ms: float = 500.0


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[window]``: when production may be touched. Local time of ``[estate] timezone``."""

    start: str = ""
    """``2026-11-29T02:30``"""
    minutes: int = 60
    vendor_claim_minutes: float = 0.0


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``release.toml``."""

    schema_version: int = 1
    name: str
    ticket: str = ""
    owner: str = ""
    package: str = ""
    """Path of the vendor's package, relative to the release folder or absolute."""
    vendor: str = "vendor.toml"
    estate: Declared = Declared()
    objectives: Objectives = Objectives()
    window: Window = Window()
