"""The noun a person writes: ``release.toml``, the head of the release folder. No I/O."""

from __future__ import annotations

from typing import Literal

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
    """``2026-11-29T02:30``; on a night on which this time happens twice with its offset, ``2026-10-25T02:30+02:00``"""
    minutes: int = 60
    vendor_claim_minutes: float = 0.0


class Staging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[staging]``: a host that stands in for clones with ``rehearse --driver staging``; not full dress."""

    host: str = ""
    """``ssh:user@host``; never production."""
    restore: tuple[str, ...] = ()
    """Command that brings it back to where production is, word by word; it runs on this computer, without a shell."""
    front: str = ""
    """``http://HOST:PORT`` where the load goes; the host's port 80 when empty."""


class MaskRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[[mirror.mask]]``: SQL that takes personal data out of the mirror; production never sees it."""

    title: str
    database: str
    sql: str = ""
    file: str = ""
    """A file with the SQL, relative to the release folder, in place of ``sql``."""
    check: str
    """A query that must return no row when the data is masked."""
    cluster: str = ""
    """``15/main``; needed only when several clusters have a database of this name."""


class Mirroring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[mirror]``: what the copy of production leaves out, takes along, and how."""

    exclude: tuple[str, ...] = ()
    """Paths (``/srv/archive``; a folder stays, empty) or name patterns without a slash (``*.iso``)."""
    include: tuple[str, ...] = ()
    """Mount points of network or memory file systems that are to be copied too."""
    databases: Literal["auto", "snapshot", "base-backup", "backup-api"] = "auto"
    """How running PostgreSQL clusters are copied; ``auto`` takes the first way that the host offers."""
    bandwidth: int = 0
    """Most KiB a second that are read from the host; 0: no limit."""
    mask: tuple[MaskRule, ...] = ()


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
    staging: Staging = Staging()
    mirror: Mirroring = Mirroring()
