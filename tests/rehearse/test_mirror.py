"""The mirror and its clones, on a real machine whose PostgreSQL is being written to."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fulldress.adapters import nspawn
from fulldress.adapters.scope import Scope
from fulldress.errors import CapabilityMissing, StateDiskFull
from fulldress.model.release import MaskRule, Mirroring
from fulldress.ports import Host
from fulldress.rehearse import mirror as mirrors
from fulldress.rehearse.clone import Clone, CloneFailed
from fulldress.rehearse.mirror import Mirror, MirrorFailed, postgres, refresh, servers
from fulldress.rehearse.network import Network

pytestmark = pytest.mark.machine
BENCH = "/usr/lib/postgresql/15/bin/pgbench"
SUMS = """select sum(abalance) from pgbench_accounts union all select sum(tbalance) from pgbench_tellers
 union all select sum(bbalance) from pgbench_branches union all select coalesce(sum(delta), 0) from pgbench_history"""

WISHES = Mirroring(
    mask=(
        MaskRule(
            title="names",
            database="bench",
            sql="update person set name = 'x'",
            check="select 1 from person where name <> 'x'",
        ),
    )
)


def ask(host: Host, sql: str, database: str = "bench") -> list[str]:
    done = host.run(["psql", "-XAtc", sql, database], user="postgres")
    assert done.ok, done.stderr
    return done.stdout.decode().split()


@pytest.fixture(scope="module")
def production(pg_machine: nspawn.Machine) -> Iterator[nspawn.Machine]:
    """With a database whose balances must always agree, under write load for as long as the module's tests run."""
    assert pg_machine.run(["sh", "-c", f"createdb bench && {BENCH} -q -i -s 1 bench"], user="postgres").ok
    ask(pg_machine, "create table person as select 'Erika Musterfrau' as name from generate_series(1, 100)")
    pg_machine.run(
        ["sh", "-c", "echo '10.9.9.9 hooks.example' >> /etc/hosts; echo 4.2 > /root/version; ln /root/version /root/same"]
    )
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            pg_machine.run([BENCH, "-n", "-c", "2", "-T", "1", "-R", "150", "bench"], user="postgres")

    writer = threading.Thread(target=load)
    writer.start()
    yield pg_machine
    stop.set()
    writer.join()
    pg_machine.run(["dropdb", "--force", "bench"], user="postgres")


@pytest.fixture(scope="module")
def folder(scratch: Path, keeper: Scope) -> Path:
    path = scratch / "mirrors" / keeper.id
    keeper.keep("tree", str(path))
    return path


@pytest.fixture(scope="module")
def mirror(production: nspawn.Machine, folder: Path) -> Mirror:
    return refresh(production, folder, declared=WISHES)


@pytest.fixture(scope="module")
def clone(mirror: Mirror, production: nspawn.Machine, scratch: Path, keeper: Scope) -> Iterator[Clone]:
    with (
        Network(keeper, label="t-clone") as network,
        Clone(
            mirror, scratch, network, keeper=keeper, boot=nspawn.boot, label="t-clone", files={"/etc/extra": b"e"}
        ) as made,
    ):
        yield made


def test_refreshing_again_moves_only_what_changed(production: nspawn.Machine, mirror: Mirror, folder: Path) -> None:
    production.run(["sh", "-c", "echo changed > /root/changed; rm -f /root/same"])
    (folder / "root/root/alien").write_text("not production's")
    second = refresh(production, folder, declared=WISHES)
    assert Path(second.tree, "root/changed").read_text() == "changed\n"
    assert not Path(second.tree, "root/same").exists() and not Path(second.tree, "root/alien").exists()
    assert second.copied_bytes - second.database_bytes < mirror.file_bytes / 4
    assert second.digest != mirror.digest and mirrors.load(folder) == second
    data = Path(second.tree, second.clusters[0].data.lstrip("/"))
    assert (data.stat().st_mode & 0o777, (data / "PG_VERSION").stat().st_uid) == (0o700, data.stat().st_uid)
    assert not (data / "postmaster.pid").exists() and data.stat().st_uid != 0


def test_a_mirror_of_a_busy_database_recovers_with_its_sums_intact(clone: Clone) -> None:
    sums = ask(clone.host, SUMS)
    assert len(sums) == 4 and len(set(sums)) == 1
    assert int(ask(clone.host, "select count(*) from pgbench_history")[0]) > 0


def test_the_mirror_is_masked_as_declared_and_production_is_not(
    clone: Clone, production: nspawn.Machine, mirror: Mirror
) -> None:
    assert ask(clone.host, "select distinct name from person") == ["x"]
    assert ask(production, "select distinct name from person") == ["Erika", "Musterfrau"]
    assert [mask.title for mask in mirror.masked] == ["names"]
    assert mirror.databases == ("PostgreSQL 15/main: base backup",)


def test_the_clone_is_production_but_for_its_identity(clone: Clone, production: nspawn.Machine) -> None:
    same = ["sh", "-c", "hostname; cat /root/version; stat -c %h /root/version; dpkg-query -W | sha256sum; id postgres"]
    assert clone.host.run(same).stdout == production.run(same).stdout
    assert clone.host.read_file("/etc/machine-id") != production.read_file("/etc/machine-id")
    assert clone.host.read_file("/etc/extra") == b"e"
    assert clone.neutralised == ("10.9.9.9 hooks.example",)
    assert clone.host.run(["systemctl", "is-system-running"]).stdout == b"running\n"


