"""RSS and Atom, read by feedparser from bytes alone. Pure: given an address or a file name the library would open it.

Titles and texts come out as strangers wrote them, ``<script>`` and escape characters included: every sink sanitises.
"""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple

MAX_FEED = 8 << 20
MAX_ENTRIES = 2000


class FeedEntry(NamedTuple):
    """One entry."""

    title: str
    link: str
    dated: str
    """ISO 8601 in UTC; ``""`` when it has no date that can be read."""
    text: str


class Feed(NamedTuple):
    """A feed."""

    title: str
    entries: tuple[FeedEntry, ...]


def read(data: bytes) -> Feed:
    """The feed. Raises ValueError when it is too large or no feed at all."""
    if len(data) > MAX_FEED:
        raise ValueError(f"it has {len(data):,} bytes, over {MAX_FEED:,}")
    import feedparser  # noqa: PLC0415 - loaded when needed: 0.1 s

    parsed: Any = feedparser.parse(
        io.BytesIO(data), response_headers={"content-type": "application/xml"}, resolve_relative_uris=False
    )
    if not parsed.get("version") and not parsed.get("entries"):
        raise ValueError("it is neither RSS nor Atom")
    return Feed(_text(parsed.get("feed", {}).get("title")), tuple(_entry(e) for e in parsed["entries"][:MAX_ENTRIES]))


def _entry(entry: Any) -> FeedEntry:
    when = dict.get(entry, "updated_parsed") or dict.get(entry, "published_parsed")
    dated = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*when[:6]) if when else ""
    texts = [entry.get("summary"), *(c.get("value") for c in entry.get("content", ()))]
    body = "\n".join(dict.fromkeys(_text(t) for t in texts if t))
    return FeedEntry(_text(entry.get("title")), _text(entry.get("link")), dated, re.sub(r"<[^<>]{0,500}>", " ", body))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
