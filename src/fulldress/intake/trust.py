"""Who signed the package, which bytes that covers, and which of seven verdicts that earns. No trust on first use.

Pure over the lock, its blobs and the vendor record; the mathematics come in as ``Means``. Contact data are taken from the
vendor record alone, never from the package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from fulldress.adapters import minisign
from fulldress.adapters.cms import X509
from fulldress.adapters.jar import Jar
from fulldress.adapters.minisign import Minisign
from fulldress.adapters.openpgp import OpenPgp
from fulldress.adapters.sigstore import Sigstore
from fulldress.adapters.sigview import View, stampers, without
from fulldress.adapters.tufrepo import Tuf
from fulldress.formats import checksums, fingerprints, rpm
from fulldress.formats.keymaterial import ARMOUR
from fulldress.formats.members import shown
from fulldress.intake import advice, lists
from fulldress.intake.means import Means
from fulldress.model.package import Entry, PackageLock, Signature, TrustReport, VendorPin, VendorRecord, Verdict
from fulldress.model.signed import SignedBy
from fulldress.store.blobs import Blobs
from fulldress.store.codec import file_digest

WORST: tuple[Verdict, ...] = (
    "bad",
    "revoked-or-weak",
    "unknown-key",
    "unsigned",
    "same-ca-new-leaf",
    "rotated-by-chain",
    "pinned-ok",
)
MAX_READ = 1 << 20
_SIGNS = (b"-----BEGIN", b"untrusted ")
"""How a file begins that signs something, whatever its name."""
"""Keys, certificates, lists and signatures are small; larger files are none of these."""
OPENPGP_SUFFIXES = (".asc", ".sig", ".gpg", ".sign")
CMS_SUFFIXES = (".p7s", ".p7")
KEY_SUFFIXES = (".gpg", ".pgp", ".key")
CERTIFICATE_SUFFIXES = (".cer", ".crt", ".der")
BESIDE = (".asc", ".sig", ".sign", ".p7s", ".minisig", ".sigstore", ".sigstore.json")
"""Suffixes of signatures that may lie next to a package."""
OTHER_SUFFIXES = (".minisig", ".pub", ".sigstore", ".sigstore.json")
SPEAKING = OPENPGP_SUFFIXES + CMS_SUFFIXES + KEY_SUFFIXES + CERTIFICATE_SUFFIXES + OTHER_SUFFIXES
APK_BLOCK = "Android signing block"
_CLEAR = b"-----BEGIN PGP SIGNED MESSAGE-----"
_PGP_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"


class _Found(NamedTuple):
    place: str
    covers: str
    facts: SignedBy


def judge(
    lock: PackageLock,
    blobs: Blobs,
    vendor: VendorRecord | None,
    now: datetime,
    *,
    means: Means | None = None,
    beside: Mapping[str, bytes] | None = None,
    compromised: frozenset[str] = frozenset(),
    armoured: Container[str] | None = None,
) -> TrustReport:
    """The verdict over the whole package: the worst of what was found, and what to do next.

    ``beside``: detached signatures that lie next to the package, by file name (``X.zip.asc``). ``now`` is zone-aware.
    ``compromised``: fingerprints of pinned keys whose word is void since the vendor said that they were stolen.
    ``armoured``: SHA-256 of the objects in which ``ARMOUR`` occurs, when they were searched already; else all are read.
    """
    means = means or Means(OpenPgp(), X509(), (Minisign(), Jar(), Sigstore(), Tuf()))
    return _Judge(lock, blobs, vendor, now, means, compromised, armoured).report(beside or {})


class _Judge:
    def __init__(
        self,
        lock: PackageLock,
        blobs: Blobs,
        vendor: VendorRecord | None,
        now: datetime,
        means: Means,
        compromised: frozenset[str] = frozenset(),
        armoured: Container[str] | None = None,
    ) -> None:
        self.compromised = frozenset(map(fingerprints.plain, compromised))
        self.lock, self.blobs, self.vendor, self.now, self.means = lock, blobs, vendor, now, means
        self.armoured = armoured
        self.named = lists.Files(lock.entries, self._verified_path)
        self.files = self.named.by_place
        self.package = Entry(place="", kind="container", sha256=lock.sha256, size=lock.size)
        self.small: dict[str, bytes] = {}
        self.keys = {f"vendor record, key {n}": k.encode() for n, k in enumerate(vendor.keys if vendor else (), 1)}
        self.certificates: dict[str, tuple[bytes, ...]] = {}
        for place, data, speaks in self._speaking():
            if self._maybe_key(place, data) and means.openpgp.certificates(data):
                self.keys[place] = data
            if certificates := self._certificates(place, data):
                self.certificates[place] = certificates
            if speaks or data.lstrip()[:10].startswith(_SIGNS):
                self.small[place] = data  # what has armour somewhere inside has been looked at, and is not kept
        self.roots = vendor.roots if vendor else ()
        self.stampers = stampers(vendor.pin) if vendor else ()
        self.pool = tuple(c for found in self.certificates.values() for c in found)

    def _speaking(self) -> Iterator[tuple[str, bytes, bool]]:
        """Small files that may be a key, a certificate, a signature or a list, and whether their names say so."""
        for place, entry in self.files.items():
            if entry.kind != "file" or entry.size > MAX_READ or not entry.sha256:
                continue
            speaks = place.endswith(SPEAKING) or lists.is_list(place.rpartition("/")[2])
            if not speaks and self.armoured is not None and entry.sha256 not in self.armoured:
                continue
            data = self.blobs.read(entry.sha256)
            if speaks or ARMOUR in data:
                yield place, data, speaks

    @staticmethod
    def _maybe_key(place: str, data: bytes) -> bool:
        """A key without armour begins with the head of a packet, whose first bit is set."""
        if b"-----BEGIN PGP PUBLIC KEY" in data:
            return True
        return place.endswith(KEY_SUFFIXES) and (data[:1] >= b"\x80" or b"BEGIN PGP" in data)

    def _certificates(self, place: str, data: bytes) -> tuple[bytes, ...]:
        if b"-----BEGIN CERTIFICATE-----" in data or place.endswith(CERTIFICATE_SUFFIXES):
            return self.means.x509.certificates(data)
        return ()

    def report(self, beside: Mapping[str, bytes]) -> TrustReport:
        """Everything put together."""
        near = lists.beside(self.named, beside, self.package, self.lock.name, self._signed_text)
        about = {n.name for n in near} | {s for n in near for s in (n.name + e for e in lists.SIGNATURES) if s in beside}
        alone = {name: data for name, data in beside.items() if name not in about}
        others = [offered for checker in self.means.others for offered in checker.look(self._view(alone))]
        found = [*self._detached(), *self._inline(), *self._cms(), *self._beside(alone, self.package)]
        found += [_Found(o.place, o.covers, o.facts) for o in others if o.counts]
        found += [f for n in near if n.said != "nothing" for f in self._near(n, beside)]
        aside = [_Found(o.place, o.covers, o.facts) for o in others if not o.counts]
        listed = self._lists()
        rotated = self._rotated(found, listed)
        signatures = [self._signature(f, rotated) for f in found]
        certificates = [self._signature(f, frozenset()) for f in (*self._plain_certificates(), *aside)]
        signed = {s.covers for s in signatures}
        wrong = [w for place, names in listed.items() for w in lists.wrong(self.named, place, names, signed)]
        wrong += [f"{shown(self.lock.name)} is not what {shown(n.name)} beside it says" for n in near if n.said == "other"]
        uncovered = self._uncovered(signatures, listed)
        verdict = _overall(signatures, wrong, uncovered)
        agreeing = [n.name for n in near if n.said == "same"]
        unjudged = [n.reason.partition(":")[0] for n in self.lock.not_inspected if not n.place and APK_BLOCK in n.reason]
        given = advice.Given(signatures, certificates, wrong, uncovered, self.vendor, self.lock.sha256, agreeing, unjudged)
        text = advice.text(verdict, given)
        return TrustReport(
            package_sha256=self.lock.sha256,
            verdict=verdict,
            explanation=text.explanation,
            next_action=text.next_action,
            vendor=self.vendor.name if self.vendor else "",
            signatures=(*signatures, *certificates),
            uncovered=uncovered,
        )

    # ---- what is signed by whom

    def _detached(self) -> list[_Found]:
        found: list[_Found] = []
        for place, data in self.small.items():
            target = without(place, OPENPGP_SUFFIXES)
            if not target or place in self.keys or _CLEAR in data or minisign.is_signature(place, data):
                continue
            if target in self.files:
                path = self._verified_path(self.files[target])
                facts = self.means.openpgp.detached(data, path, list(self.keys.values()), self.now)
                found.extend(_Found(place, target, f) for f in facts)
            elif _PGP_SIGNATURE in data:
                found.append(_Found(place, target, _lost("openpgp", target)))
        return found

    def _inline(self) -> list[_Found]:
        found: list[_Found] = []
        for place, data in self.small.items():
            if data.lstrip().startswith(_CLEAR):
                facts = self.means.openpgp.inline(data, list(self.keys.values()), self.now)[1]
                found.extend(_Found(place, place, f) for f in facts)
        return found

    def _cms(self) -> list[_Found]:
        found: list[_Found] = []
        for place, data in self.small.items():
            target = without(place, CMS_SUFFIXES)
            if target and target in self.files:
                path = self._verified_path(self.files[target])
                facts = self.means.x509.detached(data, path, self.pool, self.roots, self.now, self.stampers)
                found.extend(_Found(place, target, f) for f in facts)
            elif target:
                found.append(_Found(place, target, _lost("cms", target)))
        return found

    def _beside(self, beside: Mapping[str, bytes], package: Entry | Path) -> list[_Found]:
        """Signatures of OpenPGP and CMS that lie next to the package: over it, or over a list of it at ``package``."""
        found: list[_Found] = []
        for name, data in beside.items():
            if name.endswith(OTHER_SUFFIXES) or minisign.is_signature(name, data):
                continue
            path = package if isinstance(package, Path) else self._verified_path(package)
            if name.endswith(CMS_SUFFIXES):
                facts = self.means.x509.detached(data, path, self.pool, self.roots, self.now, self.stampers)
            else:
                facts = self.means.openpgp.detached(data, path, list(self.keys.values()), self.now)
            found.extend(_Found(name, "", f) for f in facts)
        return found

    def _near(self, near: lists.Beside, beside: Mapping[str, bytes]) -> list[_Found]:
        """Who signed a list next to the package that speaks of it: who signed the list, signed the package."""
        if near.data.lstrip().startswith(_CLEAR):
            facts = self.means.openpgp.inline(near.data, list(self.keys.values()), self.now)[1]
            return [_Found(near.name, "", f) for f in facts]
        over = {near.name + s: beside[near.name + s] for s in lists.SIGNATURES if near.name + s in beside}
        with tempfile.TemporaryDirectory(prefix="fulldress-") as folder:
            path = Path(folder, "list")
            path.write_bytes(near.data)
            view = self._view(over)._replace(files={}, small=self._public_keys(), path=lambda _: path)
            others = [offered for checker in self.means.others for offered in checker.look(view)]
            if minisign.is_embedded(near.data):
                others += [minisign.embedded(near.name, near.data, view)]
            return [*self._beside(over, path), *(_Found(o.place, "", o.facts) for o in others)]

    def _public_keys(self) -> dict[str, bytes]:
        return {p: d for p, d in self.small.items() if self._is_ed25519_key(p)}

    def _view(self, beside: Mapping[str, bytes]) -> View:
        pins = self.vendor.pin if self.vendor else ()
        path = self._verified_path
        return View(self.files, self.small, self.package, beside, path, pins, self.pool, self.roots, self.now)

    def _plain_certificates(self) -> list[_Found]:
        return [
            _Found(place, place, self.means.x509.describe(c, self.pool, self.roots, self.now))
            for place, found in self.certificates.items()
            for c in found
        ]

    def _verified_path(self, entry: Entry) -> Path:
        path = self.blobs.path(entry.sha256)
        if file_digest(path) != entry.sha256:
            self.blobs.read(entry.sha256)  # raises blob-corrupt, with what to do
        return path

    # ---- checksum lists

    def _lists(self) -> dict[str, dict[str, str]]:
        """Checksum lists by place: place of the listed file -> SHA-256."""
        found: dict[str, dict[str, str]] = {}
        for place, data in self.small.items():
            bare = _PGP_SIGNATURE in data and _CLEAR not in data
            if not lists.is_list(place.rpartition("/")[2]) or bare:
                continue
            if names := lists.listed(self.named, place, checksums.decoded(self._signed_text(data))):
                found[place] = names
        return found

    def _signed_text(self, data: bytes) -> bytes:
        """The text of a clear-signed list, or of one that signify signed; any other bytes as they are."""
        if _CLEAR in data:
            return self.means.openpgp.inline(data, [], self.now)[0]
        return minisign.message(data) if minisign.is_embedded(data) else data

    # ---- verdicts

    def _rotated(self, found: Sequence[_Found], listed: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
        """Fingerprints of keys and certificates that a pinned key vouches for, by signing their file or a list of it."""
        pinned = {f.covers for f in found if self._verdict(f.facts, frozenset())[0] == "pinned-ok"}
        for place, names in listed.items():
            if place in pinned:
                pinned |= lists.covered(self.named, names)
        keys = {k for p in pinned if p in self.keys for k in self.means.openpgp.certificates(self.keys[p])}
        leaves = {
            self.means.x509.describe(c, (), (), self.now).fingerprint for p in pinned for c in self.certificates.get(p, ())
        }
        return frozenset(keys | leaves)

    def _signature(self, found: _Found, rotated: frozenset[str]) -> Signature:
        verdict, note = self._verdict(found.facts, rotated)
        if fingerprints.plain(found.facts.fingerprint) in self.compromised and found.covers in {
            *self.keys,
            *self.certificates,
        }:
            verdict = "unknown-key"  # a void word for another key proves nothing, and condemns nothing either
        return Signature(
            format=found.facts.format,
            place=found.place,
            covers=found.covers,
            verdict=verdict,
            signer=found.facts.signer,
            fingerprint=found.facts.fingerprint,
            issuer=found.facts.issuer,
            created=found.facts.created,
            reason="; ".join(r for r in (found.facts.reason, note) if r),
        )

    def _verdict(self, facts: SignedBy, rotated: frozenset[str]) -> tuple[Verdict, str]:
        if facts.state in ("altered", "unreadable"):
            return "bad", ""
        if facts.state == "weak":
            return "revoked-or-weak", ""
        if facts.state == "keyless":
            return "unknown-key", self._not_at_hand(facts)
        if {fingerprints.plain(facts.fingerprint), facts.subkey} & self.compromised:
            return "revoked-or-weak", "the vendor's contact said that this key was compromised: its word is void"
        if pin := self._pin(facts):
            when = facts.created or self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            if (pin.not_after and when[:10] > pin.not_after) or (pin.not_before and when[:10] < pin.not_before):
                return "revoked-or-weak", "the vendor record does not allow this key for that date"
            return "pinned-ok", ""
        if facts.fingerprint in rotated:
            return "rotated-by-chain", "a pinned key vouches for this one"
        if facts.rooted:
            return "same-ca-new-leaf", "it chains to a root recorded for this vendor, but is not pinned itself"
        return "unknown-key", "nothing recorded beforehand says that this key is the vendor's"

    def _is_ed25519_key(self, place: str) -> bool:
        return place.endswith(".pub") and minisign.public_key(self.small[place]) is not None

    def _pin(self, facts: SignedBy) -> VendorPin | None:
        kinds = _PINNED_AS.get(facts.format, (facts.format,))
        known = {fingerprints.plain(facts.fingerprint), facts.subkey} - {""}
        pins = self.vendor.pin if self.vendor else ()
        return next((p for p in pins if p.kind in kinds and fingerprints.of_pin(p.kind, p.fingerprint) in known), None)

    def _not_at_hand(self, facts: SignedBy) -> str:
        """What to do about a signature whose key is on record by its fingerprint alone; ``""`` for any other key."""
        kinds = _PINNED_AS.get(facts.format, (facts.format,))
        pins = [p for p in (self.vendor.pin if self.vendor else ()) if p.kind in kinds]
        named = fingerprints.plain(facts.fingerprint)
        if facts.format == "openpgp" and self._at_hand(named):
            return ""
        if facts.format == "openpgp" and any(named and fingerprints.plain(p.fingerprint).endswith(named) for p in pins):
            return f"{advice.NOT_AT_HAND}: write the public key itself (armoured) into `keys` of vendor.toml"
        if facts.format in ("minisign", "signify") and any(fingerprints.is_hex(p.fingerprint) for p in pins):
            return f"{advice.MAYBE}: write the public key itself (its line of base64) as the fingerprint of the pin"
        return ""

    def _at_hand(self, fingerprint: str) -> bool:
        found = (c for data in self.keys.values() for c in self.means.openpgp.certificates(data))
        return any(fingerprints.plain(c) == fingerprint for c in found)

    def _uncovered(self, signatures: Sequence[Signature], listed: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
        """Files of the package itself (those inside nested archives are covered by these) that nothing valid signs."""
        valid = [s for s in signatures if s.verdict not in ("bad", "revoked-or-weak") and s.fingerprint and s.signer]
        covered = {s.covers for s in valid}
        if "" in covered or (self.lock.format == "rpm" and rpm.HEADER_ENTRY in covered):
            return ()  # the reader has bound every byte of an RPM to its header
        for place, names in listed.items():
            if place in covered:
                covered |= lists.covered(self.named, names)
        covered |= {p for p, e in self.files.items() if e.format == "rpm" and f"{p}!/{rpm.HEADER_ENTRY}" in covered}
        apart = {s.place for s in signatures} | set(self.keys) | {p for p in self.small if self._is_ed25519_key(p)}
        own = {p for p in self.files if "!/" not in p} | self.named.loose
        return tuple(sorted(own - covered - apart))


def _overall(signatures: Sequence[Signature], wrong: Sequence[str], uncovered: Sequence[str]) -> Verdict:
    verdicts: set[Verdict] = {s.verdict for s in signatures}
    if wrong:
        verdicts.add("bad")
    if uncovered or not signatures:
        verdicts.add("unsigned")
    return min(verdicts, key=WORST.index)


_PINNED_AS: dict[str, tuple[str, ...]] = {
    "cms": ("x509",),
    "jar": ("x509",),
    "minisign": ("minisign", "signify"),
    "signify": ("minisign", "signify"),
}


def _lost(kind: str, target: str) -> SignedBy:
    return SignedBy(
        format="cms" if kind == "cms" else "openpgp",
        state="unreadable",
        reason=f"what it signs ({shown(target)}) is not in the package",
    )
