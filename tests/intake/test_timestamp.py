"""RFC 3161 time stamps: an ended certificate is judged as of the stamp of an authority on record, and of no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.conftest import stand_aside
from tests.intake.poison import stdlib_zip
from tests.intake.signing import NOW, Issued, issue
from tests.intake.stamping import stamped, token, value
from tests.intake.test_othersigs import CLASSES, signed_jar
from tests.intake.test_trust import README, judged

from fulldress.intake.trust import judge
from fulldress.intake.unpack import unpack
from fulldress.model.package import TrustReport, VendorPin, VendorRecord
from fulldress.store.blobs import BlobStore

THEN = NOW - timedelta(days=45)
"""While the certificate was valid."""


def stamper(by: Issued, *, critical: bool = True, days: tuple[int, int] = (-400, 300)) -> Issued:
    """A time-stamping authority's certificate."""
    plain = issue("Stamper", by, days=days, use=None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(plain.cert.subject)
        .issuer_name(plain.cert.issuer)
        .public_key(plain.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(plain.cert.not_valid_before_utc)
        .not_valid_after(plain.cert.not_valid_after_utc)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=critical)
    )
    return Issued(plain.key, builder.sign(by.key, hashes.SHA256()))


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("Stamping Root", ca=True, days=(-500, 900))


@pytest.fixture(scope="module")
def authority(root: Issued) -> Issued:
    return stamper(root)


@pytest.fixture(scope="module")
def leaf() -> Issued:
    return issue("Vendor Signing", days=(-60, -30))


def verdict(folder: Path, signature: bytes, *pins: VendorPin) -> TrustReport:
    return judged(folder, {"README.txt": README, "README.txt.p7s": signature}, VendorRecord(name="Vendor", pin=pins))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def key(leaf: Issued) -> VendorPin:
    return VendorPin(kind="x509", fingerprint=leaf.fingerprint)


def tsa(authority: Issued) -> VendorPin:
    return VendorPin(kind="tsa", fingerprint=authority.fingerprint)


@pytest.mark.parametrize("pinned", ["certificate", "root"])
def test_it_is_judged_as_of_the_time_of_signing(
    tmp_path: Path, leaf: Issued, authority: Issued, root: Issued, pinned: str
) -> None:
    plain = leaf.cms(README)
    signature = stamped(plain, token(authority, value(plain), THEN), extra=[root.cert])
    report = verdict(tmp_path, signature, key(leaf), tsa(authority if pinned == "certificate" else root))
    assert report.verdict == "pinned-ok"
    assert report.signatures[0].created == THEN.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "judged as of" in report.signatures[0].reason and "'Stamper' stamped" in report.signatures[0].reason


def test_an_authority_that_is_not_on_record_does_not_count_and_what_to_do_is_said(
    tmp_path: Path, leaf: Issued, authority: Issued
) -> None:
    plain = leaf.cms(README)
    report = verdict(tmp_path, stamped(plain, token(authority, value(plain), THEN)), key(leaf))
    assert report.verdict == "revoked-or-weak"
    assert f"certificate {authority.fingerprint}" in report.explanation and 'kind = "tsa"' in report.explanation


def test_without_a_stamp_it_is_said_what_to_ask_for(tmp_path: Path, leaf: Issued, authority: Issued) -> None:
    report = verdict(tmp_path, leaf.cms(README), key(leaf), tsa(authority))
    assert report.verdict == "revoked-or-weak"
    assert "ask for a release signed anew" in report.explanation


def test_a_pinned_authority_makes_no_signer_trusted(tmp_path: Path, leaf: Issued, authority: Issued) -> None:
    plain = leaf.cms(README)
    report = verdict(tmp_path, stamped(plain, token(authority, value(plain), THEN)), tsa(authority))
    assert report.verdict == "unknown-key"
    assert verdict(_new(tmp_path / "own"), authority.cms(README), tsa(authority)).verdict == "revoked-or-weak"


