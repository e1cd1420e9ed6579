"""A staging host in the place of a clone: labelled, never production, restored or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.adapters.test_ssh import at_home, server
from tests.rehearse.cloning import mirror_of
from tests.rehearse.sweeping import plan

from fulldress.adapters import nspawn
from fulldress.adapters.scope import Scope
from fulldress.errors import CapabilityMissing, UsageError
from fulldress.model.release import Release, Staging
from fulldress.ports import Clone, Completed, Front
from fulldress.rehearse import clone, clone_staging, clones
from fulldress.rehearse.clone import CloneFailed
from fulldress.rehearse.crashsweep import ensure_sweepable
from fulldress.rehearse.network import Network
from fulldress.rehearse.rehearsal import not_shown
from fulldress.rehearse.setting import quiet
from fulldress.rehearse.verdict import dress_checks, overall
from fulldress.rehearse.wanted import wanted
from fulldress.store.blobs import BlobStore

__all__ = ["at_home", "server"]


class Scripted:
    """A host with a machine-id."""

    def __init__(self, name: str, up: bool = True) -> None:
        self.name, self.up = name, up

    def run(self, argv: list[str], **_: object) -> Completed:
        return Completed(code=0 if self.up else None, stdout=b"staging-id\n" if argv[0] == "cat" else b"")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/machine-id").write_text("production-id\n")
    return tmp_path / "root"


Make = Callable[..., Clone]


@pytest.fixture
def make(tree: Path, tmp_path: Path, keeper: Scope) -> Iterator[Make]:
    def made(address: str = "ssh:root@staging:22", restore: tuple[str, ...] = (), up: bool = True) -> Clone:
        staging = Staging(host=address, restore=restore or ("sh", "-c", f"echo restored >> {tmp_path}/log"))
        driver = clones.StagingDriver(staging, opened=lambda a: Scripted(a, up))  # type: ignore[arg-type, return-value]
        return driver.make(mirror_of(tree), Network(keeper, label="none"))

    yield made


def restored(tmp_path: Path) -> int:
    return len((tmp_path / "log").read_text().splitlines()) if (tmp_path / "log").exists() else 0


def test_it_is_never_full_dress_and_never_a_pass() -> None:
    assert not clones.StagingDriver.full_dress and clones.TreeDriver.full_dress
    assert overall(dress_checks("staging", clones.StagingDriver.full_dress)) == "inconclusive"
    assert dress_checks("overlay", True) == []


@pytest.mark.parametrize("asked", [{"undo_at": "each"}, {"crash": "inside"}])
def test_no_sweep_is_played_on_it(asked: dict[str, str], tree: Path, tmp_path: Path, keeper: Scope) -> None:
    driver = clones.StagingDriver(Staging(host="ssh:root@staging", restore=("true",)))
    setting = quiet(
        "s", Release(name="r"), mirror_of(tree), blobs=BlobStore(tmp_path / "blobs"), directory=tmp_path,
        engine_dir=tmp_path, scratch=tmp_path, keeper=keeper, driver=driver, wanted=wanted(["01"], **asked),  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(UsageError, match="staging host"):
        ensure_sweepable(setting)
    plain = setting._replace(wanted=wanted(["01"]))
    ensure_sweepable(plain)
    said = " ".join(not_shown(plain, plan("01")))
    assert "Not full dress" in said
    assert "played by the sink" not in said
    assert "--undo-at" not in said


@pytest.mark.parametrize(
    ("staging", "said"),
    [
        (Staging(), "no staging host"),
        (Staging(host="ssh:staging"), "without a way to restore it"),
    ],
)
def test_without_a_host_or_a_way_back_nothing_is_played(staging: Staging, said: str, keeper: Scope) -> None:
    with pytest.raises(UsageError, match=said):
        clones.driver("staging", keeper, nspawn.boot, staging=staging)


def test_production_itself_is_refused_by_name_and_by_machine_id(make: Make, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="production itself"):
        make("machine:made-up")
    (tree / "etc/machine-id").write_text("staging-id\n")
    with pytest.raises(UsageError, match="machine-id"), make():
        pass
    assert restored(tmp_path) == 0, "what was refused is not restored either"


def test_it_cannot_be_stopped_and_says_so(make: Make) -> None:
    with make() as staged:
        for stop in (staged.freeze, staged.thaw, staged.kill, staged.poweroff):
            with pytest.raises(CapabilityMissing, match="cannot be"):
                stop()
        assert staged.writes is None and staged.running and staged.strain() == {}


def test_taking_it_away_restores_it_once(make: Make, tmp_path: Path) -> None:
    with make() as staged:
        assert restored(tmp_path) == 0
    staged.destroy()
    assert restored(tmp_path) == 1


@pytest.mark.parametrize("restore", [("false",), ("/nowhere/at-all",)])
def test_a_restore_that_fails_ends_the_rehearsal(make: Make, restore: tuple[str, ...]) -> None:
    with pytest.raises(CloneFailed, match="could not be restored"), make(restore=restore):
        pass


def test_a_host_that_does_not_answer_is_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone_staging, "ANSWER_S", 0.1)
    with pytest.raises(CloneFailed, match="does not answer"), make(up=False):
        pass


@pytest.mark.parametrize(
    ("address", "front"),
    [
        ("ssh:root@staging:22", "http://staging:80"),
        ("ssh:staging", "http://staging:80"),
        ("ssh:root@[::1]:22", "http://[::1]:80"),
    ],
)
def test_the_load_goes_to_the_host(make: Make, address: str, front: str) -> None:
    assert make(address).front == Front(url=front)


@pytest.mark.machine
def test_over_a_real_connection(at_home: tuple[Path, int], tree: Path, tmp_path: Path, keeper: Scope) -> None:
    staging = Staging(host="ssh:lims", restore=("sh", "-c", f"echo restored >> {tmp_path}/log"))
    driver = clones.driver("staging", keeper, nspawn.boot, staging=staging)
    with driver.make(mirror_of(tree), Network(keeper, label="none")) as staged:
        assert staged.host.run(["echo", "here"]).stdout == b"here\n"
        (tree / "etc/machine-id").write_bytes(staged.host.read_file("/etc/machine-id"))
    assert restored(tmp_path) == 1
    with pytest.raises(UsageError, match="machine-id"), driver.make(mirror_of(tree), Network(keeper, label="none")):
        pass


def test_an_unknown_driver_is_said_with_those_there_are(keeper: Scope) -> None:
    with pytest.raises(UsageError) as caught:
        clones.driver("vmware", keeper, nspawn.boot)
    assert all(name in caught.value.fix for name in clones.NAMES)


def test_a_disk_of_its_own_is_an_overlay_there_that_nobody_watches(tmp_path: Path, keeper: Scope) -> None:
    usual, pool, own = tmp_path / "scratch", tmp_path / "btrfs", tmp_path / "own"
    snapshots = clones.TreeDriver("btrfs", pool, keeper, nspawn.boot, usual=usual)
    assert snapshots.at(usual) is snapshots.at(pool) is snapshots
    small = snapshots.at(own)
    made = small.make(mirror_of(tmp_path), Network(keeper, label="none"))
    assert (small.name, made.disk, made.folder.parent) == ("overlay", clone.UNWATCHED, own / "clones")
