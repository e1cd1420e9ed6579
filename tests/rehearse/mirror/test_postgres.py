"""A running cluster with a tablespace comes into the tree by each way, while it is written to, and is whole there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.conftest import stand_aside
from tests.rehearse.mirror.conftest import Live, ask

from fulldress.adapters.local import LocalHost
from fulldress.model.release import Mirroring
from fulldress.rehearse.mirror import MirrorFailed, backupapi, datadir, masking, postgres
from fulldress.rehearse.mirror.files import Source

pytestmark = pytest.mark.machine
SUMS = "select sum(balance) from account; select sum(amount) from move; select count(*) from move"
WHOLE = """select count(bt_index_check(c.oid, true)) > 0 from pg_class c
 join pg_am a on a.oid = c.relam and a.amname = 'btree' where c.relkind = 'i' and c.relpersistence = 'p';
select count(*) from verify_heapam('account') ; select count(*) from verify_heapam('move')"""


def whole(tree: Path, live: Live) -> int:
    """The copy recovers, its sums agree, every index fits its table; returns how many moves it holds."""
    with masking.serving(tree, live.cluster) as server:
        balance, amount, count = server.ask("postgres", SUMS).split()
        assert (balance, amount) == ("0", "0")
        assert server.ask("postgres", WHOLE).split() == ["t", "0", "0"]
        assert server.ask("postgres", "show data_directory").strip() == live.cluster.data
    return int(count)


def copied(live: Live, tree: Path, way: postgres.Way) -> int:
    return postgres.copy(LocalHost(), way, Source(""), tree, None, Mirroring())


def test_a_snapshot_is_whole_and_leaves_nothing_behind(busy: Live, tree: Path) -> None:
    if not busy.btrfs:
        stand_aside("needs btrfs-progs")
    way = postgres.choose(LocalHost(), busy.cluster)
    assert (way.kind, way.why) == ("snapshot", "btrfs snapshot")
    left = Path(busy.cluster.data).parent / ".fulldress-mirror-left"  # by a call that was killed
    subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", str(left.parent), str(left)], check=True)
    copied(busy, tree, way)
    assert whole(tree, busy) > 0
    assert [p.name for p in Path(busy.cluster.data).parent.iterdir() if p.name.startswith(".")] == []


def test_the_backup_api_copies_what_refuses_replication_and_again_what_changed(busy: Live, tree: Path) -> None:
    way = postgres.choose(LocalHost(), busy.cluster, "backup-api")
    copied(busy, tree, way)
    data = tree / busy.cluster.data.lstrip("/")
    assert (data / "tablespace_map").read_text().endswith(f"{busy.tablespace}\n") and not (data / "postmaster.pid").exists()
    first = whole(tree, busy)
    copied(busy, tree, way)  # over a copy that has been written to by its own server
    assert whole(tree, busy) > first
    assert ask(busy, "select count(*) from pg_replication_slots").strip() == "0"


def test_the_way_and_why_not_another_are_said(live: Live) -> None:
    plain = msgspec.structs.replace(live.cluster)
    with pytest.raises(MirrorFailed) as refused:
        postgres.choose(LocalHost(), plain, "base-backup")
    assert "streams no more than one tablespace, it has 2" in refused.value.why
    reason = postgres._no_base_backup(LocalHost(), plain, ())
    assert "replication connections are refused" in reason and "pg_hba.conf" in reason


def test_a_backup_whose_session_ends_early_is_refused(live: Live) -> None:
    kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'fulldress mirror'"
    with backupapi.Session(LocalHost(), live.cluster, postgres.psql(live.cluster), 150000) as session:
        assert ask(live, kill).strip() == "1"
        with pytest.raises(MirrorFailed, match="not held open"):
            session.end()


def test_a_session_that_is_left_gives_the_backup_up(live: Live) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        backupapi.Session(LocalHost(), live.cluster, postgres.psql(live.cluster), 150000) as s,
    ):
        assert s.slot
        raise KeyboardInterrupt
    wait = "select pg_sleep(0.3); select count(*) from pg_replication_slots"
    assert ask(live, wait).split()[-1] == "0"


def test_a_cluster_that_cannot_be_asked_is_refused(live: Live) -> None:
    away = msgspec.structs.replace(live.cluster, port=1)
    with pytest.raises(MirrorFailed, match="cannot be asked"):
        postgres.choose(LocalHost(), away)


def test_wal_that_was_recycled_makes_no_copy(live: Live, tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal/000000010000000000000002").touch()
    label = b"START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n"
    places = datadir.Places("/data", (), str(tmp_path / "wal"))
    ended = backupapi.Ended("0/3000100", label, b"")
    with pytest.raises(MirrorFailed, match="recycled before it was copied: 000000010000000000000003") as refused:
        backupapi._finish(live.cluster, places, Source(""), tmp_path, ended, 16 << 20)
    assert "1 of 2 files" in refused.value.why and not (tmp_path / "data/backup_label").exists()


@pytest.mark.parametrize(
    ("stop", "last"),
    [
        ("0/3000000", "000000020000000000000002"),
        ("0/3000001", "000000020000000000000003"),
        ("1/10", "000000020000000100000000"),
    ],
)
def test_the_wal_files_of_a_backup_are_counted(stop: str, last: str) -> None:
    label = "START WAL LOCATION: 0/2000028 (file 000000020000000000000002)\n"
    names = backupapi.segments(label, stop, 16 << 20)
    assert names[0] == "000000020000000000000002" and names[-1] == last
    assert len(names) == len(set(names)) and all(len(name) == 24 for name in names)
