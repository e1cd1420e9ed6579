"""What the vendor record brings to the verdict besides pins: keys packages do not carry, and keys whose word is void."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.intake.poison import stdlib_zip
from tests.intake.signing import NOW, Key

from fulldress.intake.trust import judge
from fulldress.intake.unpack import unpack
from fulldress.model.package import TrustReport, VendorPin, VendorRecord
from fulldress.store.blobs import BlobStore


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


def judged(folder: Path, files: dict[str, bytes], record: VendorRecord, compromised: frozenset[str]) -> TrustReport:
    blobs = BlobStore(folder / "blobs")
    (folder / "p.zip").write_bytes(stdlib_zip(**files))
    lock = unpack(folder / "p.zip", blobs, sandboxed=False)
    return judge(lock, blobs, record, NOW, compromised=compromised)


def signed(key: Key) -> dict[str, bytes]:
    return {"tool": b"tool", "tool.asc": key.detached(b"tool")}


def pinned(key: Key, *keys: str) -> VendorRecord:
    return VendorRecord(name="V", pin=(VendorPin(fingerprint=key.fingerprint),), keys=keys)


def test_a_pin_needs_its_key_from_somewhere(tmp_path: Path, key: Key) -> None:
    assert judged(tmp_path, signed(key), pinned(key), frozenset()).verdict == "unknown-key"


def test_a_key_in_the_record_checks_packages_that_do_not_bring_it(tmp_path: Path, key: Key) -> None:
    assert judged(tmp_path, signed(key), pinned(key, key.public.decode()), frozenset()).verdict == "pinned-ok"


def test_what_a_compromised_key_signed_is_refused(tmp_path: Path, key: Key) -> None:
    record = pinned(key, key.public.decode())
    report = judged(tmp_path, signed(key), record, frozenset({key.fingerprint.upper()}))
    assert report.verdict == "revoked-or-weak"
    assert "its word is void" in report.signatures[0].reason
