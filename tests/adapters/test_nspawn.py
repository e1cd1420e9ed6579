"""Machines: the Host conformance, the boundary to this host, and every way to end one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.adapters.host_conformance import HostConformance
from tests.conftest import lay_over

from fulldress.adapters import cgroups, hosts, nspawn, procs
from fulldress.adapters.procs import Proc
from fulldress.adapters.scope import Scope
from fulldress.errors import UsageError
from fulldress.ports import Host

pytestmark = pytest.mark.machine
CAP_SYS_TIME = 1 << 25


class TestMachineIsAHost(HostConformance):
    @pytest.fixture
    def host(self, pg_machine: nspawn.Machine) -> Host:
        return pg_machine


class TestTheBoundary:
    def test_commands_cannot_set_this_hosts_clock(self, pg_machine: nspawn.Machine) -> None:
        status = pg_machine.run(["cat", "/proc/self/status"]).stdout.decode()
        effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
        assert not int(effective.split()[1], 16) & CAP_SYS_TIME
        before = time.time()
        assert not pg_machine.run(["date", "-s", "2001-01-01"]).ok
        assert 0 <= time.time() - before < 60

    def test_commands_run_in_a_unit_of_the_machines_own_init(self, pg_machine: nspawn.Machine) -> None:
        assert b"/system.slice/fulldress-call-" in pg_machine.run(["cat", "/proc/self/cgroup"]).stdout

    def test_an_absolute_link_in_the_machine_leads_to_the_machines_file(
        self, pg_machine: nspawn.Machine, tmp_path: Path
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_text("this host's")
        pg_machine.run(["sh", "-c", f"mkdir -p {tmp_path}; echo inside > {secret}; ln -sf {secret} /root/link"])
        assert pg_machine.read_file("/root/link") == b"inside\n"

    def test_a_write_through_a_linked_directory_stays_inside(self, pg_machine: nspawn.Machine, tmp_path: Path) -> None:
        pg_machine.run(["sh", "-c", f"mkdir -p {tmp_path}; ln -sfn {tmp_path} /root/linked"])
        pg_machine.write_file("/root/linked/file", b"x")
        assert list(tmp_path.iterdir()) == []
        assert pg_machine.run(["cat", f"{tmp_path}/file"]).stdout == b"x"

    def test_a_pipe_is_not_read(self, pg_machine: nspawn.Machine) -> None:
        pg_machine.run(["mkfifo", "/root/pipe"])
        with pytest.raises(OSError):
            pg_machine.read_file("/root/pipe")

    def test_it_has_no_network_of_this_host(self, pg_machine: nspawn.Machine) -> None:
        links = pg_machine.run(["ip", "-o", "link"]).stdout.decode().splitlines()
        assert all("LOOPBACK" in line or "host0" in line for line in links)

    def test_a_record_that_names_a_process_of_this_host_is_never_entered(self) -> None:
        forged = nspawn.MachineState(name="forged", root="/", supervisor=procs.me(), leader=procs.me())
        with pytest.raises(nspawn.MachineFailed, match="process of this host"):
            _ = nspawn.Machine(forged).leader

    def test_each_machine_has_control_groups_of_its_own(self, pg_machine: nspawn.Machine) -> None:
        for group in cgroups.groups(pg_machine.state.name):
            assert group.is_dir()


class TestFindingItAgain:
    def test_another_process_attaches_by_name(self, pg_machine: nspawn.Machine) -> None:
        code = (
            f"from fulldress.adapters.hosts import open_host; print(open_host({pg_machine.name!r}).run(['hostname']).stdout)"
        )
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == repr(pg_machine.run(["hostname"]).stdout)

    def test_an_unknown_name_is_said_with_those_that_run(self, pg_machine: nspawn.Machine) -> None:
        with pytest.raises(nspawn.MachineFailed) as caught:
            hosts.open_host("machine:nobody")
        assert pg_machine.state.name in caught.value.fix

    def test_a_stale_pid_is_recognised_by_its_start_time(self, pg_machine: nspawn.Machine) -> None:
        old = Proc(pg_machine.leader.pid, pg_machine.leader.start - 1)
        gone = nspawn.MachineState(name="gone", root="/", supervisor=Proc(1, 12345), leader=old)
        assert not nspawn.Machine(gone).running
        assert nspawn.Machine(gone).run(["true"]).code is None

    def test_a_name_that_is_taken_is_refused(self, pg_machine: nspawn.Machine) -> None:
        with pytest.raises(UsageError, match="running"):
            nspawn.boot(pg_machine.root, pg_machine.state.name)


class TestRefusals:
    @pytest.mark.parametrize("name", ["", "Upper", "a/b", "../x", "-a", "a" * 64])
    def test_names_that_could_be_paths_or_options(self, name: str, base_root: Path) -> None:
        with pytest.raises(UsageError):
            nspawn.boot(base_root, name)

    def test_a_folder_that_is_no_root_tree(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="not a root tree"):
            nspawn.boot(tmp_path, "t-none")

    def test_a_tree_that_cannot_boot_fails_with_its_console_and_leaves_nothing(self, tmp_path: Path) -> None:
        for folder in ("usr", "etc"):
            (tmp_path / folder).mkdir()
        (tmp_path / "etc/os-release").write_text("ID=none\n")
        with pytest.raises(nspawn.MachineFailed):
            nspawn.boot(tmp_path, "t-unbootable", timeout_s=15)
        assert nspawn.recorded("t-unbootable") is None
        assert not any(group.exists() for group in cgroups.groups("t-unbootable"))

    @pytest.mark.parametrize("address", ["", "machine:", "docker:x", "x"])
    def test_addresses_of_an_unknown_kind(self, address: str) -> None:
        with pytest.raises(UsageError):
            hosts.open_host(address)


def test_one_life_freeze_reboot_power_cut_boot_and_orderly_end(base_root: Path, scratch: Path) -> None:
    with Scope("t-life") as scope:
        root = lay_over(base_root, scratch / "clones" / scope.id, scope)
        scope.keep("machine", scope.id)
        machine = nspawn.boot(root, scope.id)
        first = machine.boot_id()

        machine.freeze()
        assert machine.run(["true"], timeout_s=0.3).code is None
        machine.thaw()
        assert machine.run(["true"]).ok

        machine.run(["sh", "-c", "echo kept > /root/kept; sync"])
        machine.run(["systemctl", "--no-block", "reboot"])
        until = time.monotonic() + 30
        while time.monotonic() < until and not _answers(machine, first):
            time.sleep(0.1)
        second = machine.boot_id()
        assert second != first

        machine.kill()
        assert not machine.running and machine.run(["true"]).code is None
        assert nspawn.recorded(scope.id) is None

        machine = nspawn.boot(root, scope.id)
        assert machine.boot_id() not in (first, second)
        assert machine.read_file("/root/kept") == b"kept\n"
        machine.poweroff()
        assert nspawn.recorded(scope.id) is None
        assert not any(group.exists() for group in cgroups.groups(scope.id))


def test_where_devices_cannot_be_fenced_off_nodes_cannot_be_made(
    base_root: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    can = cgroups.limiting
    monkeypatch.setattr(cgroups, "limiting", lambda what: what != "devices" and can(what))
    with Scope("t-nodes") as scope:
        root = lay_over(base_root, scratch / "clones" / scope.id, scope)
        scope.keep("machine", scope.id)
        machine = nspawn.boot(root, scope.id, limits=cgroups.Limits(devices=True))
        assert machine.run(["mknod", "/srv/disk", "b", "8", "0"]).code == 1
        assert machine.run(["systemctl", "is-system-running", "--wait"]).stdout == b"running\n"


LEFT = """
import subprocess
from fulldress.adapters import nspawn
nspawn._unwaited += [subprocess.Popen(["true"]), subprocess.Popen(["sleep", "0.5"])]
"""


def test_a_process_that_booted_machines_ends_without_warnings_about_them() -> None:
    argv = [sys.executable, "-W", "always", "-c", LEFT]
    assert subprocess.run(argv, capture_output=True, check=True, text=True).stderr == ""


def _answers(machine: nspawn.Machine, not_boot: str) -> bool:
    try:
        return machine.boot_id() != not_boot and machine.run(["true"], timeout_s=2).ok
    except (OSError, nspawn.MachineFailed):
        return False
