"""Measured against public corpora: PostgreSQL's own locks, and what two linters call dangerous."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from fulldress.formats.sql import derive_down, hazards, online_rewrite, script

CORPORA = Path(__file__).parents[4] / "shared" / "corpora" / "migrations"
SQUAWK = CORPORA / "squawk" / "rule-fixtures.jsonl"
BENCH = Path(__file__).parents[3] / "bench"


def needs(path: Path) -> None:
    if not path.exists():
        pytest.skip("no ../shared/corpora here")


def fixtures() -> list[dict[str, object]]:
    needs(SQUAWK)
    return [json.loads(line) for line in SQUAWK.read_text().splitlines()]


def test_every_fixture_is_survived() -> None:
    """Nothing raises on 250 texts; what is refused by the grammar of PostgreSQL 17 stays small."""
    texts = [str(fixture["sql"]) for fixture in fixtures()]
    refused = sum(bool(script(text).unparsed) for text in texts)
    for text in texts:
        hazards(text)
        derive_down(text)
        made = online_rewrite(text, rows={})
        assert made is None or made.text != text
    assert len(texts) == 250
    assert refused <= MOST_REFUSED


MOST_REFUSED = 1


@pytest.mark.parametrize("name", ["heavy_sql", "eugene", "squawk"])
def test_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The targets of the exactness bench hold: locks, heavy statements, both linters' own cases."""
    needs(CORPORA)
    monkeypatch.syspath_prepend(str(BENCH))
    rows = importlib.import_module(f"exactness.{name}").measure()
    assert rows
    assert [row for row in rows if not row.met] == []
