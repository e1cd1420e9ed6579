"""What is asked of the vendor about an unexpected key, of whom, and by when; and what the answer means. Text and times only.

The contact comes from the vendor record and from nowhere else. The letter does not tell the fingerprint: the contact reads
it aloud from their own papers, and the two are compared here.
"""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from fulldress.errors import UsageError
from fulldress.formats.fingerprints import is_hex, of_pin, plain
from fulldress.formats.localtime import later
from fulldress.formats.members import shown
from fulldress.model.package import TrustReport, VendorRecord
from fulldress.model.vendor import Answer, Escalation, Outcome, Reason

BEFORE_WINDOW = timedelta(hours=48)
WITHOUT_WINDOW = timedelta(days=3)
LEAST = timedelta(hours=4)

QUESTIONS = (
    "Is a release of this name yours? Please read its SHA-256 to us from your own release papers.",
    "Please read the fingerprint of the key that signs your releases aloud, from your own papers; we compare it here.",
    "When did the key change, and why: planned, expired, lost, a new CA, or was the old key compromised?",
    "Which releases are signed with the old key, which with the new one?",
    "Where is the revocation of the old key published, or why is there none?",
    "Where and when was the change announced, at places that are run independently of each other?",
)


class Written(NamedTuple):
    """The escalation as files."""

    letter: str
    calendar: str


def open_case(
    trust: TrustReport, record: VendorRecord, by: str, now: datetime, window: datetime | None, due: datetime | None = None
) -> Escalation:
    """The case as it begins. Raises UsageError when there is nobody to ask or the deadline has passed."""
    if not record.contact.strip():
        raise UsageError(
            "the vendor record names no contact",
            why="a contact from the package, the ticket or the vendor's web site of today could be the attacker's",
            fix="take one from the contract, write it into vendor.toml, have it approved, then escalate",
        )
    if not by.strip():
        raise UsageError("who asks is not said", fix="--by 'First Last'")
    until = due or deadline(now, window)
    if until <= now:
        raise UsageError(f"{until:%Y-%m-%d %H:%M} has passed", fix="give a later --due, or move the window")
    doubtful = [
        s for s in trust.signatures if s.covers != s.place and s.verdict not in ("pinned-ok", "bad") and s.fingerprint
    ]
    return Escalation(
        package_sha256=trust.package_sha256,
        verdict=trust.verdict,
        contact=record.contact,
        contact_recorded=record.contact_recorded,
        asked_by=by.strip(),
        opened=stamp(now),
        due=stamp(until),
        questions=QUESTIONS,
        signers=tuple(dict.fromkeys(plain(s.fingerprint) for s in doubtful)),
        pinned=tuple(of_pin(p.kind, p.fingerprint) for p in record.pin if p.kind != "tsa"),
    )


def deadline(now: datetime, window: datetime | None) -> datetime:
    """Two days before the window; half of the time that is left when that is too soon; three days without a window."""
    if window is None or window <= now:
        return now + WITHOUT_WINDOW
    early = later(window, -BEFORE_WINDOW.total_seconds())
    return early if early >= now + LEAST else now + (window - now) / 2


def stamp(when: datetime) -> str:
    """As it is kept: UTC to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def overdue(case: Escalation, now: datetime) -> bool:
    """True when nobody has answered and the deadline has passed."""
    return not case.answers and datetime.fromisoformat(case.due) <= now


def written(case: Escalation, package: str, record: VendorRecord) -> Written:
    """The letter and the calendar entry that reminds of it."""
    return Written(_letter(case, package, record), _calendar(case, package))


def _letter(case: Escalation, package: str, record: VendorRecord) -> str:
    since = f" (recorded {shown(case.contact_recorded)})" if case.contact_recorded else ""
    questions = "\n".join(textwrap.fill(f"{n}. {q}", 100, subsequent_indent="   ") for n, q in enumerate(case.questions, 1))
    return f"""\
# Question to {shown(record.name)} about a release

Ask over this contact only{since}: {shown(case.contact)}
Never over an address, number or link from the package, the ticket or an answer to this letter.

- asked by: {shown(case.asked_by)}, {case.opened}
- answer needed by: {case.due}
- package: {shown(package)}
- SHA-256: {case.package_sha256}
- our finding: {case.verdict}

## Text

We received the package named above as a release of yours. It is not signed by a key that we have on record for you. We do
not install it before these questions are answered by a person, over this contact:

