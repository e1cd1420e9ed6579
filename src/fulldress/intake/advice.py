"""What a trust verdict means and what to do next, in plain words. Text only: decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fulldress.formats.members import shown
from fulldress.model.package import Signature, VendorRecord, Verdict


class Text(NamedTuple):
    """Two paragraphs for people."""

    explanation: str
    next_action: str


_MEANING: dict[Verdict, str] = {
    "pinned-ok": "Every file is covered by a signature of a key that was recorded for this vendor beforehand.",
    "rotated-by-chain": "The package is signed by a new key, and a key recorded beforehand vouches for the new one.",
    "same-ca-new-leaf": "The package is signed by a certificate that was not recorded; its chain ends at a recorded root.",
    "unknown-key": "Unexpected key: nothing recorded beforehand ties it to the vendor, and anybody can make such a key.",
    "revoked-or-weak": "A signature was made with a revoked or expired key, or with an algorithm that can be forged.",
    "unsigned": "Not everything in the package is signed, so somebody on the way could have changed it.",
    "bad": "The package is not what was signed: a signature or a checksum does not match.",
}

_NEXT: dict[Verdict, str] = {
    "pinned-ok": "Go on.",
    "rotated-by-chain": "Confirm the change of keys with {contact}, and that the old key was not compromised "
    "(`fulldress trust escalate`); pin the new key in vendor.toml as an act of its own.",
    "same-ca-new-leaf": "Ask {contact} whether this certificate is theirs (fingerprint read aloud); then pin it.",
    "unknown-key": "Do not run it yet. Ask {contact}: is this fingerprint yours, when and why did it change, was the old "
    "key compromised? (`fulldress trust escalate` writes it.) Look for the announcement at two independent places "
    "(`fulldress vendor fetch`, `fulldress trust dossier`). Two people accept this one digest, or nobody.",
    "revoked-or-weak": "Do not run it. Ask {contact} for the release signed by a valid key, and when the old one ended.",
    "unsigned": "Ask for a signature, or for the digest over a second channel, and compare: sha256 {digest}. Ask {contact}.",
    "bad": "Do not run it. Keep the file, download it again over another path, and report the difference to {contact}.",
}

NOT_AT_HAND = "this key is on record, but only by its fingerprint"
"""How the reason of a signature begins that nobody can check for want of the key."""
MAYBE = "a key of this kind is on record by its SHA-256 alone, which may be this one"
_KEY_MISSING = Text(
    "A signature names a key that is on record, but the key itself is not at hand, so nothing could be checked.",
    "Write the public key into vendor.toml, from your own papers or from {contact}, never from this package; have the "
    "record agreed on (`fulldress vendor propose`, `approve`), then `fulldress intake` again. Until then it proves nothing.",
)

MAX_REASON = 600
MOST = 5
"""Names that a sentence lists at most."""


class Given(NamedTuple):
    """What a verdict was reached by."""

    signatures: Sequence[Signature]
    certificates: Sequence[Signature]
    wrong: Sequence[str]
    uncovered: Sequence[str]
    vendor: VendorRecord | None
    digest: str
    agreeing: Sequence[str]
    """Lists next to the package that name its digest."""
    unjudged: Sequence[str] = ()
    """Signatures of the package that are seen and cannot be judged here."""


def text(verdict: Verdict, given: Given) -> Text:
    """Explanation and next action for one report."""
    vendor, signatures, uncovered = given.vendor, given.signatures, given.uncovered
    due = [s for s in signatures if s.verdict == verdict]
    missing = verdict == "unknown-key" and all(NOT_AT_HAND in s.reason or MAYBE in s.reason for s in due)
    said = _KEY_MISSING if missing else Text(_MEANING[verdict], _NEXT[verdict])
    parts = [said.explanation, *(_sentence(s) for s in due[:MOST])]
    if verdict in ("unknown-key", "same-ca-new-leaf"):
        parts += [f"A key on record signed too: {_sentence(s)}" for s in signatures if s.verdict == "pinned-ok"][:MOST]
    if given.wrong:
        parts.append(f"Checksums: {_several(given.wrong)}.")
    if uncovered and signatures:
        what = "1 file is" if len(uncovered) == 1 else f"{len(uncovered)} files are"
        parts.append(f"{what} covered by no valid signature: {_several([shown(u) for u in uncovered])}.")
    if given.agreeing and verdict == "unsigned":
        parts.append(
            f"{_several([shown(n) for n in given.agreeing])} beside the package names its digest, but whoever exchanged "
            "the one could have written the other."
        )
    if given.unjudged:
        parts.append(f"Not judged: {_several(given.unjudged)}, which devices go by alone: have it verified by apksigner.")
    lonely = [c for c in given.certificates if "missing" in c.reason]
    if lonely:
        parts.append(
            "Certificates without their chain: "
            + _several([f"{shown(c.place)} ({shown(c.reason, MAX_REASON)})" for c in lonely])
            + "."
        )
    if vendor is None:
        parts.append("There is no vendor record (vendor.toml), so no key can be expected.")
    return Text(" ".join(parts), said.next_action.format(contact=_contact(vendor), digest=given.digest))


def _sentence(signature: Signature) -> str:
    covers = shown(signature.covers) or "the package"
    who = f"{shown(signature.signer) or 'an unnamed key'} ({signature.fingerprint or 'no fingerprint'})"
    issued = f", issued by {shown(signature.issuer)}" if signature.issuer else ""
    reason = f": {shown(signature.reason, MAX_REASON)}" if signature.reason else ""
    return f"{shown(signature.place)} over {covers}, by {who}{issued}{reason}."


def _several(items: Sequence[str]) -> str:
    more = f" and {len(items) - MOST} more" if len(items) > MOST else ""
    return ", ".join(items[:MOST]) + more


def _contact(vendor: VendorRecord | None) -> str:
    if vendor is None or not vendor.contact:
        return "the vendor, over a contact that you knew before this package arrived"
    since = f", recorded {vendor.contact_recorded}" if vendor.contact_recorded else ""
    return f"{vendor.contact}{since}"
