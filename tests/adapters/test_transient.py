"""A job on a real machine: started once however often it is asked for, and never run blindly again."""

from __future__ import annotations

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.adapters.transient import HOME, Job, look, push_blobs, revoke, run_job, unit_name
from fulldress.errors import FulldressError, StepFailed

pytestmark = pytest.mark.machine
_number = itertools.count(1)


def job(body: str, timeout_s: float = 20, **env: str) -> Job:
    name = f"tr-{next(_number)}"
    own = {"FD_RUN": "tr", "FD_STEP": name, "FD_UNDO": f"{HOME}/undo/tr/{name}", "FD_BLOBS": f"{HOME}/blobs"}
    return Job(name=name, body=body, timeout_s=timeout_s, env={**own, **env})


def test_it_says_code_output_and_times(pg_machine: Machine) -> None:
    report = run_job(pg_machine, job("echo out; echo err >&2; sleep 0.2; exit 3\n"))
    assert (report.state, report.code, report.output) == ("done", 3, "out\nerr\n")
    assert 0.2 <= report.ended - report.started < 2


def test_dollars_reach_the_script_as_written(pg_machine: Machine) -> None:
    report = run_job(pg_machine, job("x=1; echo \"$x ${x} $$\" '$HOME' %n %%\n"))
    assert report.output.split()[:2] == ["1", "1"]
    assert report.output.split()[3:] == ["$HOME", "%n", "%%"]


def test_the_environment_is_its_own(pg_machine: Machine) -> None:
    report = run_job(pg_machine, job('echo "$EXTRA $FD_STEP"; [ -d "$FD_UNDO" ]; stat -c %a "$FD_UNDO"\n', EXTRA="a b=c $x"))
    assert report.output.startswith("a b=c $x tr-")
    assert report.output.endswith("700\n")


def test_asked_by_many_it_runs_once(pg_machine: Machine) -> None:
    one = job("echo once >>/var/tmp/tr-once; sleep 0.5\n")
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda _: run_job(pg_machine, one), range(8)))
    assert {r.code for r in reports} == {0}
    assert len({r.started for r in reports}) == 1
    assert pg_machine.read_file("/var/tmp/tr-once") == b"once\n"


def test_a_result_is_read_again_later(pg_machine: Machine) -> None:
    one = job("date +%N\n")
    assert run_job(pg_machine, one) == run_job(pg_machine, one) == look(pg_machine, one)


def test_a_name_never_seen_is_lost_not_good(pg_machine: Machine) -> None:
    assert look(pg_machine, job("true")).state == "lost"


def test_its_time_is_limited_on_the_host(pg_machine: Machine) -> None:
    assert run_job(pg_machine, job("sleep 30\n", timeout_s=1)).code == 124


def test_a_daemon_left_behind_is_counted(pg_machine: Machine) -> None:
    report = run_job(pg_machine, job("setsid -f sleep 5 >/dev/null 2>&1; sleep 0.1\n"))
    assert (report.code, report.leftovers) == (0, 1)


def test_a_claim_of_another_boot_is_unknown_and_stays_so(pg_machine: Machine) -> None:
    one = job("touch /var/tmp/tr-blind\n")
    for name, text in (("boot", b"another\n"), ("pid", b"1\n"), ("started", b"1.0\n")):
        pg_machine.write_file(f"{HOME}/steps/{one.name}/claim/{name}", text)
    assert run_job(pg_machine, one).state == "unknown"
    assert not pg_machine.run(["test", "-e", "/var/tmp/tr-blind"]).ok


def test_a_job_whose_process_died_is_unknown(pg_machine: Machine) -> None:
    one = job("sleep 60\n")
    pg_machine.run(["bash", "-c", f"(sleep 1; systemctl kill -s KILL {unit_name(one.name)}.service) >/dev/null 2>&1 &"])
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_job, pg_machine, one)
        for _ in range(100):
            if look(pg_machine, one).state == "running":
                break
        pg_machine.run(["systemctl", "kill", "-s", "KILL", f"{unit_name(one.name)}.service"])
        assert running.result(timeout=30).state == "unknown"


def test_a_revoked_job_never_runs(pg_machine: Machine) -> None:
    one = job("touch /var/tmp/tr-revoked\n")
    assert revoke(pg_machine, one).state == "lost"
    assert look(pg_machine, one).state == "lost"
    pg_machine.run(["bash", f"{HOME}/steps/{one.name}/run"])
    assert not pg_machine.run(["test", "-e", "/var/tmp/tr-revoked"]).ok


def test_a_job_that_was_done_cannot_be_revoked(pg_machine: Machine) -> None:
    one = job("true\n")
    run_job(pg_machine, one)
    assert revoke(pg_machine, one).state == "done"


def test_a_fenced_job_does_nothing_for_another_holder(pg_machine: Machine) -> None:
    pg_machine.write_file(f"{HOME}/holder", b'{"token":"7-new"}')
    try:
        report = run_job(pg_machine, job("touch /var/tmp/tr-fenced\n", FD_FENCE="6-old"))
        assert (report.code, "another run" in report.output) == (96, True)
        assert not pg_machine.run(["test", "-e", "/var/tmp/tr-fenced"]).ok
        assert run_job(pg_machine, job("true\n", FD_FENCE="7-new")).code == 0
    finally:
        pg_machine.run(["rm", f"{HOME}/holder"])


@pytest.mark.parametrize("name", ["", "a b", "../x", "a;b", "-x"])
def test_a_name_that_is_no_name_is_refused(pg_machine: Machine, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        run_job(pg_machine, Job(name=name, body="true"))


def test_contents_are_sent_once_and_verified_there(pg_machine: Machine) -> None:
    data = b"some content of a step\n"
    sha = hashlib.sha256(data).hexdigest()
    assert push_blobs(pg_machine, [sha, sha], {sha: data}.__getitem__) == 1
    assert push_blobs(pg_machine, [sha], {}.__getitem__) == 0
    pg_machine.write_file(f"{HOME}/blobs/{sha}", b"tampered")
    assert push_blobs(pg_machine, [sha], {sha: data}.__getitem__) == 1
    with pytest.raises(FulldressError, match="did not arrive"):
        push_blobs(pg_machine, ["0" * 64], lambda _: b"not that")


def test_a_host_that_is_gone_is_said(pg_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from fulldress.adapters import transient
    from fulldress.ports import Completed

    monkeypatch.setattr(transient.time, "sleep", lambda _: None)
    monkeypatch.setattr(type(pg_machine), "run", lambda *_a, **_k: Completed(code=None))
    with pytest.raises(FulldressError, match="does not answer") as caught:
        run_job(pg_machine, job("true"))
    assert caught.value.slug == "host-lost"
    assert not isinstance(caught.value, StepFailed)
