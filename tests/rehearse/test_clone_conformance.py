"""Every driver of clones keeps the same promises, on real machines; what a driver cannot do it refuses, and says so."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import OWN_STATE, quicken, stand_aside
from tests.rehearse.cloning import mirror_of

from fulldress.adapters import btrfs, cgroups, nspawn
from fulldress.adapters.cgroups import Limits
from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import btrfs_dir
from fulldress.errors import CapabilityMissing
from fulldress.ports import Clone, CloneDriver, Host
from fulldress.rehearse.clone import CloneFailed
from fulldress.rehearse.clones import TreeDriver
from fulldress.rehearse.mirror import Mirror
from fulldress.rehearse.network import Network

pytestmark = pytest.mark.machine
LIMITS = Limits(memory=2 << 30, tasks=2048, devices=True)


def in_subvolume(base: Path) -> Path:
    """The base image, quickened, in a subvolume of a btrfs image, copied there once."""
    try:
        place = btrfs_dir(OWN_STATE) / f"base-{base.parent.name}-quick"
    except CapabilityMissing as error:
        stand_aside(f"needs btrfs: {error}")
    if not btrfs.is_subvolume(place / "root"):
        place.mkdir(exist_ok=True)
        new = place / ".new"
        btrfs.make(new)
        subprocess.run(["cp", "-a", "-T", str(base), str(new)], check=True)
        quicken(new)
        new.rename(place / "root")
    return place / "root"


class Making:
    """A driver and the mirror that it copies."""

    def __init__(self, driver: CloneDriver, mirror: Mirror, keeper: Scope) -> None:
        self.driver, self.mirror, self.keeper = driver, mirror, keeper

    @contextlib.contextmanager
    def clone(self, label: str = "t") -> Iterator[Clone]:
        with Network(self.keeper, label=label) as network, self.driver.make(self.mirror, network, label=label) as clone:
            yield clone


@pytest.fixture(scope="module", params=["overlay", "btrfs"])
def making(request: pytest.FixtureRequest, image_root: Path, base_root: Path, scratch: Path, keeper: Scope) -> Making:
    name = request.param
    tree = base_root if name == "overlay" else in_subvolume(image_root)
    where = scratch if name == "overlay" else btrfs_dir(OWN_STATE)
    return Making(TreeDriver(name, where, keeper, nspawn.boot, limits=LIMITS, disk=1 << 30), mirror_of(tree), keeper)


@pytest.fixture(scope="module")
def clone(making: Making) -> Iterator[Clone]:
    with making.clone() as clone:
        yield clone


def sql(host: Host, text: str) -> str:
    """Ask the clone's PostgreSQL; it may still be recovering."""
    for _ in range(100):
        done = host.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], stdin=text.encode(), user="postgres")
        if done.ok:
            return done.stdout.decode().strip()
        time.sleep(0.1)
    raise AssertionError(done.stderr.decode())


def state_of(tree: Path, *paths: str) -> list[object]:
    return [(p.lstat().st_mtime_ns, p.lstat().st_size, p.read_bytes()) for p in (tree / path for path in paths)]


def traces(name: str) -> list[str]:
    """What a clone or a network of this name left on this computer."""
    left = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    left += [
        str(p)
        for top in (*cgroups.hierarchies(), *(cgroups._MOUNT / w for w in cgroups._LIMITING))
        for p in top.glob(f"fulldress/{name}")
    ]
    left += [str(p) for p in nspawn.RUN.glob(f"{name}*")] + [str(p) for p in Path("/run/netns").glob(f"*{name}*")]
    loops = subprocess.run(["losetup", "-ln", "-O", "BACK-FILE"], capture_output=True, text=True, check=True).stdout
    return left + [line for line in loops.splitlines() if name in line]


def test_writes_deletions_and_new_files_do_not_reach_the_mirror(making: Making, clone: Clone) -> None:
    tree = Path(making.mirror.tree)
    before = state_of(tree, "etc/hosts", "etc/passwd", "etc/os-release")
    script = "echo changed >> /etc/hosts; rm /etc/passwd-; chmod 600 /etc/os-release; echo new > /etc/new; mkdir /srv/d"
    assert clone.host.run(["sh", "-c", script]).code in (0, 1)
    sql(clone.host, "create table t (n int); insert into t select generate_series(1, 10000)")
    assert state_of(tree, "etc/hosts", "etc/passwd", "etc/os-release") == before
    assert not (tree / "etc/new").exists() and not (tree / "srv/d").exists()
    assert clone.host.read_file("/etc/hosts").endswith(b"changed\n")


def test_the_writes_lie_apart_or_nowhere(making: Making, clone: Clone) -> None:
    clone.host.write_file("/srv/written", b"x")
    if making.driver.name == "overlay":
        assert clone.writes is not None and (clone.writes / "srv/written").read_bytes() == b"x"
        assert not (clone.writes / "usr/bin/env").exists()
    else:
        assert clone.writes is None


