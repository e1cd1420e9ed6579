"""Nouns of the first stage: what is inside the vendor's package, and who signed it. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

from fulldress.model.signed import SignatureFormat
from fulldress.model.vendor import Channel, Decision, KnownRelease, Rotation, person

SEALED = ("rpm", "apk", "sfx", "run")
"""Formats that are read but never rewritten: their own signature or program would no longer fit what is inside."""

EntryKind = Literal["file", "directory", "symlink", "hardlink", "container"]
"""``container`` is a file that was itself opened (zip, jar, deb, tar ...): its members follow under ``path!/``."""

Verdict = Literal["pinned-ok", "rotated-by-chain", "same-ca-new-leaf", "unknown-key", "revoked-or-weak", "unsigned", "bad"]
"""The seven trust verdicts. Only ``pinned-ok`` proceeds unattended."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One member of the package. ``place`` runs through nested archives: ``packages/lims.deb!/etc/cron.d/import``."""

    place: str
    kind: EntryKind
    size: int = 0
    sha256: str = ""
    mode: int = 0o644
    owner: str = ""
    """``user:group`` where the archive records it (tar, deb)."""
    modified: str = ""
    """As recorded by the archive, ISO 8601 without zone for ZIP, UTC otherwise; empty when there is none."""
    link: str = ""
    """Target of a symlink or hard link."""
    format: str = ""
    """For a container: zip, tar, cpio, deb, rpm, apk, sfx, run, gz, xz, zst, bz2, tar.gz ..."""
    escaped: bool = False
    """``\\xNN`` in the name and link stands for a byte that is no UTF-8: packed anew, it is that byte again."""


LIMIT = "limit reached"
"""How the reason of a NotInspected begins when a budget was used up."""


class NotInspected(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that nobody looked into, with the reason: silence is never coverage."""

    place: str
    size: int
    reason: str


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the byte-coverage ledger: every byte of a container is its own structure or belongs to its members.

    Structure (headers, names, directories, padding, end marks) is read and checked by the reader of the format. Content is
    unpacked; what comes of it is an Entry: a file whose bytes are searched or listed as not inspected, or a container with a
    row of its own. A compressed tar has two rows at one place: the stream, and the tar in it.
    """

    place: str
    """``""`` is the package itself."""
    format: str
    size: int
    structure: int
    content: int
    """Bytes of members as they lie in the container, packed."""


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """Something in an archive that is unusual and has one meaning only, with how it was read."""

    place: str
    """The archive; ``""`` is the package itself."""
    what: str
    count: int = 1
    """Members that it is true of."""
    example: str = ""
    """The first of them, as a place."""


class PackageLock(msgspec.Struct, frozen=True, kw_only=True):
    """``01-package/package.lock.json`` (and the adapted package's lock in ``04-adaptations/``)."""

    schema_version: int = 1
    name: str
    sha256: str
    size: int
    format: str
    entries: tuple[Entry, ...]
    bytes_inspected: int
    """Bytes of files, unpacked, that were searched; with the sizes of ``not_inspected`` they make up all files' bytes."""
    not_inspected: tuple[NotInspected, ...] = ()
    ledger: tuple[Covered, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def find(self, place: str) -> Entry | None:
        """The entry at this place, or None."""
        return next((e for e in self.entries if e.place == place), None)

    def sealed_in(self, place: str) -> str | None:
        """The outermost archive around a place that is read but never rewritten (``""``: the package itself), or None."""
        if self.format in SEALED:
            return ""
        sealed = (e.place for e in self.entries if e.kind == "container" and e.format in SEALED)
        return min((p for p in sealed if place.startswith(f"{p}!/")), key=len, default=None)


class Signature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One signature or certificate that was looked at, and what it says."""

    format: SignatureFormat
    place: str
    """Where the signature is."""
    covers: str
    """Which bytes it signs, as a place (``""`` = the whole package)."""
    verdict: Verdict
    signer: str = ""
    fingerprint: str = ""
    issuer: str = ""
    created: str = ""
    reason: str = ""


class TrustReport(msgspec.Struct, frozen=True, kw_only=True):
    """``01-package/trust.json``: the overall verdict is the worst of what was found over the whole package."""

    schema_version: int = 1
    package_sha256: str
    verdict: Verdict
    explanation: str
    next_action: str
    vendor: str = ""
    """Name of the vendor record that it was judged against; empty when there was none, so that no key could be expected."""
    signatures: tuple[Signature, ...] = ()
    uncovered: tuple[str, ...] = ()
    """Places that no valid signature or signed checksum covers."""


class VendorPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key the vendor is known to sign with. ``fingerprint`` in lower-case hex without blanks.

    For minisign and signify the public key itself (its base64) will do; for sigstore ``ISSUER IDENTITY``; for TUF the
    SHA-256 of a root file; for a time-stamping authority the SHA-256 of its certificate or its root.
    """

    fingerprint: str
    kind: Literal["openpgp", "x509", "minisign", "signify", "sigstore", "tuf", "tsa"] = "openpgp"
    """``x509`` is for CMS and JAR signatures too; ``tsa`` only says when something was signed (RFC 3161)."""
    not_before: str = ""
    not_after: str = ""
    note: str = ""


class VendorRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``vendor.toml`` in the release folder: who the vendor is, recorded before the package arrived."""

    name: str
    products: tuple[str, ...] = ()
    contact: str = ""
    contact_recorded: str = ""
    pin: tuple[VendorPin, ...] = ()
    roots: tuple[str, ...] = ()
    """PEM texts of certificate roots trusted for this vendor."""
    keys: tuple[str, ...] = ()
    """Armoured OpenPGP public keys, for pins whose key the packages do not bring along."""
    channel: tuple[Channel, ...] = ()
    release: tuple[KnownRelease, ...] = ()
    rotation: Rotation = Rotation()


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``01-package/acceptance.toml``: two people accept one digest. It pins no key and says nothing of the next package."""

    package_sha256: str
    by: tuple[str, ...]
    """Two different people."""
    reason: str
    """What was asked of whom, over which contact, and what the answer was."""
    recorded: str = ""
    """When, ISO 8601."""
    decision: tuple[Decision, ...] = ()
    """Each person's own words, where they were recorded by ``fulldress trust accept``."""

    def covers(self, trust: TrustReport) -> bool:
        """True when it accepts the package of this report; a bad or revoked signature cannot be accepted."""
        people = {person(name) for name in self.by} - {""}
        possible = trust.verdict not in ("bad", "revoked-or-weak")
        return possible and len(people) >= 2 and bool(self.reason.strip()) and self.package_sha256 == trust.package_sha256
