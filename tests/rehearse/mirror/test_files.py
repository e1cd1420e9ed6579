"""Files over SSH by rsync: a real sshd on the loopback, a small tree, and connections that break."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sshd import serving

from fulldress.adapters import ssh
from fulldress.adapters.ssh import SshFailed, SshHost
from fulldress.errors import CapabilityMissing
from fulldress.ports import Completed
from fulldress.rehearse.mirror import MirrorFailed, files
from fulldress.rehearse.mirror.files import PARTIAL, LeftOut, filters, folder_in

pytestmark = pytest.mark.machine


class Bar:
    """Counts what is advanced."""

    def __init__(self) -> None:
        self.done = 0.0

    def start(self, label: str, total: float | None = None) -> None: ...
    def advance(self, amount: float = 1.0) -> None:
        self.done += amount

    def note(self, text: str) -> None: ...
    def finish(self) -> None: ...


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with serving(tmp_path_factory.mktemp("ssh")) as (home, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        made = SshHost("lims")
        yield made
        made.close()


@pytest.fixture
def production(tmp_path: Path) -> Path:
    top = tmp_path / "production"
    for name, text in {"etc/a": "1", "srv/it's here/b": "2", "srv/archive/old": "3", "x.iso": "4", "tmp/t": "5"}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    os.link(top / "etc/a", top / "etc/twin")
    (top / "etc/away").symlink_to("/nowhere")
    os.chown(top / "etc/a", 4711, 4712)
    os.setxattr(top / "etc/a", "user.note", b"kept")
    (top / "big").write_bytes(os.urandom(1 << 20))
    return top


def pull(host: SshHost, top: Path, target: Path, *left_out: LeftOut, bar: Bar | None = None) -> files.Moved:
    target.mkdir(exist_ok=True)
    return files.run(files.tree_argv("/", left_out), files.source(host), f"{top}/", target, bar)


def test_a_tree_comes_over_ssh_as_it_is(host: SshHost, production: Path, tmp_path: Path) -> None:
    bar, target = Bar(), tmp_path / "mirror"
    moved = pull(host, production, target, bar=bar)
    assert moved.code == 0 and (target / "srv/it's here/b").read_text() == "2"
    seen = (target / "etc/a").stat()
    assert (seen.st_uid, seen.st_gid, seen.st_nlink) == (4711, 4712, 2)
    assert os.getxattr(target / "etc/a", "user.note") == b"kept" and (target / "etc/away").readlink() == Path("/nowhere")
    assert bar.done >= 1 << 20 and moved.literal >= 1 << 20


def test_again_only_what_changed_moves_and_what_is_gone_goes(host: SshHost, production: Path, tmp_path: Path) -> None:
    target = tmp_path / "mirror"
    pull(host, production, target)
    (production / "etc/new").write_text("n")
    (production / "x.iso").unlink()
    would = files.would_move(files.tree_argv("/", []), files.source(host), f"{production}/", target)
    assert (would.size, would.files) == (1, 1) and not (target / "etc/new").exists()
    moved = pull(host, production, target)
    assert moved.literal == 1 and (target / "etc/new").exists() and not (target / "x.iso").exists()


def test_what_is_left_out_stays_out_or_as_it_is_in_the_mirror(host: SshHost, production: Path, tmp_path: Path) -> None:
    target = tmp_path / "mirror"
    (target / "srv/it's here").mkdir(parents=True)
    (target / "srv/it's here/ours").write_text("of another pass")
    kept = LeftOut("/srv/it's here", kept=True)
    pull(
        host,
        production,
        target,
        LeftOut("/tmp"),
        kept,
        LeftOut("/srv/arch*", declared=True),
        LeftOut("*.iso", declared=True),
    )
    assert [p.name for p in (target / "srv/it's here").iterdir()] == ["ours"]
    assert list((target / "srv/archive").iterdir()) == [] == list((target / "tmp").iterdir())
    assert not (target / "x.iso").exists() and (target / "etc/a").exists()


def test_after_a_broken_connection_it_goes_on(host: SshHost, production: Path, tmp_path: Path) -> None:
    """The connection is cut behind the first half of a large file."""
    (production / "zz").write_bytes(os.urandom(8 << 20))
    target, src = tmp_path / "mirror", files.source(host, bandwidth=6000)
    target.mkdir()
    cut = tmp_path / "cut.sh"
    shell = src.options[0].removeprefix("--rsh=")
    cut.write_text(f"""#!/bin/sh
