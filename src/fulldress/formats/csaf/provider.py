"""Where a CSAF provider keeps its documents: provider metadata, ROLIE feeds and services, aggregators, directory listings.

Pure: bytes in, addresses out. Whether an address may be asked is decided by who asks.
"""

from __future__ import annotations

import csv
import io
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin

import msgspec

MAX_LISTED = 200_000

T = TypeVar("T")


class _Key(msgspec.Struct, frozen=True):
    url: str = ""
    fingerprint: str = ""


class _Feed(msgspec.Struct, frozen=True):
    url: str
    summary: str = ""
    tlp_label: str = ""


class _Rolie(msgspec.Struct, frozen=True):
    feeds: tuple[_Feed, ...] = ()
    services: tuple[str, ...] = ()


class _Distribution(msgspec.Struct, frozen=True):
    directory_url: str = ""
    rolie: _Rolie = _Rolie()


class _Publisher(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """``provider-metadata.json``: the parts that lead somewhere."""

    canonical_url: str
    metadata_version: str
    role: str
    publisher: _Publisher
    last_updated: str = ""
    distributions: tuple[_Distribution, ...] = ()
    public_openpgp_keys: tuple[_Key, ...] = ()

    @property
    def feeds(self) -> tuple[str, ...]:
        """ROLIE feeds; of a distribution that names none, the service documents that lead to them."""
        return tuple(url for d in self.distributions for url in (tuple(f.url for f in d.rolie.feeds) or d.rolie.services))

    @property
    def directories(self) -> tuple[str, ...]:
        """Folders with ``index.txt`` and ``changes.csv``."""
        return tuple(d.directory_url for d in self.distributions if d.directory_url)


class Listed(NamedTuple):
    """One document that a feed or a listing names."""

    url: str
    updated: str = ""
    hashes: tuple[str, ...] = ()
    """Addresses of ``.sha256`` or ``.sha512`` files."""
    signature: str = ""


class _Link(msgspec.Struct, frozen=True):
    href: str = ""
    rel: str = ""


class _Content(msgspec.Struct, frozen=True):
    src: str = ""


class _Entry(msgspec.Struct, frozen=True):
    id: str = ""
    updated: str = ""
    link: tuple[_Link, ...] = ()
    content: _Content = _Content()


class _Entries(msgspec.Struct, frozen=True):
    entry: tuple[_Entry, ...] = ()


class _FeedFile(msgspec.Struct, frozen=True):
    feed: _Entries


class _Collection(msgspec.Struct, frozen=True):
    href: str = ""


class _Workspace(msgspec.Struct, frozen=True):
    collection: tuple[_Collection, ...] = ()


class _Workspaces(msgspec.Struct, frozen=True):
    workspace: tuple[_Workspace, ...] = ()


class _ServiceFile(msgspec.Struct, frozen=True):
    service: _Workspaces


class _Pointer(msgspec.Struct, frozen=True):
    url: str = ""


class _ListedProvider(msgspec.Struct, frozen=True):
    metadata: _Pointer = _Pointer()
    mirrors: tuple[str, ...] = ()


class _AggregatorFile(msgspec.Struct, frozen=True):
    csaf_providers: tuple[_ListedProvider, ...]


def provider(data: bytes) -> Provider:
    """Provider metadata. Raises ValueError with what is wrong."""
    found = _decoded(data, Provider, "provider metadata")
    if found.metadata_version != "2.0":
        raise ValueError(f"metadata_version {found.metadata_version!r} is not known")
    if not found.canonical_url.startswith("https://") or not found.canonical_url.endswith("/provider-metadata.json"):
        raise ValueError("canonical_url is not https://…/provider-metadata.json")
    return found


def rolie(data: bytes) -> tuple[Listed, ...]:
    """The documents of a ROLIE feed, newest first."""
    found = []
    for entry in _decoded(data, _FeedFile, "a ROLIE feed").feed.entry[:MAX_LISTED]:
        by: dict[str, list[str]] = {}
        for link in entry.link:
            by.setdefault(link.rel, []).append(link.href)
        url = entry.content.src or next(iter(by.get("self", ())), "")
        if url:
            found.append(Listed(url, entry.updated, tuple(by.get("hash", ())), next(iter(by.get("signature", ())), "")))
    return tuple(sorted(found, key=lambda listed: listed.updated, reverse=True))


def is_service(data: bytes) -> bool:
    """True for a ROLIE service document, told by its first level: a feed may name its service anywhere."""
    try:
        return "service" in msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def service(data: bytes) -> tuple[str, ...]:
    """The feeds of a ROLIE service document."""
    found = _decoded(data, _ServiceFile, "a ROLIE service document").service
    return tuple(c.href for w in found.workspace for c in w.collection if c.href)


def aggregator(data: bytes) -> tuple[str, ...]:
    """The provider metadata that an aggregator lists: its own mirrors where it has them, else the original."""
    listed = _decoded(data, _AggregatorFile, "an aggregator document").csaf_providers
    return tuple(url for p in listed for url in (p.mirrors[:1] or (p.metadata.url,)) if url)


def index(text: str, base: str) -> tuple[Listed, ...]:
    """``index.txt``: one relative path on each line. Paths that leave the folder are dropped."""
    return tuple(_listed(line.strip(), base) for line in text.splitlines()[:MAX_LISTED] if _inside(line.strip()))


def changes(text: str, base: str) -> tuple[Listed, ...]:
    """``changes.csv``: path and time, newest first."""
    rows = [row for row in csv.reader(io.StringIO(text)) if len(row) >= 2][:MAX_LISTED]
    found = [_listed(row[0].strip(), base, row[1].strip()) for row in rows if _inside(row[0].strip())]
    return tuple(sorted(found, key=lambda listed: listed.updated, reverse=True))


def _inside(path: str) -> bool:
    return path.endswith(".json") and not path.startswith("/") and ".." not in path.split("/") and "://" not in path


def _listed(path: str, base: str, updated: str = "") -> Listed:
    url = urljoin(base.rstrip("/") + "/", path)
    return Listed(url, updated, (f"{url}.sha512", f"{url}.sha256"), f"{url}.asc")


def _decoded(data: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"it is not {what}: {error}") from error
