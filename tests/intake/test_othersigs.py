"""minisign, signify, JAR and sigstore signatures: really made, then changed in every way that should be noticed."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import minisign
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.conftest import stand_aside
from tests.intake.poison import signing_block, stdlib_zip
from tests.intake.signing import NOW, Issued, Key, issue
from tests.intake.test_trust import judged, listed, pinned, sums

from fulldress.adapters import minisign as ours
from fulldress.adapters.sigstore import Sigstore
from fulldress.intake.trust import judge
from fulldress.intake.unpack import unpack
from fulldress.model.package import Entry, TrustReport, VendorPin, VendorRecord
from fulldress.store.blobs import BlobStore

README = b"read me\n"


class Mini:
    """A minisign key."""

    def __init__(self) -> None:
        pair = minisign.KeyPair.generate()
        self.secret, self.public = pair.secret_key, bytes(pair.public_key)

    def sign(self, data: bytes, **more: object) -> bytes:
        return bytes(self.secret.sign(data, **more))

    @property
    def text(self) -> str:
        return self.public.splitlines()[1].decode()


class Signify:
    """A signify key: the format is two lines."""

    def __init__(self) -> None:
        self.key, self.id = Ed25519PrivateKey.generate(), b"12345678"
        self.raw = self.key.public_key().public_bytes_raw()
        self.text = base64.b64encode(b"Ed" + self.id + self.raw).decode()

    def sign(self, data: bytes) -> bytes:
        body = base64.b64encode(b"Ed" + self.id + self.key.sign(data))
        return b"untrusted comment: verify with vendor.pub\n" + body + b"\n"


@pytest.fixture(scope="module")
def mini() -> Mini:
    return Mini()


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("Vendor Root", ca=True)


def record(kind: str, fingerprint: str) -> VendorRecord:
    return VendorRecord(name="V", contact="+00 1", pin=(VendorPin(fingerprint=fingerprint, kind=kind),))  # type: ignore[arg-type]


# ---- minisign, signify


@pytest.mark.parametrize("how", ["the key itself", "its fingerprint, the key in the package"])
def test_minisign_by_a_recorded_key(how: str, tmp_path: Path, mini: Mini) -> None:
    key = ours.public_key(mini.text)
    assert key
    files = {"a": README, "a.minisig": mini.sign(README, trusted_comment="timestamp:1700000000\tfile:a")}
    if how == "the key itself":
        report = judged(tmp_path, files, record("minisign", mini.text))
    else:
        report = judged(tmp_path, files | {"vendor.pub": mini.public}, record("minisign", key.fingerprint))
    assert report.uncovered == ()
    assert report.verdict == "pinned-ok", report.explanation
    assert report.signatures[0].created == "2023-11-14T22:13:20Z"
    assert report.signatures[0].fingerprint == hashlib.sha256(key.raw).hexdigest()


def test_a_minisign_key_that_came_along_is_unknown(tmp_path: Path, mini: Mini) -> None:
    report = judged(
        tmp_path, {"a": README, "a.minisig": mini.sign(README), "k.pub": mini.public}, record("minisign", Mini().text)
    )
    assert report.verdict == "unknown-key"
    assert "Do not run it yet" in report.next_action


CHANGES: dict[str, Callable[[Mini], dict[str, bytes]]] = {
    "other bytes": lambda m: {"a": README + b"x", "a.minisig": m.sign(README)},
    "trusted comment": lambda m: {
        "a": README,
        "a.minisig": m.sign(README).replace(b"trusted comment: ", b"trusted comment: X"),
    },
    "no signature": lambda _m: {"a": README, "a.minisig": b"untrusted comment: x\nabcd\ntrusted comment: y\nabcd\n"},
    "nothing to sign": lambda m: {"b": README, "a.minisig": m.sign(README)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_minisign_signature_is_bad(change: str, tmp_path: Path, mini: Mini) -> None:
    assert judged(tmp_path, CHANGES[change](mini), record("minisign", mini.text)).verdict == "bad"


def test_a_changed_trusted_comment_is_not_called_changed_bytes(tmp_path: Path, mini: Mini) -> None:
    [found] = judged(tmp_path, CHANGES["trusted comment"](mini), record("minisign", mini.text)).signatures
    assert "trusted comment was changed" in found.reason
    [found] = judged(tmp_path, CHANGES["other bytes"](mini), record("minisign", mini.text)).signatures
    assert "does not match these bytes" in found.reason


def test_a_minisign_signature_cut_off_before_its_comment_is_called_one(tmp_path: Path, mini: Mini) -> None:
    cut = b"\n".join(mini.sign(README).split(b"\n")[:2])
    [found] = judged(tmp_path, {"a": README, "a.minisig": cut}, record("minisign", mini.text)).signatures
    assert (found.format, found.verdict) == ("minisign", "bad")


def test_a_key_of_the_same_id_is_not_the_same_key(tmp_path: Path) -> None:
    right, forged = Signify(), Signify()
    files = {"a": README, "a.sig": forged.sign(README)}
    assert judged(tmp_path, files, record("signify", right.text)).verdict == "bad"
    files["k.pub"] = b"untrusted comment: k\n" + forged.text.encode() + b"\n"
    assert judged(tmp_path, files, record("signify", right.text)).verdict == "unknown-key"


def test_signify_over_a_list_of_sums(tmp_path: Path) -> None:
    key = Signify()
    text = sums(a=README)
    files = {"a": README, "SHA256SUMS": text, "SHA256SUMS.sig": key.sign(text)}
    assert judged(tmp_path, files, record("signify", key.text)).verdict == "pinned-ok"
    files["a"] += b"x"
    assert judged(tmp_path, files, record("signify", key.text)).verdict == "bad"


def test_minisign_and_openpgp_together_the_worst_counts(tmp_path: Path, mini: Mini) -> None:
    key = Key()
    files = listed(key, a=b"1")
    files["SHA256SUMS.minisig"] = Mini().sign(files["SHA256SUMS"])
    report = judged(tmp_path, files, pinned(key.fingerprint))
    assert {s.format: s.verdict for s in report.signatures} == {"openpgp": "pinned-ok", "minisign": "unknown-key"}
    assert report.verdict == "unknown-key"


def test_minisign_beside_the_package(tmp_path: Path, mini: Mini) -> None:
    data = stdlib_zip(a=b"1")
    (tmp_path / "p.zip").write_bytes(data)
    store = BlobStore(tmp_path / "store")
    lock = unpack(tmp_path / "p.zip", store, sandboxed=False)
    vendor = record("minisign", mini.text)
    good = judge(lock, store, vendor, NOW, beside={"p.zip.minisig": mini.sign(data)})
    assert (good.verdict, good.uncovered) == ("pinned-ok", ())
    assert judge(lock, store, vendor, NOW, beside={"p.zip.minisig": mini.sign(data + b"x")}).verdict == "bad"


# ---- JAR


def _lines(text: str) -> bytes:
    out = b""
    for line in text.split("\n"):
        raw = line.encode()
        while len(raw) > 70:
            out, raw = out + raw[:70] + b"\r\n", b" " + raw[70:]
        out += raw + b"\r\n"
    return out


def _b64(data: bytes, algorithm: str) -> str:
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


def signed_jar(
    files: dict[str, bytes], signer: Issued, algorithm: str = "sha256", *, whole: bool = True
) -> dict[str, bytes]:
    """The files of a signed JAR, as jarsigner would leave them."""
    label = {"sha256": "SHA-256", "sha1": "SHA1"}[algorithm]
    sections = {n: _lines(f"Name: {n}\n{label}-Digest: {_b64(d, algorithm)}\n") for n, d in files.items()}
    manifest = _lines("Manifest-Version: 1.0\n") + b"".join(sections.values())
    head = (
        f"Signature-Version: 1.0\n{label}-Digest-Manifest: {_b64(manifest, algorithm)}\n"
        if whole
        else "Signature-Version: 1.0\n"
    )
    sf = _lines(head) + b"".join(_lines(f"Name: {n}\n{label}-Digest: {_b64(s, algorithm)}\n") for n, s in sections.items())
    kind = "RSA" if isinstance(signer.key, rsa.RSAPrivateKey) else "EC"
    return {"META-INF/MANIFEST.MF": manifest, "META-INF/VENDOR.SF": sf, f"META-INF/VENDOR.{kind}": signer.cms(sf), **files}


CLASSES = {"a/B.class": b"\xca\xfe\xba\xbe1", "conf/" + "long/" * 20 + "x.properties": b"k=v\n"}


@pytest.mark.parametrize("bits", [0, 2048])
@pytest.mark.parametrize("whole", [True, False])
def test_a_signed_jar_covers_all_of_itself(bits: int, whole: bool, tmp_path: Path, root: Issued) -> None:
    leaf = issue("Vendor Signing", root, bits=bits)
    report = judged(tmp_path, signed_jar(CLASSES, leaf, whole=whole), pinned(leaf.fingerprint, kind="x509"))
    assert (report.verdict, report.uncovered) == ("pinned-ok", ()), report.explanation
    assert [(s.format, s.covers) for s in report.signatures][:1] == [("jar", "")]


MORE = _lines(f"Name: z\nSHA-256-Digest: {_b64(b'1', 'sha256')}\n")
JAR_CHANGES: dict[str, tuple[str, Callable[[dict[str, bytes]], dict[str, bytes]]]] = {
    "an entry changed": ("changed since it was signed", lambda f: f | {"a/B.class": b"other"}),
    "an entry added": ("not signed: added later", lambda f: f | {"a/C.class": b"\xca\xfe\xba\xbe"}),
    "an entry gone": ("missing", lambda f: {n: d for n, d in f.items() if n != "a/B.class"}),
    "added in META-INF": ("not signed: added later", lambda f: f | {"META-INF/services/x": b"evil"}),
    "a section added": (
        "added later",
        lambda f: f | {"z": b"1", "META-INF/MANIFEST.MF": f["META-INF/MANIFEST.MF"] + MORE},
    ),
    "the signature file changed": (
        "other bytes",
        lambda f: f | {"META-INF/VENDOR.SF": f["META-INF/VENDOR.SF"] + b"Name: q\r\n\r\n"},
    ),
    "the block is gone": ("block file", lambda f: {n: d for n, d in f.items() if not n.endswith(".EC")}),
    "no manifest": ("manifest", lambda f: {n: d for n, d in f.items() if not n.endswith(".MF")}),
}


@pytest.mark.parametrize("change", JAR_CHANGES)
def test_a_changed_jar_is_bad(change: str, tmp_path: Path, root: Issued) -> None:
    said, alter = JAR_CHANGES[change]
    leaf = issue("Vendor Signing", root)
    report = judged(tmp_path, alter(signed_jar(CLASSES, leaf)), pinned(leaf.fingerprint, kind="x509"))
    assert report.verdict == "bad"
    assert said in report.signatures[0].reason


def test_a_jar_with_sha1_digests_is_weak(tmp_path: Path, root: Issued) -> None:
    leaf = issue("Vendor Signing", root)
    report = judged(tmp_path, signed_jar(CLASSES, leaf, "sha1"), pinned(leaf.fingerprint, kind="x509"))
    assert report.verdict == "revoked-or-weak"


def test_an_expired_jar_certificate_is_weak(tmp_path: Path, root: Issued) -> None:
    leaf = issue("Vendor Signing", root, days=(-60, -30))
    assert judged(tmp_path, signed_jar(CLASSES, leaf), pinned(leaf.fingerprint, kind="x509")).verdict == "revoked-or-weak"


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_third_partys_jar_inside_decides_nothing_unless_it_is_broken(tmp_path: Path, root: Issued) -> None:
    key, stranger = Key(), issue("Some Library", issue("Other Root", ca=True))
    inner = signed_jar(CLASSES, stranger)
    report = judged(tmp_path, listed(key, **{"lib/x.jar": zipped(inner)}), pinned(key.fingerprint))
    assert report.verdict == "pinned-ok"
    assert [(s.format, s.covers, s.verdict) for s in report.signatures] == [
        ("openpgp", "SHA256SUMS", "pinned-ok"),
        ("jar", "lib/x.jar", "unknown-key"),
    ]
    broken = zipped(inner | {"a/B.class": b"evil"})
    assert judged(tmp_path, listed(key, **{"lib/x.jar": broken}), pinned(key.fingerprint)).verdict == "bad"


def _jarsigner(folder: Path, *more: str) -> None:
    store = ["-keystore", "k.p12", "-storepass", "changeit"]
    made = ["-genkeypair", "-alias", "v", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=Vendor", "-validity", "90"]
    subprocess.run(["keytool", *made, *store], cwd=folder, check=True, capture_output=True)
    subprocess.run(["jarsigner", *store, *more, "p.zip", "v"], cwd=folder, check=True, capture_output=True)


def _strictly(folder: Path) -> bool:
    """What ``jarsigner -verify -strict`` says of the entries; a self-made certificate (4) is not what is asked here."""
    done = subprocess.run(["jarsigner", "-verify", "-strict", "p.zip"], cwd=folder, check=False, capture_output=True)
    return done.returncode & ~4 == 0 and b"jar verified" in done.stdout


def test_jarsigner_and_this_reader_agree(tmp_path: Path) -> None:
    if not (shutil.which("jarsigner") and shutil.which("keytool")):
        stand_aside("needs a JDK (jarsigner, keytool)")
    package = tmp_path / "p.zip"
    package.write_bytes(zipped(CLASSES))
    _jarsigner(tmp_path)
    whole = package.read_bytes()

    def mine() -> TrustReport:
        store = BlobStore(tmp_path / "store")
        return judge(unpack(package, store, sandboxed=False), store, None, NOW)

    assert _strictly(tmp_path) and mine().verdict == "unknown-key"
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("added.class", b"x")
    assert not _strictly(tmp_path) and mine().verdict == "bad"
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    package.write_bytes(zipped(files | {"a/B.class": b"changed"}))
    assert not _strictly(tmp_path) and mine().verdict == "bad"


# ---- sigstore

CORPORA = Path(os.environ.get("FULLDRESS_CORPORA", Path(__file__).parents[3] / "shared/corpora"))
BUNDLES = CORPORA / "sigstore/test/assets/bundle-verify"
WHO = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)


def _bundle(name: str) -> tuple[bytes, bytes]:
    pytest.importorskip("sigstore", reason="the extra sigstore is not installed")
    if not BUNDLES.is_dir():
        pytest.skip("no ../shared/corpora here")
    return (BUNDLES / name / "bundle.sigstore.json").read_bytes(), (BUNDLES / "a.txt").read_bytes()


def test_a_bundle_by_a_recorded_identity(tmp_path: Path) -> None:
    bundle, data = _bundle("happy-path-v0.3")
    vendor = record("sigstore", f"https://token.actions.githubusercontent.com {WHO}")
    files = {"a.txt": data, "a.txt.sigstore.json": bundle}
    assert judged(tmp_path, files, vendor).verdict == "pinned-ok"
    assert judged(tmp_path, files, record("sigstore", f"https://accounts.example {WHO}")).verdict == "unknown-key"
    assert judged(tmp_path, files | {"a.txt": data + b"x"}, vendor).verdict == "bad"


@pytest.mark.parametrize("root", [b"{}", b"no json"])
def test_a_trust_root_that_cannot_be_read_verifies_nothing(root: bytes) -> None:
    bundle, data = _bundle("happy-path-v0.3")
    facts = Sigstore(root).judge(bundle, Entry(place="a", kind="file", sha256=hashlib.sha256(data).hexdigest()))
    assert (facts.state, facts.reason[:18]) == ("altered", "it does not verify")


def test_a_damaged_bundle_is_bad(tmp_path: Path) -> None:
    bundle, data = _bundle("signature-mismatch_fail")
    assert judged(tmp_path, {"a.txt": data, "a.txt.sigstore": bundle}).verdict == "bad"
    cut = json.dumps({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}).encode()
    assert judged(tmp_path, {"a.txt": data, "a.txt.sigstore": cut}).verdict == "bad"


def test_a_bundle_of_another_instance_is_not_called_damaged(tmp_path: Path) -> None:
    bundle, artifact = _bundle("intoto-with-custom-trust-root")
    [found] = judged(tmp_path, {"a.txt": artifact, "a.txt.sigstore.json": bundle}, record("sigstore", "x y")).signatures
    assert (found.verdict, "trust root" in found.reason) == ("unknown-key", True)


def test_without_the_extra_a_bundle_is_named_and_not_taken_for_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    facts = Sigstore().judge(b"{}", Entry(place="a", kind="file", sha256="0" * 64))
    assert facts.state == "keyless"
    assert "not installed" in facts.reason


# ---- TUF

REPOSITORIES = CORPORA / "tuf/static_data"


def _repository(name: str) -> tuple[dict[str, bytes], datetime, str]:
    pytest.importorskip("tuf", reason="the extra tuf is not installed")
    folder = REPOSITORIES / name
    if not folder.is_dir():
        pytest.skip("no ../shared/corpora here")
    found = [p for part in ("metadata", "targets") for p in (folder / part).rglob("*") if p.is_file()]
    files = {str(p.relative_to(folder)): p.read_bytes() for p in found}
    start = hashlib.sha256((folder / "initial_root.json").read_bytes()).hexdigest()
    return files, datetime.fromisoformat((folder / "faketime").read_text().strip()), start


def _at(folder: Path, files: dict[str, bytes], now: datetime, pin: str) -> TrustReport:
    (folder / "p.zip").write_bytes(stdlib_zip(**files))
    store = BlobStore(folder / "store")
    return judge(unpack(folder / "p.zip", store, sandboxed=False), store, record("tuf", pin), now)


def test_a_repository_from_a_recorded_root(tmp_path: Path) -> None:
    files, now, start = _repository("tuf-on-ci-0.11")
    good = _at(tmp_path, files, now, start)
    assert {s.verdict for s in good.signatures if s.format == "tuf"} == {"pinned-ok"}
    assert good.uncovered == ("metadata/index.html", "metadata/index.md"), "what belongs to no repository"
    own = {name: data for name, data in files.items() if "index." not in name}
    assert _at(tmp_path, own, now, start).verdict == "pinned-ok"
    assert {s.verdict for s in _at(tmp_path, files, now, "0" * 64).signatures if s.format == "tuf"} == {"unknown-key"}


@pytest.mark.parametrize("change", ["target", "timestamp", "root", "expired", "gone", "delegated"])
def test_a_changed_repository_is_not_fine(change: str, tmp_path: Path) -> None:
    files, now, start = _repository("tuf-on-ci-0.11")
    target = next(n for n in files if n.startswith("targets/") and n.endswith(".artifact"))
    if change == "target":
        files[target] += b"x"
    elif change == "timestamp":
        files["metadata/timestamp.json"] = files["metadata/timestamp.json"].replace(b'"version": 2', b'"version": 3')
        files["metadata/timestamp.json"] = files["metadata/timestamp.json"].replace(b"2025-", b"2026-", 1)
    elif change == "root":
        files["metadata/2.root.json"] = files["metadata/1.root.json"]
    elif change == "delegated":
        files["metadata/2.delegatedrole.json"] = b"{}"
    elif change == "gone":
        del files["metadata/1.targets.json"]
    report = _at(tmp_path, files, now + timedelta(days=9000 if change == "expired" else 0), start)
    assert report.verdict == ("revoked-or-weak" if change == "expired" else "bad"), report.explanation


def test_the_signing_block_of_an_android_package_is_named_as_not_judged(tmp_path: Path, root: Issued) -> None:
    leaf = issue("Signing", root)
    data = bytearray(zipped(signed_jar(CLASSES, leaf)))
    end = data.rindex(b"PK\x05\x06")
    offset = int.from_bytes(data[end + 16 : end + 20], "little")
    block = signing_block()
    data[end + 16 : end + 20] = (offset + len(block)).to_bytes(4, "little")
    (tmp_path / "p.apk").write_bytes(bytes(data[:offset] + block + data[offset:]))
    store = BlobStore(tmp_path / "store")
    report = judge(unpack(tmp_path / "p.apk", store, sandboxed=False), store, pinned(leaf.fingerprint, kind="x509"), NOW)
    assert "Not judged: Android signing block (scheme v2)" in report.explanation