exec 3<&0
{shell} "$@" <&3 & ssh=$!
for i in $(seq 200); do [ -n "$(find {target} -name '.zz.*' -size +2000k)" ] && break; sleep 0.05; done
kill -9 $ssh; wait $ssh
""")
    cut.chmod(0o755)
    with pytest.raises(MirrorFailed, match="connection broke") as broken:
        cut_source = src._replace(options=(f"--rsh={cut}", *src.options[1:]))
        files.run(files.tree_argv("/", []), cut_source, f"{production}/", target, None)
    assert "goes on from there" in broken.value.fix and "MB of this file system had come" in broken.value.why
    assert (target / "big").read_bytes() == (production / "big").read_bytes() and not (target / "zz").exists()
    assert (target / PARTIAL / "zz").stat().st_size > 1 << 20
    moved = pull(host, production, target)
    assert moved.literal < 8 << 20 and (target / "zz").read_bytes() == (production / "zz").read_bytes()


def test_an_unknown_host_key_is_refused_by_rsyncs_connection_too(host: SshHost, production: Path, tmp_path: Path) -> None:
    known = Path.home() / ".ssh/known_hosts"
    text, src = known.read_text(), files.source(host)
    known.write_text("")
    try:
        with pytest.raises(MirrorFailed) as refused:
            files.run(files.tree_argv("/", []), src, f"{production}/", tmp_path / "mirror", None)
        assert "Host key verification failed" in refused.value.why and known.read_text() == ""
    finally:
        known.write_text(text)


def test_a_login_that_is_not_root_reads_by_sudo_or_is_refused(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: SshHost, argv: list[str], **__: object) -> Completed:
        return Completed(code=0, stdout=b"1000\n") if argv[0] == "id" else Completed(code=sudo)

    monkeypatch.setattr(ssh.SshHost, "run", run)
    sudo = 0
    assert "--rsync-path=sudo -n rsync" in files.source(host).options
    sudo = 1
    with pytest.raises(SshFailed, match="all its files") as refused:
        files.source(host)
    assert "sudo -n rsync" in refused.value.fix


def test_the_settings_of_rsyncs_connection_are_those_of_the_host() -> None:
    words = SshHost("me@[::1]:2222")._openssh()
    assert words[-4:] == ["-l", "me", "-p", "2222"] and {"StrictHostKeyChecking=yes", "BatchMode=yes", "-a", "-x"} <= set(
        words
    )


def test_ctrl_c_ends_rsync_with_us(host: SshHost, production: Path, tmp_path: Path) -> None:
    class Interrupts(Bar):
        def advance(self, amount: float = 1.0) -> None:
            raise KeyboardInterrupt

    target = tmp_path / "mirror"
    with pytest.raises(KeyboardInterrupt):
        pull(host, production, target, bar=Interrupts())
    running = subprocess.run(["pgrep", "-f", f"rsync.*{target}"], capture_output=True, text=True, check=False)
    assert running.stdout == ""


def test_killed_outright_we_leave_no_rsync_behind(production: Path, tmp_path: Path) -> None:
    call = f"files.run(['rsync', '-a'], src, '{production}/', Path('{tmp_path}/mirror'), None)"
    program = (
        "from pathlib import Path; from fulldress.rehearse.mirror import files;"
        f"src = files.Source('', ('--bwlimit=50',)); {call}"
    )
    ours = subprocess.Popen([sys.executable, "-c", program])
    assert awaited(f"{tmp_path}/mirror", there=True)
    ours.kill()
    ours.wait()
    assert awaited(f"{tmp_path}/mirror", there=False)


def awaited(target: str, *, there: bool) -> bool:
    """Until an rsync to the target runs, or none does."""
    for _ in range(100):
        asked = subprocess.run(["pgrep", "-f", f"^rsync.*{target}"], capture_output=True, text=True, check=False)
        if bool(asked.stdout) is there:
            return True
        time.sleep(0.05)
    return False


def test_rules_below_another_top_are_relative_to_it() -> None:
    rules = filters("/srv/data", [LeftOut("/srv/data/pg[1]", kept=True), LeftOut("/srv/database"), LeftOut("/srv/data")])
    assert [rule for rule in rules if "/pg" in rule] == [
        "--filter=protect /pg\\[1]/**",
        "--filter=protect /pg\\[1]",
        "--exclude=/pg\\[1]/**",
    ]
    assert not any("database" in rule for rule in rules)


def test_a_place_behind_a_link_of_the_copy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "srv").symlink_to("/etc")
    with pytest.raises(MirrorFailed, match="lies behind"):
        folder_in(tmp_path, "/srv/data")


def test_a_host_without_rsync_is_named(tmp_path: Path) -> None:
    gone = files.Source(
        "", ("--rsync-path=/nonexistent/rsync", "--rsh=sh -c 'echo rsync: command not found >&2; exit 127' x")
    )
    with pytest.raises(MirrorFailed, match="not installed on the host"):
        files.run(files.tree_argv("/", []), gone, "there:/etc/", tmp_path, None)


def test_rsync_that_is_not_installed_here_is_a_missing_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CapabilityMissing, match="rsync"):
        files.run(files.tree_argv("/", []), files.Source(""), "/etc/", tmp_path, None)
