"""Reading a vendor's channels: over TLS from a server on loopback, and from a folder."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.tls import HOST, Authority, Server, certificate_for, pages, reply
from tests.intake.signing import NOW, Key, issue

from fulldress.adapters.https import Https
from fulldress.intake.channels import Wanted, read_channels
from fulldress.model.advisory import ChannelReport, Document
from fulldress.model.package import VendorPin, VendorRecord
from fulldress.model.vendor import Channel
from fulldress.store.blobs import BlobStore

PRINT = "A1B46BD6" * 5


def advisory(name: str = "V-1", **more: Any) -> bytes:
    day = "2026-10-01T10:00:00Z"
    history = [{"date": day, "number": "1", "summary": "First"}]
    return json.dumps(
        {
            "document": {
                "category": "csaf_base",
                "csaf_version": "2.0",
                "title": f"Our new release key is {PRINT}.",
                "publisher": {"category": "vendor", "name": "Vendor", "namespace": "https://vendor.example"},
                "tracking": {
                    "current_release_date": day,
                    "id": name,
                    "initial_release_date": day,
                    "revision_history": history,
                    "status": "final",
                    "version": "1",
                },
            },
            **more,
        }
    ).encode()


def sums(data: bytes, name: str = "v-1.json") -> bytes:
    return f"{hashlib.sha512(data).hexdigest()}  {name}\n".encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    root = issue("Test Root", ca=True, days=(-30, 800))
    return Authority(root, certificate_for(HOST, root, tmp_path_factory.mktemp("tls") / "server.pem"))


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    made = Server(authority.chain)
    yield made
    made.socket.close()


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


class Site:
    """A vendor's web site: pages by path, and the channel that leads to one of them."""

    def __init__(self, server: Server, authority: Authority, tmp_path: Path) -> None:
        self.base = f"https://{HOST}:{server.port}"
        self.server, self.authority, self.tmp_path = server, authority, tmp_path
        self.found: dict[str, bytes] = {}

    def read(
        self, kind: str, path: str, record: VendorRecord | None = None, wanted: Wanted | None = None, **more: Any
    ) -> ChannelReport:
        self.server.serve = pages(self.found)
        channel = Channel(
            name="web",
            kind=kind,  # type: ignore[arg-type]
            url=self.base + path,
            group="web",
            private_networks=("127.0.0.0/8",),
            ca=self.authority.root.pem.decode(),
            **more,
        )
        fetch = Https(lambda *_: ["127.0.0.1"], seconds=5)
        blobs = BlobStore(self.tmp_path / "blobs")
        return read_channels(record or VendorRecord(name="V"), [channel], fetch, blobs, self.tmp_path, NOW, wanted)

    def publish(self, data: bytes, key: Key | None = None, path: str = "/csaf/2026/v-1.json") -> None:
        self.found[path] = data
        self.found[f"{path}.sha512"] = sums(data)
        if key is not None:
            self.found[f"{path}.asc"] = key.detached(data)

    def provider(self, key: Key, *feeds: str, directory: str = "") -> None:
        distributions: list[dict[str, Any]] = [
            {"rolie": {"feeds": [{"url": self.base + f, "tlp_label": "WHITE", "summary": "s"}]}} for f in feeds
        ]
        distributions += [{"directory_url": self.base + directory}] if directory else []
        self.found["/key.asc"] = key.public
        self.found["/provider-metadata.json"] = json.dumps(
            {
                "canonical_url": f"{self.base}/provider-metadata.json",
                "metadata_version": "2.0",
                "role": "csaf_trusted_provider",
                "last_updated": "2026-10-01T00:00:00Z",
                "publisher": {"category": "vendor", "name": "V", "namespace": self.base},
                "distributions": distributions,
                "public_openpgp_keys": [{"fingerprint": key.fingerprint.upper(), "url": f"{self.base}/key.asc"}],
            }
        ).encode()

    def feed(self, *paths: str) -> bytes:
        entries = [
            {
                "id": p,
                "updated": f"2026-10-{n:02}T00:00:00Z",
                "content": {"src": self.base + p},
                "link": [
                    {"rel": "hash", "href": f"{self.base}{p}.sha512"},
                    {"rel": "signature", "href": f"{self.base}{p}.asc"},
                ],
            }
            for n, p in enumerate(paths, 1)
        ]
        links = [{"rel": "service", "href": f"{self.base}/service.json"}]
        return json.dumps({"feed": {"id": "f", "title": "t", "link": links, "entry": entries}}).encode()


