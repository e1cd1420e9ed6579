"""The release folder: found from below, receipts tell what changed, one writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.errors import TargetHeld, UsageError
from fulldress.store.folder import ESTATE, RELEASE, ReleaseFolder


@pytest.fixture
def folder(tmp_path: Path) -> ReleaseFolder:
    (tmp_path / RELEASE).write_text('name = "r"\n')
    (tmp_path / "02-inventory").mkdir()
    (tmp_path / ESTATE).write_text("{}")
    return ReleaseFolder(tmp_path)


def test_it_is_found_from_below(folder: ReleaseFolder) -> None:
    deep = folder.root / "a" / "b"
    deep.mkdir(parents=True)
    assert ReleaseFolder.find(deep).root == folder.root


def test_no_folder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ReleaseFolder.find(tmp_path)
    assert "fulldress new" in caught.value.fix


def test_an_unknown_key_in_release_toml_is_refused(folder: ReleaseFolder) -> None:
    folder.path(RELEASE).write_text('name = "r"\nnam = 1\n')
    with pytest.raises(UsageError, match=r"release\.toml"):
        folder.release()


def test_fresh_until_an_input_changes(folder: ReleaseFolder) -> None:
    folder.record("matrix", read=[RELEASE], wrote=[ESTATE])
    assert folder.changes("matrix") == []
    folder.path(RELEASE).write_text('name = "other"\n')
    assert [(c.file, c.what) for c in folder.changes("matrix")] == [(RELEASE, "changed")]


def test_an_output_edited_by_hand_is_noticed(folder: ReleaseFolder) -> None:
    folder.record("matrix", read=[RELEASE], wrote=[ESTATE])
    folder.path(ESTATE).unlink()
    assert [(c.file, c.what) for c in folder.changes("matrix")] == [(ESTATE, "missing")]


def test_one_writer_at_a_time(folder: ReleaseFolder) -> None:
    with folder.locked("first"), pytest.raises(TargetHeld, match="first, pid"), folder.locked("second"):
        raise AssertionError("two writers")
    with folder.locked("third"):
        pass
