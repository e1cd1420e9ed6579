"""From a job to what it reaches, by every way in which one thing starts another."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from tests.scan.chains import run_by

from fulldress.intake.unpack import unpack
from fulldress.scan.jobs.callgraph import files, hosts, reaches
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.rule import Context
from fulldress.scan.samples import context_of
from fulldress.store.blobs import BlobStore

RUN = "#!/bin/sh\nset -e\ncurl -fsS https://partner.test.net/x\n"


def chains(files_: dict[str, str]) -> list[str]:
    context = context_of(files_)
    (job, *_) = jobs(context)
    return [reach.chain for reach in hosts(context, job)]


def test_the_chain_names_every_place() -> None:
    assert chains(
        {
            "a.deb!/etc/cron.d/x": "SHELL=/bin/sh\n\n0 3 * * * root /usr/bin/sync.sh\n",
            "a.deb!/usr/bin/sync.sh": "#!/bin/sh\n. /etc/x.conf\n\nsftp -b - in@$HOST\n",
            "a.deb!/etc/x.conf": "HOST=sftp.partner.test.net\n",
        }
    ) == ["etc/cron.d/x:3 → usr/bin/sync.sh:4 → sftp://sftp.partner.test.net"]


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/run",
        "run",
        "flock -n /run/l /usr/bin/run",
        "flock -n /run/l -c '/usr/bin/run --x'",
        "nice -n 10 ionice -c3 timeout 5m /usr/bin/run",
        "su - app -c '/usr/bin/run'",
        "sudo -n -u app /usr/bin/run",
        "runuser -u app -- /usr/bin/run",
        "bash -c 'cd / && /usr/bin/run'",
        "env A=b sh /usr/bin/run",
        "cd /usr/bin && ./run",
        "test -x /usr/bin/run && /usr/bin/run >/dev/null 2>&1",
        "P=/usr/bin; $P/run",
        "/usr/bin/run | logger -t run",
        "systemd-cat -t run /usr/bin/run",
        "chronic /usr/bin/run",
    ],
)
def test_wrappers_and_shells(command: str) -> None:
    context = context_of({"a.deb!/etc/cron.d/x": f"0 3 * * * root {command}\n", "a.deb!/usr/bin/run": RUN})
    (job,) = jobs(context)
    assert [r.target.host for r in hosts(context, job) if r.target] == ["partner.test.net"]


def test_run_parts() -> None:
    assert (
        len(
            chains(
                {
                    "a.deb!/etc/cron.d/x": "0 3 * * * root run-parts /etc/x.d\n",
                    "a.deb!/etc/x.d/1": RUN,
                    "a.deb!/etc/x.d/2": RUN.replace("partner", "other"),
                }
            )
        )
        == 2
    )


def test_a_unit_that_a_job_starts() -> None:
    assert chains(
        {
            "a.deb!/etc/cron.d/x": "0 3 * * * root systemctl start imp.service\n",
            "a.deb!/lib/systemd/system/imp.service": "[Service]\nExecStart=/usr/bin/run\n",
            "a.deb!/usr/bin/run": RUN,
        }
    ) == ["etc/cron.d/x:1 → lib/systemd/system/imp.service:2 → usr/bin/run:3 → https://partner.test.net"]


def test_programs_in_other_languages_by_their_lines() -> None:
    context = context_of(
        {
            "a.deb!/etc/cron.d/x": "0 3 * * * root python3 -m imp.main\n",
            "a.deb!/usr/lib/imp/main.py": "CONF = '/etc/imp.toml'\n# https://not.test.net/\n",
            "a.deb!/etc/imp.toml": "url = 'sftp://in.test.net/x'\n",
        }
    )
    (job,) = jobs(context)
    assert [e.place.rpartition("/")[2] for e in files(context, job)] == ["main.py", "imp.toml"]
    assert [r.chain for r in hosts(context, job)] == [
        "etc/cron.d/x:1 → usr/lib/imp/main.py:1 → etc/imp.toml:1 → sftp://in.test.net"
    ]


@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("scp f in@h.test.net:/x", "sftp://h.test.net"),
        ("rsync -a -e ssh /x h.test.net:/y", "rsync://h.test.net"),
        ("ssh -p 22 -i k u@h.test.net ls", "ssh://h.test.net"),
        ("psql -h h.test.net -d x", "psql://h.test.net"),
        ("mysqldump --host=h.test.net x", "mysqldump://h.test.net"),
        ("sshpass -p x sftp -o A=b u@h.test.net", "sftp://h.test.net"),
        ("curl h.test.net/x", "http://h.test.net"),
        ("nc h.test.net 99", "tcp://h.test.net"),
    ],
)
def test_hosts_by_the_roles_of_arguments(command: str, url: str) -> None:
    assert [r.target.url for r in run_by(context_of({"a": "x"}), command) if r.target] == [url]


def test_what_only_prints_a_host_reaches_nothing() -> None:
    assert run_by(context_of({"a": "x"}), "echo https://h.test.net/; logger h.test.net") == []


def test_a_deep_chain_and_a_circle_end() -> None:
    deep = {f"r/usr/bin/s{n}": f"#!/bin/sh\n/usr/bin/s{n + 1}\n/usr/bin/s{n}\n" for n in range(30)}
    assert len(run_by(context_of(deep), "/usr/bin/s0")) <= 10


def test_reaches_is_made_once() -> None:
    context = context_of({"etc/cron.d/x": "0 3 * * * root /usr/bin/run\n", "usr/bin/run": RUN})
    (job,) = jobs(context)
    assert reaches(context, job) is reaches(context, job)


def test_make_that_calls_itself_ends() -> None:
    recipe = "".join(f"\t$(MAKE) t{n}\n" for n in range(12))
    text = "all: \n" + recipe + "".join(f"t{n}:\n{recipe}" for n in range(12)) + "\tcurl https://partner.test.net/x\n"
    files_ = {"a.deb!/etc/cron.d/x": "0 3 * * * root make -C /opt/x\n", "a.deb!/opt/x/Makefile": text}
    assert len(chains(files_)) == 1


@pytest.mark.parametrize("line", ["from . import conf", "from .conf import HOST", "from lab import conf", "import lab.conf"])
def test_modules_of_the_same_program_are_followed(line: str) -> None:
    files_ = {
        "a.deb!/etc/cron.d/x": "0 3 * * * root python3 -m lab.push\n",
        "a.deb!/usr/lib/python3/dist-packages/lab/push.py": f"{line}\n",
        "a.deb!/usr/lib/python3/dist-packages/lab/conf.py": "HOST = 'https://partner.test.net/'\n",
    }
    assert chains(files_)


def test_modules_of_others_are_not_followed() -> None:
    files_ = {
        "a.deb!/etc/cron.d/x": "0 3 * * * root python3 -m lab.push\n",
        "a.deb!/usr/lib/python3/dist-packages/lab/push.py": "import requests\nfrom urllib3 import conf\n",
        "a.deb!/usr/lib/python3/dist-packages/requests/__init__.py": "DOC = 'https://partner.test.net/'\n",
        "a.deb!/usr/lib/python3/dist-packages/urllib3/conf.py": "DOC = 'https://partner.test.net/'\n",
    }
    assert chains(files_) == []


UNITS = "a.deb!/lib/systemd/system/"
TO = "#!/bin/sh\nset -e\nscp f lab@partner.test.net:/in/\n"


@pytest.mark.parametrize(
    "files_",
    [
        {"n.timer": "[Timer]\nOnCalendar=daily\nUnit=b@db.service\n", "b@.service": "[Service]\nExecStart=/opt/x/run %i\n"},
        {
            "n.timer": "[Timer]\nOnCalendar=daily\n",
            "n.service": "[Service]\nExecStart=/bin/true\n",
            "n.service.d/o.conf": "[Service]\nExecStart=\nExecStart=/opt/x/run\n",
        },
        {
            "n.timer": "[Timer]\nOnCalendar=daily\n",
            "n.service": "[Service]\nEnvironment=A=b H=partner.test.net\nExecStart=/usr/bin/rsync /x lab@${H}:/in\n",
        },
        {
            "n.timer": "[Timer]\nOnCalendar=daily\n",
            "n.service": "[Service]\nEnvironmentFile=-/opt/x/env\nExecStart=/usr/bin/rsync /x lab@${H}:/in\n",
        },
    ],
    ids=["instance", "drop-in", "environment", "environment file"],
)
def test_what_a_timer_starts(files_: dict[str, str]) -> None:
    more = {"a.deb!/opt/x/run": TO, "a.deb!/opt/x/env": "H='partner.test.net'\n"}
    assert len(chains({f"{UNITS}{name}": text for name, text in files_.items()} | more)) == 1


@pytest.mark.parametrize(
    ("command", "files_"),
    [
        ("systemctl start b@db", {"lib/systemd/system/b@.service": "[Service]\nExecStart=/opt/x/run\n"}),
        ("service push start", {"etc/init.d/push": "#!/bin/sh\n/opt/x/run\n"}),
        ("find /opt/x -type f -exec {} +", {}),
        ("bash < /opt/x/run", {}),
        ("/usr/bin/all", {"usr/bin/all": '#!/bin/sh\nfor f in /opt/x/r*; do "$f"; done\n'}),
        (
            "lab-push",
            {
                "usr/bin/lab-push": "#!/usr/bin/python3\nfrom lab.push import main\n",
                "usr/lib/lab/push.py": "P = '/opt/x/run'\n",
            },
        ),
        ("node /srv/a.js", {"srv/a.js": "const c = require('./lib/c')\n", "srv/lib/c.js": "run('/opt/x/run')\n"}),
    ],
)
def test_more_ways_to_start_a_file(command: str, files_: dict[str, str]) -> None:
    table = {"a.deb!/etc/cron.d/x": f"0 3 * * * root {command}\n", "a.deb!/opt/x/run": TO}
    assert chains(table | {f"a.deb!/{name}": text for name, text in files_.items()})[0].startswith("etc/cron.d/x:1 → ")


def test_the_settings_inside_a_jar_that_is_run(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        jar.writestr("application.properties", "to=https://partner.test.net/\n")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as package:
        package.writestr("etc/cron.d/x", "0 3 * * * root java -jar /opt/x/app.jar\n")
        package.writestr("opt/x/app.jar", inner.getvalue())
    blobs = BlobStore(tmp_path / "blobs")
    context = Context(unpack(tmp_path / "p.zip", blobs), blobs.read)
    (job,) = jobs(context)
    assert [r.chain for r in hosts(context, job)] == ["etc/cron.d/x:1 → application.properties:1 → https://partner.test.net"]
