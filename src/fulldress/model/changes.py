"""Nouns of the write-set: which paths an upgrade changes, and what must be backed up before it. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["file", "directory", "link", "socket", "pipe", "device", "absent"]


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One path that is not what the control clone has there."""

    path: str
    before: Kind
    after: Kind
    what: tuple[str, ...] = ()
    """What about it changed: content, owner, mode, times, xattrs, acl, capabilities, target, number, hard links."""
    bytes: int = 0
    """Size of what stands there in production: what a backup of it takes."""
    aliases: tuple[str, ...] = ()
    """Other names of the same file (hard links) that change with it."""
    step: str = ""
    """Id of the step during which it was written last, where that is known."""
    transient: bool = False
    """Written and gone again before the end: seen only by a crash in between."""


class WriteSet(msgspec.Struct, frozen=True, kw_only=True):
    """``06-rehearsals/<id>/write-set.json``: what the upgrade changes and a control clone does not."""

    schema_version: int = 1
    changes: tuple[Change, ...]
    control: int
    """Paths that the control clone wrote as well and that were left out."""
    by_itself: tuple[str, ...] = ()
    """These paths: the machine writes them without any upgrade."""
    backup: tuple[str, ...]
    """Paths of production to back up before the first step, parents first."""
    backup_bytes: int = 0
    notes: tuple[str, ...] = ()