REFUSED = {
    "another signature": "it was made for another signature",
    "after the end": "expired on",
    "from the future": "it is from the future",
    "sha1": "sha1, which can be forged",
    "another certificate named": "does not name the certificate",
    "changed": "it was changed",
    "not critical": "not for time stamping alone",
    "for code": "not for time stamping alone",
    "ended": "of its certificate: it expired",
    "not yet valid": "of its certificate: it is not valid before",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_stamp_that_does_not_count(tmp_path: Path, leaf: Issued, authority: Issued, root: Issued, what: str) -> None:
    plain = leaf.cms(README)
    by = {
        "not critical": lambda: stamper(root, critical=False),
        "for code": lambda: issue("Stamper", root, days=(-400, 300)),
        "ended": lambda: stamper(root, days=(-400, -10)),
        "not yet valid": lambda: stamper(root, days=(-20, 300)),
    }.get(what, lambda: authority)()
    when = {"after the end": NOW - timedelta(days=1), "from the future": NOW + timedelta(days=1)}.get(what, THEN)
    made = token(
        by,
        value(plain)[::-1] if what == "another signature" else value(plain),
        when,
        algorithm="sha1" if what == "sha1" else "sha256",
        named=leaf if what == "another certificate named" else None,
    )
    if what == "changed":
        made = made.replace(THEN.strftime("%Y%m%d").encode(), (THEN - timedelta(days=1)).strftime("%Y%m%d").encode(), 1)
    report = verdict(tmp_path, stamped(plain, made), key(leaf), tsa(by))
    assert report.verdict == "revoked-or-weak"
    assert REFUSED[what] in report.signatures[0].reason


def test_a_weak_key_stays_weak_however_stamped(tmp_path: Path, authority: Issued) -> None:
    small = issue("Vendor Signing", days=(-60, -30), bits=1024)
    plain = small.cms(README)
    report = verdict(tmp_path, stamped(plain, token(authority, value(plain), THEN)), key(small), tsa(authority))
    assert report.verdict == "revoked-or-weak"


def test_other_bytes_stay_bad_however_stamped(tmp_path: Path, leaf: Issued, authority: Issued) -> None:
    plain = leaf.cms(README + b"x")
    report = verdict(tmp_path, stamped(plain, token(authority, value(plain), THEN)), key(leaf), tsa(authority))
    assert report.verdict == "bad"


def test_a_stamped_jar(tmp_path: Path, leaf: Issued, authority: Issued) -> None:
    files = signed_jar(CLASSES, leaf)
    block = next(name for name in files if name.endswith((".RSA", ".EC")))
    files[block] = stamped(files[block], token(authority, value(files[block]), THEN))
    pins = (key(leaf), tsa(authority))
    assert judged(tmp_path, files, VendorRecord(name="Vendor", pin=pins)).verdict == "pinned-ok"
    assert judged(_new(tmp_path / "b"), files, VendorRecord(name="Vendor", pin=pins[:1])).verdict == "revoked-or-weak"


def test_a_token_that_openssl_made(tmp_path: Path, root: Issued, authority: Issued) -> None:
    if shutil.which("openssl") is None:
        stand_aside("openssl is not here")
    leaf = issue("Vendor Signing", days=(-60, 1))
    plain = leaf.cms(README)
    (tmp_path / "v").write_bytes(value(plain))
    (tmp_path / "k.pem").write_bytes(
        authority.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "c.pem").write_bytes(authority.pem)
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "ts.cnf").write_text(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = c.pem\nsigner_key = k.pem\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4\ndigests = sha256\ness_cert_id_alg = sha256\n"
    )
    for words in ("-query -data v -sha256 -cert -out q", "-reply -config ts.cnf -queryfile q -token_out -out t"):
        subprocess.run(["openssl", "ts", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    signature = stamped(plain, (tmp_path / "t").read_bytes(), extra=[root.cert])
    vendor = VendorRecord(name="Vendor", pin=(key(leaf), tsa(root)))
    package = tmp_path / "p.zip"
    package.write_bytes(stdlib_zip(**{"README.txt": README, "README.txt.p7s": signature}))
    store = BlobStore(tmp_path / "store")
    lock = unpack(package, store, sandboxed=False)
    assert judge(lock, store, vendor, NOW + timedelta(days=2)).verdict == "pinned-ok"
    assert judge(lock, store, VendorRecord(name="V", pin=(key(leaf),)), NOW + timedelta(days=2)).verdict == "revoked-or-weak"


FRESH = """
import sys
from datetime import datetime
from pathlib import Path
from fulldress.adapters.cms import X509
signature, data, now, tsa = sys.argv[1:]
[found] = X509().detached(Path(signature).read_bytes(), Path(data), (), (), datetime.fromisoformat(now), (tsa,))
print(found.state, found.reason)
"""


def test_a_process_that_reads_nothing_but_signatures_knows_a_stamp(tmp_path: Path, leaf: Issued, authority: Issued) -> None:
    """The library learns the names of time stamps when it is told to; the tests here tell it long before."""
    plain = leaf.cms(README)
    (tmp_path / "s").write_bytes(stamped(plain, token(authority, value(plain), THEN)))
    (tmp_path / "d").write_bytes(README)
    argv = [sys.executable, "-c", FRESH, str(tmp_path / "s"), str(tmp_path / "d"), NOW.isoformat(), authority.fingerprint]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.startswith("intact") and "'Stamper' stamped" in said
