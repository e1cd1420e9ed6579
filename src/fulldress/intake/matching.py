"""Which statements of advisories are about this package: by digest, package URL, CPE, or name and version.

Says how sure a match is; how dangerous it is, the rule decides. The newest word on a vulnerability of a component counts,
but only a believed document may say that something is *not* affected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from fulldress.formats import vers
from fulldress.formats.csaf import document as csaf
from fulldress.formats.csaf.validate import check
from fulldress.formats.version import compare
from fulldress.model.advisory import AdvisoryReport, ChannelReport, Component, Document, Match, Status
from fulldress.model.package import PackageLock, TrustReport, VendorRecord

MOST = 2000
PURL_TYPES = {"deb": "deb", "rpm": "rpm", "jar": "maven", "wheel": "pypi", "npm": "npm"}
RANK: dict[Status, int] = {"affected": 0, "under-investigation": 1, "fixed": 2, "not-affected": 3}


class _Hit(NamedTuple):
    component: Component
    by: Literal["digest", "purl", "cpe", "name"]
    sure: bool


class Subject(NamedTuple):
    """What is compared: the parts of the package, and the digests of all its files."""

    components: Sequence[Component]
    digests: dict[str, str]
    """SHA-256 -> place."""
    vendor: str
    """Name of the vendor on record, so that a product of another vendor is not taken for ours."""


def subject(lock: PackageLock, parts: Sequence[Component], record: VendorRecord | None, offered: dict[str, str]) -> Subject:
    """``offered``: the release's own products and the versions that the package brings."""
    own = [Component(place="", kind="product", name=name, version=version) for name, version in offered.items()]
    digests = {e.sha256: e.place for e in reversed(lock.entries) if e.sha256}
    return Subject((*own, *parts), {**digests, lock.sha256: ""}, record.name if record else "")


def matched(
    lock: PackageLock, given: Subject, channels: ChannelReport, trust: TrustReport | None, read: Callable[[str], bytes]
) -> AdvisoryReport:
    """The whole report over what the channels said."""
    documents = [d for d in channels.documents if d.kind == "csaf"]
    found = [match for document in documents for match in _document(document, given, read)]
    signers = {s.fingerprint.lower() for s in trust.signatures if s.covers != s.place} if trust else set()
    return AdvisoryReport(
        package_sha256=lock.sha256,
        read_at=channels.read_at,
        advisories=len(documents),
        components=tuple(given.components),
        matches=tuple(_settled(found))[:MOST],
        keys=tuple(m for m in channels.mentions if m.fingerprint in signers),
    )


def _document(document: Document, given: Subject, read: Callable[[str], bytes]) -> Iterator[Match]:
    checked = _reread(read(document.sha256))
    if checked is None:
        return
    for statement in checked.statements:
        for hit in hits(statement.product, given):
            yield Match(
                advisory=checked.id,
                title=(checked.title or statement.title)[:300],
                channel=document.channel,
                document=document.place,
                dated=checked.released,
                vulnerability=statement.vulnerability,
                status=_status(statement.status),
                product=statement.product.name[:300],
                place=hit.component.place,
                component=hit.component.name,
                version=hit.component.version,
                by=hit.by,
                sure=hit.sure,
                score=statement.score,
                vector=statement.vector[:200],
                remedy=statement.remedy,
                believed=document.believed,
            )


def _reread(data: bytes) -> csaf.Said | None:
    """The document, read without the tests of the standard (these were run when it came in)."""
    checked = check(data, only_parse=True)
    try:
        return csaf.read(checked.document) if checked.document is not None else None
    except ValueError:
        return None


def _status(text: str) -> Status:
    return next((s for s in RANK if s == text), "under-investigation")


def hits(product: csaf.Product, given: Subject) -> Iterator[_Hit]:
    """The parts of the package that a product of an advisory is, each by its best evidence."""
    for digest in product.digests:
        if digest in given.digests:
            place = given.digests[digest]
            yield _Hit(Component(place=place, kind="file", name=product.name, version=product.version), "digest", True)
            return
    url, name = csaf.purl(product.purl) if product.purl else None, csaf.cpe(product.cpe) if product.cpe else None
    for component in given.components:
        if url is not None:
            hit = _by_purl(url, product, component)
        elif name is not None and (hit := _by_cpe(name, product, component, given.vendor)) is not None:
            pass
        else:
            hit = _by_name(product, component, given.vendor)
        if hit is not None:
            yield hit


def _by_purl(url: csaf.Purl, product: csaf.Product, component: Component) -> _Hit | None:
    own = csaf.purl(component.purl) if component.purl else None
    kind = own.type if own else PURL_TYPES.get(component.kind, "")
    namespace = own.namespace if own else component.namespace
    if kind != url.type or _plain(url.name) != _plain(component.name):
        return None
    other = url.type in ("maven", "npm") and _plain(url.namespace) != _plain(namespace)
    unsaid = url.type == "maven" and not namespace and own is None  # a jar that does not say whose it is
    if other and not unsaid:
        return None
    hit = _versioned(url.version or product.version, product.versions, component, "purl")
    return hit._replace(sure=False) if hit is not None and other else hit


def _by_cpe(name: csaf.Cpe, product: csaf.Product, component: Component, vendor: str) -> _Hit | None:
    own = csaf.cpe(component.cpe) if component.cpe else None
    if own is not None:
        same = (own.vendor, own.product) == (name.vendor, name.product)
    else:
        same = component.kind == "product" and _plain(name.product) == _plain(component.name) and _ours(name.vendor, vendor)
    return _versioned(name.version or product.version, product.versions, component, "cpe") if same else None


def _by_name(product: csaf.Product, component: Component, vendor: str) -> _Hit | None:
    """Names prove little: only the release's own product, of the vendor on record, matches by name alone."""
    name, version = product.product, product.version
    if not name:
        split = re.fullmatch(r"(.+?)[\s_-]+[vV]?(\d[\w.+~-]*)", product.name.strip())
        name, version = (split[1], version or split[2]) if split else (product.name, version)
    if component.kind != "product" or _plain(name) != _plain(component.name):
        return None
    return _versioned(version, product.versions, component, "name") if _ours(product.vendor, vendor) else None


def _ours(named: str, recorded: str) -> bool:
    """True unless the advisory names a vendor that is certainly another one."""
    if not named or not recorded:
        return True
    one, other = _plain(named), _plain(recorded)
    first = _plain(re.split(r"[\s,.]", recorded.strip())[0])
    return one in other or other in one or one.startswith(first)


def _versioned(version: str, versions: str, component: Component, by: Literal["purl", "cpe", "name"]) -> _Hit | None:
    """The hit when the versions fit; unsure when one of them is not known; None when they differ."""
    if versions:
        inside = vers.contains(versions, component.version)
        return None if inside is False else _Hit(component, by, inside is True)
    if version and component.version:
        return _Hit(component, by, True) if compare(version, component.version) == 0 else None
    return _Hit(component, by, not version and by != "name")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def _settled(found: Iterable[Match]) -> Iterator[Match]:
    """For each vulnerability of each component the newest word, the worst first among equals."""
    groups: dict[tuple[str, str, str, str], list[Match]] = {}
    for match in found:
        about = match.vulnerability or match.advisory
        groups.setdefault((about, match.place, match.component, match.version), []).append(match)
    for group in groups.values():
        heard = [m for m in group if m.believed or m.status not in ("not-affected", "fixed")] or group
        newest = max(m.dated for m in heard)
        yield min((m for m in heard if m.dated == newest), key=lambda m: (RANK[m.status], not m.sure, m.product))
