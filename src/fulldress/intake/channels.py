"""Reads a vendor's channels, each as the vendor record describes it: over HTTPS, or from a folder where there is no network.

Runs only when a person asks. Addresses that documents name are asked only when their host stands in the record. What goes
wrong in one channel is written down and does not keep the others from being read.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from fulldress.adapters.https import Allowed, ChannelRefused
from fulldress.formats.csaf import provider as providers
from fulldress.formats.feeds import MAX_FEED
from fulldress.intake.documents import Beside, Keyring, look
from fulldress.intake.escalate import stamp
from fulldress.model.advisory import ChannelReport, ChannelState, Document, DocumentKind, KeyMention
from fulldress.model.package import VendorRecord
from fulldress.model.vendor import Channel
from fulldress.store.blobs import BlobStore

MOST = 200
"""Documents of one channel, newest first."""
SECONDS = 900.0
"""After that no further document of a channel is begun; what is left out is counted."""
MOST_FEEDS = 20
MOST_KEYS = 10
MOST_FILES = 50_000
MOST_ERRORS = 20
SMALL = 1 << 20
LARGE = 32 << 20
SUMS = ("sha512", "sha256")
FEEDS = (".xml", ".rss", ".atom")
TEXTS = (".txt", ".md", ".html", ".htm", ".eml")


class Fetch(Protocol):
    """How bytes come over the network (``adapters.https.Https``)."""

    def get(self, url: str, allowed: Allowed, *, limit: int = ...) -> bytes: ...


_T = TypeVar("_T")
_Parse = Callable[[bytes], tuple[_T, ...]]


class Wanted(NamedTuple):
    """How much a person asks for."""

    since: str = ""
    """ISO date: older documents are left out."""
    most: int = MOST
    void: frozenset[str] = frozenset()
    """Keys of the record that the vendor's contact called compromised: what they sign is not believed."""


def read_channels(
    record: VendorRecord,
    chosen: Sequence[Channel],
    fetch: Fetch,
    blobs: BlobStore,
    base: Path,
    now: datetime,
    wanted: Wanted | None = None,
) -> ChannelReport:
    """All that the chosen channels say. ``base``: the folder that relative paths of folder channels begin at."""
    wanted = wanted or Wanted()
    states, documents, mentions = [], [], []
    for channel in chosen:
        reading = _Reading(channel, record, fetch, blobs, now, wanted)
        reading.read(base)
        states.append(reading.state())
        documents += reading.documents
        mentions += reading.mentions
    return ChannelReport(
        read_at=stamp(now), channels=tuple(states), documents=tuple(documents), mentions=tuple(dict.fromkeys(mentions))
    )


def allowed(channel: Channel) -> Allowed:
    """What the record allows: the channel's own host and those named beside it."""
    parts = urlsplit(channel.url)
    own = f"{parts.hostname}:{parts.port}" if parts.port not in (None, 443) else parts.hostname or ""
    networks = tuple(ipaddress.ip_network(n, strict=False) for n in channel.private_networks)
    return Allowed(frozenset(h.lower() for h in (own, *channel.hosts)), networks, channel.ca)


