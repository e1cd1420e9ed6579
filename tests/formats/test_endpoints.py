"""Endpoint templates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.endpoints import Templates, template

CORPUS = Path(__file__).parents[2] / "../shared/corpora/logs/apache_logs"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("", "/"),
        ("/healthz", "/healthz"),
        ("/api/results/17", "/api/results/{id}"),
        ("/api/results/17/approve", "/api/results/{id}/approve"),
        ("/api/results?page=2&q=x", "/api/results"),
        ("/api/x/3f2b8c1e-9d4a-4b6f-8e2d-1a2b3c4d5e6f", "/api/x/{id}"),
        ("/blob/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "/blob/{id}"),
        ("/v1/webhooks/wh_3f9a21c0", "/v1/webhooks/{id}"),
        ("/s/S-000123", "/s/{id}"),
        ("/day/2026-11-21", "/day/{id}"),
        ("/u/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/u/{id}"),
        ("/v2/reference/method", "/v2/reference/method"),
        ("/static/app.min.js", "/static/app.min.js"),
        ("/facade", "/facade"),
        ("/acknowledgements-of-the-year", "/acknowledgements-of-the-year"),
        ("/a/", "/a/"),
    ],
)
def test_identifiers_are_replaced(path: str, expected: str) -> None:
    assert template(path) == expected


def test_the_many_rare_children_of_a_folder_become_one() -> None:
    paths = [f"/blog/{name * 3}" for name in "abcdefghijklmnopqrstuvwxyz"] + ["/blog/index"] * 500 + ["/about"] * 500
    templates = Templates.fit(paths)
    assert templates.of("/blog/aaa") == "/blog/{*}"
    assert templates.of("/blog/never-seen") == "/blog/{*}"
    assert templates.of("/blog/index") == "/blog/index"
    assert templates.of("/about") == "/about"


def test_few_children_keep_their_names() -> None:
    templates = Templates.fit(["/api/a", "/api/b", "/api/c"] + ["/api/d"] * 100)
    assert templates.of("/api/a") == "/api/a"


def test_below_a_collapsed_folder_the_rest_stays_apart() -> None:
    paths = [f"/p/{one}{two}x/{page}" for one in "abcdefgh" for two in "abcdefgh" for page in ("edit", "show")]
    assert Templates.fit(paths).of("/p/aax/edit") == "/p/{*}/edit"


def test_the_endpoints_of_an_api_stay_apart() -> None:
    paths = [f"/api/{name * 3}" for name in "abcdefghijklmnopqrstuvwxy"] * 1000
    assert Templates.fit(paths).of("/api/aaa") == "/api/aaa"


def test_a_path_never_seen_keeps_its_names() -> None:
    assert Templates.fit(["/a"]).of("/x/17/y") == "/x/{id}/y"


def test_fitted_over_nothing_it_still_replaces_identifiers() -> None:
    assert Templates({}).of("/x/17") == "/x/{id}"


@given(st.lists(st.text(alphabet="ab1/?", max_size=12), max_size=40), st.text(max_size=50))
def test_any_path_has_one_template_that_is_its_own(paths: list[str], other: str) -> None:
    templates = Templates.fit(paths)
    for path in [*paths, other]:
        once = templates.of(path)
        assert templates.of(once) == once


def test_a_deep_path_is_bounded() -> None:
    assert template("/a" * 10_000).count("/") == 10_000
    assert Templates.fit(["/a" * 10_000]).of("/a" * 10_000)


def test_a_public_log_collapses_to_a_readable_number() -> None:
    if not CORPUS.exists():
        pytest.skip("no ../shared/corpora here")
    requests = (line.split('"')[1].split(" ") for line in CORPUS.read_text(errors="replace").splitlines())
    paths = [words[1] for words in requests if len(words) > 1]
    templates = Templates.fit(paths)
    counts = Counter(templates.of(path) for path in paths)
    assert len(set(paths)) > 1400
    assert len(counts) < 500
    assert sum(times for _, times in counts.most_common(50)) / len(paths) > 0.7
