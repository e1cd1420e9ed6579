"""Certificates that no library reads whole: odd keys and changed bytes are said, and never raise."""

from __future__ import annotations

import random
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from tests.adapters.test_openpgp import flipped
from tests.intake.signing import NOW, issue

from fulldress.adapters.cms import X509


def test_a_key_of_a_kind_that_is_not_known_is_weak() -> None:
    der = issue("Signing", bits=2048).cert.public_bytes(Encoding.DER)
    rsa = bytes.fromhex("06092a864886f70d010101")
    odd = der.replace(rsa, rsa[:-1] + b"\x44")
    assert odd != der
    [found] = X509().certificates(odd)
    facts = X509().describe(found, [], [], NOW)
    assert (facts.state, "cannot be checked" in facts.reason) == ("weak", True)


def test_no_changed_certificate_raises(tmp_path: Path) -> None:
    dice, means = random.Random(11), X509()
    root = issue("Root", ca=True)
    leaf = issue("Signing", root)
    der, root_pem = leaf.cert.public_bytes(Encoding.DER), root.pem.decode()
    signature = leaf.cms(b"x", extra=[root.cert])
    (tmp_path / "text").write_bytes(b"x")
    for _ in range(400):
        odd = means.certificates(flipped(der, dice))
        for certificate in odd:
            means.describe(certificate, [der, *odd], [root_pem], NOW)
        means.detached(signature, tmp_path / "text", odd, [root_pem], NOW)
        means.detached(flipped(signature, dice), tmp_path / "text", odd, [root_pem], NOW)
