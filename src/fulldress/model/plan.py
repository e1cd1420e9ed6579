"""Nouns of the plan: ordered steps, each with do, verify and undo, bound to the digests of its inputs. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    """One ``[[step]]`` of ``05-plan/plan.toml``. ``kind`` names a file in ``steps/``; ``params`` are its own."""

    id: str
    """Unique in the plan, ``[a-z0-9-]+``; a journal never reuses it."""
    kind: str
    title: str
    params: dict[str, Any] = {}
    timeout_s: float = 300.0
    irreversible_because: str = ""
    """A step without undo is refused unless this says why that is acceptable."""
    breaks: str = ""
    """What will look broken while it runs, and for how long; said before the step."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``05-plan/plan.toml``: data, written by ``fulldress plan``, edited by people."""

    schema_version: int = 1
    release: str
    host: str
    step: tuple[Step, ...]


class StepScripts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step compiled to bash: exactly what runs on the host, and what the runbook prints."""

    id: str
    do: str
    verify_before: str = ""
    verify_after: str = ""
    undo: str = ""
    blobs: tuple[str, ...] = ()
    """SHA-256 of contents that must lie at ``/var/lib/fulldress/blobs/<sha256>`` on the host before the step."""


class PlanLock(msgspec.Struct, frozen=True, kw_only=True):
    """``05-plan/plan.lock.json``: the compiled plan, bound to everything it was made from."""

    schema_version: int = 1
    digest: str
    """SHA-256 over the canonical bytes of this lock with ``digest`` empty."""
    plan: Plan
    scripts: tuple[StepScripts, ...]
    inputs: dict[str, str]
    """Release-folder path -> SHA-256 of the file when the plan was made."""
    package_sha256: str
    adapted_sha256: str


class StepTiming(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one step went. Times in seconds since the epoch."""

    id: str
    title: str
    kind: str
    phase: str
    """do or undo."""
    started: float
    ended: float
    code: int | None
    output: str = ""
    """Last lines of its output, sanitised and redacted."""
