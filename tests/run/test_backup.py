"""What the upgrade will change is copied off the host whole, with everything a file has, and compared after an undo."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.adapters.manifest import states
from fulldress.adapters.nspawn import Machine
from fulldress.model.changes import Change, WriteSet
from fulldress.run import backup
from fulldress.run.backup import BackupFailed, differing, in_words, take, taken

SETUP = """
rm -rf /opt/backed; mkdir -p /opt/backed/sub; cd /opt/backed
echo one >file; chmod 640 file; chown 7:8 file; touch -d @1000000000 file
ln file twin; ln -s file link; mkfifo pipe; truncate -s 80M sparse; echo odd >'a name
with a line'
python3 -c "import os; os.setxattr('file', 'user.note', b'kept'); os.setxattr('sub', 'user.note', b'too')"
"""
NAMES = ("", "/file", "/twin", "/link", "/pipe", "/sparse", "/a name\nwith a line", "/sub")
PATHS = ("/opt", *(f"/opt/backed{name}" for name in NAMES))
WRITES = WriteSet(
    changes=(
        Change(path="/opt/backed/file", before="file", after="file", what=("content",)),
        Change(path="/opt/backed/new", before="absent", after="file"),
        Change(path="/opt/backed/came-and-went", before="absent", after="absent", transient=True),
    ),
    control=0,
    backup=PATHS,
)


def sh(machine: Machine, script: str) -> None:
    done = machine.run(["bash", "-ec", script])
    assert done.ok, done.stderr.decode()


@pytest.fixture
def backed(pg_machine: Machine) -> Iterator[Machine]:
    sh(pg_machine, SETUP)
    yield pg_machine
    sh(pg_machine, "rm -rf /opt/backed /var/lib/fulldress/backup")


@pytest.mark.machine
def test_everything_a_file_has_is_in_the_archive(backed: Machine, tmp_path: Path) -> None:
    assert taken(tmp_path, "r1") is None
    saved = take(backed, WRITES, tmp_path, "r1")
    assert saved == taken(tmp_path, "r1")
    assert (saved.place, set(saved.states), saved.absent) == ("here", set(PATHS), ("/opt/backed/new",))
    assert saved.bytes < 1 << 20, "the holes of a sparse file are not copied"
    archive = Path(saved.archive)
    assert archive.stat().st_mode & 0o777 == (archive.parent / "backup.json").stat().st_mode & 0o777 == 0o600
    into = tmp_path / "restored"
    into.mkdir()
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", archive, "-C", into], check=True)
    assert {p: s for p, s in states(str(into), PATHS).items() if p != "/opt"} == {
        p: s for p, s in saved.states.items() if p != "/opt"
    }


@pytest.mark.machine
def test_after_an_undo_every_path_is_compared(backed: Machine, tmp_path: Path) -> None:
    saved = take(backed, WRITES, tmp_path, "r1")
    assert differing(backed, saved) == []
    assert in_words(saved, []) == "10 paths are as they were backed up"
    sh(backed, "cd /opt/backed; rm pipe; chmod 600 sub; touch new came-and-went; echo two >file")
    found = [f"/opt/backed/{name}" for name in ("file", "new", "pipe", "sub", "twin")]
    assert differing(backed, saved) == found
    assert differing(backed, saved, ["file:/opt/backed/n* | why", "rows:/opt/* | why"]) == [
        name for name in found if not name.endswith("new")
    ]
    assert in_words(saved, found).startswith("5 of 10 paths are not as they were backed up: /opt/backed/file")


@pytest.mark.machine
def test_one_too_large_stays_on_the_host(backed: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "HERE_MOST", 1)
    saved = take(backed, WRITES, tmp_path, "r2")
    assert (saved.place, saved.archive) == ("host", "/var/lib/fulldress/backup/r2/files.tar")
    assert backed.run(["sha256sum", saved.archive]).stdout.decode().split()[0] == saved.sha256
    assert not (tmp_path / "backup/r2/files.tar").exists()


def test_a_file_that_changed_meanwhile_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").write_text("then")
    before = states(str(tmp_path / "tree"), ["/a"])
    (tmp_path / "tree/a").write_text("now!")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "tree/a", "./a")
    with pytest.raises(BackupFailed, match="/a changed while"):
        backup._check(tmp_path / "x.tar", before)
    with pytest.raises(BackupFailed, match="not in the backup: /b"):
        backup._check(tmp_path / "x.tar", {"/b": before["/a"]})
