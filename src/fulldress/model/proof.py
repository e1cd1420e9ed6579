"""Nouns of the proof that a machine is what it was before: differences, what may differ, the verdict of both. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was before."""

    part: Literal["file", "unit", "config", "rows", "schema", "side-effect"]
    name: str
    before: str
    after: str


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the short allow-list of differences: pattern and reason."""

    part: str
    pattern: str
    reason: str
    directories: bool = True
    """False: a directory that matches is compared all the same, because nothing that runs makes or changes one there."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """``proof.json``: is the machine after rollback what it was before? Digests per part, differences by name."""

    schema_version: int = 1
    equal: bool
    before: dict[str, str]
    """part -> digest"""
    after: dict[str, str]
    counted: dict[str, int]
    """part -> how many things were compared"""
    differences: tuple[Difference, ...]
    allowed: tuple[Allowed, ...]
