"""The plan compiled and bound to everything it was made from: ``05-plan/plan.lock.json``.

A step without undo and without a reason is refused here; so is a plan that names what does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from fulldress.errors import Stale, UsageError
from fulldress.model.package import PackageLock
from fulldress.model.plan import Plan, PlanLock, Step, StepScripts
from fulldress.steps import StepContext, StepParams, compile_step, kinds
from fulldress.store import folder as f
from fulldress.store.codec import digest, file_digest

INPUTS = (f.RELEASE, f.PACKAGE_LOCK, f.ADAPTED_LOCK, f.ESTATE, f.PLAN)


class StepWithoutUndo(UsageError):
    """A step of the plan can neither be undone nor says why that is acceptable, so a rollback would leave its effect.

    Give it an undo (``guards``, ``down``, ``undo``, ... as its kind has them), or write ``irreversible-because`` into it.
    """

    slug = "step-without-undo"


def context(package: PackageLock, put: Callable[[bytes], str]) -> StepContext:
    """What step kinds may use while they compile."""
    return StepContext({e.place: (e.sha256, e.mode) for e in package.entries if e.sha256}, put)


def compile_plan(plan: Plan, package: PackageLock, put: Callable[[bytes], str]) -> tuple[StepScripts, ...]:
    """All steps as bash. UsageError names the file, the step and what is wrong."""
    if not plan.step:
        raise UsageError(f"{f.PLAN} holds no step", fix="draft it anew: fulldress plan --redraft")
    seen: set[str] = set()
    ctx = context(package, put)
    compiled = []
    for step in plan.step:
        _named_well(step, seen)
        scripts = compile_step(step, ctx)
        _undoable(step, scripts)
        compiled.append(scripts)
    return tuple(compiled)


def _named_well(step: Step, seen: set[str]) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", step.id):
        raise StepParams(f"{f.PLAN}: step id {step.id!r} must be lower-case letters, digits and dashes")
    if step.id in seen:
        raise StepParams(f"{f.PLAN}: step id {step.id!r} is used twice", fix="rename one")
    seen.add(step.id)


def _undoable(step: Step, scripts: StepScripts) -> None:
    if scripts.undo or step.irreversible_because or not kinds()[step.kind].KIND.needs_undo:
        return
    raise StepWithoutUndo(
        f"{f.PLAN}: step {step.id!r} ({step.kind}: {step.title}) has no undo",
        why="a rollback would leave its effect behind",
        fix='give it an undo (guards, down, undo ...), or write `irreversible-because = "…"` into the step',
    )


def make_lock(
    folder: f.ReleaseFolder, plan: Plan, adapted: PackageLock, vendor_sha256: str, put: Callable[[bytes], str]
) -> PlanLock:
    """The lock of a plan, with the digests of its inputs as they are now."""
    scripts = compile_plan(plan, adapted, put)
    inputs = {name: file_digest(folder.path(name)) for name in INPUTS if folder.path(name).is_file()}
    lock = PlanLock(
        digest="", plan=plan, scripts=scripts, inputs=inputs, package_sha256=vendor_sha256, adapted_sha256=digest(adapted)
    )
    return msgspec.structs.replace(lock, digest=digest(lock))


def intact(lock: PlanLock) -> bool:
    """True when the lock's content matches its own digest."""
    return digest(msgspec.structs.replace(lock, digest="")) == lock.digest


def changed_inputs(folder: f.ReleaseFolder, lock: PlanLock) -> list[str]:
    """Release-folder paths that are not what the lock was made from; the vendor's package too, while it lies there."""
    changed = [n for n, was in lock.inputs.items() if not folder.path(n).is_file() or file_digest(folder.path(n)) != was]
    if f.RELEASE not in changed and (package := folder.release().package):
        path = folder.path(package)
        if path.is_file() and file_digest(path) != lock.package_sha256:
            changed.append(package)
    return changed


def require_fresh(folder: f.ReleaseFolder, lock: PlanLock) -> None:
    """Raises Stale when the plan's inputs, or the lock itself, are not what they were when the plan was locked."""
    changed = changed_inputs(folder, lock)
    if not intact(lock):
        changed.append(f.PLAN_LOCK)
    if changed:
        raise Stale(
            f"changed since the plan was locked: {', '.join(changed)}",
            why="what would run is not what was planned, rehearsed and approved",
            fix="lock the plan again and rehearse it: fulldress plan, then fulldress rehearse (fulldress status shows more)",
        )
