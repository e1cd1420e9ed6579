"""The vendor's package as it came, as a plan of one step: its entry script, run as its README says.

Only ever played on a clone; it has no undo, which is one of the things that a rehearsal shows.
"""

from __future__ import annotations

import msgspec

from fulldress.model.package import PackageLock
from fulldress.model.plan import Plan, PlanLock, Step
from fulldress.plan.draft import Source, find_entry
from fulldress.plan.lock import compile_plan
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import digest


def lock_as_it_came(
    package: PackageLock, blobs: BlobStore, *, release: str, host: str, entry: str | None = None, timeout_s: float = 900.0
) -> PlanLock:
    """The lock of that plan; ``package`` is the untouched package's. UsageError when its entry script is not clear."""
    start = find_entry(Source(package, blobs.read), entry)
    step = Step(
        id="as-it-came",
        kind="script",
        title=f"{start}, as it came",
        params={"place": start},
        timeout_s=timeout_s,
        irreversible_because="the vendor gives no way back",
    )
    plan = Plan(release=release, host=host, step=(step,))
    sha = digest(package)
    scripts = compile_plan(plan, package, blobs.put)
    lock = PlanLock(digest="", plan=plan, scripts=scripts, inputs={}, package_sha256=package.sha256, adapted_sha256=sha)
    return msgspec.structs.replace(lock, digest=digest(lock))