class _Reading:
    """The reading of one channel."""

    def __init__(
        self, channel: Channel, record: VendorRecord, fetch: Fetch, blobs: BlobStore, now: datetime, wanted: Wanted
    ) -> None:
        self.channel, self.fetch, self.blobs, self.now, self.wanted = channel, fetch, blobs, now, wanted
        self.keyring = Keyring(channel, record, wanted.void)
        self.allowed = allowed(channel) if channel.kind != "folder" else Allowed(frozenset())
        self.documents: list[Document] = []
        self.mentions: list[KeyMention] = []
        self.errors: list[str] = []
        self.left_out = 0
        self.until = time.monotonic() + SECONDS
        self.summed = False
        """Folder: checksums lie beside documents here, so that a document without one stands out."""

    def state(self) -> ChannelState:
        """How it went."""
        return ChannelState(
            name=self.channel.name,
            kind=self.channel.kind,
            group=self.channel.group,
            url=self.channel.url,
            documents=len(self.documents),
            errors=tuple(self.errors[:MOST_ERRORS]),
            left_out=self.left_out,
        )

    def read(self, base: Path) -> None:
        """Read it all; errors are noted."""
        url = self.channel.url
        match self.channel.kind:
            case "folder":
                self._folder(base / url)
            case "csaf":
                self._provider(url)
            case "aggregator":
                self._aggregator(url)
            case "rolie":
                self._listed(self._feed(url))
            case "csaf-directory":
                self._listed(self._directory(url))
            case "csaf-document":
                self._listed([providers.Listed(url, "", (f"{url}.sha512", f"{url}.sha256"), f"{url}.asc")])
            case "security-txt":
                self._security_txt(url)
            case "feed":
                self._single("feed", url, MAX_FEED)
            case "text":
                self._single("text", url, MAX_FEED)

    # ---- over the network

    def _get(self, url: str, limit: int = LARGE) -> bytes | None:
        """The bytes, or None when they cannot be had (noted)."""
        try:
            return self.fetch.get(url, self.allowed, limit=limit)
        except ChannelRefused as refused:
            self.errors.append(refused.what)
            return None

    def _optional(self, url: str) -> tuple[bytes | None, str]:
        try:
            return self.fetch.get(url, self.allowed, limit=SMALL), ""
        except ChannelRefused as refused:
            return None, refused.what

    def _single(self, kind: DocumentKind, url: str, limit: int = SMALL) -> None:
        data = self._get(url, limit)
        if data is not None:
            self._take(kind, url, data, Beside())

    def _security_txt(self, url: str) -> None:
        data = self._get(url, SMALL)
        if data is None:
            return
        self._take("security-txt", url, data, Beside())
        for line in data.decode("utf-8", "replace").splitlines()[:200]:
            name, _, value = line.partition(":")
            if name.strip().lower() == "csaf":
                self._provider(value.strip())

    def _take(self, kind: DocumentKind, place: str, data: bytes, beside: Beside) -> None:
        looked = look(self.channel, kind, place, data, beside, self.keyring, self.blobs, self.now)
        self.documents.append(looked.document)
        self.mentions += looked.mentions

    def _aggregator(self, url: str) -> None:
        data = self._get(url)
        for metadata in self._parsed(providers.aggregator, data, url)[:MOST_FEEDS]:
            self._provider(metadata)

    def _provider(self, url: str) -> None:
        data = self._get(url, SMALL)
        if data is None:
            return
        self._take("provider-metadata", url, data, Beside())
        try:
            found = providers.provider(data)
        except ValueError as error:
            self.errors.append(f"{url}: {error}")
            return
        if found.canonical_url != url:
            self.errors.append(f"{url} says that it belongs at {found.canonical_url}")
        for key in found.public_openpgp_keys[:MOST_KEYS]:
            data = self._get(key.url, SMALL) if key.url else None
            if data is not None and not self.keyring.add(data, key.fingerprint):
                self.errors.append(f"{key.url} does not hold the key {key.fingerprint} that the metadata names")
        for feed in found.feeds[:MOST_FEEDS]:
            self._listed(self._feed(feed))
        for directory in found.directories[:MOST_FEEDS]:
            self._listed(self._directory(directory))

    def _feed(self, url: str) -> Sequence[providers.Listed]:
        data = self._get(url)
        if data is not None and providers.is_service(data):
            feeds = self._parsed(providers.service, data, url)[:MOST_FEEDS]
            return [entry for feed in feeds for entry in self._parsed(providers.rolie, self._get(feed), feed)]
        return self._parsed(providers.rolie, data, url)

    def _directory(self, url: str) -> Sequence[providers.Listed]:
        base = url.rstrip("/")
        data, why = self._optional(f"{base}/changes.csv")
        if data is not None:
            return providers.changes(data.decode("utf-8", "replace"), base)
        data = self._get(f"{base}/index.txt")
        if data is None:
            self.errors.append(why)
        return providers.index(data.decode("utf-8", "replace"), base) if data is not None else ()

    def _parsed(self, parse: _Parse[_T], data: bytes | None, url: str) -> tuple[_T, ...]:
        if data is None:
            return ()
        try:
            return parse(data)
        except ValueError as error:
            self.errors.append(f"{url}: {error}")
            return ()

    def _listed(self, listed: Iterable[providers.Listed]) -> None:
        known = {d.place for d in self.documents}
        for entry in listed:
            csafs = sum(d.kind == "csaf" for d in self.documents)
            if entry.url in known:
                continue
            old = bool(entry.updated) and entry.updated < self.wanted.since
            if old or csafs >= self.wanted.most or time.monotonic() > self.until:
                self.left_out += 1
                continue
            known.add(entry.url)
            data = self._get(entry.url)
            if data is not None:
                self._take("csaf", entry.url, data, self._beside(entry))

    def _beside(self, entry: providers.Listed) -> Beside:
        missing: list[str] = []
        sums: dict[str, bytes] = {}
        signature, why = self._optional(entry.signature) if entry.signature else (None, "")
        missing += [f"its signature could not be had: {why}"] if why else []
        for url in entry.hashes[:2]:
            algorithm = next((a for a in SUMS if url.endswith(f".{a}")), "")
            content, why = self._optional(url) if algorithm and not sums else (None, "")
            if content is not None:
                sums[algorithm] = content
        if entry.hashes and not sums:
            missing.append("no checksum of it could be had")
        return Beside(signature, sums, tuple(missing))

    # ---- from a folder

    def _folder(self, root: Path) -> None:
        if root.is_file() and not root.is_symlink():
            files, root = [root], root.parent
        elif root.is_dir():
            files = list(self._files(root))
        else:
            self.errors.append(f"there is no folder {root}")
            return
        self.summed = any(path.suffix in (".sha256", ".sha512") for path in files)
        for path in files:
            if path.suffix in (".asc", ".gpg", ".pgp") and (data := self._small(path)) and not _signs(path):
                self.keyring.add(data)
        for path in files:
            kind = _kind_of(path)
            data = self._small(path, LARGE) if kind is not None else None
            if kind is None or data is None:
                continue
            if kind == "csaf" and (kind := _json_kind(data)) is None:
                continue
            self._take(kind, path.relative_to(root).as_posix(), data, self._lying_beside(path, kind))

    def _files(self, root: Path) -> Iterator[Path]:
        """Regular files only, in order; links are not followed, and not silently passed over either."""
        seen = 0
        for folder, folders, names in os.walk(root, onerror=lambda e: self.errors.append(str(e))):
            folders.sort()
            for name in sorted([*names, *folders]):
                path = Path(folder, name)
                if path.is_symlink():
                    self.errors.append(f"{path.relative_to(root)} is a link, which is not followed")
                elif not path.is_dir() and not path.is_file():
                    self.errors.append(f"{path.relative_to(root)} is no regular file, and was not read")
                elif path.is_file():
                    seen += 1
                    if seen > MOST_FILES:
                        self.errors.append(f"more than {MOST_FILES:,} files; the rest was not read")
                        return
                    yield path

    def _small(self, path: Path, limit: int = SMALL) -> bytes | None:
        try:
            if path.stat().st_size > limit:
                self.errors.append(f"{path.name} has more than {limit:,} bytes")
                return None
            return path.read_bytes()
        except OSError as error:
            self.errors.append(f"{path.name}: {error}")
            return None

    def _lying_beside(self, path: Path, kind: DocumentKind) -> Beside:
        signature = path.with_name(f"{path.name}.asc")
        sums = {a: p for a in SUMS if (p := path.with_name(f"{path.name}.{a}")).is_file() and not p.is_symlink()}
        missing = ("no checksum lies beside it",) if self.summed and kind == "csaf" and not sums else ()
        return Beside(
            self._small(signature) if signature.is_file() and not signature.is_symlink() else None,
            {algorithm: self._small(file) or b"" for algorithm, file in sums.items()},
            missing,
        )


def _signs(path: Path) -> bool:
    """True for a file that is the signature of the one beside it."""
    return path.with_suffix("").is_file()


def _kind_of(path: Path) -> DocumentKind | None:
    name = path.name.lower()
    if name == "security.txt":
        return "security-txt"
    if name == "provider-metadata.json":
        return "provider-metadata"
    if name.endswith(".json"):
        return "csaf"
    if name.endswith(FEEDS):
        return "feed"
    return "text" if name.endswith(TEXTS) and name != "index.txt" else None


_JSON: tuple[tuple[str, DocumentKind], ...] = (
    ("document", "csaf"),
    ("feed", "rolie"),
    ("service", "rolie"),
    ("csaf_providers", "aggregator"),
    ("metadata_version", "provider-metadata"),
)


def _json_kind(data: bytes) -> DocumentKind | None:
    """What a JSON file is by its first level; one that claims to be JSON and is not is taken as CSAF, to be reported."""
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "csaf"
    return next((kind for name, kind in _JSON if name in found), None)
