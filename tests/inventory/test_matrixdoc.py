"""Documentation tables as matrix rows; what is not understood is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.inventory import matrix
from fulldress.inventory.matrixdiff import Proposed
from fulldress.inventory.matrixdoc import read, tables
from fulldress.inventory.matrixtoml import to_toml

MARKDOWN = """\
# Configuration

| Setting | Type | Default | Since | Removed in | Description |
|---------|:----:|---------|-------|-----------|-------------|
| `hybrid.enable` | bool | `false` | 4.1 | - | Required since 5.0. Invalid values are ignored. |
| `hybrid.legacy_mode` | bool | off | | 5.0 | Use `hybrid.enable` instead |
| `http.threads` | int | 8 | | | Default changed from 4 to 8 in 5.0 |
| `partner.url` | URL | | | | Renamed to `partners.url` in 5.0 |
| `cache.ttl` | duration | 30s | v4.2.1 | | The \\| of caches |
| (see below) | | | | | |
| `old.thing` | string | | | yes | gone |

| Port | Protocol |
|---|---|
| 80 | http |
"""
HTML = """<table><tr><th>Parameter<th>Allowed values<th>Added in</tr>
<tr><td><code>log.level</code></td><td>debug, info or warning</td><td>Version 3.0</td></tr></table>"""
CSV = "Option;Range;Required;Version\nhttp.port;1 - 65535;yes;5.0\nhttp.host;;no;5.0\n"


def changes(text: str, file: str, **more: str) -> set[tuple[str, str, str, str]]:
    return {(r.key, r.change, r.since, r.instead) for r in read(text, file=file, product="lims", **more).rows}


def test_markdown_columns_and_prose() -> None:
    assert changes(MARKDOWN, "a.md") == {
        ("hybrid.enable", "required", "5.0", ""),
        ("hybrid.legacy_mode", "renamed", "5.0", "hybrid.enable"),
        ("http.threads", "default-changed", "5.0", "4"),
        ("partner.url", "renamed", "5.0", "partners.url"),
        ("cache.ttl", "added", "4.2.1", ""),
    }


def test_form_and_silent_fallback() -> None:
    rows = {r.key: r for r in read(MARKDOWN, file="a.md", product="lims").rows}
    assert [(rows[k].type, rows[k].silent_fallback) for k in ("hybrid.enable", "cache.ttl", "partner.url")] == [
        ("boolean", True),
        ("duration", False),
        ("url", False),
    ]


def test_rows_and_tables_that_are_not_understood_are_said_with_their_lines() -> None:
    left = read(MARKDOWN, file="a.md", product="lims").left
    assert [(n.line, n.why.split(":")[0]) for n in left] == [
        (10, "'(see below)' is not the name of one setting"),
        (11, "old.thing is removed, but it does not say in which version"),
        (14, "no column names a setting"),
    ]


def test_rows_without_a_version_take_the_one_that_was_said() -> None:
    assert ("old.thing", "removed", "6.0", "") in changes(MARKDOWN, "a.md", since="6.0")


def test_html() -> None:
    (row,) = read(HTML, file="a.html", product="lims").rows
    assert (row.key, row.change, row.since, row.values) == ("log.level", "added", "3.0", ("debug", "info", "warning"))


def test_csv() -> None:
    rows = read(CSV, file="a.csv", product="lims").rows
    assert [(r.key, r.change, r.since, r.range) for r in rows] == [
        ("http.port", "required", "5.0", "1..65535"),
        ("http.host", "added", "5.0", ""),
    ]


def test_what_is_written_is_read_as_a_matrix(tmp_path: Path) -> None:
    rows = [Proposed(row, "why\nnot", True) for row in read(MARKDOWN, file="a.md", product="lims").rows]
    (tmp_path / "m.toml").write_text(to_toml(rows, product="lims", source="from\na.md"))
    assert set(matrix.load([tmp_path / "m.toml"]).rows) == {row.row for row in rows}


@pytest.mark.parametrize("file", ["a.md", "a.html", "a.csv"])
@given(text=st.text('|-`<table>rdh setingdefault,;\n"5.0', max_size=120))
def test_any_text_is_read_without_an_error(file: str, text: str) -> None:
    assert isinstance(tables(text, file=file), list)
    assert isinstance(read(text, file=file, product="").rows, list)
