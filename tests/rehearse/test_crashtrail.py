"""What a broken step leaves for a while: found in the layer, and added to the write-set and its backup list."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fulldress.model.changes import Change, WriteSet
from fulldress.rehearse.crashtrail import Trail, with_crashes
from fulldress.rehearse.writeset import Production

WRITES = WriteSet(
    changes=(Change(path="/etc/app/new.conf", before="absent", after="file"),),
    control=1,
    by_itself=("/var/log/app/20261121.log",),
    backup=("/etc",),
)


@pytest.fixture
def production(tmp_path: Path) -> Production:
    tree = tmp_path / "tree"
    for path in ("etc/app/app.conf", "etc/app/only-opened", "var/lib/pg/base/1", "var/lib/app/state"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("before")
    return Production(tree, ("/var/lib/pg",), 6)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "upper"
    folder.mkdir()
    return folder


def put(layer: Path, path: str, text: str = "half") -> None:
    (layer / path).parent.mkdir(parents=True, exist_ok=True)
    (layer / path).write_text(text)


def test_what_is_written_at_the_moment_of_a_fault_is_seen_with_its_step(layer: Path, production: Production) -> None:
    put(layer, "var/lib/app/of-an-earlier-pass")
    trail = Trail(layer, production)
    put(layer, "etc/app/app.conf.half")
    trail.look("07")
    put(layer, "etc/app/app.conf", "another")
    put(layer, "var/lib/pg/base/1", "rows")
    put(layer, "tmp/scrap")
    trail.look("08")
    found = {path: step for path, step in trail.paths() if (production.tree / path[1:]).is_file() or "half" in path}
    assert found == {"/etc/app/app.conf.half": "07", "/etc/app/app.conf": "08"}
    assert not [path for path, _ in trail.paths() if path.startswith(("/var/lib", "/tmp"))]


def test_a_file_that_was_only_opened_is_not_seen(layer: Path, production: Production) -> None:
    trail = Trail(layer, production)
    (layer / "etc/app").mkdir(parents=True)
    shutil.copy2(production.tree / "etc/app/only-opened", layer / "etc/app/only-opened")
    trail.look("07")
    assert "/etc/app/only-opened" not in trail.seen


def test_what_a_pass_before_left_is_seen_only_when_it_changes_again(layer: Path, production: Production) -> None:
    put(layer, "etc/app/app.conf", "another")
    trail = Trail(layer, production)
    trail.look("07")
    assert trail.seen == {}
    (layer / "etc/app/app.conf").chmod(0o600)
    trail.look("07")
    assert trail.seen == {"/etc/app/app.conf": "07"}


def test_without_a_layer_there_is_no_trail(production: Production) -> None:
    trail = Trail(None, production)
    trail.look("07")
    assert trail.paths() == ()


def test_the_write_set_holds_it_and_what_production_has_is_backed_up(production: Production) -> None:
    seen = {"/etc/app/app.conf": "08", "/etc/app/app.conf.half": "07"}
    whole = with_crashes(WRITES, seen, production)
    conf, half = whole.changes[1:]
    assert (conf.path, conf.before, conf.after, conf.transient, conf.step) == (
        "/etc/app/app.conf",
        "file",
        "file",
        True,
        "08",
    )
    assert (half.before, half.after, half.transient) == ("absent", "absent", True)
    assert whole.backup == ("/etc", "/etc/app", "/etc/app/app.conf")
    assert whole.backup_bytes == conf.bytes == 6
    assert whole.notes[-1].startswith("Seen only when something was broken in the middle of a step: 2 paths")


def test_what_is_known_or_written_by_the_machine_itself_adds_nothing(production: Production) -> None:
    seen = {"/etc/app/new.conf": "07", "/var/log/app/20261122.log": "07"}
    assert with_crashes(WRITES, seen, production) is WRITES


def test_names_made_anew_each_time_are_one_line(production: Production) -> None:
    seen = {f"/etc/app/tmp-{number}": "07" for number in (12345, 23456, 34567)}
    assert len(with_crashes(WRITES, seen, production).changes) == 2