def test_recovery_does_not_copy_the_data_files_up(clone: Clone, mirror: Mirror) -> None:
    assert ask(clone.host, "show recovery_init_sync_method") == ["syncfs"]
    data = mirror.clusters[0].data.lstrip("/")
    here, all_of_it = (
        sum(1 for p in (top / data / "base").rglob("*") if p.is_file()) for top in (clone.upper, Path(mirror.tree))
    )
    assert here < all_of_it / 4


def test_the_clone_sees_no_network_of_this_host(clone: Clone) -> None:
    assert clone.host.run(["ls", "/sys/class/net"]).stdout.split() == [b"host0", b"lo"]
    refused = clone.host.run(["curl", "-sS", "--max-time", "2", "http://198.51.100.7:8080/"])
    assert not refused.ok
    assert [(a.address, a.port) for a in clone.network.tally() if a.port == 8080] == [("198.51.100.7", 8080)]


def test_what_the_clone_writes_stays_in_its_upper_layer(clone: Clone, mirror: Mirror, production: nspawn.Machine) -> None:
    clone.host.write_file("/root/version", b"5.0\n")
    assert (clone.upper / "root/version").read_bytes() == b"5.0\n"
    assert Path(mirror.tree, "root/version").read_bytes() == production.read_file("/root/version") == b"4.2\n"


def test_a_power_cut_keeps_what_was_synced(clone: Clone) -> None:
    ask(clone.host, "create table after_cut as select 1 as one")
    boot = clone.host.boot_id()
    clone.kill()
    clone.boot()
    assert clone.host.boot_id() != boot
    assert ask(clone.host, "select one from after_cut") == ["1"]


def test_a_mirror_is_not_refreshed_under_its_clones(clone: Clone, production: nspawn.Machine, folder: Path) -> None:
    with pytest.raises(MirrorFailed, match="in use"):
        refresh(production, folder)
    assert mirrors.load(folder).digest


def test_a_second_clone_lives_beside_and_leaves_nothing(clone: Clone, mirror: Mirror, scratch: Path, keeper: Scope) -> None:
    with (
        Network(keeper, label="t-other") as network,
        Clone(mirror, scratch, network, keeper=keeper, boot=nspawn.boot, label="t-other") as other,
    ):
        other.host.write_file("/root/version", b"other\n")
        assert clone.host.read_file("/root/version") != b"other\n"
        other.freeze()
        assert clone.host.run(["true"]).ok
        folder, name = other.folder, other.name
    assert not folder.exists() and nspawn.recorded(name) is None
    with pytest.raises(CloneFailed):
        _ = other.host


def test_a_mirror_that_was_interrupted_is_not_complete(
    production: nspawn.Machine, scratch: Path, keeper: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scratch / "mirrors" / f"{keeper.id}-half"
    keeper.keep("tree", str(folder))

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(postgres, "copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        refresh(production, folder, declared=Mirroring(exclude=("/usr", "/var/cache")))
    assert (folder / "root/etc/hostname").exists() and not (folder / "root/usr/bin").exists()
    with pytest.raises(MirrorFailed, match="no complete mirror"):
        mirrors.load(folder)

    def lost(*_: object) -> int:
        raise MirrorFailed("the connection broke", why="timed out")

    monkeypatch.setattr(postgres, "copy", lost)
    with pytest.raises(MirrorFailed, match="connection broke") as broken:
        refresh(production, folder, declared=Mirroring(exclude=("/usr", "/var/cache")))
    assert "MB of files and 0 MB of databases came whole" in broken.value.why
    assert not (folder / "mirror.json").exists()


def test_a_cluster_whose_data_is_excluded_is_left_out_and_its_folder_stays_empty(
    production: nspawn.Machine, scratch: Path, keeper: Scope
) -> None:
    folder = scratch / "mirrors" / f"{keeper.id}-without"
    keeper.keep("tree", str(folder))
    made = refresh(production, folder, declared=Mirroring(exclude=("/usr", "/var/cache", "/var/lib/postgresql")))
    assert (made.clusters, made.databases, made.database_bytes) == ((), (), 0)
    assert list((folder / "root/var/lib/postgresql").iterdir()) == []
    assert "/var/lib/postgresql" in made.excluded


def test_a_server_that_is_started_meanwhile_is_not_taken_for_a_copy(
    production: nspawn.Machine, scratch: Path, keeper: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scratch / "mirrors" / f"{keeper.id}-started"
    keeper.keep("tree", str(folder))
    found = servers.find(production)
    stopped = found._replace(clusters=tuple(msgspec.structs.replace(c, online=False) for c in found.clusters))
    answers = iter((stopped, found))
    monkeypatch.setattr(servers, "find", lambda _: next(answers))
    with pytest.raises(MirrorFailed, match="was started"):
        refresh(production, folder, declared=Mirroring(exclude=("/usr", "/var/cache")))


def test_too_little_room_is_said_before_anything_is_copied(
    production: nspawn.Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StateDiskFull, match="needs"):
        refresh(production, tmp_path / "m")
    assert list((tmp_path / "m/root").iterdir()) == []


def test_a_host_whose_root_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    class Far:
        name, root = "ssh:far", None

    with pytest.raises(CapabilityMissing):
        refresh(Far(), tmp_path)  # type: ignore[arg-type]


def test_a_mirror_inside_the_machine_is_refused(production: nspawn.Machine) -> None:
    with pytest.raises(MirrorFailed, match="in one another"):
        refresh(production, production.root / "srv" / "mirror")
    subprocess.run(["rm", "-rf", str(production.root / "srv" / "mirror")], check=True)
