"""Which statements of advisories are about the package."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fulldress.formats.csaf.document import Product
from fulldress.intake.components import components
from fulldress.intake.matching import hits, matched, subject
from fulldress.model.advisory import AdvisoryReport, ChannelReport, Component, Document, KeyMention
from fulldress.model.package import Entry, PackageLock, Signature, TrustReport, VendorRecord

RECORD = VendorRecord(name="DTEN Software GmbH", products=("lab",))
LOG4J = Component(
    place="lib/log4j.jar", kind="jar", name="log4j-core", version="2.14.1", namespace="org.apache.logging.log4j"
)


def lock_of(files: dict[str, bytes]) -> tuple[PackageLock, dict[str, bytes]]:
    import hashlib

    blobs = {hashlib.sha256(d).hexdigest(): d for d in files.values()}
    entries = tuple(
        Entry(
            place=p,
            kind="container" if p.endswith((".jar", ".deb", ".whl")) else "file",
            size=len(d),
            sha256=hashlib.sha256(d).hexdigest(),
        )
        for p, d in files.items()
    )
    return PackageLock(name="p.zip", sha256="0" * 64, size=1, format="zip", entries=entries, bytes_inspected=1), blobs


def found(product: Product, *parts: Component, offered: str = "5.0") -> list[tuple[str, str, bool]]:
    lock, _ = lock_of({"a": b"a"})
    given = subject(lock, parts, RECORD, {"lab": offered})
    return [(h.component.name, h.by, h.sure) for h in hits(product, given)]


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"), True),
        (Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.17.0"), False),
        (Product("L", purl="pkg:maven/org.other/log4j-core@2.14.1"), False),
        (Product("L", purl="pkg:npm/log4j-core@2.14.1"), False),
        (Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core", versions="vers:maven/>=2.0|<2.15"), True),
        (Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core", versions="vers:maven/>=2.15"), False),
        (Product("log4j-core", product="log4j-core", version="2.14.1"), False),
    ],
)
def test_a_component_is_known_by_its_package_url_and_version(product: Product, expected: bool) -> None:
    assert found(product, LOG4J) == ([("log4j-core", "purl", True)] if expected else [])


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (Product("Lab 5.0", vendor="DTEN", product="Lab", version="5.0"), [("lab", "name", True)]),
        (Product("Lab 5.0"), [("lab", "name", True)]),
        (Product("Lab 4.2", vendor="DTEN", product="Lab", version="4.2"), []),
        (Product("Lab", vendor="DTEN Software", product="LAB", versions="<5.1"), [("lab", "name", True)]),
        (Product("Lab", vendor="DTEN Software", product="Lab", versions="see below"), [("lab", "name", False)]),
        (Product("Lab", vendor="DTEN Software", product="Lab"), [("lab", "name", False)]),
        (Product("Lab 5.0", vendor="Somebody Else", product="Lab", version="5.0"), []),
        (Product("x", cpe="cpe:2.3:a:dten:lab:5.0:*:*:*:*:*:*:*"), [("lab", "cpe", True)]),
        (Product("x", cpe="cpe:2.3:a:other:lab:5.0:*:*:*:*:*:*:*"), []),
        (Product("x", cpe="cpe:2.3:a:dten:lab:4.0:*:*:*:*:*:*:*"), []),
    ],
)
def test_the_release_itself_is_known_by_name_vendor_and_version(product: Product, expected: list[Any]) -> None:
    assert found(product) == expected


def test_an_unknown_version_makes_a_match_unsure() -> None:
    assert found(Product("Lab 5.0", product="Lab", version="5.0"), offered="") == [("lab", "name", False)]


def test_a_digest_is_proof_enough() -> None:
    lock, _ = lock_of({"bin/tool": b"tool"})
    product = Product("Tool", digests=(lock.entries[0].sha256,))
    [hit] = hits(product, subject(lock, (), RECORD, {}))
    assert (hit.by, hit.component.place, hit.sure) == ("digest", "bin/tool", True)


# ---- what is inside a package


def test_components_of_every_kind() -> None:
    bom = {
        "components": [{"name": "zlib", "version": "1.2", "purl": "pkg:generic/zlib@1.2", "components": [{"name": "in"}]}]
    }
    spdx = {
        "packages": [
            {
                "name": "s",
                "versionInfo": "3",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/d/s@3"}],
            }
        ]
    }
    lock, blobs = lock_of(
        {
            "a.deb!/DEBIAN/control": b"Package: lab\nVersion: 5.0-1\nDescription: x\n y\n",
            "b.jar!/META-INF/maven/g/a/pom.properties": b"#c\ngroupId=org.g\nartifactId=art\nversion=1.1\n",
            "c-2.0.jar!/META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\r\nImplementation-Version: 2.0\r\n\r\n",
            "d.whl!/d-1.dist-info/METADATA": b"Name: Some_Thing\nVersion: 1\n\nbody",
            "e/node_modules/@s/p/package.json": b'{"name": "@s/p", "version": "4.0.0"}',
            "bom.json": json.dumps(bom).encode(),
            "x.spdx.json": json.dumps(spdx).encode(),
            "rpms/r-1.0-2.noarch.rpm": b"rpm",
            "lib/thing-3.4.jar": b"jar",
        }
    )
    got = {(c.kind, c.namespace, c.name, c.version) for c in components(lock, blobs.__getitem__)}
    assert got == {
        ("deb", "", "lab", "5.0-1"),
        ("jar", "org.g", "art", "1.1"),
        ("jar", "", "c", "2.0"),
        ("wheel", "", "some-thing", "1"),
        ("npm", "@s", "p", "4.0.0"),
        ("sbom", "", "zlib", "1.2"),
        ("sbom", "", "in", ""),
        ("sbom", "d", "s", "3"),
        ("rpm", "", "r", "1.0-2"),
        ("jar", "", "thing", "3.4"),
    }


@pytest.mark.parametrize("data", [b"", b"[]", b'{"name": 1}', b"\xff", b"[" * 3000, b'{"components": [1, {"name": []}]}'])
def test_files_that_are_not_what_they_are_called_describe_nothing(data: bytes) -> None:
    lock, blobs = lock_of({"package.json": data, "bom.json": data + b" ", "x!/DEBIAN/control": data + b"\n"})
    assert components(lock, blobs.__getitem__) == ()


# ---- the whole report


def statement(status: str, day: str, believed: bool = False) -> tuple[Document, bytes]:
    data = json.dumps(
        {
            "document": {"title": "t", "tracking": {"id": f"V-{status}-{day}", "current_release_date": f"{day}T00:00:00Z"}},
            "product_tree": {"full_product_names": [{"name": "Lab 5.0", "product_id": "P"}]},
            "vulnerabilities": [{"cve": "CVE-1", "product_status": {status: ["P"]}}],
        }
    ).encode()
    import hashlib

    sha256 = hashlib.sha256(data).hexdigest()
    return Document(channel="c", kind="csaf", place="x", sha256=sha256, believed=believed), data


def settled(*said: tuple[Document, bytes]) -> AdvisoryReport:
    lock, _ = lock_of({"a": b"a"})
    report = ChannelReport(read_at="now", channels=(), documents=tuple(d for d, _ in said))
    blobs = {d.sha256: data for d, data in said}
    return matched(lock, subject(lock, (), RECORD, {"lab": "5.0"}), report, None, blobs.__getitem__)


def test_the_newest_word_counts_when_it_is_believed() -> None:
    old, new = statement("known_affected", "2026-01-01"), statement("known_not_affected", "2026-02-01", believed=True)
    assert [m.status for m in settled(old, new).matches] == ["not-affected"]


def test_an_unsigned_all_clear_silences_nothing() -> None:
    old, new = statement("known_affected", "2026-01-01"), statement("known_not_affected", "2026-02-01")
    assert [m.status for m in settled(old, new).matches] == ["affected"]
    assert [m.status for m in settled(old, statement("fixed", "2026-03-01")).matches] == ["affected"]


def test_a_later_warning_counts_whoever_says_it() -> None:
    clear, warning = statement("known_not_affected", "2026-01-01", believed=True), statement("known_affected", "2026-02-01")
    assert [m.status for m in settled(clear, warning).matches] == ["affected"]


def test_a_document_that_cannot_be_read_does_not_stop_the_others() -> None:
    broken = Document(channel="c", kind="csaf", place="x", sha256="b")
    report = settled((broken, b"{"), statement("known_affected", "2026-01-01"))
    assert (report.advisories, len(report.matches)) == (2, 1)


def test_only_keys_that_signed_this_package_are_kept() -> None:
    lock, _ = lock_of({"a": b"a"})
    mentions = tuple(
        KeyMention(fingerprint=f * 20, channel="c", group="g", place="p", dated="", tone="names", excerpt="e")
        for f in ("aa", "bb")
    )
    report = ChannelReport(read_at="now", channels=(), documents=(), mentions=mentions)
    signature = Signature(format="openpgp", place="S.asc", covers="S", verdict="unknown-key", fingerprint="AA" * 20)
    trust = TrustReport(
        package_sha256="0" * 64, verdict="unknown-key", explanation="", next_action="", signatures=(signature,)
    )
    kept = matched(lock, subject(lock, (), None, {}), report, trust, {}.__getitem__).keys
    assert [m.fingerprint for m in kept] == ["aa" * 20]


def test_a_jar_is_known_by_what_is_inside_and_not_by_its_name_alone() -> None:
    pom = b"groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n"
    jar = "lib/log4j-core-2.14.1.jar"
    lock, blobs = lock_of({jar: b"PK", f"{jar}!/META-INF/maven/g/a/pom.properties": pom})
    [part] = components(lock, lambda sha256: blobs[sha256])
    assert (part.name, part.version, part.namespace) == ("log4j-core", "2.14.1", "org.apache.logging.log4j")
    assert found(Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"), part)


def test_a_jar_that_does_not_say_whose_it_is_matches_unsurely() -> None:
    nameless = Component(place="lib/log4j-core-2.14.1.jar", kind="jar", name="log4j-core", version="2.14.1")
    product = Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1")
    assert found(product, nameless) == [("log4j-core", "purl", False)]
    assert found(Product("L", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.17.0"), nameless) == []
