"""Documents as vendors really lay them out: changelogs by heading, release notes, pages with versions as columns."""

from __future__ import annotations

import pytest

from fulldress.inventory.matrixdoc import read

CHANGELOG = """\
# Acme 2.7.0 Configuration Changelog

## Deprecated in 2.7.0

Key|Default value|Replacement|Reason
---|---|---|---
`server.max-http-header-size`|`8KB`|`server.max-http-request-header-size`|

## New

| Key | Default value | Description |
|:----|:--------------|:------------|
| **`server.jetty.max-queue-size`** | | Maximum capacity of the queue. |
| `reactive.cookie.name`, `servlet.cookie.name` | | Name for the cookie. |

## Removed in 2.8

| Key | Default value | Replacement | Reason |
|---|---|---|---|
| `batch.initialize-schema` | `embedded` | `batch.jdbc.initialize-schema` | |
| `server.tomcat.gone` | `1` | | No use. |

### Changed defaults (2.7.0)

| Setting | Old default | New default |
|---|---|---|
| `main.allow-circular` | `true` | `false` |

## Renamed settings

| Old | New |
|---|---|
| `db.poolsize` | `db.pool.size` |
"""
GUIDE = """\
= Upgrading Guide

== Removed options in 26.0

[cols="2,1,3", options="header"]
|===
|Option |Replacement |Notes

|`hostname-url`
|`hostname`
|The whole URL is given there.

|`trust-store-file`
|
|Use the system's trust store
|===

.Changed defaults
|===
|Property |Previous default |New default |Since

|`db-pool-max-size` |50 |100 |26.1
|===
"""
VERSIONS = """<h1>Defaults</h1><table><tr><th>Setting</th><th>7.3</th><th>7.4</th><th>8.x</th></tr>
<tr><td>session.ttl</td><td>30m</td><td>15m</td><td>15m</td></tr><tr><td>same.key</td><td>1</td><td>1</td><td>1</td></tr>
<tr><td>gone.key</td><td>1</td><td>1</td><td>removed</td></tr><tr><td>new.key</td><td>-</td><td>on</td><td>on</td></tr></table>"""
REFERENCE = """\
Option | Description | Default | Possible values
--- | --- | --- | ---
`ACME_DB_HOST` | Database host (**deprecated** since v3.2, use `ACME_DATABASE_URL`) | `localhost` |
`ACME_MODE`<br>`ACME_RUN_MODE` | Unknown values fall back to `read-only`. | rw | `rw`, `ro`
`[smtp] host` | SMTP host. *Added in v4.0* | |
`log.*` | any logger | |
`ACME_TIMEOUT` (seconds) | Ignored since 4.1 when zero | 30 |
"""


def changes(text: str, file: str) -> list[tuple[str, str, str, str, str]]:
    found = read(text, file=file, product="acme")
    assert found.left == []
    return [(row.key, row.change, row.since, row.instead, row.value) for row in found.rows]


def test_a_changelog_whose_headings_say_what_happened_and_when() -> None:
    assert changes(CHANGELOG, "c.md") == [
        ("server.max-http-header-size", "known", "0", "", "8KB"),
        ("server.jetty.max-queue-size", "added", "2.7.0", "", ""),
        ("reactive.cookie.name", "added", "2.7.0", "", ""),
        ("servlet.cookie.name", "added", "2.7.0", "", ""),
        ("batch.initialize-schema", "renamed", "2.8", "batch.jdbc.initialize-schema", ""),
        ("server.tomcat.gone", "removed", "2.8", "", ""),
        ("main.allow-circular", "default-changed", "2.7.0", "true", "false"),
        ("db.poolsize", "renamed", "2.7.0", "db.pool.size", ""),
    ]


def test_what_is_deprecated_still_works_and_says_so() -> None:
    first = read(CHANGELOG, file="c.md", product="acme").rows[0]
    assert first.consequence == "deprecated since 2.7.0, use server.max-http-request-header-size"


def test_a_guide_whose_tables_differ_from_the_heading_above_them() -> None:
    assert changes(GUIDE, "g.adoc") == [
        ("hostname-url", "renamed", "26.0", "hostname", ""),
        ("trust-store-file", "removed", "26.0", "", ""),
        ("db-pool-max-size", "default-changed", "26.1", "50", "100"),
    ]


def test_versions_as_columns() -> None:
    assert changes(VERSIONS, "v.html") == [
        ("session.ttl", "default-changed", "7.4", "30m", "15m"),
        ("gone.key", "removed", "8", "", ""),
        ("new.key", "added", "7.4", "", "on"),
    ]


def test_a_reference_with_several_names_sections_and_deprecations() -> None:
    assert changes(REFERENCE, "r.md") == [
        ("ACME_DB_HOST", "known", "0", "", "localhost"),
        ("ACME_MODE", "known", "0", "", "rw"),
        ("ACME_RUN_MODE", "known", "0", "", "rw"),
        ("smtp.host", "added", "4.0", "", ""),
        ("log.*", "known", "0", "", ""),
        ("ACME_TIMEOUT", "known", "0", "", "30"),
    ]


@pytest.mark.parametrize(
    ("prose", "instead"),
    [
        ("Removed in 5.0, use `hybrid.mode`", "hybrid.mode"),
        ("Removed in 5.0. Use the system's store", ""),
        ("Removed in 5.0, use mode instead", "mode"),
        ("Removed in 5.0, replaced by mode", "mode"),
        ("Removed in 5.0, replaced by a better one", ""),
    ],
)
def test_what_to_use_instead_is_a_name_and_no_word(prose: str, instead: str) -> None:
    (row,) = read(f"|Key|Notes|\n|-|-|\n|a.b|{prose}|\n", file="a.md", product="").rows
    assert row.instead == instead


def test_before_and_after_with_a_dash_is_a_removal() -> None:
    text = "## Changes in 7.4\n|Parameter|Before|After|\n|-|-|-|\n|a.b|x|—|\n|c.d|1|2|\n"
    assert changes(text, "a.md") == [("a.b", "removed", "7.4", "", ""), ("c.d", "default-changed", "7.4", "1", "2")]


DEFAULTS = """## Default Settings Changed in 7.3

| **Property** | **7.2 Default** | **7.3 Default** |
| --- | --- | --- |
| disk.cache | true | false |
| channel.properties.0= | see [value](https://docs.example/7.2) | jgroups.xml |
"""
SECTIONS = """## Removed keys in 4.0

| Section | Legacy Key | New Key | Notes |
| :--- | :--- | :--- | :--- |
| `web` | `base`, `baseURL` | `baseUrl` | |
"""


def test_versions_in_the_names_of_columns() -> None:
    assert changes(DEFAULTS, "d.md") == [
        ("disk.cache", "default-changed", "7.3", "true", "false"),
        ("channel.properties.0", "default-changed", "7.3", "", "jgroups.xml"),
    ]


def test_a_column_for_the_section() -> None:
    assert changes(SECTIONS, "s.md") == [
        ("web.base", "renamed", "4.0", "web.baseUrl", ""),
        ("web.baseURL", "renamed", "4.0", "web.baseUrl", ""),
    ]


@pytest.mark.parametrize("cells", ["a.b | x |", "a.b | x | |"])
def test_an_empty_cell_is_no_removal(cells: str) -> None:
    found = read(f"|Setting|7.1|7.2|\n|-|-|-|\n|{cells}\n", file="a.md", product="")
    assert found.rows == [] and len(found.left) == 1
