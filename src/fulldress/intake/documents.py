"""One document of a vendor's channel: is it sound, who signed it, which keys does it name. Reaches for nothing else.

Published signatures and checksums fail in practice: that is written down, and no document stops the reading of the others.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from fulldress.adapters.openpgp import OpenPgp
from fulldress.formats import feeds, fingerprints, securitytxt
from fulldress.formats.csaf import document as csaf
from fulldress.formats.csaf import provider as providers
from fulldress.formats.csaf.validate import check
from fulldress.formats.fingerprints import plain
from fulldress.model.advisory import Document, DocumentKind, KeyMention, SignatureFound
from fulldress.model.package import VendorRecord
from fulldress.model.vendor import Channel
from fulldress.store.blobs import BlobStore

MAX_PROBLEMS = 10
MAX_MENTIONS = 500
_DAY = re.compile(r"\b(20\d\d-[01]\d-[0-3]\d)(?:[T ]([0-2]\d:[0-5]\d(?::[0-5]\d)?)Z?)?")


class Beside(NamedTuple):
    """What lies beside a document. None means that there is none, or that it could not be had."""

    signature: bytes | None = None
    sums: Mapping[str, bytes] = {}
    """``sha256`` or ``sha512`` -> content of that file."""
    missing: tuple[str, ...] = ()
    """What was announced and could not be had, with the reason."""


class Looked(NamedTuple):
    """A document, and the fingerprints that it names."""

    document: Document
    mentions: tuple[KeyMention, ...]


class _Said(NamedTuple):
    """What reading the content brought: its date, what is wrong, and texts with their dates."""

    dated: str
    problems: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]


class Keyring:
    """The keys that can check a channel's documents: those of the vendor record, and those that the provider names."""

    def __init__(self, channel: Channel, record: VendorRecord, void: frozenset[str] = frozenset()) -> None:
        self.means = OpenPgp()
        named = {plain(k) for k in channel.keys} | {plain(p.fingerprint) for p in record.pin if p.kind == "openpgp"}
        self.pinned = named - {plain(v) for v in void}
        self.files: list[bytes] = [k.encode() for k in record.keys]

    def add(self, data: bytes, fingerprint: str = "") -> bool:
        """Take a key of the provider; False when the file does not hold the key that was announced."""
        found = {plain(c) for c in self.means.certificates(data)}
        if not found or (fingerprint and plain(fingerprint) not in found):
            return False
        self.files.append(data)
        return True

    def judge(self, blobs: BlobStore, sha256: str, signature: bytes, now: datetime) -> tuple[SignatureFound, str, str]:
        """What a detached signature is worth: class, signer, and what is wrong with it."""
        best: tuple[SignatureFound, str, str] = ("bad", "", "its signature is no OpenPGP signature")
        order: Sequence[SignatureFound] = ("pinned", "provider", "unknown-key", "bad", "none")
        found = []
        for signed in self.means.detached(signature, blobs.path(sha256), self.files, now):
            if signed.state == "intact":
                known: SignatureFound = "pinned" if plain(signed.fingerprint) in self.pinned else "provider"
                found.append((known, signed.fingerprint, ""))
            elif signed.state == "keyless":
                found.append(("unknown-key", signed.fingerprint, f"its signature cannot be checked: {signed.reason}"))
            else:
                found.append(("bad", signed.fingerprint, f"its signature is not valid: {signed.reason}"))
        return min(found, key=lambda f: order.index(f[0]), default=best)


def look(
    channel: Channel,
    kind: DocumentKind,
    place: str,
    data: bytes,
    beside: Beside,
    keyring: Keyring,
    blobs: BlobStore,
    now: datetime,
) -> Looked:
    """Judge one document and keep its bytes. Never raises on content."""
    sha256 = blobs.put(data)
    said = _read(kind, place, data, now, keyring)
    problems = [*said.problems, *beside.missing, *_sums(data, beside.sums)]
    signature: SignatureFound = "none"
    signer = ""
    if kind == "security-txt" and data.startswith(securitytxt.CLEAR_SIGNED):
        signature, signer, wrong = _inline(data, keyring, now)
        problems += [wrong] if wrong else []
    elif beside.signature is not None:
        signature, signer, wrong = keyring.judge(blobs, sha256, beside.signature, now)
        problems += [wrong] if wrong else []
    document = Document(
        channel=channel.name,
        kind=kind,
        place=place,
        sha256=sha256,
        dated=said.dated,
        signature=signature,
        signer=signer,
        problems=tuple(problems[:MAX_PROBLEMS]),
        believed=signature == "pinned" and not problems,
    )
    return Looked(document, tuple(itertools.islice(_mentions(channel, place, said), MAX_MENTIONS)))


