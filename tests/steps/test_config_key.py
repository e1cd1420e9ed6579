"""One key changes; everything else of the file stays as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from fulldress.errors import UsageError
from fulldress.model.plan import Step, StepScripts
from fulldress.steps import StepContext, compile_step


def compiled(file: Path, **params: Any) -> StepScripts:
    step = Step(id="s", kind="config-key", title="t", params={"file": str(file), **params})
    return compile_step(step, StepContext({}, lambda _: ""))


def run(script: str, folder: Path) -> int:
    (folder / "undo").mkdir(exist_ok=True)
    env = {"PATH": "/usr/bin:/bin", "FD_UNDO": str(folder / "undo")}
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, check=False).returncode


CASES = [
    ("[a]\nx = 1\n\n[b]\nx=2\n", "b.x", "9", "[a]\nx = 1\n\n[b]\nx=9\n"),
    ("# c\nx = 1 # no\n; x = 3\n", "x", "9", "# c\nx = 9\n; x = 3\n"),
    ("a.b.c=1\nd=2\n", "a.b.c", "9", "a.b.c=9\nd=2\n"),
    ("[a]\nx = 1\n\n[b]\ny = 2\n", "a.new", "on", "[a]\nx = 1\nnew = on\n\n[b]\ny = 2\n"),
    ("[a]\nx = 1\n", "c.new", "on", "[a]\nx = 1\n\n[c]\nnew = on\n"),
    ("x=1\n", "new", "on", "x=1\nnew=on\n"),
    ("[a.b]\nx = 1\n", "a.b.x", "2", "[a.b]\nx = 2\n"),
    ("[a]\nx =\ny = 1\n", "a.x", "2", "[a]\nx = 2\ny = 1\n"),
]


@pytest.mark.parametrize(("before", "key", "value", "after"), CASES)
def test_set(tmp_path: Path, before: str, key: str, value: str, after: str) -> None:
    file = tmp_path / "x.conf"
    file.write_text(before)
    scripts = compiled(file, key=key, value=value)
    assert run(scripts.verify_after, tmp_path) != 0
    assert run(scripts.do, tmp_path) == 0
    assert file.read_text() == after
    assert run(scripts.verify_after, tmp_path) == 0
    assert run(scripts.do, tmp_path) == 0, "again, as after a crash"
    assert run(scripts.undo, tmp_path) == 0
    assert file.read_text() == before


def test_remove(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("[h]\nlegacy = on\nz = 1\n")
    scripts = compiled(file, key="h.legacy", remove=True)
    assert run(scripts.do, tmp_path) == 0
    assert file.read_text() == "[h]\nz = 1\n"
    assert run(scripts.verify_after, tmp_path) == 0
    assert run(scripts.undo, tmp_path) == 0
    assert file.read_text() == "[h]\nlegacy = on\nz = 1\n"


def test_metadata_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("x = 1\n")
    file.chmod(0o640)
    before = file.stat()
    scripts = compiled(file, key="x", value="2")
    assert run(scripts.do, tmp_path) == 0
    assert file.stat().st_mode == before.st_mode
    assert run(scripts.undo, tmp_path) == 0
    after = file.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid) == (before.st_mode, before.st_mtime_ns, before.st_uid)


def test_someone_elses_change_survives_the_undo(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("x = 1\ny = 1\n")
    scripts = compiled(file, key="x", value="2")
    assert run(scripts.do, tmp_path) == 0
    file.write_text(file.read_text().replace("y = 1", "y = 5"))
    assert run(scripts.undo, tmp_path) == 0
    assert file.read_text() == "x = 1\ny = 5\n"


@pytest.mark.parametrize("left", [None, "", "x = "])
def test_an_undo_that_was_killed_while_it_restored_is_repeated(tmp_path: Path, left: str | None) -> None:
    """It had removed the file, and written nothing or a part of it again."""
    file = tmp_path / "x.conf"
    file.write_text("x = 1\n")
    scripts = compiled(file, key="x", value="2")
    assert run(scripts.do, tmp_path) == 0
    killed = scripts.undo.replace("; fd_restore config;", '; rm -- "$(tr -d \'\\0\' <"$FD_UNDO/config.present")"; exit 9;')
    assert run(killed, tmp_path) == 9
    assert not file.exists()
    if left is not None:
        file.write_text(left)
    assert run(scripts.undo, tmp_path) == 0
    assert file.read_text() == "x = 1\n"


def test_an_undo_without_a_do_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("x = 1\n")
    assert run(compiled(file, key="x", value="2").undo, tmp_path) == 0
    assert file.read_text() == "x = 1\n"


def test_a_missing_file_fails_before(tmp_path: Path) -> None:
    assert run(compiled(tmp_path / "none", key="x", value="2").verify_before, tmp_path) != 0


@pytest.mark.parametrize("params", [{"key": "x"}, {"key": "x", "value": "a", "remove": True}, {"key": "x", "value": "a\nb"}])
def test_what_cannot_be_done_is_refused(tmp_path: Path, params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="step 's'"):
        compiled(tmp_path / "x", **params)
