"""The vendor record and the two people behind it: a record that one person changed alone is not used for trust.

``vendor.toml`` is edited by hand; ``vendor.approvals.jsonl`` beside it is a hash-chained journal that is only appended to.
In force is the record whose digest was proposed by one person and approved by another, last. Decides nothing about keys.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fulldress.errors import NoGo, NothingToDo, UsageError
from fulldress.formats import fingerprints
from fulldress.model.package import VendorPin, VendorRecord
from fulldress.model.vendor import Channel, person
from fulldress.store.codec import file_digest, read_toml
from fulldress.store.journal import Event, Journal, read_journal

_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_KEY, _CERTIFICATE = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----BEGIN CERTIFICATE-----"
PROPOSED, APPROVED = "vendor-proposed", "vendor-approved"


class VendorRecordNotApproved(NoGo):
    """The vendor record is not (or no longer) what two people agreed on, so no key in it is believed.

    One person says ``fulldress vendor propose --by NAME --reason TEXT``, another looks at the change and says
    ``fulldress vendor approve --by NAME``. The record may then be used until its next change.
    """

    slug = "vendor-record-not-approved"


class Standing(NamedTuple):
    """What the journal of approvals says of the record as it is now."""

    digest: str
    """SHA-256 of ``vendor.toml`` as it is."""
    in_force: str
    """SHA-256 of the record that two people agreed on last; ``""`` when there is none."""
    proposal: dict[str, Any] | None
    """The open proposal: by, before, after, reason."""
    events: tuple[Event, ...]

    @property
    def approved(self) -> bool:
        """True when the record as it is now is in force."""
        return bool(self.in_force) and self.digest == self.in_force


def journal_of(record: Path) -> Path:
    """The file of approvals that belongs to a record."""
    return record.with_suffix(".approvals.jsonl")


def standing(record: Path) -> Standing:
    """Replay the approvals. Raises FulldressError ``journal-broken`` when the file was changed after it was written."""
    events = tuple(read_journal(journal_of(record)))
    in_force, proposal = "", None
    for event in events:
        if event.kind == PROPOSED:
            proposal = event.data
        elif event.kind == APPROVED and proposal is not None and _agrees(event.data, proposal):
            in_force, proposal = str(proposal["after"]), None
    return Standing(file_digest(record), in_force, proposal, events)


def change(record: Path, now: Standing) -> list[str]:
    """What the record as it is changes of the one in force, line by line: what the second person looks at."""
    texts = {str(e.data.get("after")): str(e.data.get("record", "")) for e in now.events if e.kind == PROPOSED}
    before = texts.get(now.in_force, "").splitlines()
    after = record.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
    named = f"in force {now.in_force[:16]}" if now.in_force else "nothing"
    return list(difflib.unified_diff(before, after, named, f"{record.name} {now.digest[:16]}", lineterm="", n=1))


def _agrees(approval: dict[str, Any], proposal: dict[str, Any]) -> bool:
    same = approval.get("after") == proposal.get("after")
    return same and bool(person(str(approval.get("by", "")))) and differ(str(approval["by"]), str(proposal.get("by", "")))


def differ(one: str, other: str) -> bool:
    """True for the names of two people."""
    return person(one) != person(other)


def propose(path: Path, by: str, reason: str) -> Standing:
    """Write down that one person wants the record as it is now. Raises UsageError, NothingToDo."""
    _named(by, reason)
    record = read_toml(path, VendorRecord)
    if _empty(record):
        raise UsageError(
            f"{path.name} says nothing of a vendor yet",
            why="two people would agree on an empty page",
            fix="fill in at least the name, the contact and a pin of a key that was known before the package arrived",
        )
    check(record, path)
    _can_match(record, path)
    now = standing(path)
    if now.approved:
        raise NothingToDo("the vendor record is what two people agreed on already", fix="change it first")
    if now.proposal is not None and now.proposal.get("after") == now.digest:
        raise NothingToDo(
            f"this record was proposed by {now.proposal['by']}; it waits for another person",
            fix="fulldress vendor approve --by NAME",
        )
    text = path.read_text(encoding="utf-8")
    Journal(journal_of(path)).append(
        PROPOSED, by=by.strip(), before=now.in_force, after=now.digest, reason=reason.strip(), record=text
    )
    return standing(path)


def approve(path: Path, by: str, reason: str = "") -> Standing:
    """Write down that another person agrees. Raises UsageError when it is the same one or the record changed since."""
    _named(by, reason or "-")
    now = standing(path)
    if now.proposal is None:
        raise NothingToDo(
            "nothing is proposed", why="approving answers a proposal", fix="fulldress vendor propose --by NAME --reason TEXT"
        )
    if now.proposal["after"] != now.digest:
        raise UsageError(
            f"{path.name} was changed after {now.proposal['by']} proposed it",
            why=f"proposed was {now.proposal['after'][:16]}…, there is {now.digest[:16]}…",
            fix="propose it again as it is now: fulldress vendor propose --by NAME --reason TEXT",
        )
    if not differ(by, str(now.proposal["by"])):
        raise UsageError(
            f"{by.strip()} proposed it and cannot approve it too",
            why="one person's mistake, or one stolen account, must not be enough to trust a key",
            fix="another person says: fulldress vendor approve --by NAME",
        )
    before, after = now.proposal["before"], now.digest
    Journal(journal_of(path)).append(APPROVED, by=by.strip(), before=before, after=after, reason=reason.strip())
    return standing(path)


def in_force(path: Path) -> VendorRecord | None:
    """The record, when it may be used; None when there is none or nobody filled in the template.

    Raises VendorRecordNotApproved for a record, or a change, that two people did not agree on.
    """
    if not path.is_file():
        if journal_of(path).is_file():
            raise VendorRecordNotApproved(
                f"{path.name} is gone, its approvals are still there",
                why="without the record no key is expected, so any package would look harmless",
                fix=f"restore {path.name} (each proposal in {journal_of(path).name} holds its text)",
            )
        return None
    record = read_toml(path, VendorRecord)
    if _empty(record):
        if journal_of(path).is_file() and standing(path).in_force:
            raise _not_approved(path, standing(path))
        return None
    check(record, path)
    now = standing(path)
    if not now.approved:
        raise _not_approved(path, now)
    return record


def _empty(record: VendorRecord) -> bool:
    """True for the template as `fulldress new` writes it."""
    return not (record.name or record.pin or record.roots or record.channel)


def _not_approved(path: Path, now: Standing) -> VendorRecordNotApproved:
    proposed = now.proposal is not None and now.proposal.get("after") == now.digest
    said = f"{now.proposal['by']} proposed it, nobody else agreed" if proposed and now.proposal else "nobody proposed it"
    what = "was changed since two people agreed on it" if now.in_force else "was never agreed on by two people"
    step = (
        "fulldress vendor approve --by NAME (another person)"
        if proposed
        else "fulldress vendor propose --by NAME --reason TEXT"
    )
    return VendorRecordNotApproved(
        f"{path.name} {what}: {said}",
        why="whoever can change this file alone could have any package trusted",
        fix=f"look at it, then: {step}",
    )


def _named(by: str, reason: str) -> None:
    if not person(by) or not reason.strip():
        raise UsageError("a name and a reason are needed", fix="--by 'First Last' --reason 'what was checked, and how'")


def check(record: VendorRecord, path: Path) -> None:
    """Raises UsageError when the record says something that can never be used."""
    names = [c.name for c in record.channel]
    if len(names) != len(set(names)):
        raise UsageError(f"{path.name}: two channels have one name", fix="give each [[channel]] its own name")
    for channel in record.channel:
        if why := _channel_fault(channel):
            raise UsageError(f"{path.name}: channel {channel.name!r} {why}", fix="correct it, then propose the record again")


def _can_match(record: VendorRecord, path: Path) -> None:
    """Raises UsageError for a pin, key or root that no signature could ever meet: a slip there is never noticed later."""
    faults = [f"pin {p.fingerprint[:80]!r} {why}" for p in record.pin if (why := _pin_fault(p))]
    faults += ["one of `keys` is no armoured OpenPGP public key" for k in record.keys if _KEY not in k]
    faults += ["one of `roots` is no certificate in PEM form" for r in record.roots if _CERTIFICATE not in r]
    if faults:
        raise UsageError(
            f"{path.name}: {faults[0]}",
            why="nothing would ever match it, and every package would look as if somebody else had signed it",
            fix="write the whole fingerprint (or the text itself, not the name of a file), then propose the record again",
        )


def _pin_fault(pin: VendorPin) -> str:
    for day in (pin.not_before, pin.not_after):
        if day and not _DAY.fullmatch(day):
            return f"has the day {day!r}, which is not written as 2026-01-31"
    known = fingerprints.of_pin(pin.kind, pin.fingerprint)
    if pin.kind == "sigstore":
        return "" if len(pin.fingerprint.split()) > 1 else "is not an issuer and an identity with a blank between them"
    lengths = (40, 64) if pin.kind == "openpgp" else (64,)
    if fingerprints.is_hex(known) and len(known) in lengths:
        return ""
    wanted = "40 or 64 (OpenPGP)" if pin.kind == "openpgp" else f"64 (SHA-256, for {pin.kind})"
    return f"is no whole fingerprint: {wanted} digits of 0-9 and a-f"


def _channel_fault(channel: Channel) -> str:
    if not channel.name or not channel.group.strip():
        return "needs a name and a group"
    if channel.kind != "folder":
        try:
            parts = urlsplit(channel.url)
            plain = channel.url.isascii() and not any(c <= " " for c in channel.url)
            sound = plain and parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
        except ValueError:
            sound = False
        if not sound:
            return f"has no https address: {channel.url!r}"
    for network in channel.private_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            return f"has {network!r} among its private-networks, which is no network"
    return ""
