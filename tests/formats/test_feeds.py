"""RSS and Atom from bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.formats import feeds

RSS = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>
<item><title>New key &lt;script&gt;alert(1)&lt;/script&gt; \x1b[31m</title><link>https://v.example/1</link>
<pubDate>Mon, 02 Nov 2026 10:00:00 +0100</pubDate><description>&lt;p&gt;Our new key is ABCD&lt;/p&gt;</description></item>
</channel></rss>""".replace(b"\x1b", b"")
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title><entry><title>T</title><id>1</id>
<updated>2026-10-01T00:00:00Z</updated><link href="https://v.example/2"/>
<content type="text">body</content></entry></feed>"""


def test_rss_gives_date_in_utc_and_text_without_markup() -> None:
    [entry] = feeds.read(RSS).entries
    assert entry.dated == "2026-11-02T09:00:00Z"
    assert entry.text.strip() == "Our new key is ABCD"
    assert entry.link == "https://v.example/1"


def test_a_title_stays_as_the_stranger_wrote_it() -> None:
    assert "New key" in feeds.read(RSS).entries[0].title


def test_atom() -> None:
    [entry] = feeds.read(ATOM).entries
    assert (entry.title, entry.dated, entry.text) == ("T", "2026-10-01T00:00:00Z", "body")


def test_bytes_that_name_a_file_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_bytes(RSS)
    with pytest.raises(ValueError, match="neither RSS nor Atom"):
        feeds.read(str(tmp_path / "feed.xml").encode())


@pytest.mark.parametrize("data", [b"", b"https://v.example/feed", b"<html><body>no</body></html>", b"\x00\x01"])
def test_what_is_no_feed_is_said(data: bytes) -> None:
    with pytest.raises(ValueError, match="neither RSS nor Atom"):
        feeds.read(data)


def test_entities_do_not_explode() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8)
    )
    data = bomb + b']><rss version="2.0"><channel><title>&i;</title></channel></rss>'
    assert len(feeds.read(data).title) < 10_000
