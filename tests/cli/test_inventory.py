"""``fulldress inventory`` on a real machine: file, receipt, event and screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fulldress.adapters.nspawn import Machine
from fulldress.cli.commands.inventory import command
from fulldress.errors import NothingToDo
from fulldress.model.estate import Estate
from fulldress.store import folder as f
from fulldress.store.codec import read_json
from fulldress.store.journal import read_journal


@pytest.mark.machine
def test_it_writes_its_files_its_receipt_and_its_event(tmp_path: Path, pg_machine: Machine) -> None:
    (tmp_path / "release.toml").write_text(
        f'name = "r"\n[estate]\nhosts = ["{pg_machine.name}"]\nproduct = "sh"\ndatabase = "postgres"\n'
    )
    done = CliRunner().invoke(command, ["--folder", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "PostgreSQL 15." in done.stdout
    estate = read_json(tmp_path / f.ESTATE, Estate)
    assert estate.hosts[0].name == pg_machine.name
    assert f.ReleaseFolder(tmp_path).changes("inventory") == []
    assert [event.kind for event in read_journal(tmp_path / "journal.jsonl")] == ["inventory"]
    done = CliRunner().invoke(command, ["--folder", str(tmp_path), "--format", "json"], catch_exceptions=False)
    assert json.loads(done.stdout)["schema_version"] == 1


def test_without_hosts_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "release.toml").write_text('name = "r"\n')
    with pytest.raises(NothingToDo):
        CliRunner().invoke(command, ["--folder", str(tmp_path)], catch_exceptions=False)
    assert not (tmp_path / f.ESTATE).exists()


SBOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {"component": {"type": "device", "name": "appliance"}},
    "components": [{"type": "library", "name": "openssl", "version": "3.0.1", "purl": "pkg:deb/debian/openssl@3.0.1"}],
}


def test_a_host_that_cannot_be_asked_is_imported_and_exported(tmp_path: Path) -> None:
    (tmp_path / "release.toml").write_text('name = "r"\n')
    (tmp_path / "sbom.json").write_text(json.dumps(SBOM))
    runner = CliRunner()
    done = runner.invoke(
        command, ["--folder", str(tmp_path), "--import", str(tmp_path / "sbom.json")], catch_exceptions=False
    )
    assert "import:appliance" in done.stdout
    assert "NOT SEEN" in done.stdout
    (host,) = read_json(tmp_path / f.ESTATE, Estate).hosts
    assert (host.imported, host.packages[0].version) == ("sbom.json", "3.0.1")
    done = runner.invoke(command, ["--folder", str(tmp_path), "--export", "cyclonedx"], catch_exceptions=False)
    assert json.loads(done.stdout)["components"][0]["components"][1]["name"] == "openssl"


def test_a_declared_import_is_read_each_time_and_its_change_is_seen(tmp_path: Path) -> None:
    (tmp_path / "release.toml").write_text('name = "r"\n[estate]\nimports = ["sbom.json"]\n')
    (tmp_path / "sbom.json").write_text(json.dumps(SBOM))
    CliRunner().invoke(command, ["--folder", str(tmp_path)], catch_exceptions=False)
    assert read_json(tmp_path / f.ESTATE, Estate).hosts[0].name == "import:appliance"
    (tmp_path / "sbom.json").write_text(json.dumps({**SBOM, "version": 2}))
    assert [change.file for change in f.ReleaseFolder(tmp_path).changes("inventory")] == ["sbom.json"]
