"""Two people accept one digest. Builds the file; pins no key, and cannot accept what is altered, revoked or denied."""

from __future__ import annotations

from datetime import datetime

from fulldress.errors import NoGo, NothingToDo, UsageError
from fulldress.intake.escalate import stamp
from fulldress.intake.vendor import differ
from fulldress.model.package import Acceptance, TrustReport
from fulldress.model.vendor import Decision, Escalation, person


class CannotBeAccepted(NoGo):
    """Nobody can accept this package: it was altered, its key is revoked or compromised, or the vendor says: not ours.

    Ask the recorded contact for a release that is signed by a valid key.
    """

    slug = "cannot-be-accepted"


def accept(
    trust: TrustReport, before: Acceptance | None, asked: Escalation | None, by: str, reason: str, now: datetime
) -> Acceptance:
    """The acceptance with one more person. Raises CannotBeAccepted, NothingToDo, UsageError."""
    if not person(by) or not reason.strip():
        raise UsageError("a name and a reason are needed", fix="--by 'First Last' --reason 'whom I asked, what they said'")
    if trust.verdict == "pinned-ok":
        raise NothingToDo("the package is signed by a pinned key", why="there is nothing that needs accepting")
    if why := _impossible(trust, asked):
        raise CannotBeAccepted(f"the package cannot be accepted: {why}", why=trust.explanation, fix=trust.next_action)
    current = before if before is not None and before.package_sha256 == trust.package_sha256 else None
    names = current.by if current else ()
    if any(not differ(by, name) for name in names):
        raise UsageError(
            f"{by.strip()} has accepted it already",
            why="one person's mistake must not be enough",
            fix="another person says: fulldress trust accept --by NAME --reason TEXT",
        )
    one = Decision(by=by.strip(), recorded=stamp(now), reason=reason.strip())
    written = current.reason.strip() if current else ""
    return Acceptance(
        package_sha256=trust.package_sha256,
        by=(*names, one.by),
        reason=f"{written}\n{one.by}: {one.reason}".strip(),
        recorded=one.recorded,
        decision=(*(current.decision if current else ()), one),
    )


def _impossible(trust: TrustReport, asked: Escalation | None) -> str:
    if trust.verdict == "bad":
        return "its bytes are not what was signed"
    if trust.verdict == "revoked-or-weak":
        return "a signature is by a revoked, expired or compromised key, or can be forged"
    return asked.refused if asked is not None else ""


def toml(acceptance: Acceptance) -> str:
    """The file as people read it."""
    people = ", ".join(_string(name) for name in acceptance.by)
    parts = [
        "# The decision about one package. It pins no key and says nothing of the next package.",
        f"package-sha256 = {_string(acceptance.package_sha256)}",
        f"by = [{people}]",
        f"reason = {_string(acceptance.reason)}",
        f"recorded = {_string(acceptance.recorded)}",
    ]
    for decision in acceptance.decision:
        parts += ["", "[[decision]]"]
        parts += [f"{name} = {_string(getattr(decision, name))}" for name in ("by", "recorded", "reason")]
    return "\n".join(parts) + "\n"


def _string(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    out = (escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text)
    return f'"{"".join(out)}"'
