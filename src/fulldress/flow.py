"""The spine: the stages in order, what each reads and what it writes. Names only, no logic.

Data flows one way; a stage reads files of earlier stages, writes its own, and never calls another.
"""

from __future__ import annotations

from typing import NamedTuple

from fulldress.store import folder as f


class Stage(NamedTuple):
    """One stage: its command, the files it reads (required ones in ``needs``), and the files it writes."""

    name: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    """Read when present."""
    gives: tuple[str, ...]


STAGES: tuple[Stage, ...] = (
    Stage("new", (), (), ()),
    Stage("intake", (f.RELEASE,), ("vendor.toml",), (f.PACKAGE_LOCK, f.TRUST)),
    Stage("inventory", (f.RELEASE,), (), (f.ESTATE,)),
    Stage("matrix", (f.RELEASE, f.ESTATE), (f.PACKAGE_LOCK,), (f.MATRIX, f.PATH)),
    Stage(
        "scan",
        (f.PACKAGE_LOCK,),
        (f.RELEASE, f.TRUST, f.ACCEPTANCE, f.ADVISORIES, f.ESTATE, f.MATRIX, f.WAIVERS),
        (f.FINDINGS,),
    ),
    Stage(
        "adapt",
        (f.PACKAGE_LOCK, f.FINDINGS),
        (f.RELEASE, f.TRUST, f.ACCEPTANCE, f.ADVISORIES, f.ESTATE, f.MATRIX, f.WAIVERS),
        (f.ADAPTED_LOCK, f.RESCAN),
    ),
    Stage("plan", (f.RELEASE, f.ADAPTED_LOCK, f.ESTATE), (f.PATH,), (f.PLAN, f.PLAN_LOCK, f.RUNBOOK)),
    Stage("rehearse", (f.RELEASE, f.PLAN_LOCK), (), (f.REHEARSALS,)),
    Stage("run", (f.RELEASE, f.PLAN_LOCK, f.REHEARSALS), (), (f.RUNS,)),
)
