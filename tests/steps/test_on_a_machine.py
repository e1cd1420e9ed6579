"""Every kind done and undone on a real machine: what was there is there again, with all metadata."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.steps.conftest import Done  # type: ignore[import-not-found]

from fulldress.adapters.nspawn import Machine
from fulldress.steps.migration import LOCK

pytestmark = pytest.mark.machine


def sh(machine: Machine, script: str) -> str:
    done = machine.run(["bash", "-c", script], timeout_s=60)
    assert done.ok, done.stderr
    return done.stdout.decode().strip()


def there_and_back(done: Done, picture: Callable[[], str], changed: Callable[[], bool]) -> None:
    before = picture()
    report = done.do()
    assert report.code == 0, report.output
    assert changed(), "the step has an effect"
    report = done.again()
    assert report.code == 0, f"again, as after a crash: {report.output}"
    report = done.undo()
    assert report.code == 0, report.output
    assert picture() == before
    report = done.undo()
    assert report.code == 0, f"undone again: {report.output}"
    assert picture() == before


def test_files(pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done]) -> None:
    sh(pg_machine, "mkdir -p /opt/app; echo old >/opt/app/a; chown 33:33 /opt/app/a; chmod 600 /opt/app/a")
    rows = [
        {"path": "/opt/app/a", "content": "new\n"},
        {"path": "/opt/app/deep/er/b c'd", "content": "x\n", "mode": "0640", "owner": "root:adm"},
        {"path": "/etc/debian_version", "absent": True},
    ]
    there_and_back(
        step_on("files", files=rows),
        picture,
        lambda: sh(pg_machine, 'cat /opt/app/a; stat -c %a:%G "/opt/app/deep/er/b c\'d"') == "new\n640:adm",
    )


def test_units_stop_and_start(pg_machine: Machine, step_on: Callable[..., Done]) -> None:
    assert sh(pg_machine, "systemctl is-active cron") == "active"
    stop, start = step_on("unit", action="stop", unit="cron"), step_on("unit", action="start", unit="cron", settle_s=0.1)
    assert stop.do().code == 0
    assert start.do().code == 0
    assert start.undo().code == 0
    assert sh(pg_machine, "systemctl is-active cron || true") == "inactive", "it was down before the start"
    assert stop.undo().code == 0
    assert sh(pg_machine, "systemctl is-active cron") == "active"


def test_a_stopped_unit_that_a_boot_started_is_started_anew(pg_machine: Machine, step_on: Callable[..., Done]) -> None:
    """It runs what lay there at the boot: old files before the upgrade goes on, new ones before they are taken back."""
    number = "systemctl show -p InvocationID --value cron"
    stop, start = step_on("unit", action="stop", unit="cron"), step_on("unit", action="start", unit="cron", settle_s=0.1)
    assert stop.do().code == 0
    booted = sh(pg_machine, f"systemctl start cron; {number}")
    assert start.do().code == 0
    forward = sh(pg_machine, number)
    assert start.undo().code == 0
    assert stop.undo().code == 0
    assert len({booted, forward, sh(pg_machine, number)}) == 3
    assert sh(pg_machine, "systemctl is-active cron") == "active"


def test_a_unit_whose_stop_was_never_done_is_left_alone(pg_machine: Machine, step_on: Callable[..., Done]) -> None:
    number = "systemctl show -p InvocationID --value cron"
    before = sh(pg_machine, f"systemctl start cron; {number}")
    stop = step_on("unit", action="stop", unit="cron")
    recorded = stop.scripts.do.partition("fd_record_unit cron")
    assert sh(pg_machine, f"mkdir -p /run/t; FD_UNDO=/run/t bash -c {shlex.quote(recorded[0] + recorded[1])}") == ""
    assert sh(pg_machine, f"FD_UNDO=/run/t bash -c {shlex.quote(stop.scripts.undo)}; rm -r /run/t; {number}") == before


def test_a_unit_that_never_existed_is_an_error(step_on: Callable[..., Done]) -> None:
    report = step_on("unit", action="stop", unit="never-was.service").do()
    assert report.code == 97
    assert "never-was.service" in report.output


@pytest.mark.parametrize("action", ["disable", "mask"])
def test_unit_links(pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done], action: str) -> None:
    done = step_on("unit", action=action, unit="cron.service")
    there_and_back(
        done,
        picture,
        lambda: sh(pg_machine, "systemctl is-enabled cron || true") == ("disabled" if action == "disable" else "masked"),
    )


def test_config_key(pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done]) -> None:
    done = step_on("config-key", file="/etc/adduser.conf", key="DSHELL", value="/bin/x '$y'")
    there_and_back(done, picture, lambda: sh(pg_machine, "grep ^DSHELL /etc/adduser.conf").endswith("/bin/x '$y'"))


def test_cron_job(pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done]) -> None:
    sh(pg_machine, "printf 'A=report\\n30 1 * * * root report $x\\n0 2 * * * root other\\n' >/etc/cron.d/app")
    done = step_on("cron-job", file="/etc/cron.d/app", match="report")
    there_and_back(
        done,
        picture,
        lambda: (
            sh(pg_machine, "cat /etc/cron.d/app")
            == "A=report\n# off by fulldress: 30 1 * * * root report $x\n0 2 * * * root other"
        ),
    )


def test_script_with_guards(pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done]) -> None:
    sh(pg_machine, "mkdir -p /opt/g/sub; echo 1 >/opt/g/sub/a; ln -sfn sub /opt/g/link; mkdir -p /srv/m; chmod 700 /srv/m")
    script = b"set -e\ncat lib/x\nrm -rf /opt/g/sub; echo new >/opt/g/sub; ln -sfn /etc /opt/g/link; chmod 777 /srv/m\n"
    done = step_on(
        "script",
        places={"scripts/a.sh": script, "lib/x": b"library\n"},
        place="scripts/a.sh",
        guards=["/opt/g"],
        touched=["/srv/m"],
    )
    there_and_back(done, picture, lambda: sh(pg_machine, "readlink /opt/g/link; cat /opt/g/sub") == "/etc\nnew")


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    tree = tmp_path_factory.mktemp("deb")
    for path, text, mode in (
        (
            "DEBIAN/control",
            "Package: fd-app\nVersion: 2.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n",
            0o644,
        ),
        ("DEBIAN/conffiles", "/etc/fd-app.conf\n", 0o644),
        (
            "DEBIAN/postinst",
            "#!/bin/sh\nset -e\nln -sfn /opt/fd-app/2.0 /opt/fd-app/current\nsystemctl enable fd-app.service\n",
            0o755,
        ),
        ("etc/fd-app.conf", "x = 2\n", 0o644),
        ("opt/fd-app/2.0/VERSION", "2.0\n", 0o644),
        (
            "lib/systemd/system/fd-app.service",
            "[Service]\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n",
            0o644,
        ),
    ):
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
    target = tree.parent / "fd-app.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(target)], check=True, capture_output=True)
    return Path(target).read_bytes()


def test_deb(pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done], deb: bytes) -> None:
    sh(pg_machine, "mkdir -p /opt/fd-app/1.0; ln -sfn /opt/fd-app/1.0 /opt/fd-app/current; echo mine >/etc/fd-app.conf")
    done = step_on("deb", places={"p/a.deb": deb}, place="p/a.deb", guards=["/opt/fd-app/current"])
    there_and_back(
        done,
        picture,
        lambda: (
            sh(pg_machine, "readlink /opt/fd-app/current; dpkg-query -W -f '${Version}' fd-app; systemctl is-enabled fd-app")
            == "/opt/fd-app/2.0\n2.0enabled"
        ),
    )
    assert sh(pg_machine, "dpkg --audit; systemctl is-enabled fd-app 2>&1 || true").startswith("Failed")


def test_migration(pg_machine: Machine, step_on: Callable[..., Done]) -> None:
    done = step_on(
        "migration",
        database="postgres",
        content="create table fd_t(a int);\ninsert into fd_t values (1);\n",
        down="drop table if exists fd_t;\n",
        verify_query="select count(*) = 1 from fd_t",
    )
    assert done.do().code == 0
    assert "already done" in done.again().output
    assert done.undo().code == 0
    assert sh(pg_machine, "cd /; runuser -u postgres -- psql -XAtc \"select to_regclass('fd_t') is null\"") == "t"


def test_a_failing_statement_fails_the_step(step_on: Callable[..., Done]) -> None:
    report = step_on("migration", database="postgres", content="select 1;\nselect 1/0;\nselect 'after';\n").do()
    assert report.code not in (0, None)
    assert "division by zero" in report.output
    assert "after" not in report.output


def test_migrations_never_run_at_once(pg_machine: Machine, step_on: Callable[..., Done]) -> None:
    hold = (
        f"(printf 'select pg_advisory_lock({LOCK});\\n'; sleep 4) | runuser -u postgres -- psql -XAtq >/dev/null & sleep 1"
    )
    pg_machine.run(["bash", "-c", f'cd /; systemd-run -q --collect bash -c "{hold}; wait"; sleep 1.5'])
    report = step_on("migration", database="postgres", content="select 1;\n", lock_wait_s=1).do()
    assert report.code == 1
    assert "another migration holds the lock" in report.output


SERVER = """
import http.server, json, os
HOOKS, FLAGS = {}, {"f": {"enabled": False}}
class H(http.server.BaseHTTPRequestHandler):
    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/state": return self.reply(200, {"hooks": HOOKS, "flags": FLAGS})
        if self.path == "/v1/hooks": return self.reply(200, [{"id": k, **v} for k, v in HOOKS.items()])
        name = self.path.rsplit("/", 1)[1]
        self.reply(*((200, FLAGS[name]) if name in FLAGS else (404, {})))
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer s3cr3t'$x": return self.reply(401, {})
        HOOKS["wh_%d" % (len(HOOKS) + 1)] = json.loads(body)
        self.reply(201, {"note": "x", "id": "wh_%d" % len(HOOKS)})
    def do_PUT(self):
        FLAGS[self.path.rsplit("/", 1)[1]] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(200, {})
    def do_DELETE(self):
        name = self.path.rsplit("/", 1)[1]
        HOOKS.pop(name, None) or FLAGS.pop(name, None)
        self.reply(200, {})
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", 8099), H).serve_forever()
"""


@pytest.fixture(scope="module")
def partner(pg_machine: Machine) -> Callable[[], str]:
    pg_machine.write_file("/var/tmp/partner.py", SERVER.encode())
    pg_machine.write_file("/etc/fd-secrets.env", b'TOKEN="s3cr3t\'$x"\nPATH=/nowhere\n', mode=0o600)
    sh(pg_machine, "ip link set lo up; systemd-run -q --collect --unit=fd-partner python3 /var/tmp/partner.py; sleep 0.5")
    return lambda: sh(pg_machine, "curl -sS http://127.0.0.1:8099/state")


def test_a_webhook_is_made_once_and_taken_back(partner: Callable[[], str], step_on: Callable[..., Done]) -> None:
    before = partner()
    done = step_on(
        "http",
        method="POST",
        url="http://127.0.0.1:8099/v1/hooks",
        headers={"Authorization": "Bearer ${TOKEN}"},
        body='{"url": "x$(id)"}',
        env_file="/etc/fd-secrets.env",
    )
    assert "s3cr3t" not in done.scripts.do
    assert done.do().code == 0
    assert '"wh_1": {"url": "x$(id)"}' in partner()
    assert done.again().code == 0
    assert "wh_2" not in partner()
    assert done.undo().code == 0
    assert partner() == before


@pytest.mark.parametrize("killed", ["before", "after"])
def test_a_webhook_whose_answer_was_lost_is_found_and_taken_back(
    pg_machine: Machine, partner: Callable[[], str], step_on: Callable[..., Done], killed: str
) -> None:
    """Killed in the middle of the call: what is listed now and was not before is ours when it says what we said."""
    params = {"method": "POST", "url": "http://127.0.0.1:8099/v1/hooks", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    body = f'{{"url": "http://here/{killed}", "events": ["approved"]}}'
    done = step_on("http", **params, body=body, env_file="/etc/fd-secrets.env")
    before = partner()
    call = "status=$(fd_call POST"
    assert call in done.scripts.do
    last = {
        "before": done.scripts.do.replace(call, f"exit 9; {call}"),
        "after": done.scripts.do.replace('fd_ok "$status"', "exit 9"),
    }
    env = "FD_UNDO=/run/fd-lost FD_BLOBS=/run/none"
    sh(
        pg_machine,
        f"mkdir -p /run/fd-lost; {env} bash -c {shlex.quote(last[killed])} || test $? = 9; rm -f /run/fd-lost/answer",
    )
    assert (partner() == before) is (killed == "before")
    sh(pg_machine, f"{env} bash -c {shlex.quote(done.scripts.undo)}; rm -r /run/fd-lost")
    assert partner() == before


@pytest.mark.parametrize("flag", ["f", "unknown"])
def test_a_flag_is_put_back_as_it_was(partner: Callable[[], str], step_on: Callable[..., Done], flag: str) -> None:
    before = partner()
    done = step_on("http", method="PUT", url=f"http://127.0.0.1:8099/v1/flags/{flag}", body='{"enabled": true}')
    assert done.do().code == 0
    assert f'"{flag}": {{"enabled": true}}' in partner()
    assert done.undo().code == 0
    assert partner() == before


def test_a_refused_call_fails_and_leaves_nothing_to_undo(partner: Callable[[], str], step_on: Callable[..., Done]) -> None:
    done = step_on("http", method="POST", url="http://127.0.0.1:8099/v1/hooks", body="{}")
    report = done.do()
    assert report.code == 1
    assert "answered 401" in report.output
    assert done.undo().code == 0


def test_check_and_pause(pg_machine: Machine, step_on: Callable[..., Done]) -> None:
    assert step_on("check", command="true").do().code == 0
    report = step_on("check", command="echo why; false", hint="do that").do()
    assert report.code == 1
    assert report.output.split() == ["why", "do", "that"]
    report = step_on("pause", seconds=0.2).do()
    assert 0.2 <= report.ended - report.started < 1.5
    sh(pg_machine, "touch /var/tmp/approved")
    assert step_on("pause", file="/var/tmp/approved").do().code == 0
    assert step_on("pause", file="/var/tmp/never", wait_s=1).do().code == 1


TIMER = "[Timer]\\nOnCalendar=*-*-* *:*:00/10\\n[Install]\\nWantedBy=timers.target\\n"


def test_a_held_timer_fires_when_it_is_released(
    pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done]
) -> None:
    """The package brings and starts the timer while it is held; nothing of it runs before the release."""
    state = "systemctl is-active fdt.timer || true"
    before = picture()
    hold = step_on("unit", action="hold", unit="fdt.timer")
    release = step_on("unit", action="release", unit="fdt.timer")
    assert hold.do().code == 0, "the timer need not be there yet"
    sh(pg_machine, "printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/fdt.service")
    sh(pg_machine, f"printf '{TIMER}' >/etc/systemd/system/fdt.timer; systemctl enable --now fdt.timer")
    assert sh(pg_machine, state) == "inactive"
    assert sh(pg_machine, "systemd-analyze verify /etc/systemd/system/fdt.timer 2>&1") == ""
    assert hold.again().code == 0
    assert release.do().code == 0
    assert sh(pg_machine, state) == "active"
    assert release.undo().code == 0
    assert sh(pg_machine, state) == "inactive"
    gone = "/etc/systemd/system/fdt.service /etc/systemd/system/fdt.timer"
    sh(pg_machine, f"systemctl disable fdt.timer; rm {gone}; systemctl daemon-reload")
    assert hold.undo().code == 0
    own = ("/etc/systemd/system|", "timers.target.wants|")  # their times: what this test itself wrote there
    kept = [[row for row in text.splitlines() if not any(o in row for o in own)] for text in (before, picture())]
    assert kept[0] == kept[1]


def test_a_running_timer_is_held_and_runs_again_when_that_is_undone(
    pg_machine: Machine, picture: Callable[[], str], step_on: Callable[..., Done]
) -> None:
    state = "systemctl is-active apt-daily.timer || true"
    sh(pg_machine, "systemctl start apt-daily.timer")
    there_and_back(
        step_on("unit", action="hold", unit="apt-daily.timer"), picture, lambda: sh(pg_machine, state) == "inactive"
    )
    assert sh(pg_machine, state) == "active"
    hold, release = (step_on("unit", action=action, unit="apt-daily.timer") for action in ("hold", "release"))
    start = step_on("unit", action="start", unit="apt-daily.timer", settle_s=0.1)
    assert [hold.do().code, start.do().code, sh(pg_machine, state)] == [0, 0, "inactive"], "a start takes no effect"
    assert [release.do().code, sh(pg_machine, state)] == [0, "active"]
    assert [release.undo().code, hold.undo().code, sh(pg_machine, state)] == [0, 0, "active"]
