"""Bills of materials in XML give the same hosts as in JSON; what is hostile or something else is refused."""

from __future__ import annotations

import warnings

import pytest
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from fulldress.errors import UsageError
from fulldress.inventory.cyclonedx import imported

VERSIONS = [version for version in SchemaVersion if version.to_version() >= "1.2"]


def _bom() -> Bom:
    bom = Bom()
    bom.metadata.component = Component(name="appliance", version="3", type=ComponentType.APPLICATION)
    for text in (
        "pkg:maven/org.apache.logging/log4j-core@2.17.1",
        "pkg:npm/%40babel/core@7.2.0",
        "pkg:deb/debian/libc6@2.36-9",
        "pkg:rpm/redhat/bash@5.1-2?epoch=1",
    ):
        url = PackageURL.from_string(text)
        inner = Component(name="inner", version="1", type=ComponentType.LIBRARY)
        whole = Component(name=url.name, group=url.namespace, version=url.version, purl=url, components=[inner])
        whole.properties.add(Property(name="fulldress:place", value="/opt/x"))
        bom.components.add(whole)
    return bom


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.to_version())
def test_xml_says_what_json_says(version: SchemaVersion) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library misses a dependency graph
        as_json, as_xml = (
            make_outputter(_bom(), form, version).output_as_string().encode()
            for form in (OutputFormat.JSON, OutputFormat.XML)
        )
    (from_json,), (from_xml,) = imported(as_json, file="a.cdx"), imported(as_xml, file="a.cdx")
    assert from_json == from_xml
    assert {(p.manager, p.name, p.version) for p in from_xml.packages} == {
        ("jar", "org.apache.logging:log4j-core", "2.17.1"),
        ("npm", "@babel/core", "7.2.0"),
        ("dpkg", "libc6", "2.36-9"),
        ("rpm", "bash", "5.1-2"),
        ("other", "inner", "1"),
    }
    assert from_xml.hostname == "appliance"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'<!DOCTYPE bom [<!ENTITY a "aaaa">]><bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>', "document type"),
        (b"<bom/>", "not a bom"),
        (b'<x xmlns="http://cyclonedx.org/schema/bom/1.6"/>', "not a bom"),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">', "no XML"),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">' + b"<components><component>" * 200, "deep"),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/9.9"/>', "specVersion"),
    ],
)
def test_other_xml_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        imported(data, file="a.xml")
    assert why in caught.value.why