{questions}

We tell neither the digest nor the fingerprint that we see: please read yours to us.

## Then

`{reply(case)}`

No answer by the deadline is an answer too: `--outcome no-answer`. Silence is no consent.
"""


def _calendar(case: Escalation, package: str) -> str:
    due = datetime.fromisoformat(case.due)
    stamp_of = "{:%Y%m%dT%H%M%SZ}".format
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//fulldress//trust//EN",
        "BEGIN:VEVENT",
        f"UID:{case.package_sha256[:32]}-{stamp_of(datetime.fromisoformat(case.opened))}@fulldress",
        f"DTSTAMP:{stamp_of(datetime.fromisoformat(case.opened))}",
        f"DTSTART:{stamp_of(due)}",
        f"DTEND:{stamp_of(due + timedelta(minutes=15))}",
        f"SUMMARY:{_escaped(f'Answer due: who signed {shown(package)}?')}",
        f"DESCRIPTION:{_escaped(f'Ask {case.contact}. SHA-256 {case.package_sha256}. Then: fulldress trust answer')}",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:-PT4H",
        "DESCRIPTION:Answer due",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(_folded(line) for line in lines)


def _escaped(text: str) -> str:
    safe = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\;,])", r"\\\1", safe)


def _folded(line: str) -> str:
    """At most 75 bytes on a line (RFC 5545), never cut inside a character."""
    out, current = [], ""
    for character in line:
        if len((current + character).encode()) > 74:
            out.append(current)
            current = " "
        current += character
    return "\r\n".join([*out, current]) + "\r\n"


def reply(case: Escalation) -> str:
    """The command that records a yes: what has to be read aloud for it."""
    bare = case.verdict == "unsigned" and not case.signers
    key = "" if bare else '--fingerprint "AS READ ALOUD" --why planned '
    return f'fulldress trust answer --by NAME --asked PERSON --outcome confirmed {key}--sha256 "AS READ ALOUD"'


SHORTEST = 32
"""Digits of the shortest whole fingerprint."""


def answered(
    case: Escalation,
    *,
    by: str,
    asked: str,
    outcome: Outcome,
    reason: Reason,
    fingerprint: str,
    text: str,
    now: datetime,
    sha256: str = "",
) -> Escalation:
    """The case with one more answer. Raises UsageError when the answer cannot stand for itself."""
    if not by.strip() or (not asked.strip() and outcome != "no-answer"):
        raise UsageError("who asked and who answered is not said", fix="--by NAME --asked PERSON")
    read, digest = plain(fingerprint), plain(sha256)
    if sha256 and (len(digest) != 64 or not is_hex(digest)):
        raise UsageError(
            f"{sha256!r} is no whole SHA-256",
            why="an answer is evidence and stays; a part can be made to fit, and a slip would count as a no",
            fix="write all its 64 digits (0-9, a-f), with blanks as you like",
        )
    if fingerprint and (len(read) < SHORTEST or not is_hex(read)):
        raise UsageError(
            f"{fingerprint!r} is no whole fingerprint",
            why="an answer is evidence and stays; a part can be made to fit, and a slip would count as a no",
            fix=f"write all its digits (0-9, a-f; at least {SHORTEST}), with blanks or colons as you like",
        )
    if outcome == "confirmed" and case.signers and not read:
        raise UsageError(
            "the fingerprint that was read aloud is missing",
            why="a yes without the fingerprint says nothing about this key",
            fix='--fingerprint "AS READ ALOUD"',
        )
    bare = case.verdict == "unsigned" and not case.signers
    if outcome == "confirmed" and bare and not digest:
        raise UsageError(
            "the SHA-256 that was read aloud is missing",
            why="no key signed all of this package, so a yes without its digest says nothing about these bytes",
            fix='--sha256 "AS READ ALOUD"',
        )
    if outcome == "confirmed" and not bare and reason == "unknown":
        raise UsageError(
            "why the key changed is not said",
            why="after a compromise the old key's word for the new one is void; that must be known",
            fix="--why planned|expired|compromised|lost|ca-change",
        )
    one = Answer(
        by=by.strip(),
        recorded=stamp(now),
        asked=asked.strip(),
        outcome=outcome,
        reason=reason,
        fingerprint=read,
        matches=bool(read) and read in case.signers,
        digest=digest,
        text=text.strip(),
    )
    return msgspec.structs.replace(case, answers=(*case.answers, one))
