"""What a CSAF document says of products."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fulldress.formats.csaf.document import Cpe, Purl, cpe, purl, read

EXAMPLES = Path(__file__).parents[4] / "shared" / "corpora" / "csaf_2.0" / "examples" / "csaf"


def advisory() -> dict[str, Any]:
    leaf = {"name": "Lab 5.0", "product_id": "P1", "product_identification_helper": {"purl": "pkg:deb/vendor/lab@5.0"}}
    digest = {"file_hashes": [{"algorithm": "sha256", "value": "AB" * 32}], "filename": "openssl.jar"}
    part = {"name": "OpenThing", "product_id": "P2", "product_identification_helper": {"hashes": [digest]}}
    return {
        "document": {
            "title": "Lab",
            "category": "csaf_security_advisory",
            "publisher": {"name": "Vendor"},
            "tracking": {"id": "V-1", "current_release_date": "2026-01-01T00:00:00Z", "status": "final"},
            "notes": [{"category": "general", "text": "our new key"}],
            "distribution": {"tlp": {"label": "AMBER"}},
        },
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "name": "Vendor",
                    "branches": [
                        {
                            "category": "product_name",
                            "name": "Lab",
                            "branches": [
                                {"category": "product_version", "name": "5.0", "product": leaf},
                                {
                                    "category": "product_version_range",
                                    "name": "<4",
                                    "product": {"name": "old", "product_id": "P3"},
                                },
                            ],
                        }
                    ],
                }
            ],
            "full_product_names": [part],
            "relationships": [
                {
                    "category": "default_component_of",
                    "full_product_name": {"name": "OpenThing in Lab", "product_id": "P4"},
                    "product_reference": "P2",
                    "relates_to_product_reference": "P1",
                }
            ],
            "product_groups": [{"group_id": "G1", "product_ids": ["P1", "P3"]}],
        },
        "vulnerabilities": [
            {
                "cve": "CVE-2026-0001",
                "product_status": {"known_affected": ["P1", "P4"], "fixed": ["P3"]},
                "scores": [{"products": ["P1"], "cvss_v3": {"baseScore": 9.8, "vectorString": "CVSS:3.1/AV:N"}}],
                "remediations": [{"category": "vendor_fix", "details": "Take 5.1", "group_ids": ["G1"]}],
            }
        ],
    }


def test_status_score_and_remedy_are_joined_to_the_product() -> None:
    said = read(advisory())
    first = said.statements[0]
    assert (first.vulnerability, first.status, first.score, first.remedy) == (
        "CVE-2026-0001",
        "affected",
        9.8,
        "vendor fix: Take 5.1",
    )
    assert first.product[:4] == ("Lab 5.0", "Vendor", "Lab", "5.0")
    assert (said.id, said.tlp, said.released) == ("V-1", "AMBER", "2026-01-01T00:00:00Z")
    assert "our new key" in said.text


def test_a_component_keeps_what_identifies_it_and_names_its_whole() -> None:
    component = read(advisory()).statements[1].product
    assert (component.name, component.within, component.digests) == ("OpenThing in Lab", "Lab 5.0", ("ab" * 32,))


def test_a_range_is_kept_as_written() -> None:
    fixed = read(advisory()).statements[2]
    assert (fixed.status, fixed.product.versions) == ("fixed", "<4")


def test_what_is_too_far_from_csaf_is_refused_with_the_place() -> None:
    with pytest.raises(ValueError, match="cannot be read as CSAF"):
        read({"document": {}, "vulnerabilities": [{"product_status": {"fixed": "P1"}}]})


def test_every_published_example_can_be_read() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip("no ../shared/corpora here")
    found = [read(json.loads(path.read_bytes())) for path in EXAMPLES.rglob("*.json")]
    assert len(found) > 10
    assert sum(bool(said.statements) for said in found) >= 15
    assert sum(len(said.statements) for said in found) > 100


def test_cpe_names_of_both_forms() -> None:
    assert cpe(r"cpe:2.3:a:ven\:dor:lab:5.0:*:*:*:*:*:*:*") == Cpe("ven:dor", "lab", "5.0")
    assert cpe("cpe:/o:redhat:enterprise_linux:8") == Cpe("redhat", "enterprise_linux", "8")
    assert cpe("cpe:2.3:a:vendor:lab:*:*:*:*:*:*:*:*") == Cpe("vendor", "lab", "")
    assert cpe("nonsense") is None


def test_package_urls() -> None:
    assert purl("pkg:deb/debian/curl@7.50.3-1?arch=i386") == Purl("deb", "debian", "curl", "7.50.3-1")
    assert purl("pkg:maven/org.apache/a-b@1%2B2") == Purl("maven", "org.apache", "a-b", "1+2")
    assert purl("pkg:pypi/Ruamel_Yaml") == Purl("pypi", "", "ruamel-yaml", "")
    assert purl("https://x") is None