def _read(kind: DocumentKind, place: str, data: bytes, now: datetime, keyring: Keyring) -> _Said:
    try:
        if kind == "csaf":
            return _csaf(place, data)
        if kind == "feed":
            return _feed(data)
        if kind == "provider-metadata":
            return _provider(data)
        if kind == "rolie":
            return _rolie(data)
        if kind == "aggregator":
            return _said_of(len(providers.aggregator(data)), "provider")
        if kind == "security-txt":
            return _security_txt(place, data, now, keyring)
    except ValueError as error:
        return _Said("", (str(error)[:300],), ())
    return _Said("", (), tuple(_dated_parts(_plain(data)))) if kind == "text" else _Said("", (), ())


def _csaf(place: str, data: bytes) -> _Said:
    found = check(data)
    if found.document is None:
        return _Said("", tuple(p.text for p in found.problems), ())
    problems = [f"{p.test} {p.where}: {p.text}" for p in found.problems]
    said = csaf.read(found.document)
    name = posixpath.basename(urlsplit(place).path)
    if name != (own := f"{re.sub(r'[^+a-z0-9-]+', '_', said.id.lower())}.json"):
        problems.append(f"5.1: it is called {name[:80]!r}, by its id it would be {own[:80]!r}")
    return _Said(said.released, tuple(problems), ((said.released, said.text),))


def _feed(data: bytes) -> _Said:
    found = feeds.read(data)
    texts = tuple((e.dated, f"{e.title}\n\n{html.unescape(e.text)}") for e in found.entries)
    return _Said(max((t[0] for t in texts), default=""), (), texts)


def _provider(data: bytes) -> _Said:
    found = providers.provider(data)
    named = " ".join(f"The provider's key is {k.fingerprint}." for k in found.public_openpgp_keys if k.fingerprint)
    return _Said(found.last_updated, (), ((found.last_updated, named),))


def _rolie(data: bytes) -> _Said:
    if b'"service"' in data[:200]:
        return _said_of(len(providers.service(data)), "feed")
    return _said_of(len(providers.rolie(data)), "document")


def _said_of(count: int, what: str) -> _Said:
    return _Said("", () if count else (f"it lists no {what}",), ())


def _security_txt(place: str, data: bytes, now: datetime, keyring: Keyring) -> _Said:
    text = data
    if data.startswith(securitytxt.CLEAR_SIGNED):
        text = keyring.means.inline(data, [], now)[0]
    decoded = text.decode("utf-8", "replace")
    found = securitytxt.read(decoded, now, place if place.startswith("https://") else "")
    return _Said("", found.problems, (("", decoded),))


def _inline(data: bytes, keyring: Keyring, now: datetime) -> tuple[SignatureFound, str, str]:
    for signed in keyring.means.inline(data, keyring.files, now)[1]:
        if signed.state == "intact":
            return ("pinned" if plain(signed.fingerprint) in keyring.pinned else "provider"), signed.fingerprint, ""
        kind: SignatureFound = "unknown-key" if signed.state == "keyless" else "bad"
        return kind, signed.fingerprint, f"its signature is not valid: {signed.reason}"
    return "bad", "", "it is no clear-signed message"


def _sums(data: bytes, sums: Mapping[str, bytes]) -> Iterator[str]:
    for algorithm, content in sums.items():
        wanted = content.decode("ascii", "replace").split()
        if not wanted or wanted[0].lower() != hashlib.new(algorithm, data).hexdigest():
            yield f"its {algorithm} is not what the file beside it says"


def _plain(data: bytes) -> str:
    """Text of a page: markup away, entities read. Good enough to look for fingerprints; nothing is rendered."""
    text = data.decode("utf-8", "replace")
    if "<" in text[:2000] and re.search(r"(?i)<(?:html|body|p|div|!doctype)\b", text[:5000]):
        text = _without_programs(text)
        text = html.unescape(re.sub(r"<[^<>]{0,2000}>", " ", text))
    return text


def _without_programs(text: str) -> str:
    """The page without its scripts and styles; one that is never closed takes the rest along."""
    kept, lower, at = [], text.lower(), 0
    for match in re.finditer(r"<(script|style)\b", lower):
        if match.start() < at:
            continue
        kept.append(text[at : match.start()])
        end = lower.find(f"</{match[1]}", match.end())
        if end < 0:
            return " ".join(kept)
        at = end
    return " ".join([*kept, text[at:]])


def _dated_parts(text: str) -> Iterator[tuple[str, str]]:
    """Parts of a text from one date that it names to the next: what stands under a date was said on that day."""
    dates = list(_DAY.finditer(text))
    starts = [0, *(m.start() for m in dates)]
    ends = [*(m.start() for m in dates), len(text)]
    for start, end, match in zip(starts, ends, (None, *dates), strict=True):
        day = f"{match[1]}T{match[2] or '00:00:00'}" if match else ""
        yield (f"{day}{':00' if len(day) == 16 else ''}Z" if day else ""), text[start:end]


def _mentions(channel: Channel, place: str, said: _Said) -> Iterator[KeyMention]:
    for dated, text in said.texts:
        for found in fingerprints.mentions(text):
            yield KeyMention(
                fingerprint=found.fingerprint,
                channel=channel.name,
                group=channel.group,
                place=place,
                dated=dated,
                tone=found.tone,
                excerpt=found.excerpt,
            )
