"""CSAF documents against the schema and the mandatory tests."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from fulldress.formats.csaf.validate import check

DATA = Path(__file__).parents[4] / "shared" / "corpora" / "csaf_2.0" / "test" / "validator" / "data"


def document(**tracking: object) -> dict[str, Any]:
    """A small valid document."""
    return {
        "document": {
            "category": "csaf_base",
            "csaf_version": "2.0",
            "title": "An advisory",
            "publisher": {"category": "vendor", "name": "Vendor", "namespace": "https://vendor.example"},
            "tracking": {
                "current_release_date": "2026-10-01T10:00:00Z",
                "id": "V-1",
                "initial_release_date": "2026-10-01T10:00:00Z",
                "revision_history": [{"date": "2026-10-01T10:00:00Z", "number": "1", "summary": "First"}],
                "status": "final",
                "version": "1",
                **tracking,
            },
        }
    }


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_sound_document_is_valid() -> None:
    found = check(encoded(document()))
    assert (found.valid, found.problems) == (True, ())


def test_a_broken_test_is_named_with_its_number_and_place() -> None:
    found = check(encoded(document(version="2")))
    assert "6.1.16" in {p.test for p in found.problems}
    assert any("tracking" in p.where for p in found.problems)


def test_what_breaks_the_schema_is_said_with_its_place() -> None:
    found = check(encoded(document(status="published")))
    assert [(p.test, p.where) for p in found.problems] == [("schema", "/document/tracking/status")]


def test_remarks_are_apart_from_problems() -> None:
    assert check(encoded(document())).remarks == ()
    assert check(encoded(document()), remarks=True).remarks != ()
    assert check(encoded(document()), remarks=True).valid


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'"x"', b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200, b"\xef\xbb\xbf[]"],
    ids=["empty", "list", "text", "cut", "utf-16", "bomb", "deep", "bom"],
)
def test_what_is_no_document_is_a_problem_and_never_a_crash(data: bytes) -> None:
    found = check(data)
    assert not found.valid
    assert found.problems[0].test in ("json", "schema")


def test_what_would_take_for_ever_to_compare_is_refused() -> None:
    flags = [{"label": "component_not_present", "product_ids": [f"P{n}"]} for n in range(50_000)]
    began = time.process_time()
    found = check(encoded({**document(), "vulnerabilities": [{"flags": flags}]}))
    assert "50,000 flags" in found.problems[0].text
    assert time.process_time() - began < 5


def test_the_library_leaves_logging_as_it_was() -> None:
    before = (logging.getLogger().handlers[:], logging.getLogger().level)
    check(encoded(document()))
    assert (logging.getLogger().handlers, logging.getLogger().level) == before


def test_every_verdict_of_the_committees_mandatory_set() -> None:
    if not DATA.is_dir():
        pytest.skip("no ../shared/corpora here")
    suite = json.loads((DATA / "testcases.json").read_bytes())
    cases = [c for t in suite["tests"] if t["group"] == "mandatory" for k in ("failures", "valid") for c in t.get(k, ())]
    assert len(cases) > 140
    wrong = [c["name"] for c in cases if check((DATA / c["name"]).read_bytes()).valid != c["valid"]]
    assert wrong == []
