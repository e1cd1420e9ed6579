"""Bills of materials: valid by the official schema, the same host comes back, and strangers' files are read or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from fulldress.errors import UsageError
from fulldress.inventory.cyclonedx import export, imported
from fulldress.model.estate import Certificate, Estate, HostFacts, InstalledPackage, NotSeen, Product

PACKAGES = (
    InstalledPackage(name="libc6:amd64", version="2.36-9+deb12u9"),
    InstalledPackage(name="bash", version="5.2~rc1"),
    InstalledPackage(name="@scope/tool", version="1.0.0", manager="npm", place="/opt/tool"),
    InstalledPackage(name="zope_interface", version="5.5", manager="pip", place="/usr/lib/python3"),
    InstalledPackage(name="log4j-core", version="2.17.1", manager="jar", place="/opt/lims/log4j-core-2.17.1.jar"),
)
HOST = HostFacts(
    name="ssh:root@lims",
    hostname="lims",
    os="debian",
    os_version="12",
    arch="amd64",
    packages=PACKAGES,
    products=(Product(name="lims", version="4.2"),),
    certificates=(
        Certificate(
            file="/etc/lims/tls.pem", subject="CN=lims", issuer="CN=ca", not_before="2026-01-01T00:00:00Z",
            not_after="2027-01-01T00:00:00Z", sha256="ab" * 32,
        ),
    ),
    not_seen=(NotSeen(part="sudo rules", why="permission denied"),),
)  # fmt: skip
ESTATE = Estate(
    taken="2026-11-01T00:00:00Z", hosts=(HOST, HostFacts(name="local:", hostname="", os="unknown", os_version=""))
)


def test_the_export_is_valid_by_the_official_schema() -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(export(ESTATE, version="1.0").decode())
    assert error is None, error


def test_the_same_estate_gives_the_same_bytes() -> None:
    assert export(ESTATE, version="1.0") == export(ESTATE, version="1.0")


def test_package_urls_follow_the_package_manager() -> None:
    bom = json.loads(export(ESTATE, version="1.0"))
    purls = [c["purl"] for c in bom["components"][0]["components"] if "purl" in c]
    assert purls == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64",
        "pkg:deb/debian/bash@5.2~rc1",
        "pkg:npm/%40scope/tool@1.0.0",
        "pkg:pypi/zope-interface@5.5",
    ]


def test_an_exported_host_comes_back_marked_as_imported() -> None:
    first = imported(export(ESTATE, version="1.0"), file="estate.cdx.json")[0]
    assert (first.os, first.os_version, first.imported) == ("debian", "12", "estate.cdx.json")
    assert {(p.manager, p.name, p.version) for p in first.packages} >= {(p.manager, p.name, p.version) for p in PACKAGES[1:]}
    assert ("lims", "4.2") in {(p.name, p.version) for p in first.products}
    assert "not asked" in first.not_seen[0].why


def bom(*components: Any, **more: Any) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": list(components), **more}).encode()


def test_another_tools_file_is_one_host_of_all_its_components() -> None:
    inner = {
        "type": "library",
        "group": "org.apache",
        "name": "log4j",
        "version": "2",
        "purl": "pkg:maven/org.apache/log4j@2",
    }
    outer = {"type": "application", "name": "web", "version": "1", "components": [inner]}
    metadata = {"component": {"type": "container", "name": "registry/web"}}
    (host,) = imported(bom(outer, inner, metadata=metadata), file="web.json")
    assert host.name == "import:registry/web"
    assert {(p.manager, p.name, p.version) for p in host.packages} == {
        ("jar", "org.apache:log4j", "2"),
        ("other", "web", "1"),
    }


def test_a_version_that_only_the_package_url_tells() -> None:
    (host,) = imported(bom({"type": "library", "name": "a", "purl": "pkg:deb/debian/a@1%2B2?arch=all"}), file="f")
    assert [(p.version, p.manager) for p in host.packages] == [("1+2", "dpkg")]


def test_components_in_components_without_end_are_no_problem() -> None:
    deep: dict[str, Any] = {"type": "library", "name": "leaf", "version": "1"}
    for _ in range(200):
        deep = {"type": "library", "name": "n", "components": [deep]}
    (host,) = imported(bom(deep), file="f")
    assert "leaf" in {p.name for p in host.packages}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"<bom/>", b'{"bomFormat": "SPDX"}', b'{"bomFormat": "CycloneDX", "specVersion": "9"}']
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        imported(data, file="x.json")
    assert caught.value.slug == "cyclonedx-unreadable"