@pytest.fixture
def site(server: Server, authority: Authority, tmp_path: Path) -> Site:
    return Site(server, authority, tmp_path)


def only(report: ChannelReport, kind: str = "csaf") -> Document:
    [found] = [d for d in report.documents if d.kind == kind]
    return found


def test_from_provider_metadata_over_the_feed_to_a_signed_document(site: Site, key: Key) -> None:
    site.provider(key, "/feed.json")
    site.found["/feed.json"] = site.feed("/csaf/2026/v-1.json")
    site.publish(advisory(), key)
    report = site.read("csaf", "/provider-metadata.json")
    assert report.channels[0].errors == ()
    document = only(report)
    assert (document.signature, document.signer, document.problems) == ("provider", key.fingerprint, ())
    assert not document.believed
    assert {m.fingerprint for m in report.mentions} == {PRINT.lower(), key.fingerprint}


def test_a_key_of_the_vendor_record_makes_a_document_believed(site: Site, key: Key) -> None:
    site.provider(key, directory="/csaf")
    site.found["/csaf/changes.csv"] = b'"2026/v-1.json","2026-10-01T00:00:00Z"\n'
    site.publish(advisory(), key)
    record = VendorRecord(name="V", pin=(VendorPin(fingerprint=key.fingerprint),))
    document = only(site.read("csaf", "/provider-metadata.json", record))
    assert (document.signature, document.believed) == ("pinned", True)


def test_what_a_compromised_key_signed_is_not_believed(site: Site, key: Key) -> None:
    site.provider(key, directory="/csaf")
    site.found["/csaf/index.txt"] = b"2026/v-1.json\n"
    site.publish(advisory(), key)
    record = VendorRecord(name="V", pin=(VendorPin(fingerprint=key.fingerprint),))
    wanted = Wanted(void=frozenset({key.fingerprint.upper()}))
    document = only(site.read("csaf", "/provider-metadata.json", record, wanted))
    assert (document.signature, document.believed) == ("provider", False)


def test_index_txt_does_where_there_is_no_changes_csv(site: Site, key: Key) -> None:
    site.found["/csaf/index.txt"] = b"2026/v-1.json\n"
    site.publish(advisory(), key)
    assert only(site.read("csaf-directory", "/csaf/", keys=(key.fingerprint,))).signature == "unknown-key"


@pytest.mark.parametrize("what", ["signature", "checksum", "neither"])
def test_published_signatures_fail_in_practice_and_are_reported(site: Site, key: Key, what: str) -> None:
    site.provider(key, "/feed.json")
    site.found["/feed.json"] = site.feed("/csaf/2026/v-1.json")
    site.publish(advisory(), key)
    if what == "signature":
        site.found["/csaf/2026/v-1.json.asc"] = key.detached(b"another text")
    elif what == "checksum":
        site.found["/csaf/2026/v-1.json.sha512"] = sums(b"x")
    else:
        del site.found["/csaf/2026/v-1.json.asc"], site.found["/csaf/2026/v-1.json.sha512"]
    document = only(site.read("csaf", "/provider-metadata.json", keys=(key.fingerprint,)))
    assert document.problems
    assert not document.believed


def test_what_a_document_names_elsewhere_is_not_asked(site: Site, key: Key) -> None:
    site.provider(key)
    metadata = json.loads(site.found["/provider-metadata.json"])
    metadata["distributions"] = [
        {"directory_url": "https://169.254.169.254/latest"},
        {"directory_url": "http://localhost/x"},
    ]
    metadata["public_openpgp_keys"] = [{"fingerprint": "00", "url": "https://other.example/key"}]
    site.found["/provider-metadata.json"] = json.dumps(metadata).encode()
    errors = " ".join(site.read("csaf", "/provider-metadata.json").channels[0].errors)
    for words in ("169.254.169.254:443 is not among the hosts", "only https", "other.example:443 is not among the hosts"):
        assert words in errors


