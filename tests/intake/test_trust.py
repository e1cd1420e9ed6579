"""Seven verdicts, each reached by signatures that are really made and really checked."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import structs
from tests.adapters import gpgmade
from tests.intake.poison import stdlib_zip
from tests.intake.rpms import rpm
from tests.intake.signing import NOW, Issued, Key, issue

from fulldress.adapters.openpgp import OpenPgp
from fulldress.intake.trust import judge
from fulldress.intake.unpack import unpack
from fulldress.model.package import TrustReport, VendorPin, VendorRecord
from fulldress.store.blobs import BlobStore

README, SCRIPT = b"read me\n", b"#!/bin/sh\n"


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture(scope="module")
def other() -> Key:
    return Key("Somebody Else <x@else.example>")


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("Vendor Root", ca=True)


def sums(**files: bytes) -> bytes:
    return b"".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode() for name, data in files.items())


def judged(folder: Path, files: dict[str, bytes], vendor: VendorRecord | None = None, **more: object) -> TrustReport:
    folder.mkdir(exist_ok=True)
    package = folder / "p.zip"
    package.write_bytes(stdlib_zip(**files))
    store = BlobStore(folder / "store")
    lock = unpack(package, store, sandboxed=False)
    return judge(lock, store, vendor, NOW, **more)  # type: ignore[arg-type]


def pinned(*fingerprints: str, kind: str = "openpgp", **more: object) -> VendorRecord:
    pins = tuple(VendorPin(fingerprint=f, kind=kind, **more) for f in fingerprints)  # type: ignore[arg-type]
    return VendorRecord(name="Vendor", contact="+00 1 (contract)", pin=pins)


def listed(key: Key, **files: bytes) -> dict[str, bytes]:
    """A package as vendors make them: a signed list of sums, and the key."""
    text = sums(**files)
    return {**files, "SHA256SUMS": text, "SHA256SUMS.asc": key.detached(text), "KEYS/release.asc": key.public}


# ---- OpenPGP


def test_pinned_ok_when_all_is_signed_by_a_recorded_key(tmp_path: Path, key: Key) -> None:
    report = judged(tmp_path, listed(key, **{"README.txt": README, "scripts/x.sh": SCRIPT}), pinned(key.fingerprint))
    assert (report.verdict, report.uncovered, report.next_action) == ("pinned-ok", (), "Go on.")
    [signature] = report.signatures
    assert (signature.place, signature.covers) == ("SHA256SUMS.asc", "SHA256SUMS")
    assert signature.fingerprint == key.fingerprint
    assert signature.signer == "Vendor <release@vendor.example>"
    assert signature.created


@pytest.mark.parametrize("vendor", [None, VendorRecord(name="Vendor", contact="Ms A, +00 1"), pinned("ab" * 20)])
def test_a_key_that_nobody_recorded_is_unknown_however_valid(tmp_path: Path, key: Key, vendor: VendorRecord | None) -> None:
    report = judged(tmp_path, listed(key, **{"README.txt": README}), vendor)
    assert report.verdict == "unknown-key"
    assert key.fingerprint in report.explanation
    assert "Do not run it yet" in report.next_action
    assert ("no vendor record" in report.explanation) == (vendor is None)
    if vendor and vendor.contact:
        assert vendor.contact in report.next_action


def test_a_key_that_is_not_at_hand_is_unknown_and_covers_nothing(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README})
    del files["KEYS/release.asc"]
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert report.verdict == "unknown-key"
    assert report.uncovered == ("README.txt", "SHA256SUMS")
    assert "not at hand" in report.signatures[0].reason


def test_unsigned_without_any_signature(tmp_path: Path) -> None:
    report = judged(tmp_path, {"README.txt": README, "SHA256SUMS": sums(**{"README.txt": README})})
    assert (report.verdict, report.uncovered) == ("unsigned", ("README.txt", "SHA256SUMS"))
    assert report.package_sha256 in report.next_action


def test_a_file_outside_the_signed_list_is_named(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README}) | {"scripts/extra.sh": SCRIPT}
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert (report.verdict, report.uncovered) == ("unsigned", ("scripts/extra.sh",))
    assert "scripts/extra.sh" in report.explanation


@pytest.mark.parametrize("form", ["{sum} *./README.txt\r\n", "SHA256 (README.txt) = {sum}\n"])
def test_lists_of_other_tools(tmp_path: Path, key: Key, form: str) -> None:
    text = form.format(sum=hashlib.sha256(README).hexdigest()).encode()
    files = {"README.txt": README, "sha256sums.txt": text, "sha256sums.txt.sig": key.detached(text), "k.asc": key.public}
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"


@pytest.mark.parametrize(("name", "form"), [("SHA512SUMS", "{sum}  a\r\n"), ("checksums.txt", "SHA512 (a) = {sum}\n")])
def test_lists_of_stronger_sums(tmp_path: Path, key: Key, name: str, form: str) -> None:
    text = form.format(sum=hashlib.sha512(b"1").hexdigest()).encode()
    files = {"a": b"1", name: text, f"{name}.asc": key.detached(text), "k.asc": key.public}
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"
    assert judged(tmp_path, files | {"a": b"2"}, pinned(key.fingerprint)).verdict == "bad"


def test_a_list_of_weak_sums_covers_nothing(tmp_path: Path, key: Key) -> None:
    text = f"{hashlib.md5(b'1', usedforsecurity=False).hexdigest()}  a\n".encode()
    files = {"a": b"1", "MD5SUMS": text, "MD5SUMS.asc": key.detached(text), "k.asc": key.public}
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert (report.verdict, report.uncovered) == ("unsigned", ("a",))


def test_bad_when_a_listed_file_was_changed(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README, "scripts/x.sh": SCRIPT}) | {"scripts/x.sh": SCRIPT + b"evil\n"}
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert report.verdict == "bad"
    assert "scripts/x.sh is not what SHA256SUMS says" in report.explanation
    assert report.uncovered == ("scripts/x.sh",)


def test_bad_when_a_listed_file_is_missing(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README, "scripts/x.sh": SCRIPT})
    del files["scripts/x.sh"]
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "bad"


def test_bad_when_the_signature_is_of_other_bytes(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README}) | {"SHA256SUMS.asc": key.detached(b"another list\n")}
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert report.verdict == "bad"
    assert "does not match these bytes" in report.signatures[0].reason


def test_bad_when_a_signature_is_none_or_signs_nothing(tmp_path: Path, key: Key) -> None:
    report = judged(tmp_path, {"a": b"1", "a.sig": b"junk", "gone.asc": key.detached(b"x"), "k.asc": key.public})
    assert {s.place: s.verdict for s in report.signatures} == {"a.sig": "bad", "gone.asc": "bad"}


def test_a_revoked_key_is_told_from_a_forged_signature(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README}) | {"KEYS/release.asc": key.revoked()}
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert report.verdict == "revoked-or-weak"
    assert "revoked" in report.signatures[0].reason
    assert "README.txt" in report.uncovered


def test_a_signature_from_the_future_is_weak(tmp_path: Path, key: Key) -> None:
    package = tmp_path / "p.zip"
    package.write_bytes(stdlib_zip(**listed(key, a=b"1")))
    store = BlobStore(tmp_path / "store")
    report = judge(unpack(package, store, sandboxed=False), store, pinned(key.fingerprint), NOW - timedelta(days=9))
    assert report.verdict == "revoked-or-weak"


def test_a_pin_has_its_time(tmp_path: Path, key: Key) -> None:
    files = listed(key, a=b"1")
    assert judged(tmp_path, files, pinned(key.fingerprint, not_after="2020-01-01")).verdict == "revoked-or-weak"
    assert judged(tmp_path, files, pinned(key.fingerprint, not_before="2020-01-01")).verdict == "pinned-ok"


def test_rotated_when_a_pinned_key_signs_the_new_one(tmp_path: Path, key: Key, other: Key) -> None:
    files = listed(key, **{"README.txt": README}) | {
        "KEYS/release.asc.sig": other.detached(key.public),
        "KEYS/old.asc": other.public,
    }
    report = judged(tmp_path, files, pinned(other.fingerprint))
    assert report.verdict == "rotated-by-chain"
    assert {s.place: s.verdict for s in report.signatures} == {
        "KEYS/release.asc.sig": "pinned-ok",
        "SHA256SUMS.asc": "rotated-by-chain",
    }
    assert "pin the new key" in report.next_action


def test_a_key_vouched_for_by_nobody_recorded_is_not_rotated(tmp_path: Path, key: Key, other: Key) -> None:
    files = listed(key, a=b"1") | {"KEYS/release.asc.sig": other.detached(key.public), "KEYS/old.asc": other.public}
    assert judged(tmp_path, files, pinned("ab" * 20)).verdict == "unknown-key"


def test_the_worst_of_two_signatures_counts_and_both_are_seen(tmp_path: Path, key: Key, other: Key) -> None:
    files = listed(key, a=b"1") | {"SHA256SUMS.sig": other.detached(sums(a=b"1")), "o.asc": other.public}
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert report.verdict == "unknown-key"
    assert [s.verdict for s in report.signatures] == ["pinned-ok", "unknown-key"]


def test_several_signatures_in_one_file_are_judged_each(tmp_path: Path, key: Key, other: Key) -> None:
    from pysequoia import ArmorKind, Sig, armor

    text = sums(a=b"1")
    both = b"".join(bytes(Sig.from_bytes(k.detached(text))) for k in (key, other))
    files = {"a": b"1", "SHA256SUMS": text, "SHA256SUMS.asc": armor(both, ArmorKind.Signature).encode()}
    report = judged(tmp_path, files | {"k.asc": key.public, "o.asc": other.public}, pinned(key.fingerprint))
    assert sorted(s.verdict for s in report.signatures) == ["pinned-ok", "unknown-key"]


def test_a_clear_signed_list(tmp_path: Path, key: Key) -> None:
    files = {"README.txt": README, "SHA256SUMS.asc": key.clear(sums(**{"README.txt": README})), "k.asc": key.public}
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"
    files["SHA256SUMS.asc"] = files["SHA256SUMS.asc"].replace(b"README.txt", b"OTHER.txt")
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "bad"


def test_text_around_a_clear_signed_list_makes_it_bad(tmp_path: Path, key: Key) -> None:
    text = key.clear(sums(a=b"1"))
    for forged in (b"f" * 64 + b"  b\n" + text, text + text):
        files = {"a": b"1", "SHA256SUMS.asc": forged, "k.asc": key.public}
        assert judged(tmp_path, files, pinned(key.fingerprint)).verdict in ("bad", "unsigned")


def test_a_signature_beside_the_package_covers_all_of_it(tmp_path: Path, key: Key) -> None:
    data = stdlib_zip(a=b"1", **{"k.asc": key.public})
    (tmp_path / "p.zip").write_bytes(data)
    store = BlobStore(tmp_path / "store")
    lock = unpack(tmp_path / "p.zip", store, sandboxed=False)
    good = judge(lock, store, pinned(key.fingerprint), NOW, beside={"p.zip.asc": key.detached(data)})
    assert (good.verdict, good.uncovered, good.signatures[0].covers) == ("pinned-ok", (), "")
    bad = judge(lock, store, pinned(key.fingerprint), NOW, beside={"p.zip.asc": key.detached(data + b"x")})
    assert bad.verdict == "bad"


# ---- X.509 and CMS


def signed(leaf: Issued, data: bytes = README, **more: bytes) -> dict[str, bytes]:
    return {"README.txt": data, "README.txt.p7s": leaf.cms(README), **more}


@pytest.mark.parametrize("bits", [0, 2048])
@pytest.mark.parametrize("attributes", [True, False])
def test_cms_by_a_pinned_certificate(tmp_path: Path, root: Issued, bits: int, attributes: bool) -> None:
    leaf = issue("Vendor Signing", root, bits=bits)
    files = {"README.txt": README, "README.txt.p7s": leaf.cms(README, attributes=attributes)}
    report = judged(tmp_path, files, pinned(leaf.fingerprint, kind="x509"))
    assert report.verdict == "pinned-ok"
    assert report.signatures[0].issuer == "Vendor Root"


def test_a_new_leaf_under_a_recorded_root(tmp_path: Path, root: Issued) -> None:
    middle = issue("Vendor CA 2", root, ca=True)
    leaf = issue("Vendor Signing 2", middle)
    vendor = VendorRecord(name="Vendor", roots=(root.pem.decode(),))
    report = judged(tmp_path, {"a": b"1", "a.p7s": leaf.cms(b"1", extra=[middle.cert])}, vendor)
    assert report.verdict == "same-ca-new-leaf"


def test_a_missing_intermediate_is_said_plainly(tmp_path: Path, root: Issued) -> None:
    leaf = issue("Vendor Signing 2", issue("Novel Issuing CA G7", root, ca=True))
    vendor = VendorRecord(name="Vendor", roots=(root.pem.decode(),))
    report = judged(tmp_path, signed(leaf, **{"certs/sign.pem": leaf.pem}), vendor)
    assert report.verdict == "unknown-key"
    assert "certificate of its issuer 'Novel Issuing CA G7' is missing" in report.signatures[0].reason
    assert report.signatures[1].place == "certs/sign.pem"
    assert "Certificates without their chain: certs/sign.pem" in report.explanation


def test_a_root_of_somebody_else_is_no_root(tmp_path: Path, root: Issued) -> None:
    stranger = issue("Stranger Root", ca=True)
    leaf = issue("Vendor Signing", stranger)
    report = judged(tmp_path, signed(leaf, **{"root.pem": stranger.pem}), VendorRecord(name="V", roots=(root.pem.decode(),)))
    assert report.verdict == "unknown-key"
    assert "no root recorded for this vendor" in report.signatures[0].reason


def test_a_certificate_that_is_no_authority_issues_nothing(tmp_path: Path, root: Issued) -> None:
    not_ca = issue("Vendor Signing", root)
    leaf = issue("Forged", not_ca)
    vendor = VendorRecord(name="V", roots=(root.pem.decode(),))
    assert judged(tmp_path, {"a": b"1", "a.p7s": leaf.cms(b"1", extra=[not_ca.cert])}, vendor).verdict == "unknown-key"


def test_a_forged_issuer_of_the_right_name_does_not_pass(tmp_path: Path, root: Issued) -> None:
    leaf = issue("Forged", issue("Vendor Root", ca=True))
    assert judged(tmp_path, signed(leaf), VendorRecord(name="V", roots=(root.pem.decode(),))).verdict == "unknown-key"


def test_cms_over_other_bytes_is_bad(tmp_path: Path, root: Issued) -> None:
    report = judged(tmp_path, signed(issue("L", root), README + b"changed"))
    assert (report.verdict, report.signatures[0].reason.split(";")[0]) == ("bad", "it was made for other bytes than these")


def test_a_tampered_cms_value_is_bad(tmp_path: Path, root: Issued) -> None:
    cms = bytearray(issue("L", root, bits=2048).cms(b"1"))
    cms[-5] ^= 1
    report = judged(tmp_path, {"a": b"1", "a.p7s": bytes(cms)})
    assert report.verdict == "bad"
    assert "does not fit its certificate" in report.signatures[0].reason


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x82\x01\x00", b"-----BEGIN PKCS7-----\nzz\n-----END PKCS7-----\n"])
def test_junk_for_cms_is_bad_and_never_a_crash(tmp_path: Path, junk: bytes) -> None:
    assert judged(tmp_path, {"a": b"1", "a.p7s": junk}).verdict == "bad"


@pytest.mark.parametrize("what", ["expired", "small", "tls-only"])
def test_weak_certificates(tmp_path: Path, root: Issued, what: str) -> None:
    leaf = {
        "expired": lambda: issue("L", root, days=(-60, -30)),
        "small": lambda: issue("L", root, bits=1024),
        "tls-only": lambda: issue("L", root, use=ExtendedKeyUsageOID.SERVER_AUTH),
    }[what]()
    report = judged(tmp_path, signed(leaf), pinned(leaf.fingerprint, kind="x509"))
    assert report.verdict == "revoked-or-weak"


def test_a_plain_certificate_is_listed_but_does_not_sign_the_package(tmp_path: Path, key: Key, root: Issued) -> None:
    tls = issue("api.partner.example", issue("Middle", root, ca=True), use=ExtendedKeyUsageOID.SERVER_AUTH)
    report = judged(tmp_path, listed(key, **{"certs/tls.pem": tls.pem}), pinned(key.fingerprint))
    assert report.verdict == "pinned-ok"
    assert [(s.place, s.format, s.verdict) for s in report.signatures][1:] == [("certs/tls.pem", "x509", "unknown-key")]


def test_a_hostile_name_in_a_key_is_escaped_in_the_explanation(tmp_path: Path) -> None:
    report = judged(tmp_path, listed(Key("Evil\x1b[2J <e@e.example>"), a=b"1"))
    assert "\x1b" not in report.explanation


# ---- what a pin may look like


def test_a_certificates_fingerprint_counts_as_openssl_prints_it(tmp_path: Path, root: Issued) -> None:
    leaf = issue("Signing", root)
    text = sums(**{"README.txt": README})
    files = {"README.txt": README, "SHA256SUMS": text, "SHA256SUMS.p7s": leaf.cms(text)}
    as_printed = "sha256 Fingerprint=" + ":".join(leaf.fingerprint[n : n + 2].upper() for n in range(0, 64, 2))
    assert judged(tmp_path, files, pinned(as_printed, kind="x509")).verdict == "pinned-ok"


def test_a_pinned_subkey_counts_for_what_it_signed(tmp_path: Path, key: Key) -> None:
    made = judged(tmp_path, listed(key, **{"README.txt": README}), None)
    (tmp_path / "text").write_bytes(b"x")
    [facts] = OpenPgp().detached(key.detached(b"x"), tmp_path / "text", [key.public], NOW)
    assert facts.subkey and facts.subkey != made.signatures[0].fingerprint
    assert judged(tmp_path, listed(key, **{"README.txt": README}), pinned(facts.subkey.upper())).verdict == "pinned-ok"


def test_a_pinned_key_that_is_not_at_hand_is_asked_for(tmp_path: Path, key: Key) -> None:
    files = listed(key, **{"README.txt": README})
    del files["KEYS/release.asc"]
    [packet] = [s.fingerprint for s in judged(tmp_path, files, None).signatures]
    report = judged(tmp_path, files, pinned(packet))
    assert report.verdict == "unknown-key"
    assert "is on record" in report.explanation and "nothing could be checked" in report.explanation
    assert "Write the public key into vendor.toml" in report.next_action
    assert "Unexpected key" in judged(tmp_path, files, pinned("ab" * 20)).explanation


def test_what_a_key_on_record_signed_too_is_said_beside_the_unknown_one(tmp_path: Path, key: Key, other: Key) -> None:
    files = listed(key, **{"README.txt": README})
    files["SHA256SUMS.sig"] = other.detached(files["SHA256SUMS"])
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert report.verdict == "unknown-key"
    assert "A key on record signed too: SHA256SUMS.asc" in report.explanation


def rpm_signed(key: Key, files: dict[str, bytes] | None = None) -> bytes:
    return rpm(files or {"opt/demo/run": SCRIPT}, sign=key.packet)


def test_a_signed_rpm_inside_is_covered_by_its_own_signature(tmp_path: Path, key: Key) -> None:
    files = {"a.rpm": rpm_signed(key)}
    vendor = structs.replace(pinned(key.fingerprint), keys=(key.public.decode(),))
    report = judged(tmp_path / "one", files, vendor)
    assert (report.verdict, report.uncovered) == ("pinned-ok", ())
    report = judged(tmp_path / "two", files | {"b.rpm": rpm({"opt/demo/run": SCRIPT})}, vendor)
    assert (report.verdict, report.uncovered) == ("unsigned", ("b.rpm",))


def test_what_only_looks_like_an_rpm_inside_is_not_covered(tmp_path: Path, key: Key) -> None:
    header = b"anything"
    forged = stdlib_zip(**{"RPM/header": header, "RPM/header.sig": key.packet(header), "run.sh": SCRIPT})
    report = judged(tmp_path, {"a.zip": forged}, structs.replace(pinned(key.fingerprint), keys=(key.public.decode(),)))
    assert (report.verdict, report.uncovered) == ("unsigned", ("a.zip",))


def test_a_key_that_is_at_hand_and_cannot_check_is_not_asked_for(tmp_path: Path) -> None:
    files = {"README.txt": b"x", "README.txt.asc": gpgmade.BY_BRAINPOOL, "k.asc": gpgmade.BRAINPOOL}
    [fingerprint] = OpenPgp().certificates(gpgmade.BRAINPOOL)
    report = judged(tmp_path, files, pinned(fingerprint))
    assert report.verdict == "unknown-key"
    assert "brainpoolP256r1" in report.explanation and "not at hand" not in report.explanation
