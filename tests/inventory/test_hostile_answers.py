"""A host may answer anything: the survey reads it, leaves it out, or says that it cannot be read; it never breaks."""

from __future__ import annotations

import random

import msgspec
import pytest
from tests.inventory.test_survey import Answering

from fulldress.errors import FulldressError
from fulldress.inventory import system
from fulldress.inventory.sections import MOST, Section, Sections, whole
from fulldress.inventory.survey import survey_host
from fulldress.model.release import Declared

DECLARED = Declared(
    database="d", more_databases=("mysql:m",), product="p", version_command="x", schema_version_query="SELECT 1"
)
HONEST = {
    "os-release": "ID=debian\n",
    "units": '[{"unit": "a.service", "load": "loaded", "active": "active", "sub": "running"}]',
    "unit-files": '[{"unit_file": "a@.timer", "state": "enabled"}]',
    "unit-edges": "Id=a.service\nAfter=b.service\n",
    "unit-dropins": "/etc/systemd/system/a.service.d/x.conf\n",
    "unit-links": "/etc/systemd/system/timers.target.wants/a@b.timer\n",
    "timers": "Id=a.timer\nUnit=a.service\nTimersCalendar={ OnCalendar=daily ; next_elapse=x }\n",
    "timer-file /etc/systemd/system/a@.timer": "[Timer]\nOnCalendar=daily\n",
    "dpkg": "ii \ta\t1\tb (>= 1)\tc\n",
    "rpm": "a\t0:1-1\n",
    "rpm-locks /etc/zypp/locks": "type: package\nsolvable_name: a\n",
    "libraries": "/opt/a-1.0.jar\n/opt/b.jar\n/opt/c-1.dist-info\n",
    "npm": '/o/node_modules/a/package.json\t{"name": "a", "version": "1"}\n',
    "jar": "file\t/opt/b.jar\nversion=1\n",
    "conffiles": f"a\t/etc/a\t{'0' * 32}\t\n",
    "conffile-sums": f"{'1' * 32}  /etc/a\n",
    "rpm-files": f"a\t/etc/b\t{'0' * 64}\tc\n",
    "package-files": f"/var/lib/dpkg/info/a.md5sums:{'0' * 32}  usr/bin/a\n",
    "checked": "5\n",
    "unowned": "/etc/x\n",
    "accounts": "root:0:0:/root:/bin/sh\n",
    "groups": "root:0:a,b\n",
    "sudoers /etc/sudoers": "User_Alias A = a\nA ALL=(ALL) NOPASSWD: ALL\n",
    "volumes": "1 100 4096 200 /\n",
    "runtime java": 'openjdk version "17"\n',
    "cron-system /etc/cron.d/x": "CRON_TZ=UTC\n0~59 4 * * * root /x\n",
    "cron-parts daily /etc/cron.daily/x": "",
    "anacrontab /etc/anacrontab": "1 5 a run-parts /etc/cron.daily\n",
    "at-job root /var/spool/at/a00001ffffffff": "#!/bin/sh\n}\n/x\n",
    "listeners": 'tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:* users:(("x",pid=3,fd=1))\nu_str LISTEN 0 5 /run/x 3 * 0\n',
    "cgroups": "3 0::/a.service\n",
    "sockets tcp": "h\n0: 0100007F:1538 00000000:0000 0A 00\n",
    "sockets tcp6": "h\n0: 00000000000000000000000001000000:0050 0:0 0A\n",
    "sockets unix": "h\n0: 2 0 00010000 0001 01 1 /run/a\n",
    "certificate /a.pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "certificate-der /a.der": "MIIB",
    "config /a.conf": "[a]\nb = c\n",
    "config /a.toml": "[[a]]\nb = 1\n",
    "config /apache2.conf": "<A b>\nC d\n</A>\n",
    "version p": "p 1.2.3\n",
    "database postgresql d": '{"server": "15", "size": 1, "tables": {"a": 1}}\n',
    "migrations postgresql d": '{"tool": "hand-made", "table": "t", "applied": 1, "version": "1|2"}\n',
    "schema-version d": "0\n5\n",
    "database mysql m": "server\t10\ntable\ta\t1\t2\tx\ncharset\ta\tb\ncolumn\ta\tb\tc\nobject\tview\t1\n",
    "migrations mysql m": "flyway\tt\t1\t2\t\n",
}
STRANGE = [" ", "\n", "\t", ":", "9" * 30, "ff" * 20, "{", "-1", "é", "\0", "\x1b", "٣"]


def _damaged(text: str, chance: random.Random) -> str:
    out = list(text)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out) + 1)
        if out and chance.random() < 0.4:
            del out[min(at, len(out) - 1)]
        else:
            out.insert(at, chance.choice(STRANGE))
    return "".join(out)


@pytest.mark.parametrize("seed", range(400))
def test_damaged_answers_break_nothing(seed: int) -> None:
    chance = random.Random(seed)
    sections = {name: _damaged(HONEST[name], chance) for name in chance.sample(sorted(HONEST), 12)}
    try:
        found = survey_host(Answering(sections), DECLARED)  # type: ignore[arg-type]
    except FulldressError:
        return
    assert msgspec.json.encode(found)


def test_numbers_that_no_host_has_are_bounded() -> None:
    assert (whole("7"), whole("9" * 30), whole("9" * 99), whole("x"), whole("-1")) == (7, MOST, 0, 0, 0)
    (volume,) = system.volumes(Sections([Section("volumes", "", f"1 {'9' * 30} 4096 {'9' * 30} /\n")]))
    assert volume.free_bytes == MOST


def test_an_at_job_beyond_all_dates_is_read() -> None:
    (job,) = system.cron(Sections([Section("at-job", "root /var/spool/at/a00001ffffffff", "/x\n")]))
    assert job.schedule.startswith("at 3871-")