def test_a_service_and_an_aggregator_lead_on(site: Site, key: Key) -> None:
    site.found["/service.json"] = json.dumps(
        {"service": {"workspace": [{"title": "t", "collection": [{"title": "f", "href": f"{site.base}/feed.json"}]}]}}
    ).encode()
    site.found["/feed.json"] = site.feed("/csaf/2026/v-1.json")
    site.publish(advisory(), key)
    assert only(site.read("rolie", "/service.json")).dated == "2026-10-01T10:00:00Z"
    site.provider(key, "/feed.json")
    site.found["/aggregator.json"] = json.dumps(
        {"csaf_providers": [{"metadata": {"url": f"{site.base}/provider-metadata.json"}}]}
    ).encode()
    assert only(site.read("aggregator", "/aggregator.json")).signature == "provider"


def test_only_so_many_and_only_so_new(site: Site) -> None:
    paths = [f"/csaf/v-{n}.json" for n in range(1, 7)]
    for path in paths:
        site.publish(advisory(path[6:-5]), path=path)
    site.found["/feed.json"] = site.feed(*paths)
    report = site.read("rolie", "/feed.json", wanted=Wanted("2026-10-03", 2))
    assert [d.place[-8:] for d in report.documents] == ["v-6.json", "v-5.json"]
    assert report.channels[0].left_out == 4


def test_security_txt_signed_by_a_key_of_the_record(site: Site, key: Key) -> None:
    text = f"Contact: mailto:s@v.example\nExpires: 2099-01-01T00:00:00Z\nCanonical: {site.base}/security.txt\n"
    site.found["/security.txt"] = key.clear(text.encode())
    record = VendorRecord(name="V", keys=(key.public.decode(),))
    document = only(site.read("security-txt", "/security.txt", record, keys=(key.fingerprint,)), "security-txt")
    assert (document.signature, document.problems, document.believed) == ("pinned", (), True)
    site.found["/security.txt"] = key.clear(text.encode()).replace(b"s@v", b"x@v")
    document = only(site.read("security-txt", "/security.txt", record, keys=(key.fingerprint,)), "security-txt")
    assert document.signature == "bad"


def test_a_feed_names_the_new_key_with_its_date(site: Site) -> None:
    site.found["/news.xml"] = (
        b'<rss version="2.0"><channel><title>N</title><item><title>K</title><pubDate>Fri, 21 Aug 2026 16:48:00 GMT</pubDate>'
        b"<description>We rotated. The new key is " + PRINT.encode() + b".</description></item></channel></rss>"
    )
    [mention] = site.read("feed", "/news.xml").mentions
    assert (mention.dated, mention.tone, mention.group) == ("2026-08-21T16:48:00Z", "announces", "web")


def test_a_page_is_read_as_text(site: Site) -> None:
    page = f"<!doctype html><html><script>var a='{'cd' * 20}'</script><p>2026-08-21 <b>new key</b> {PRINT}</p></html>"
    site.found["/news"] = page.encode()
    assert [(m.fingerprint, m.dated) for m in site.read("text", "/news").mentions] == [
        (PRINT.lower(), "2026-08-21T00:00:00Z")
    ]


def test_one_channel_that_fails_does_not_keep_the_others(site: Site) -> None:
    site.server.serve = reply(b"", "302 Found", "Location: https://127.0.0.1/")
    channels = [
        Channel(name=n, kind="feed", url=f"{site.base}/{n}", group="g", private_networks=("127.0.0.0/8",),
                ca=site.authority.root.pem.decode()) for n in ("a", "b")
    ]  # fmt: skip
    fetch = Https(lambda *_: ["127.0.0.1"], seconds=5)
    report = read_channels(VendorRecord(name="V"), channels, fetch, BlobStore(site.tmp_path / "b"), site.tmp_path, NOW)
    assert ["redirects are never followed" in c.errors[0] for c in report.channels] == [True, True]


# ---- a folder, for a site without a way out


def folder_of(tmp_path: Path, files: dict[str, bytes], **more: Any) -> ChannelReport:
    for name, data in files.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    channel = Channel(name="usb", kind="folder", url="site", group="usb", **more)
    record = more.pop("record", VendorRecord(name="V"))
    return read_channels(record, [channel], Https(), BlobStore(tmp_path / "blobs"), tmp_path, NOW)


def test_a_folder_is_verified_with_the_keys_in_it_and_those_of_the_record(tmp_path: Path, key: Key) -> None:
    data = advisory()
    files = {
        "openpgp/vendor.asc": key.public,
        "white/2026/v-1.json": data,
        "white/2026/v-1.json.asc": key.detached(data),
        "white/2026/v-1.json.sha512": sums(data),
        "index.txt": b"white/2026/v-1.json\n",
        "settings.json": b'{"feeds": {}}',
    }
    assert only(folder_of(tmp_path, files)).signature == "provider"
    document = only(folder_of(tmp_path, files, keys=(key.fingerprint,)))
    assert (document.signature, document.believed, document.place) == ("pinned", True, "white/2026/v-1.json")


