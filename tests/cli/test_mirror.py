"""The mirror command: refresh, show, and what release.toml may declare wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fulldress.cli import mirrorwork
from fulldress.cli.commands.mirror import command
from fulldress.errors import UsageError
from fulldress.ports import Host, Progress
from fulldress.rehearse import mirror
from fulldress.rehearse.mirror import Mirror
from fulldress.store.folder import ReleaseFolder

TOML = 'name = "r"\n[estate]\nhosts = ["ssh:lims"]\n'
MASK = '[[mirror.mask]]\ntitle = "names"\ndatabase = "lims"\ncheck = "select 1"\n'
MADE = {"host": "ssh:lims", "tree": "/t", "refreshed": 0.0, "seconds": 3.0, "clusters": (), "files": 12, "digest": "d"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReleaseFolder:
    (tmp_path / "release").mkdir()
    (tmp_path / "release/release.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path / "release")
    monkeypatch.setattr(mirrorwork, "scratch_dir", lambda: tmp_path)
    return ReleaseFolder(tmp_path / "release")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Mirror]:
    """What a refresh is, without a host."""
    seen: list[Mirror] = []

    def refresh(host: Host, where: Path, *, declared: object, progress: Progress | None) -> Mirror:
        where.mkdir(parents=True)
        done = Mirror(
            **MADE,  # type: ignore[arg-type]
            file_bytes=5_000_000,
            database_bytes=1,
            copied_bytes=2_000_000,
            databases=("PostgreSQL 15/main: base backup",),
            left_out=("/mnt/share: nfs4 from filer:/export",),
            doubtful=("MySQL in /var/lib/mysql runs and was not copied",),
        )
        (where / "mirror.json").write_bytes(mirror.refreshing.msgspec.json.encode(done))
        seen.append(done)
        return done

    monkeypatch.setattr(mirror, "refresh", refresh)
    return seen


def call(*args: str) -> Result:
    return CliRunner().invoke(command, args, standalone_mode=False, catch_exceptions=False)


def test_show_says_age_size_ways_and_masks(folder: ReleaseFolder, made: list[Mirror]) -> None:
    assert call("refresh").exception is None
    shown = call("show")
    assert shown.return_value == 0
    for words in (
        "1970-01-01 00:00:00 UTC",
        "12, 5 MB",
        "2 MB in 3 s",
        "base backup",
        "/mnt/share",
        "NOT COPIED",
        "nothing: personal",
    ):
        assert words in shown.output
    assert "fulldress rehearse" in shown.stderr


def test_show_of_a_mirror_that_is_not_there_exits_with_3(folder: ReleaseFolder) -> None:
    done = call("show")
    assert done.return_value == 3 and "no complete mirror" in done.stderr and "fulldress mirror refresh" in done.stderr


def test_a_release_without_hosts_is_told_what_to_write(folder: ReleaseFolder) -> None:
    folder.path("release.toml").write_text('name = "r"\n')
    with pytest.raises(UsageError, match="names no host"):
        call("refresh")


def test_a_masks_sql_may_lie_in_a_file_of_the_release(folder: ReleaseFolder) -> None:
    folder.path("release.toml").write_text(TOML + MASK + 'file = "mask.sql"\n')
    folder.path("mask.sql").write_text("update person set name = 'x'")
    assert mirrorwork.wishes(folder).mask[0].sql == "update person set name = 'x'"
    folder.path("mask.sql").unlink()
    with pytest.raises(UsageError, match=r"mask\.sql"):
        mirrorwork.wishes(folder)


def test_a_mask_has_either_sql_or_a_file(folder: ReleaseFolder) -> None:
    folder.path("release.toml").write_text(TOML + MASK)
    with pytest.raises(UsageError, match="either sql or file"):
        mirrorwork.wishes(folder)


def test_a_mask_without_a_check_is_refused(folder: ReleaseFolder) -> None:
    folder.path("release.toml").write_text(TOML + '[[mirror.mask]]\ntitle = "t"\ndatabase = "d"\nsql = "select 1"\n')
    with pytest.raises(UsageError, match="check"):
        mirrorwork.wishes(folder)
