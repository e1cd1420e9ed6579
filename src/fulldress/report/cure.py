"""What a cure would do, as every report shows it. A noun; does nothing."""

from __future__ import annotations

import msgspec


class ShownCure(msgspec.Struct, frozen=True, kw_only=True):
    """The cure of one finding, by itself. Secrets are already hidden."""

    note: str
    safety: str
    """``safe`` or ``review``."""
    diff: str = ""
    """Unified diff; empty when the cure is plan steps only."""
    steps: tuple[str, ...] = ()
    """Titles of the plan steps that it asks for."""
