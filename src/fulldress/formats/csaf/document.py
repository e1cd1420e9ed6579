"""What a CSAF document says: which product stands how with which vulnerability. Reads; judges neither truth nor package.

Lenient on purpose: a document that breaks a rule of the standard may still carry a warning that counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

MAX_STATEMENTS = 20_000
MAX_TEXT = 200_000

AFFECTED = ("known_affected", "first_affected", "last_affected")
FIXED = ("fixed", "first_fixed", "recommended")
STATUSES = {
    **dict.fromkeys(AFFECTED, "affected"),
    **dict.fromkeys(FIXED, "fixed"),
    "under_investigation": "under-investigation",
    "known_not_affected": "not-affected",
}


class Product(NamedTuple):
    """One product of a document, with everything that identifies it."""

    name: str
    """Full name, for people."""
    vendor: str = ""
    product: str = ""
    version: str = ""
    versions: str = ""
    """A range, as written."""
    cpe: str = ""
    purl: str = ""
    digests: tuple[str, ...] = ()
    """Of files, lower-case hex, any algorithm."""
    within: str = ""
    """Name of the product that it is a component of."""


class Statement(NamedTuple):
    """How one product stands with one vulnerability."""

    vulnerability: str
    title: str
    status: str
    """affected, fixed, under-investigation, not-affected"""
    product: Product
    score: float
    """CVSS base score; -1 when there is none."""
    vector: str
    remedy: str


class Said(NamedTuple):
    """A whole document."""

    id: str
    title: str
    publisher: str
    category: str
    released: str
    status: str
    tlp: str
    statements: tuple[Statement, ...]
    text: str
    """Everything that is prose: notes, titles, remediations, references."""


class _Lenient(msgspec.Struct, frozen=True):
    """Unknown fields are passed over."""


class _Hash(_Lenient, frozen=True):
    value: str = ""


class _File(_Lenient, frozen=True):
    file_hashes: tuple[_Hash, ...] = ()


class _Helper(_Lenient, frozen=True):
    cpe: str = ""
    purl: str = ""
    hashes: tuple[_File, ...] = ()


class _Full(_Lenient, frozen=True):
    product_id: str
    name: str = ""
    product_identification_helper: _Helper = _Helper()


class _Branch(_Lenient, frozen=True):
    category: str = ""
    name: str = ""
    branches: tuple[_Branch, ...] = ()
    product: _Full | None = None


class _Relation(_Lenient, frozen=True):
    full_product_name: _Full
    product_reference: str = ""
    relates_to_product_reference: str = ""


class _Group(_Lenient, frozen=True):
    group_id: str
    product_ids: tuple[str, ...] = ()


class _Tree(_Lenient, frozen=True):
    branches: tuple[_Branch, ...] = ()
    full_product_names: tuple[_Full, ...] = ()
    relationships: tuple[_Relation, ...] = ()
    product_groups: tuple[_Group, ...] = ()


class _Note(_Lenient, frozen=True):
    title: str = ""
    text: str = ""


class _Reference(_Lenient, frozen=True):
    summary: str = ""
    url: str = ""


class _Score(_Lenient, frozen=True):
    products: tuple[str, ...] = ()
    cvss_v2: dict[str, Any] = {}
    cvss_v3: dict[str, Any] = {}


class _Remediation(_Lenient, frozen=True):
    category: str = ""
    details: str = ""
    product_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()


class _Id(_Lenient, frozen=True):
    text: str = ""


class _Vulnerability(_Lenient, frozen=True):
    cve: str = ""
    ids: tuple[_Id, ...] = ()
    title: str = ""
    notes: tuple[_Note, ...] = ()
    product_status: dict[str, tuple[str, ...]] = {}
    scores: tuple[_Score, ...] = ()
    remediations: tuple[_Remediation, ...] = ()


class _Tlp(_Lenient, frozen=True):
    label: str = ""


class _Distribution(_Lenient, frozen=True):
    tlp: _Tlp = _Tlp()


class _Publisher(_Lenient, frozen=True):
    name: str = ""


class _Tracking(_Lenient, frozen=True):
    id: str = ""
    current_release_date: str = ""
    status: str = ""


class _Head(_Lenient, frozen=True):
    title: str = ""
    category: str = ""
    publisher: _Publisher = _Publisher()
    tracking: _Tracking = _Tracking()
    distribution: _Distribution = _Distribution()
    notes: tuple[_Note, ...] = ()
    references: tuple[_Reference, ...] = ()


class _Document(_Lenient, frozen=True):
    document: _Head
    product_tree: _Tree = _Tree()
    vulnerabilities: tuple[_Vulnerability, ...] = ()


def read(document: dict[str, Any]) -> Said:
    """The document as statements and text. Raises ValueError when it is too far from CSAF to be read."""
    try:
        given = msgspec.convert(document, _Document)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(f"it cannot be read as CSAF: {error}") from error
    products = _products(given.product_tree)
    groups = {g.group_id: g.product_ids for g in given.product_tree.product_groups}
    statements: list[Statement] = []
    for vulnerability in given.vulnerabilities:
        for statement in _statements(vulnerability, products, groups):
            if len(statements) >= MAX_STATEMENTS:
                raise ValueError(f"it makes more than {MAX_STATEMENTS:,} statements")
            statements.append(statement)
    head = given.document
    return Said(
        id=head.tracking.id,
        title=head.title,
        publisher=head.publisher.name,
        category=head.category,
        released=head.tracking.current_release_date,
        status=head.tracking.status,
        tlp=head.distribution.tlp.label,
        statements=tuple(statements),
        text="\n\n".join(t for t in _prose(given) if t)[:MAX_TEXT],
    )


def _products(tree: _Tree) -> dict[str, Product]:
    found = {full.product_id: _product(full, {}) for full in tree.full_product_names}
    for branch in tree.branches:
        for full, path in _leaves(branch, {}):
            found[full.product_id] = _product(full, path)
    for relation in tree.relationships:
        part, whole = found.get(relation.product_reference), found.get(relation.relates_to_product_reference)
        own = _product(relation.full_product_name, {})
        if part is not None:
            helped = {k: v for k, v in own._asdict().items() if k in ("cpe", "purl", "digests") and v}
            own = part._replace(name=own.name or part.name, within=whole.name if whole else "", **helped)
        found[relation.full_product_name.product_id] = own
    return found


def _leaves(branch: _Branch, above: dict[str, str]) -> Iterator[tuple[_Full, dict[str, str]]]:
    path = {**above, branch.category: branch.name}
    if branch.product is not None:
        yield branch.product, path
    for inner in branch.branches:
        yield from _leaves(inner, path)


def _product(full: _Full, path: dict[str, str]) -> Product:
    helper = full.product_identification_helper
    return Product(
        name=full.name,
        vendor=path.get("vendor", ""),
        product=path.get("product_name", ""),
        version=path.get("product_version", ""),
        versions=path.get("product_version_range", ""),
        cpe=helper.cpe,
        purl=helper.purl,
        digests=tuple(h.value.lower() for f in helper.hashes for h in f.file_hashes if h.value),
    )


def _statements(
    vulnerability: _Vulnerability, products: dict[str, Product], groups: dict[str, tuple[str, ...]]
) -> Iterator[Statement]:
    name = vulnerability.cve or (vulnerability.ids[0].text if vulnerability.ids else "")
    scores = {p: _score(score) for score in vulnerability.scores for p in score.products}
    remedies: dict[str, str] = {}
    for remediation in vulnerability.remediations:
        for about in (*remediation.product_ids, *(p for g in remediation.group_ids for p in groups.get(g, ()))):
            remedies.setdefault(about, f"{remediation.category.replace('_', ' ')}: {remediation.details}"[:600])
    for kind, ids in vulnerability.product_status.items():
        for product_id in ids:
            score, vector = scores.get(product_id, (-1.0, ""))
            product = products.get(product_id)
            if product is not None and kind in STATUSES:
                yield Statement(
                    name, vulnerability.title, STATUSES[kind], product, score, vector, remedies.get(product_id, "")
                )


def _score(score: _Score) -> tuple[float, str]:
    for cvss in (score.cvss_v3, score.cvss_v2):
        base, vector = cvss.get("baseScore"), cvss.get("vectorString")
        if isinstance(base, int | float):
            return float(base), vector if isinstance(vector, str) else ""
    return -1.0, ""


def _prose(given: _Document) -> Iterator[str]:
    yield given.document.title
    for note in given.document.notes:
        yield f"{note.title}\n{note.text}"
    for reference in given.document.references:
        yield reference.summary
    for vulnerability in given.vulnerabilities:
        yield vulnerability.title
        for note in vulnerability.notes:
            yield f"{note.title}\n{note.text}"
        for remediation in vulnerability.remediations:
            yield remediation.details


class Cpe(NamedTuple):
    """The parts of a CPE name that identify a product."""

    vendor: str
    product: str
    version: str
    """``""`` when any version is meant."""


def cpe(text: str) -> Cpe | None:
    """A CPE 2.3 or 2.2 name; None when it is neither."""
    if text.startswith("cpe:2.3:"):
        parts = [re.sub(r"\\(.)", r"\1", p) for p in re.split(r"(?<!\\):", text)[3:6]]
    elif text.lower().startswith("cpe:/"):
        parts = text[5:].split(":")[1:4]
    else:
        return None
    vendor, product, version = (*(p.lower() for p in parts), "", "", "")[:3]
    return Cpe(vendor, product, "" if version in ("*", "-") else version) if product else None


class Purl(NamedTuple):
    """A package URL."""

    type: str
    namespace: str
    name: str
    version: str


def purl(text: str) -> Purl | None:
    """A package URL; None when it is none. Qualifiers and subpath are dropped."""
    match = re.fullmatch(r"pkg:/*([A-Za-z0-9.+-]+)/([^?#]+)(?:\?[^#]*)?(?:#.*)?", text.strip())
    if match is None:
        return None
    path, at, version = match[2].rpartition("@")
    if not at:
        path, version = match[2], ""
    namespace, _, name = path.strip("/").rpartition("/")
    kind = match[1].lower()
    name = unquoted(name)
    if kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    return Purl(kind, unquoted(namespace), name, unquoted(version))


def unquoted(text: str) -> str:
    """Percent-decoded."""
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), text) if "%" in text else text
