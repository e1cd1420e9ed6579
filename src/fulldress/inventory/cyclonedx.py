"""CycloneDX 1.6 out of an estate, and hosts into an estate out of a CycloneDX file. Pure: JSON (or XML) in, JSON out.

Out: one component a host (``device``), its operating system, packages, products and certificates inside it. In: the
components of a bill of materials become the packages of one host that is marked as imported; nothing else of it is known.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from fulldress.errors import UsageError
from fulldress.inventory import cyclonedxxml
from fulldress.model.estate import Certificate, Estate, HostFacts, InstalledPackage, NotSeen, Product

_PURL = {"dpkg": "deb/debian", "rpm": "rpm/redhat", "pip": "pypi", "npm": "npm", "jar": "maven"}
_MANAGERS = {"deb": "dpkg", "rpm": "rpm", "pypi": "pip", "npm": "npm", "maven": "jar"}
MAX_COMPONENTS = 200_000


def export(estate: Estate, *, version: str) -> bytes:
    """The estate as CycloneDX 1.6 JSON; the same estate gives the same bytes. ``version``: of this program."""
    hosts = [_host(host) for host in estate.hosts]
    seed = hashlib.sha256(msgspec.json.encode([estate.taken, hosts])).digest()
    tool = {"type": "application", "name": "fulldress", "version": version}
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=seed[:16], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": estate.taken,
            "tools": {"components": [tool]},
            "component": {"type": "platform", "name": "estate", "bom-ref": "estate"},
        },
        "components": hosts,
        "dependencies": [{"ref": "estate", "dependsOn": [host["bom-ref"] for host in hosts]}],
    }
    return msgspec.json.format(msgspec.json.encode(bom), indent=2) + b"\n"


def _host(host: HostFacts) -> dict[str, Any]:
    ref = f"host:{host.name}"
    inner: list[dict[str, Any]] = [
        {"type": "operating-system", "bom-ref": f"{ref}/os", "name": host.os, "version": host.os_version}
    ]
    packages = {f"{ref}/{p.manager}/{p.name}/{p.version}/{p.place}": p for p in host.packages}
    inner += [_package(key, package, host) for key, package in packages.items()]
    inner += [_product(f"{ref}/product/{p.name}", p) for p in host.products]
    seals = {f"{ref}/certificate/{c.sha256}": c for c in host.certificates}
    inner += [_certificate(key, certificate) for key, certificate in seals.items()]
    facts = {"hostname": host.hostname, "arch": host.arch, "imported": host.imported}
    properties = [_property(key, value) for key, value in facts.items() if value]
    properties += [_property("not-seen", f"{part.part}: {part.why}") for part in host.not_seen]
    return {"type": "device", "bom-ref": ref, "name": host.name, "properties": properties, "components": inner}


def _property(key: str, value: str) -> dict[str, str]:
    return {"name": f"fulldress:{key}", "value": value}


def _package(ref: str, package: InstalledPackage, host: HostFacts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": ref,
        "name": package.name,
        "version": package.version,
        "properties": [_property("manager", package.manager)],
    }
    if purl := package.purl or _purl(package, host):
        found["purl"] = purl
    if package.place:
        found["properties"].append(_property("place", package.place))
    return found


def _purl(package: InstalledPackage, host: HostFacts) -> str:
    """``pkg:deb/debian/libc6@2.36?arch=amd64``; jars have no group that a file name could tell, so they have none."""
    kind = _PURL.get(package.manager)
    if kind is None or package.manager == "jar":
        return ""
    name, _, arch = package.name.partition(":") if package.manager == "dpkg" else (package.name, "", "")
    if package.manager in ("dpkg", "rpm") and host.os not in ("", "unknown"):
        kind = f"{kind.partition('/')[0]}/{quote(host.os, safe='')}"
    name = name.lower().replace("_", "-") if package.manager == "pip" else name
    path = "/".join(quote(part, safe="") for part in name.split("/"))
    epoch, colon, bare = package.version.partition(":") if package.manager == "rpm" else ("", "", "")
    version = bare if colon else package.version  # an rpm's epoch is a qualifier, a deb's is part of the version
    told = {"arch": arch, "epoch": epoch if colon else ""}
    qualifiers = "&".join(f"{key}={quote(value, safe='')}" for key, value in told.items() if value)
    written = f"pkg:{kind}/{path}" + (f"@{quote(version, safe=':')}" if version else "")
    return f"{written}?{qualifiers}" if qualifiers else written


def _product(ref: str, product: Product) -> dict[str, Any]:
    return {"type": "application", "bom-ref": ref, "name": product.name, "version": product.version}


def _certificate(ref: str, certificate: Certificate) -> dict[str, Any]:
    described = {
        "subjectName": certificate.subject,
        "issuerName": certificate.issuer,
        "notValidBefore": certificate.not_before,
        "notValidAfter": certificate.not_after,
        "certificateFormat": "X.509",
    }
    return {
        "type": "cryptographic-asset",
        "bom-ref": ref,
        "name": certificate.subject or certificate.sha256,
        "hashes": [{"alg": "SHA-256", "content": certificate.sha256}],
        "cryptoProperties": {"assetType": "certificate", "certificateProperties": described},
        "properties": [_property("place", certificate.file)],
    }


# --- in


def imported(data: bytes, *, file: str) -> tuple[HostFacts, ...]:
    """The hosts of a CycloneDX file, JSON or XML: those of our own export as they were, else one host of all its components.

    Raises UsageError for anything else.
    """
    bom = _document(data.removeprefix(b"\xef\xbb\xbf"), file)
    if not isinstance(bom, dict) or bom.get("bomFormat") != "CycloneDX" or not _known(str(bom.get("specVersion"))):
        raise _refused(file, "it does not say bomFormat CycloneDX and specVersion 1.0 to 1.7")
    top = _list(bom.get("components"))
    devices = [component for component in top if component.get("type") == "device" and component.get("components")]
    rest = [component for component in top if component not in devices]
    hosts = [_from(file, _text(device, "name"), _list(device["components"])) for device in devices]
    if rest or not hosts:
        about = bom.get("metadata", {})
        named = about.get("component", {}) if isinstance(about, dict) else {}
        hosts.append(_from(file, _text(named if isinstance(named, dict) else {}, "name") or file, rest))
    return tuple(hosts)


def _document(data: bytes, file: str) -> Any:
    if data.lstrip()[:1] == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return cyclonedxxml.document(data)
        except cyclonedxxml.NotCycloneDX as error:
            raise _refused(file, str(error)) from error
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(file, f"it is no JSON: {error}") from error


def _known(version: str) -> bool:
    return version in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7")


def _refused(file: str, why: str) -> UsageError:
    return UsageError(
        f"{file} is not a CycloneDX file that can be read",
        why=why,
        fix="export it as CycloneDX, JSON or XML, 1.0 to 1.7",
        slug="cyclonedx-unreadable",
    )


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(component: dict[str, Any], key: str) -> str:
    value = component.get(key, "")
    return value if isinstance(value, str) else ""


def _from(file: str, name: str, components: list[dict[str, Any]]) -> HostFacts:
    flat = list(_flat(components))
    system: dict[str, Any] = next((c for c in flat if c.get("type") == "operating-system"), {})
    others = [c for c in flat if c.get("type") in ("library", "application", "framework", "container", "platform", "file")]
    packages = {_imported(component) for component in others if _text(component, "name")}
    return HostFacts(
        name=name if name.startswith("import:") else f"import:{name}",
        hostname=name,
        os=_text(system, "name") or "unknown",
        os_version=_text(system, "version"),
        packages=tuple(sorted(packages, key=lambda p: (p.manager, p.name, p.version, p.place))),
        products=tuple(
            Product(name=_text(c, "name"), version=_text(c, "version"), probe=f"imported from {file}")
            for c in flat
            if c.get("type") == "application" and _text(c, "version")
        ),
        not_seen=(NotSeen(part="everything but packages", why=f"the host was not asked: imported from {file}"),),
        imported=file,
    )


def _flat(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Components and those inside them, without recursion: a stranger chose the depth."""
    waiting = list(reversed(components))
    for _ in range(MAX_COMPONENTS):
        if not waiting:
            return
        component = waiting.pop()
        yield component
        waiting += reversed(_list(component.get("components")))


def _imported(component: dict[str, Any]) -> InstalledPackage:
    purl = _text(component, "purl")
    kind = purl.removeprefix("pkg:").partition("/")[0] if purl.startswith("pkg:") else ""
    said = {p.get("name"): p.get("value") for p in _list(component.get("properties"))}
    group, name = _text(component, "group"), _text(component, "name")
    manager = _MANAGERS.get(kind) or str(said.get("fulldress:manager", "other"))
    if group and kind in ("npm", "maven"):
        name = f"{group}{'/' if kind == 'npm' else ':'}{name}"
    place = said.get("fulldress:place", "")
    return InstalledPackage(
        name=name,
        version=_text(component, "version") or unquote(purl.partition("?")[0].rpartition("@")[2] if "@" in purl else ""),
        manager=manager if manager in ("dpkg", "rpm", "pip", "npm", "jar") else "other",  # type: ignore[arg-type]
        place=place if isinstance(place, str) else "",
        purl=purl,
    )
