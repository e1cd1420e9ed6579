"""What every ``ports.Host`` must do. A test file of a host subclasses ``HostConformance`` and brings a ``host`` fixture."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fulldress.errors import StepFailed
from fulldress.ports import Host

AWKWARD = [
    "a b",
    "$HOME",
    "$$",
    "${x}",
    "%n %%",
    "new\nline",
    '"q"',
    "it's",
    "\\x41\\n",
    "",
    "-n",
    "ümlaut",
    "*",
    "`id`",
    ";",
]


class HostConformance:
    def test_exit_codes_are_the_commands_own(self, host: Host) -> None:
        assert [host.run(["sh", "-c", f"exit {n}"]).code for n in (0, 1, 7, 255)] == [0, 1, 7, 255]

    def test_stdout_and_stderr_are_kept_apart(self, host: Host) -> None:
        done = host.run(["sh", "-c", "echo out; echo err >&2; printf more; printf end >&2"])
        assert (done.stdout, done.stderr) == (b"out\nmore", b"err\nend")

    def test_a_command_that_does_not_exist_exits_127(self, host: Host) -> None:
        assert host.run(["no-such-command"]).code == 127

    def test_a_command_killed_by_a_signal_did_not_succeed(self, host: Host) -> None:
        done = host.run(["sh", "-c", "kill -9 $$"])
        assert done.code == 137 and not done.ok

    def test_arguments_arrive_as_they_were_given(self, host: Host) -> None:
        done = host.run(["sh", "-c", 'printf "%s\\0" "$@"', "sh", *AWKWARD])
        assert done.stdout.decode().split("\0")[:-1] == AWKWARD

    def test_stdin_and_stdout_are_binary_safe(self, host: Host) -> None:
        data = bytes(range(256)) * 20_000
        assert host.run(["cat"], stdin=data).stdout == data

    def test_stdin_ends(self, host: Host) -> None:
        assert host.run(["wc", "-c"]).stdout.strip() == b"0"

    def test_runs_as_root_with_roots_home_unless_told_otherwise(self, host: Host) -> None:
        assert host.run(["sh", "-c", "id -un; echo $HOME"]).stdout == b"root\n/root\n"

    def test_runs_as_another_user_with_its_home(self, host: Host) -> None:
        assert host.run(["sh", "-c", "id -un; echo $HOME"], user="postgres").stdout == b"postgres\n/var/lib/postgresql\n"

    def test_a_time_out_gives_no_code_and_ends_the_command_with_its_children(self, host: Host) -> None:
        began = time.monotonic()
        done = host.run(["sh", "-c", "echo begun; sleep 4711 & sleep 4711"], timeout_s=0.7)
        assert done.code is None and not done.ok
        assert done.stdout == b"begun\n"
        assert time.monotonic() - began < 30
        assert host.run(["pgrep", "-f", "sleep 471[1]"]).stdout == b""

    def test_many_at_once(self, host: Host) -> None:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda n: host.run(["sh", "-c", f"sleep 0.1; echo {n}"]), range(24)))
        assert [a.stdout for a in answers] == [f"{n}\n".encode() for n in range(24)]

    def test_stream_yields_everything_in_chunks(self, host: Host) -> None:
        sizes = [len(chunk) for chunk in host.stream(["head", "-c", "5000000", "/dev/zero"])]
        assert sum(sizes) == 5_000_000 and len(sizes) > 1

    def test_stream_raises_when_the_command_fails_and_says_why(self, host: Host) -> None:
        with pytest.raises(StepFailed) as caught:
            list(host.stream(["sh", "-c", "echo part; echo reason >&2; exit 3"]))
        assert "exited 3" in caught.value.what and caught.value.why == "reason"

    def test_a_stream_that_is_left_early_ends_its_command(self, host: Host) -> None:
        stream = host.stream(["sh", "-c", "while :; do echo xxxx4712; sleep 0.01; done"])
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert host.run(["pgrep", "-f", "xxxx471[2]"]).stdout == b""

    def test_a_missing_file_is_a_file_not_found(self, host: Host) -> None:
        with pytest.raises(FileNotFoundError):
            host.read_file("/etc/no-such-file")

    def test_a_directory_is_no_file(self, host: Host) -> None:
        with pytest.raises(OSError):
            host.read_file("/etc")

    def test_what_is_written_is_read_with_its_mode_and_owner(self, host: Host) -> None:
        data = bytes(range(256))
        host.write_file("/root/conformance/deep/file", data, mode=0o640)
        assert host.read_file("/root/conformance/deep/file") == data
        assert host.run(["stat", "-c", "%a %U", "/root/conformance/deep/file"]).stdout == b"640 root\n"

    def test_writing_again_replaces_and_leaves_no_temporary_file(self, host: Host) -> None:
        for text in (b"long before\n", b"after\n"):
            host.write_file("/root/conformance-again/file", text)
        assert host.read_file("/root/conformance-again/file") == b"after\n"
        assert host.run(["ls", "-A", "/root/conformance-again"]).stdout == b"file\n"

    def test_the_boot_id_stays_while_the_machine_runs(self, host: Host) -> None:
        assert host.boot_id() == host.boot_id() != ""
