"""Nouns of what a vendor's channels said, and of what that means for one package. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

DocumentKind = Literal["csaf", "provider-metadata", "rolie", "aggregator", "security-txt", "feed", "text"]
SignatureFound = Literal["pinned", "provider", "bad", "unknown-key", "none"]
"""By a key of the vendor record; by a key that the provider's own metadata names; wrong; by another key; not signed."""
Status = Literal["affected", "fixed", "under-investigation", "not-affected"]
Tone = Literal["warns", "announces", "names"]


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document that was read."""

    channel: str
    kind: DocumentKind
    place: str
    """Its address, or its path in a folder."""
    sha256: str
    """Of its bytes, which are kept as a blob."""
    dated: str = ""
    signature: SignatureFound = "none"
    signer: str = ""
    problems: tuple[str, ...] = ()
    """What is wrong with it: broken tests of the standard, a checksum that does not match, an expired file."""
    believed: bool = False
    """True when it is signed by a known key and none of its checks failed: only then may it silence a warning."""


class KeyMention(msgspec.Struct, frozen=True, kw_only=True):
    """A place that names a fingerprint (or a digest of the same length)."""

    fingerprint: str
    channel: str
    group: str
    place: str
    dated: str
    tone: Tone
    excerpt: str


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """How reading one channel went."""

    name: str
    kind: str
    group: str
    url: str
    documents: int
    errors: tuple[str, ...] = ()
    left_out: int = 0
    """Documents that were listed but not read (too many, or older than asked for)."""


class ChannelReport(msgspec.Struct, frozen=True, kw_only=True):
    """``01-package/channels.json``."""

    schema_version: int = 1
    read_at: str
    channels: tuple[ChannelState, ...]
    documents: tuple[Document, ...]
    mentions: tuple[KeyMention, ...] = ()


class Component(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something with a name and a version inside the package."""

    place: str
    kind: Literal["deb", "rpm", "jar", "wheel", "npm", "sbom", "product", "file"]
    name: str
    version: str = ""
    namespace: str = ""
    purl: str = ""
    cpe: str = ""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of an advisory about one part of the package."""

    advisory: str
    title: str
    channel: str
    document: str
    """Where it was read."""
    dated: str
    vulnerability: str
    status: Status
    product: str
    """As the advisory calls it."""
    place: str
    component: str
    version: str
    by: Literal["digest", "purl", "cpe", "name"]
    sure: bool
    """False when the version could not be compared, or only a name matched."""
    score: float
    vector: str
    remedy: str
    believed: bool


class AdvisoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """``01-package/advisories.json``: what the channels say about this package."""

    schema_version: int = 1
    package_sha256: str
    read_at: str
    advisories: int
    """Documents that were compared."""
    components: tuple[Component, ...] = ()
    matches: tuple[Match, ...] = ()
    keys: tuple[KeyMention, ...] = ()
    """Places that name a key that signed this package."""
