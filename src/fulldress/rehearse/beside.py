"""A control clone beside the one that a plan is played on: what the plan writes, and which rows differ afterwards.

Nothing is done to the control clone; it lives as long, on the same mirror. A driver that makes no clones has none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from fulldress.model.changes import WriteSet
from fulldress.model.plan import StepTiming
from fulldress.model.proof import Proof
from fulldress.ports import Clone
from fulldress.rehearse.capture import EXCLUDED, StateSnapshot, files_of
from fulldress.rehearse.mirror import Mirror
from fulldress.rehearse.rowdiff import with_rows
from fulldress.rehearse.writeset import Production, Seen, Side, derive, from_manifests

WITHOUT_CONTROL = "No control clone stood beside it: what the machine writes by itself is in this list."
_DATABASES = ("/var/lib/postgresql", "/var/lib/mysql")


def production_of(mirror: Mirror) -> Production:
    """What all clones are made from, as the write-set sees it."""
    tree = Path(mirror.tree)
    data = {*(cluster.data for cluster in mirror.clusters), *(p for p in _DATABASES if (tree / p.lstrip("/")).is_dir())}
    return Production(tree, _outermost(data), mirror.database_bytes)


class Beside:
    """Follows one act. ``control``: the clone that nothing is done to."""

    def __init__(self, mirror: Mirror, clone: Clone, control: Clone | None) -> None:
        self.clone, self.control = clone, control
        self.production = production_of(mirror)
        self.seen = Seen(clone.writes, self.production.tree)
        self.began = time.time()

    def write_set(self, before: StateSnapshot, done: Sequence[StepTiming]) -> WriteSet:
        """What the plan changed, now that it is done."""
        host, control = self.clone.host, self.control
        if control is None or host.root is None or control.host.root is None:
            return from_manifests(before.files, files_of(host, EXCLUDED)[0], self.production.data, WITHOUT_CONTROL)
        mine, other = Side(host.root, self.clone.writes), Side(control.host.root, control.writes)
        return derive(other, mine, self.production, done, began=self.began, seen=self.seen)

    def named(self, proof: Proof) -> Proof:
        """The proof, with the rows that differ."""
        if self.control is None or proof.equal:
            return proof
        return with_rows(proof, self.control.host, self.clone.host)


def _outermost(paths: set[str]) -> tuple[str, ...]:
    return tuple(sorted(p for p in paths if not any(p != q and p.startswith(q + "/") for q in paths)))
