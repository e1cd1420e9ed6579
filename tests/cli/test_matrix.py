"""``fulldress matrix``: files, receipt and journal it writes, and its answers in one query."""

from __future__ import annotations

import json
import zipfile
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


def package(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def test_diff_of_two_packages_is_a_matrix_file(tmp_path: Path, release: f.ReleaseFolder) -> None:
    old = package(
        tmp_path / "lims-4.2.zip", {"lims-4.2/etc/lims.conf": "[http]\nthreads = 4\n[partner]\nurl = http://a.example\n"}
    )
    new = package(
        tmp_path / "lims-5.0.zip", {"lims-5.0/etc/lims.conf": "[http]\nthreads = 8\n[partners]\nurl = http://a.example\n"}
    )
    out = tmp_path / "matrix.toml"
    out.unlink()
    done = run(release, "diff", str(old), str(new), "-o", str(out), "--no-sandbox")
    assert "2 rows, 1 of them guessed" in done.stdout
    assert "GUESSED" in out.read_text()
    assert run(release).exit_code == 0
    assert "http.threads,default-changed,5.0,4,8," in release.path(f.MATRIX).read_text()
    with pytest.raises(UsageError, match="already there"):
        run(release, "diff", str(old), str(new), "-o", str(out), "--no-sandbox")


def test_diff_needs_a_version_and_configuration(tmp_path: Path, release: f.ReleaseFolder) -> None:
    old, new = package(tmp_path / "a.zip", {"x": "y"}), package(tmp_path / "b.zip", {"x": "y"})
    with pytest.raises(UsageError, match="version"):
        run(release, "diff", str(old), str(new))
    with pytest.raises(NothingToDo, match="configuration"):
        run(release, "diff", str(old), str(new), "--since", "5.0", "--no-sandbox")


def test_import_of_a_document(tmp_path: Path, release: f.ReleaseFolder) -> None:
    doc = tmp_path / "notes.md"
    doc.write_text("| Setting | Removed in |\n|---|---|\n| `a.b` | 5.0 |\n| see the manual | 5.0 |\n")
    done = run(release, "import", str(doc), "--product", "lims")
    assert 'change = "removed"' in done.stdout
    assert "not understood, line 4" in done.stderr
    doc.write_text("no table\n")
    with pytest.raises(NothingToDo, match="no table"):
        run(release, "import", str(doc))


def test_an_unreadable_document_is_refused(tmp_path: Path, release: f.ReleaseFolder) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF\0\0")
    with pytest.raises(UsageError, match="read"):
        run(release, "import", str(tmp_path / "x.pdf"))
