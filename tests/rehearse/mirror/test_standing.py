"""A mirror that may not be used is refused, and what a mirror is not is said."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from tests.rehearse.mirror.conftest import Live

from fulldress.model.release import MaskRule
from fulldress.rehearse.mirror import (
    AppliedMask,
    Cluster,
    Mirror,
    MirrorFailed,
    checks,
    facts,
    masking,
    require_masks,
    require_still,
)
from fulldress.rehearse.mirror.inside import Inside

RULE = MaskRule(title="names", database="lims", sql="update person set name = 'x'", check="select 1 from person")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    data = tmp_path / "root/srv/pg"
    data.mkdir(parents=True)
    cluster = Cluster(version="15", name="main", port=5432, online=True, owner="postgres", data="/srv/pg")
    return Mirror(
        host="ssh:lims",
        tree=str(tmp_path / "root"),
        refreshed=0.0,
        seconds=1.0,
        clusters=(cluster,),
        files=1,
        file_bytes=1,
        database_bytes=1,
        copied_bytes=2,
        digest="sha256:0",
    )


def test_a_mirror_at_rest_is_fit(mirror: Mirror) -> None:
    require_still(mirror)


def test_no_clone_over_a_data_directory_that_a_server_works_in(mirror: Mirror) -> None:
    """Told by its processes: they know the folder by another path than we do."""
    server = subprocess.Popen(["sleep", "60"], cwd=f"{mirror.tree}/srv/pg")
    try:
        with pytest.raises(MirrorFailed, match="live data directory") as refused:
            require_still(mirror)
        assert "shine through" in refused.value.why and "fulldress mirror refresh" in refused.value.fix
    finally:
        server.kill()
        server.wait()


@pytest.mark.machine
def test_no_clone_over_a_tree_that_is_the_root_of_a_process(mirror: Mirror, tree: Path, tmp_path: Path) -> None:
    booted = msgspec.structs.replace(mirror, tree=str(tree))
    assert not refused(booted)
    with (tmp_path / "log").open("wb") as log, Inside(tree, tmp_path).running(["sleep", "60"], 0, 0, log):
        for _ in range(100):
            if refused(booted):
                return
            time.sleep(0.05)
    pytest.fail("a process lives in the tree, and it was not seen")


def refused(mirror: Mirror) -> bool:
    try:
        require_still(mirror)
    except MirrorFailed:
        return True
    return False


def test_no_clone_over_a_data_directory_with_a_servers_lock_file(mirror: Mirror) -> None:
    Path(mirror.tree, "srv/pg/postmaster.pid").write_text("1\n")
    with pytest.raises(MirrorFailed, match="live data directory"):
        require_still(mirror)


@pytest.mark.machine
def test_no_clone_over_a_real_postgresql_that_runs(mirror: Mirror, live: Live) -> None:
    lock = Path(live.cluster.data, "postmaster.pid")
    hidden = lock.rename(lock.with_name("hidden"))
    try:
        with pytest.raises(MirrorFailed, match="live data directory"):
            require_still(msgspec.structs.replace(mirror, tree="/", clusters=(live.cluster,)))
    finally:
        hidden.rename(lock)


def test_a_mirror_without_the_declared_masks_is_refused(mirror: Mirror) -> None:
    with pytest.raises(MirrorFailed, match="not masked as declared: names"):
        require_masks(mirror, [RULE])


def test_a_mask_that_was_changed_since_is_not_the_declared_one(mirror: Mirror) -> None:
    done = msgspec.structs.replace(
        mirror, masked=(AppliedMask(title="names", database="lims", digest=masking.declared(RULE)),)
    )
    require_masks(done, [RULE])
    with pytest.raises(MirrorFailed, match="names"):
        require_masks(done, [msgspec.structs.replace(RULE, sql="update person set name = 'y'")])


def test_the_report_says_how_databases_were_copied_and_what_was_left_out(mirror: Mirror) -> None:
    full = msgspec.structs.replace(
        mirror,
        databases=("PostgreSQL 15/main: base backup",),
        left_out=("/mnt/share: nfs",),
        excluded=("/srv/archive",),
        masked=(AppliedMask(title="names", database="lims", digest="d"),),
    )
    said = facts(full)
    assert (said.databases, said.masked) == (("PostgreSQL 15/main: base backup",), ("names (lims)",))
    assert (said.excluded, said.left_out) == (("/srv/archive",), ("/mnt/share: nfs",))
    assert checks(full) == ()


def test_a_database_that_is_not_in_the_mirror_makes_the_verdict_inconclusive(mirror: Mirror) -> None:
    (check,) = checks(msgspec.structs.replace(mirror, doubtful=("MariaDB in /var/lib/mysql runs and was not copied",)))
    assert (check.judgement, check.measured) == ("inconclusive", "1 not copied")
