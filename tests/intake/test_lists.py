"""Lists of checksums in a package and beside it: every form that tools write, links, and lists about something else."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from tests.intake.poison import stdlib_zip
from tests.intake.signing import NOW, Issued, Key, issue
from tests.intake.test_othersigs import Mini, Signify, record
from tests.intake.test_trust import README, SCRIPT, judged, listed, pinned, sums

from fulldress.intake.trust import judge
from fulldress.intake.unpack import unpack
from fulldress.model.package import TrustReport, VendorRecord
from fulldress.store.blobs import BlobStore


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def signed(key: Key, text: bytes, name: str = "SHA256SUMS", **files: bytes) -> dict[str, bytes]:
    return {**files, name: text, f"{name}.asc": key.detached(text), "KEYS/release.asc": key.public}


# ---- forms

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "mark of UTF-8": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16 of PowerShell": lambda text: text.decode().replace("\n", "\r\n").encode("utf-16"),
    "openssl dgst": lambda text: b"".join(
        b"SHA2-256(%s)= %s\n" % tuple(reversed(line.split())) for line in text.splitlines()
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_list_is_read(form: str, tmp_path: Path, key: Key) -> None:
    text = FORMS[form](sums(**{"README.txt": README, "bin/x.sh": SCRIPT}))
    files = signed(key, text, **{"README.txt": README, "bin/x.sh": SCRIPT})
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"


def test_a_list_in_a_folder_may_climb_to_what_it_lists(tmp_path: Path, key: Key) -> None:
    files = signed(key, f"{sha256(README)}  ../README.txt\n".encode(), "sums/SHA256SUMS", **{"README.txt": README})
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"


def test_a_sum_alone_speaks_of_the_file_that_its_name_names(tmp_path: Path, key: Key) -> None:
    files = signed(key, sha256(README).encode() + b"\n", "README.txt.sha256", **{"README.txt": README})
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"
    files = signed(key, sha256(b"else").encode(), "README.txt.sha256", **{"README.txt": README})
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "bad"


def test_a_name_with_a_backslash_is_read_as_it_was_escaped(tmp_path: Path, key: Key) -> None:
    text = f"\\{sha256(README)}  dev\\\\x2dread\n".encode()
    report = judged_tar(tmp_path, signed(key, text, **{"dev\\x2dread": README}), pinned(key.fingerprint))
    assert report.verdict == "pinned-ok"


# ---- links


def judged_tar(
    folder: Path, files: dict[str, bytes], vendor: VendorRecord | None, links: dict[str, str] | None = None
) -> TrustReport:
    with tarfile.open(folder / "p.tar", "w") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            out.addfile(info)
    store = BlobStore(folder / "store")
    lock = unpack(folder / "p.tar", store, sandboxed=False)
    return judge(lock, store, vendor, NOW)


def test_a_listed_link_is_what_it_leads_to(tmp_path: Path, key: Key) -> None:
    text = sums(**{"bin/x.sh": SCRIPT}) + f"{sha256(SCRIPT)}  current\n".encode()
    files = signed(key, text, **{"bin/x.sh": SCRIPT})
    report = judged_tar(tmp_path, files, pinned(key.fingerprint), {"current": "latest", "latest": "bin/x.sh"})
    assert (report.verdict, report.uncovered) == ("unsigned", ("latest",))
    assert "1 file is covered by no valid signature: latest" in report.explanation


def test_a_link_that_was_bent_is_noticed(tmp_path: Path, key: Key) -> None:
    text = sums(a=b"1", b=b"2") + f"{sha256(b'1')}  current\n".encode()
    files = signed(key, text, a=b"1", b=b"2")
    assert judged_tar(tmp_path, files, pinned(key.fingerprint), {"current": "a"}).verdict == "pinned-ok"
    assert judged_tar(tmp_path, files, pinned(key.fingerprint), {"current": "b"}).verdict == "bad"


# ---- lists about something else


def test_a_third_partys_list_of_its_downloads_condemns_nothing(tmp_path: Path, key: Key) -> None:
    inner = stdlib_zip(**{"checksums.txt": f"{'a' * 64}  tool_linux.tar.gz\n".encode(), "x.py": b"pass"})
    assert judged(tmp_path, listed(key, **{"lib/x.whl": inner}), pinned(key.fingerprint)).verdict == "pinned-ok"


def test_an_unsigned_list_condemns_when_some_of_its_files_are_there(tmp_path: Path) -> None:
    text = sums(**{"README.txt": README, "gone.sh": SCRIPT})
    report = judged(tmp_path, {"README.txt": README, "SHA256SUMS": text}, None)
    assert report.verdict == "bad"
    assert "gone.sh is listed in SHA256SUMS but not in the package" in report.explanation


def test_a_signed_list_condemns_what_is_missing(tmp_path: Path, key: Key) -> None:
    files = signed(key, sums(gone=b"x"), **{"README.txt": README})
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "bad"


# ---- beside the package

PACKAGE = stdlib_zip(**{"README.txt": README})


def beside(folder: Path, near: dict[str, bytes], vendor: VendorRecord) -> TrustReport:
    (folder / "p.zip").write_bytes(PACKAGE)
    store = BlobStore(folder / "store")
    lock = unpack(folder / "p.zip", store, sandboxed=False)
    return judge(lock, store, vendor, NOW, beside=near)


def known(key: Key) -> VendorRecord:
    return VendorRecord(name="V", contact="+00 1", pin=pinned(key.fingerprint).pin, keys=(key.public.decode(),))


LIST = f"{'b' * 64}  other.zip\n{sha256(PACKAGE)}  p.zip\n".encode()


def test_a_signed_list_beside_the_package_covers_all_of_it(tmp_path: Path, key: Key) -> None:
    report = beside(tmp_path, {"SHA256SUMS": LIST, "SHA256SUMS.asc": key.detached(LIST)}, known(key))
    assert (report.verdict, report.uncovered) == ("pinned-ok", ())
    assert (report.signatures[0].place, report.signatures[0].covers) == ("SHA256SUMS.asc", "")


def test_a_clear_signed_list_beside_the_package(tmp_path: Path, key: Key) -> None:
    assert beside(tmp_path, {"SHA256SUMS.asc": key.clear(LIST)}, known(key)).verdict == "pinned-ok"


def test_a_list_beside_that_signify_or_minisign_signed(tmp_path: Path) -> None:
    mini, signify = Mini(), Signify()
    near = {"SHA256SUMS": LIST, "SHA256SUMS.minisig": mini.sign(LIST)}
    assert beside(tmp_path, near, record("minisign", mini.text)).verdict == "pinned-ok"
    assert (
        beside(tmp_path, {"SHA256.sig": signify.sign(LIST) + LIST}, record("signify", signify.text)).verdict == "pinned-ok"
    )


def test_an_unsigned_list_beside_proves_nothing_and_says_so(tmp_path: Path, key: Key) -> None:
    report = beside(tmp_path, {"SHA256SUMS": LIST}, known(key))
    assert report.verdict == "unsigned"
    assert "SHA256SUMS beside the package names its digest" in report.explanation


def test_a_list_beside_that_names_another_digest_is_bad(tmp_path: Path, key: Key) -> None:
    text = f"{'a' * 64}  p.zip\n".encode()
    for near in ({"SHA256SUMS": text}, {"SHA256SUMS": text, "SHA256SUMS.asc": key.detached(text)}):
        report = beside(tmp_path, near, known(key))
        assert report.verdict == "bad"
        assert "p.zip is not what SHA256SUMS beside it says" in report.explanation


def test_a_list_beside_that_was_changed_after_signing_is_bad(tmp_path: Path, key: Key) -> None:
    near = {"SHA256SUMS": LIST, "SHA256SUMS.asc": key.detached(LIST.replace(b"other", b"OTHER"))}
    assert beside(tmp_path, near, known(key)).verdict == "bad"


def test_a_list_beside_of_many_folders_is_about_the_one_that_fits(tmp_path: Path, key: Key) -> None:
    text = f"{'a' * 64}  4.0/p.zip\n{sha256(PACKAGE)}  5.0/p.zip\n".encode()
    near = {"SHA256SUMS": text, "SHA256SUMS.asc": key.detached(text)}
    assert beside(tmp_path, near, known(key)).verdict == "pinned-ok"


def test_a_list_beside_about_other_packages_is_left_alone(tmp_path: Path, key: Key) -> None:
    text = f"{'a' * 64}  q.zip\n".encode()
    near = {"SHA256SUMS": text, "SHA256SUMS.asc": key.detached(text)}
    assert beside(tmp_path, near, known(key)).verdict == "unsigned"


# ---- signify's list with its signature in front


def test_signify_in_front_of_its_list(tmp_path: Path) -> None:
    signify = Signify()
    text = f"SHA256 (README.txt) = {sha256(README)}\n".encode()
    files = {"README.txt": README, "SHA256.sig": signify.sign(text) + text}
    assert judged(tmp_path, files, record("signify", signify.text)).verdict == "pinned-ok"
    files["SHA256.sig"] = signify.sign(text) + text.replace(b"SHA256 (", b"SHA256  (")
    assert judged(tmp_path, files, record("signify", signify.text)).verdict == "bad"


# ---- CMS in the forms of mail


@pytest.fixture(scope="module")
def leaf() -> Issued:
    return issue("Signing", issue("Vendor Root", ca=True))


def as_mail(leaf: Issued, text: bytes) -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(text).add_signer(leaf.cert, leaf.key, hashes.SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature])


def test_a_list_that_was_signed_as_a_text_fits_with_either_line_end(tmp_path: Path, leaf: Issued) -> None:
    text = sums(**{"README.txt": README})
    for ends in (b"\n", b"\r\n"):
        files = {"README.txt": README, "SHA256SUMS": text.replace(b"\n", ends), "SHA256SUMS.p7s": as_mail(leaf, text)}
        report = judged(tmp_path, files, pinned(leaf.fingerprint, kind="x509"))
        assert report.verdict == "pinned-ok", report.explanation
        assert ("line end counts as CRLF" in report.explanation) == (ends == b"\n")
    files["SHA256SUMS"] = text + sums(**{"README2.txt": README})
    assert judged(tmp_path, files, pinned(leaf.fingerprint, kind="x509")).verdict == "bad"


@pytest.mark.parametrize("form", ["base64", "message"])
def test_a_cms_signature_as_mail_programs_keep_it(form: str, tmp_path: Path, leaf: Issued) -> None:
    text = sums(**{"README.txt": README})
    packed = base64.encodebytes(leaf.cms(text))
    if form == "message":
        head = b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=B\n\n--B\n\n" + text
        kind = b"--B\nContent-Type: application/x-pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\n"
        packed = head + kind + packed + b"\n--B--\n"
    files = {"README.txt": README, "SHA256SUMS": text, "SHA256SUMS.p7s": packed}
    assert judged(tmp_path, files, pinned(leaf.fingerprint, kind="x509")).verdict == "pinned-ok"


def test_a_list_in_a_folder_may_count_from_the_top(tmp_path: Path, key: Key) -> None:
    text = sums(**{"README.txt": README, "bin/x.sh": SCRIPT})
    files = signed(key, text, "checksums/SHA256SUMS", **{"README.txt": README, "bin/x.sh": SCRIPT})
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "pinned-ok"
    files["bin/x.sh"] = b"#!/bin/sh\nrm -rf /\n"
    assert judged(tmp_path, files, pinned(key.fingerprint)).verdict == "bad"
