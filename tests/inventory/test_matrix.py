"""The one query: which keys break this estate between two versions; and matrix.csv."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.errors import NothingToDo, UsageError
from fulldress.inventory import matrix
from fulldress.model.estate import ConfigKey, Estate, HostFacts, MatrixRow

TOML = """\
product = "lims"

[[key]]
key = "hybrid.enable"
change = "required"
since = "5.0"
value = "true"
consequence = "falls back to read-only"

[[key]]
key = "hybrid.legacy_mode"
change = "removed"
since = "5.0"
instead = "hybrid.enable"
value = "true"

[[key]]
key = "http.threads"
change = "default-changed"
since = "4.3"
instead = "4"
value = "8"

[[key]]
key = "partner.*"
change = "renamed"
since = "6.0"
instead = "partners.*"

[[version]]
version = "5.0"
from = "4.1"
minimum-os = {debian = "12"}
"""


def estate(*keys: tuple[str, str]) -> Estate:
    config = tuple(ConfigKey(file="/etc/lims.conf", key=k, value=v, line=n) for n, (k, v) in enumerate(keys, 1))
    host = HostFacts(name="machine:a", hostname="a", os="debian", os_version="12", config=config)
    return Estate(taken="2026-01-01T00:00:00Z", hosts=(host,))


@pytest.fixture
def rows(tmp_path: Path) -> tuple[MatrixRow, ...]:
    (tmp_path / "m.toml").write_text(TOML)
    return matrix.load([tmp_path / "m.toml"]).rows


def named(rows: tuple[MatrixRow, ...], keys: Estate, installed: str = "4.2", target: str = "5.0") -> dict[str, str]:
    return {i.row.key: i.cure for i in matrix.impacts(rows, keys, installed, target)}


def test_removed_required_and_changed_defaults_are_named_with_their_cure(rows: tuple[MatrixRow, ...]) -> None:
    assert named(rows, estate(("hybrid.legacy_mode", "on"))) == {
        "http.threads": "set http.threads = 8 to accept the new default, or http.threads = 4 to keep the old behaviour",
        "hybrid.enable": "set hybrid.enable = true",
        "hybrid.legacy_mode": "remove hybrid.legacy_mode and set hybrid.enable = true",
    }


def test_the_places_are_named(rows: tuple[MatrixRow, ...]) -> None:
    found = {
        i.row.key: i.uses for i in matrix.impacts(rows, estate(("a.b", "1"), ("hybrid.legacy_mode", "on")), "4.2", "5.0")
    }
    assert [(u.file, u.line) for u in found["hybrid.legacy_mode"]] == [("/etc/lims.conf", 2)]
    assert found["hybrid.enable"] == ()


def test_an_estate_that_is_ready_has_no_impacts(rows: tuple[MatrixRow, ...]) -> None:
    assert named(rows, estate(("hybrid.enable", "True"), ("http.threads", "4"))) == {}


def test_a_required_key_with_another_value_breaks(rows: tuple[MatrixRow, ...]) -> None:
    assert "hybrid.enable" in named(rows, estate(("hybrid.enable", "false")))


def test_only_versions_on_the_way_count(rows: tuple[MatrixRow, ...]) -> None:
    keys = estate(("partner.url", "x"), ("hybrid.legacy_mode", "on"))
    assert set(named(rows, keys, "5.0", "6.0")) == {"partner.*"}
    assert set(named(rows, keys, "4.3", "4.9")) == set()


def test_no_file_is_nothing_to_do_and_a_wrong_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingToDo):
        matrix.load([])
    (tmp_path / "m.toml").write_text('[[key]]\nkey = "a"\nchange = "exploded"\nsince = "1"\n')
    with pytest.raises(UsageError, match="'a'"):
        matrix.load([tmp_path / "m.toml"])


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
ROW = st.builds(
    MatrixRow,
    product=CELL,
    key=CELL,
    change=st.sampled_from(["added", "removed", "renamed", "default-changed", "required"]),
    since=CELL,
    instead=CELL,
    value=CELL,
    consequence=CELL,
    type=st.sampled_from(["", "integer", "boolean"]),
    range=st.sampled_from(["", "1..64"]),
    values=st.lists(CELL, max_size=3).map(tuple),
    silent_fallback=st.booleans(),
    complete=st.booleans(),
    scheme=st.sampled_from(["", "rpm"]),
)


@given(st.lists(ROW, max_size=4))
def test_csv_is_read_back_as_it_was(rows: list[MatrixRow]) -> None:
    assert matrix.from_csv(matrix.to_csv(rows)) == tuple(rows)


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(start: str) -> None:
    row = MatrixRow(product="p", key=start, change="added", since="1", consequence=start)
    body = matrix.to_csv([row]).partition("\n")[2]
    assert f"'{start}" in body
    assert all(not cell.startswith(start) for cell in body.replace('"', "").split(","))


@pytest.mark.parametrize(
    "text", ["", "a,b\n", ",".join(matrix.COLUMNS) + "\nx\n", ",".join(matrix.COLUMNS) + "\np,k,boom,1,,,\n"]
)
def test_a_csv_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        matrix.from_csv(text)


FORM = """\
product = "lims"
scheme = "semver"
complete = true
[[key]]
key = "http.threads"
type = "integer"
range = "1..64"
[[key]]
key = "hybrid.mode"
values = ["active-active", "read-only"]
silent-fallback = true
[[key]]
key = "hybrid.preview"
change = "removed"
since = "5.0.0-rc.1"
"""


def test_what_values_a_key_takes(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(FORM)
    rows = {row.key: row for row in matrix.load([tmp_path / "m.toml"]).rows}
    assert (rows["http.threads"].change, rows["http.threads"].range, rows["http.threads"].complete) == (
        "known",
        "1..64",
        True,
    )
    assert rows["hybrid.mode"].silent_fallback
    assert matrix.form(rows["hybrid.mode"]) == "active-active | read-only, SILENT FALLBACK"


def test_the_declared_scheme_orders_the_versions(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(FORM)
    rows = matrix.load([tmp_path / "m.toml"]).rows
    assert [row.key for row in matrix.between(rows, "5.0.0-beta.11", "5.0.0")] == ["hybrid.preview"]
    assert matrix.between(rows, "5.0.0-rc.1", "5.0.0") == []
    assert {row.key for row in matrix.holding(rows, "4.9.9")} == {"http.threads", "hybrid.mode"}


def test_each_use_is_named_with_its_host(rows: tuple[MatrixRow, ...]) -> None:
    found = {i.row.key: i.places for i in matrix.impacts(rows, estate(("hybrid.legacy_mode", "on")), "4.2", "5.0")}
    assert found["hybrid.legacy_mode"] == ("machine:a:/etc/lims.conf:1",)


@pytest.mark.parametrize("line", ['type = "colour"', 'range = "few"', 'values = "on"', "silent-fallback = 1"])
def test_a_form_that_cannot_be_understood_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "m.toml").write_text(f'[[key]]\nkey = "a"\n{line}\n')
    with pytest.raises(UsageError):
        matrix.load([tmp_path / "m.toml"])


def test_an_unknown_scheme_is_refused_when_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('scheme = "gentoo"\n')
    with pytest.raises(UsageError, match="gentoo"):
        matrix.load([tmp_path / "m.toml"])


def _hosts(**keys: tuple[str, ...]) -> Estate:
    hosts = tuple(
        HostFacts(
            name=f"ssh:{name}",
            hostname=name,
            os="debian",
            os_version="12",
            config=tuple(ConfigKey(file="/etc/a.conf", key=key, value="true", line=n) for n, key in enumerate(found, 1)),
        )
        for name, found in keys.items()
    )
    return Estate(taken="2026-10-01T00:00:00Z", hosts=hosts)


REQUIRED = MatrixRow(product="a", key="hybrid.enable", change="required", since="5.0", value="true")
CHANGED = MatrixRow(product="a", key="http.threads", change="default-changed", since="5.0", value="8")


def test_a_required_key_that_one_of_two_nodes_lacks_breaks_there() -> None:
    estate = _hosts(a=("hybrid.enable", "http.threads"), b=("http.threads",), database=("shared_buffers",))
    (hit,) = matrix.impacts([REQUIRED, CHANGED], estate, "4.2", "5.0")
    assert (hit.row.key, hit.places) == ("hybrid.enable", ("ssh:a:/etc/a.conf:1", "ssh:b: not set"))


def test_a_default_that_one_node_relies_on() -> None:
    estate = _hosts(a=("hybrid.enable", "http.threads"), b=("hybrid.enable",))
    (hit,) = matrix.impacts([REQUIRED, CHANGED], estate, "4.2", "5.0")
    assert (hit.row.key, hit.places) == ("http.threads", ("ssh:a:/etc/a.conf:2", "ssh:b: not set"))


def test_a_pattern_that_is_also_the_name_of_a_key() -> None:
    row = MatrixRow(product="a", key="http.server.location [a-z].x", change="removed", since="5.0")
    (hit,) = matrix.impacts([row], _hosts(a=("http.server.location [a-z].x",)), "4.2", "5.0")
    assert len(hit.uses) == 1
