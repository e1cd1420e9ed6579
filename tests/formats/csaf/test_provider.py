"""Where providers keep their documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fulldress.formats.csaf import provider as p

EXAMPLES = Path(__file__).parents[4] / "shared" / "corpora" / "csaf_2.0" / "examples"


METADATA: dict[str, object] = {
    "canonical_url": "https://x.example/provider-metadata.json",
    "metadata_version": "2.0",
    "role": "csaf_provider",
    "publisher": {"name": "X"},
}


def example(name: str) -> bytes:
    if not EXAMPLES.is_dir():
        pytest.skip("no ../shared/corpora here")
    return (EXAMPLES / name).read_bytes()


def test_provider_metadata_names_feeds_and_keys() -> None:
    found = p.provider(example("provider-metadata/example-01-provider-metadata.json"))
    assert found.feeds == ("https://www.example.com/.well-known/csaf/feed-tlp-white.json",)
    assert found.public_openpgp_keys[0].fingerprint == "8F5F267907B2C4559DB360DB2294BA7D2B2298B1"


def test_a_rolie_feed_names_document_signature_and_hash() -> None:
    [listed] = p.rolie(example("ROLIE/example-01-feed-tlp-white.json"))
    assert listed.url.endswith("2020-ESA-001.json")
    assert listed.signature.endswith("2020-ESA-001.json.asc")
    assert listed.hashes[0].endswith(".sha512")


def test_services_and_aggregators_lead_further() -> None:
    assert p.service(example("ROLIE/example-01-service.json")) == (
        "https://psirt.domain.tld/advisories/csaf/feed-tlp-white.json",
    )
    assert "https://cert.example/advisories/csaf/provider-metadata.json" in p.aggregator(
        example("aggregator/example-01-aggregator.json")
    )


@pytest.mark.parametrize(
    "change", [{"canonical_url": "http://x/provider-metadata.json"}, {"metadata_version": "9"}, {"publisher": []}]
)
def test_metadata_that_cannot_be_right_is_refused(change: dict[str, object]) -> None:
    assert p.provider(json.dumps(METADATA).encode()).publisher.name == "X"
    with pytest.raises(ValueError, match=r"."):
        p.provider(json.dumps({**METADATA, **change}).encode())


def test_listings_stay_inside_their_folder() -> None:
    text = "2026/a.json\n../../etc/passwd.json\n/x.json\nhttps://evil.example/x.json\nnotes.txt\n"
    assert [listed.url for listed in p.index(text, "https://v.example/csaf")] == ["https://v.example/csaf/2026/a.json"]


def test_changes_come_newest_first() -> None:
    text = '"2025/a.json","2025-01-01T00:00:00Z"\n2026/b.json,2026-01-01T00:00:00Z\nbroken\n'
    assert [listed.url[-6:] for listed in p.changes(text, "https://v.example/csaf/")] == ["b.json", "a.json"]


def test_a_feed_that_names_its_service_is_a_feed() -> None:
    feed = {"feed": {"link": [{"rel": "service", "href": "https://v.example/service.json"}], "entry": []}}
    assert not p.is_service(json.dumps(feed).encode())
    assert p.is_service(b"\xef\xbb\xbf" + json.dumps({"$schema": "x" * 300, "service": {}}).encode())
    assert not p.is_service(b'{"service"')


def test_services_count_where_no_feed_is_named() -> None:
    def of(**rolie: object) -> p.Provider:
        made = {**METADATA, "distributions": [{"rolie": rolie}]}
        return p.provider(json.dumps(made).encode())

    feeds, services = [{"url": "https://v.example/f.json"}], ["https://v.example/s.json"]
    assert of(feeds=feeds, services=services).feeds == ("https://v.example/f.json",)
    assert of(services=services).feeds == ("https://v.example/s.json",)
