"""Making a release folder, and seeing where it stands."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from fulldress.cli.commands.new import command as new
from fulldress.cli.commands.status import command as status_command
from fulldress.errors import UsageError
from fulldress.status import status
from fulldress.store.folder import ESTATE, RELEASE, ReleaseFolder


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReleaseFolder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vendor.zip").write_bytes(b"PK")
    done = CliRunner().invoke(new, ["r1", "--package", "vendor.zip", "--host", "machine:prod", "--ticket", 'T "1"'])
    assert done.exit_code == 0, done.output
    return ReleaseFolder(tmp_path / "r1")


def test_the_new_folder_says_what_it_was_told(made: ReleaseFolder) -> None:
    release = made.release()
    assert release.name == "r1"
    assert release.ticket == 'T "1"'
    assert release.estate.hosts == ("machine:prod",)
    assert Path(release.package).name == "vendor.zip"


def test_a_folder_is_never_begun_twice(made: ReleaseFolder) -> None:
    with pytest.raises(UsageError, match="exists already"):
        CliRunner().invoke(new, ["r1"], catch_exceptions=False)


def test_a_package_that_is_not_there_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no package at"):
        CliRunner().invoke(new, ["r1", "--package", "none.zip"], catch_exceptions=False)
    assert not (tmp_path / "r1").exists()


def states(folder: ReleaseFolder) -> dict[str, str]:
    return {row.stage: row.state for row in status(folder).stages}


def test_stages_wait_for_their_inputs(made: ReleaseFolder) -> None:
    now = states(made)
    assert (now["new"], now["intake"], now["inventory"], now["matrix"]) == ("done", "open", "open", "waiting")
    assert status(made).next == "fulldress intake"


def test_a_changed_input_is_named_and_makes_later_stages_stale(made: ReleaseFolder) -> None:
    made.path("02-inventory").mkdir()
    made.path(ESTATE).write_text("{}")
    made.record("inventory", read=[RELEASE], wrote=[ESTATE])
    made.record("matrix", read=[ESTATE], wrote=[])
    assert (states(made)["inventory"], states(made)["matrix"]) == ("done", "done")
    made.path(RELEASE).write_text(made.path(RELEASE).read_text() + "\n# edited\n")
    rows = {row.stage: row for row in status(made).stages}
    assert rows["inventory"].state == "stale"
    assert rows["inventory"].why == "release.toml changed"
    assert rows["matrix"].why == "`inventory` is stale"


def test_status_as_json_has_a_schema_version(made: ReleaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.root)
    out = CliRunner().invoke(status_command, ["--format", "json"]).stdout
    answer = msgspec.json.decode(out)
    assert answer["schema_version"] == 1
    assert answer["release"] == "r1"