def test_a_folder_with_everything_wrong_is_reported_and_read_to_its_end(tmp_path: Path, key: Key) -> None:
    good = advisory()
    files = {
        "a.json": b"{not json",
        "b.json": b"[" * 5000,
        "bad-name.json": good,
        "v-1.json": good,
        "v-1.json.asc": b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
        "v-1.json.sha256": b"\xff\xfe",
        "news.xml": b"<html>",
        "security.txt": b"\x00\x01",
        "security.txt.asc": b"",
    }
    report = folder_of(tmp_path, files)
    assert {d.place for d in report.documents} == {
        "a.json",
        "b.json",
        "bad-name.json",
        "v-1.json",
        "news.xml",
        "security.txt",
    }
    assert all(d.problems for d in report.documents)
    assert not any(d.believed for d in report.documents)


def test_feeds_services_and_aggregators_in_a_folder_are_looked_at_too(tmp_path: Path) -> None:
    files = {
        "feed.json": b'{"feed": {"entry": [{"content": {"src": "https://v.example/a.json"}}]}}',
        "empty.json": b'{"feed": {"entry": []}}',
        "service.json": b'{"service": {"workspace": [{"collection": [{"href": "https://v.example/feed.json"}]}]}}',
        "aggregator.json": b'{"csaf_providers": [{"metadata": {"url": "https://v.example/provider-metadata.json"}}]}',
        "marked.json": b'\xef\xbb\xbf{"service": {"workspace": [{"collection": [{"href": "https://v.example/f.json"}]}]}}',
        "wrong.json": b'{"csaf_providers": 1}',
        "other.json": b'{"name": "x"}',
    }
    found = {d.place: (d.kind, bool(d.problems)) for d in folder_of(tmp_path, files).documents}
    assert found == {
        "feed.json": ("rolie", False),
        "empty.json": ("rolie", True),
        "service.json": ("rolie", False),
        "aggregator.json": ("aggregator", False),
        "marked.json": ("rolie", False),
        "wrong.json": ("aggregator", True),
    }


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "secret.json").write_bytes(advisory())
    (tmp_path / "site" / "v-1.json").symlink_to(tmp_path / "secret.json")
    (tmp_path / "site" / "all").symlink_to(tmp_path)
    report = folder_of(tmp_path, {})
    assert report.documents == ()
    assert len(report.channels[0].errors) == 2


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "there is no folder" in folder_of(tmp_path, {}).channels[0].errors[0]


def test_a_thread_is_dated_by_the_day_above_the_words(tmp_path: Path) -> None:
    text = f"#1 someone, 2026-08-19 09:12\nhello\n\n#2 vendor, 2026-08-21 16:48\nNew key:\n{PRINT}\n\n#3 2026-08-22\nok"
    [mention] = folder_of(tmp_path, {"thread.txt": text.encode()}).mentions
    assert (mention.dated, mention.tone) == ("2026-08-21T16:48:00Z", "announces")


def test_security_txt_leads_to_the_provider_it_names(site: Site, key: Key) -> None:
    site.provider(key, "/feed.json")
    site.found["/feed.json"] = site.feed("/csaf/2026/v-1.json")
    site.publish(advisory(), key)
    text = f"Contact: mailto:s@v.example\nExpires: 2099-01-01T00:00:00Z\nCSAF: {site.base}/provider-metadata.json\n"
    site.found["/security.txt"] = text.encode()
    assert only(site.read("security-txt", "/security.txt")).signature == "provider"


def test_a_page_of_unclosed_scripts_takes_no_time(site: Site) -> None:
    site.found["/news"] = b"<!doctype html><html>" + PRINT.encode() + b" <script>" * 500_000
    began = time.process_time()
    assert [m.fingerprint for m in site.read("text", "/news").mentions] == [PRINT.lower()]
    assert time.process_time() - began < 5


def test_what_is_no_regular_file_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "site" / "v.json")
    assert folder_of(tmp_path, {}).channels[0].errors == ("v.json is no regular file, and was not read",)
