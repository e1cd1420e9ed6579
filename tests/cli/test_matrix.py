"""``fulldress matrix``: files, receipt and journal it writes, and its answers in one query."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fulldress.cli.commands.matrix import command
from fulldress.errors import NothingToDo, UsageError
from fulldress.model.estate import ConfigKey, Estate, HostFacts, Product, UpgradePath
from fulldress.model.package import Entry, PackageLock
from fulldress.store import folder as f
from fulldress.store.codec import read_json, write_json
from fulldress.store.journal import read_journal

RELEASE = """\
schema-version = 1
name = "r"
[estate]
hosts = ["machine:a"]
product = "lims"
matrix = ["matrix.toml"]
"""
MATRIX = """\
product = "lims"
[[key]]
key = "hybrid.legacy_mode"
change = "removed"
since = "5.0"
instead = "hybrid.enable"
value = "true"
[[key]]
key = "hybrid.enable"
change = "required"
since = "5.0"
value = "true"
consequence = "silently falls back"
[[version]]
version = "5.0"
from = "4.1"
"""


@pytest.fixture
def release(tmp_path: Path) -> f.ReleaseFolder:
    (tmp_path / "release.toml").write_text(RELEASE)
    (tmp_path / "matrix.toml").write_text(MATRIX)
    use = ConfigKey(file="/etc/lims.conf", key="hybrid.legacy_mode", value="on", line=3)
    product = Product(name="lims", version="4.2")
    host = HostFacts(name="machine:a", hostname="a", os="debian", os_version="12", config=(use,), products=(product,))
    write_json(tmp_path / f.ESTATE, Estate(taken="2026-01-01T00:00:00Z", hosts=(host,)))
    entry = Entry(place="packages/lims_5.0_all.deb", kind="container")
    lock = PackageLock(name="p.zip", sha256="0", size=1, format="zip", entries=(entry,), bytes_inspected=1)
    write_json(tmp_path / f.PACKAGE_LOCK, lock)
    return f.ReleaseFolder(tmp_path)


def run(release: f.ReleaseFolder, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--folder", str(release.root), *arguments], catch_exceptions=False)


def test_it_writes_its_files_its_receipt_and_its_event(release: f.ReleaseFolder) -> None:
    assert run(release).exit_code == 0
    way = read_json(release.path(f.PATH), UpgradePath)
    assert (way.installed, way.target, way.known) == ("4.2", "5.0", True)
    assert "hybrid.legacy_mode,removed,5.0,hybrid.enable,true," in release.path(f.MATRIX).read_text()
    assert release.changes("matrix") == []
    (event,) = read_journal(release.path("journal.jsonl"))
    assert (event.kind, event.data["breaking"]) == ("matrix", ["hybrid.enable", "hybrid.legacy_mode"])


def test_a_changed_matrix_file_makes_the_stage_stale(release: f.ReleaseFolder) -> None:
    run(release)
    (release.root / "matrix.toml").write_text(MATRIX + "\n")
    assert [change.file for change in release.changes("matrix")] == ["matrix.toml"]


def test_breaking_names_key_place_and_cure(release: f.ReleaseFolder) -> None:
    run(release)
    out = run(release, "breaking").output
    assert "/etc/lims.conf:3" in out
    assert "remove hybrid.legacy_mode and set" in out
    assert "silently falls back" in out


def test_breaking_as_json(release: f.ReleaseFolder) -> None:
    run(release)
    said = json.loads(run(release, "breaking", "--format", "json").stdout)
    assert [hit["row"]["key"] for hit in said["breaking"]] == ["hybrid.enable", "hybrid.legacy_mode"]
    assert (said["schema_version"], said["target"]) == (1, "5.0")


def test_grep_finds_rows_and_uses(release: f.ReleaseFolder) -> None:
    run(release)
    out = run(release, "grep", "LEGACY").output
    assert "machine:a" in out
    assert "removed" in out
    assert len(json.loads(run(release, "grep", "legacy", "--format", "json").stdout)["uses"]) == 1
    with pytest.raises(NothingToDo):
        run(release, "grep", "nowhere")


def test_before_the_inventory_there_is_nothing_to_do(release: f.ReleaseFolder) -> None:
    with pytest.raises(NothingToDo):
        run(release, "breaking")
    release.path(f.ESTATE).unlink()
    with pytest.raises(NothingToDo):
        run(release)


def test_an_unknown_target_is_asked_for(release: f.ReleaseFolder) -> None:
    release.path(f.PACKAGE_LOCK).unlink()
    with pytest.raises(UsageError, match="offered"):
        run(release)
    assert "NOT OPEN" in run(release, "--to", "9.9").output