def test_the_mask_hides_identity_keys_mounts_and_resolver(making: Making, clone: Clone) -> None:
    tree, host = Path(making.mirror.tree), clone.host
    identity = host.read_file("/etc/machine-id").strip()
    assert len(identity) == 32 and identity != (tree / "etc/machine-id").read_bytes().strip()
    assert b"a clone mounts nothing" in host.read_file("/etc/fstab")
    assert host.read_file("/etc/resolv.conf") == b"nameserver 10.20.30.1\n"
    assert host.run(["systemctl", "is-enabled", "systemd-timesyncd.service"]).stdout.strip() in (b"masked", b"not-found")
    for key in tree.glob("etc/ssh/ssh_host_*_key"):
        with contextlib.suppress(FileNotFoundError):
            assert host.read_file(f"/etc/ssh/{key.name}") != key.read_bytes()


def test_freeze_stops_everything_and_thaw_goes_on(clone: Clone) -> None:
    ticking = "while :; do echo x >> /srv/ticks; sleep 0.01; done"
    clone.host.run(["systemd-run", "-q", "--unit=ticks", "sh", "-c", ticking])
    size = lambda: len(clone.host.read_file("/srv/ticks"))  # noqa: E731 - asked four times
    time.sleep(0.2)
    clone.freeze()
    first = size()
    time.sleep(0.3)
    assert size() == first > 0
    clone.thaw()
    time.sleep(0.3)
    assert size() > first
    clone.host.run(["systemctl", "kill", "-s", "KILL", "ticks"])


def test_after_a_power_cut_the_database_recovers_what_was_committed(clone: Clone) -> None:
    sql(clone.host, "create table kept (n int)")
    done = threading.Event()

    def write() -> None:
        text = "".join(f"insert into kept values ({n});\n" for n in range(100_000))
        clone.host.run(["psql", "-Xq"], stdin=text.encode(), user="postgres")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while int(sql(clone.host, "select count(*) from kept")) < 100:
        pass
    seen = int(sql(clone.host, "select count(*) from kept"))
    assert not done.is_set(), "the power is cut while it writes"
    clone.kill()
    assert not clone.running and clone.host.run(["true"]).code is None
    writer.join(30)
    clone.boot()
    assert int(sql(clone.host, "select count(*) from kept")) >= seen
    assert sql(clone.host, "select count(*) = max(n) + 1 from kept") == "t"


def test_two_side_by_side_do_not_see_each_other_and_leave_nothing(making: Making, clone: Clone) -> None:
    with making.clone("t-two") as other:
        assert other.host.read_file("/etc/machine-id") != clone.host.read_file("/etc/machine-id")
        other.host.write_file("/srv/others", b"x")
        with pytest.raises(FileNotFoundError):
            clone.host.read_file("/srv/others")
        sql(other.host, "create table others (n int)")
        assert sql(clone.host, "select to_regclass('others') is null") == "t"
        seen = other.host.run(["sh", "-c", "ps -eo args; ls /proc/*/cwd -d | wc -l; ip -o addr"]).stdout.decode()
        assert clone.name not in seen
        other.freeze()
        assert clone.host.run(["true"]).ok, "freezing one leaves the other alone"
        name = other.name
        folder = other.folder  # type: ignore[attr-defined]
        assert traces(name) and folder.exists()
    assert traces(name) == [] and not folder.exists() and traces("t-two") == []
    assert clone.host.run(["true"]).ok


def test_an_orderly_end_keeps_the_writes(clone: Clone) -> None:
    clone.host.write_file("/srv/kept", b"kept")
    clone.poweroff()
    assert not clone.running and nspawn.recorded(clone.name) is None
    assert (clone.root / "srv/kept").read_bytes() == b"kept"  # type: ignore[attr-defined]
    assert not (clone.root / "var/lib/postgresql/15/main/postmaster.pid").exists(), "the database was shut down"  # type: ignore[attr-defined]


@pytest.mark.parametrize("making", ["overlay"], indirect=True)
def test_eight_alive_at_once(making: Making) -> None:
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(4) as pool:
        opened = [making.clone(f"t-eight{n}") for n in range(8)]
        clones = list(pool.map(stack.enter_context, opened))
        assert len({c.host.read_file("/etc/machine-id") for c in clones}) == 8
        assert list(pool.map(lambda c: sql(c.host, "select 40 + 2"), clones)) == ["42"] * 8


def test_a_mirror_that_is_being_refreshed_is_not_cloned(making: Making, tmp_path: Path) -> None:
    busy = Making(making.driver, mirror_of(tmp_path / "root"), making.keeper)
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CloneFailed, match="refreshed"), busy.clone("t-held"):
            pass
    assert traces("t-held") == []
