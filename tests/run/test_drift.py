"""The drift alarm names what nobody was seen to write in the rehearsal, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.formats.pathnames import without_random
from fulldress.model.changes import Change, WriteSet
from fulldress.ports import Completed
from fulldress.run.drift import ITSELF, Alarm, in_words, named

WRITES = WriteSet(
    changes=(
        Change(path="/etc/app/app.conf", before="file", after="file", aliases=("/usr/share/app.conf",)),
        Change(path="/opt/app/log-20260101.txt", before="absent", after="file"),
        Change(path="/usr/bin/.half", before="absent", after="absent", transient=True),
    ),
    control=2,
    by_itself=("/etc", "/etc/app/state/counter", "/opt/app/cache/x", "/etc/alone"),
    backup=(),
)


class Finding:
    """A host on which ``find`` tells these names."""

    name = "machine:fake"

    def __init__(self, *paths: str, code: int | None = 0) -> None:
        self.paths, self.code = paths, code

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        if argv[0] == "date":
            return Completed(code=0, stdout=f"{time.time():.3f}".encode())
        return Completed(code=self.code, stdout=b"".join(path.encode() + b"\0" for path in self.paths))


def alarm(*paths: str, known: Sequence[str] = (), allowed: Sequence[str] = ()) -> Alarm:
    return Alarm(Finding(*paths), "r", WRITES, allowed, known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/app/app.conf", "/usr/share/app.conf", "/opt/app/log-20261122.txt", "/usr/bin/.half",
        "/etc/app/state/another", "/opt/app/cache/y", "/etc/alone", "/usr/lib/app/__pycache__/a.cpython-311.pyc",
        "/etc/resolv.conf", "/root/.bash_history",
    ],
)  # fmt: skip
def test_what_the_plan_and_the_machine_itself_write_is_no_alarm(path: str) -> None:
    assert alarm(path).look() == []


@pytest.mark.parametrize("path", ["/etc/app/other.conf", "/etc/passwd", "/usr/bin/app", "/opt/app/log.txt", "/etc/alone2"])
def test_everything_else_is(path: str) -> None:
    assert alarm(path).look() == [path]


def test_a_path_is_named_once_also_by_the_process_that_resumes() -> None:
    watching = alarm("/etc/passwd")
    assert (watching.look(), watching.look()) == (["/etc/passwd"], [])
    assert alarm("/etc/passwd", known=("/etc/passwd",)).look() == []


def test_a_release_declares_what_always_writes_there() -> None:
    assert alarm("/etc/app/lease", allowed=["file:/etc/app/lease* | the agent", "rows:* | x"]).look() == []


def test_before_the_run_also_what_the_upgrade_will_change_must_be_as_it_was_copied() -> None:
    assert alarm("/etc/app/app.conf", "/etc/passwd", "/etc/alone").since(time.time() - 60) == [
        "/etc/app/app.conf",
        "/etc/passwd",
    ]


def test_a_few_are_named_and_the_rest_counted() -> None:
    assert named([str(n) for n in range(8)]) == "0, 1, 2, 3, 4 and 3 more"


def test_every_allowance_has_a_reason_and_is_no_whole_tree() -> None:
    assert all((reason and glob.count("/") >= 1) or glob == "*.pyc" for glob, reason in ITSELF)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/var/log/journal/0123456789abcdef0123456789abcdef/a", "/var/log/journal/fedcba98765432100123456789abcdef/a"),
        ("/var/tmp/systemd-private-0123456789abcdef0123456789abcdef-ntp.service-AbC12x/tmp",
         "/var/tmp/systemd-private-fedcba98765432100123456789abcdef-ntp.service-zZz99q/tmp"),
        ("/var/cache/report-2026-11-22", "/var/cache/report-2025-11-22"),
    ],
)  # fmt: skip
def test_names_made_anew_each_time_are_one_name(one: str, other: str) -> None:
    assert without_random(one) == without_random(other)
    assert without_random("/usr/lib/app-1.2.3/face") == "/usr/lib/app-1.2.3/face"


@pytest.fixture
def marked(pg_machine: Machine) -> Iterator[Machine]:
    yield pg_machine
    pg_machine.run(["bash", "-c", "rm -rf /etc/drifted /opt/drifted /var/lib/fulldress/backup"])


@pytest.mark.machine
def test_on_a_machine_a_foreign_write_is_found_by_its_time(marked: Machine) -> None:
    began = time.time()  # the machine's own tree may have been laid out seconds ago
    watching = Alarm(marked, "r", WRITES)
    watching.begin()
    assert watching.look() == []
    time.sleep(0.05)
    marked.run(
        ["bash", "-c", "mkdir /opt/drifted; echo x >/etc/drifted; touch -d @1 /etc/drifted; date >/var/tmp/elsewhere"]
    )
    marked.run(["bash", "-c", "mkdir -p /etc/app; echo x >/etc/app/app.conf"])
    assert watching.look() == ["/etc/drifted"]
    again = Alarm(marked, "r", WRITES)
    again.begin()
    assert again.look() == ["/etc/drifted"], "a resumed run looks from its beginning"
    assert Alarm(marked, "r", WRITES).since(began)[-2:] == ["/etc/app/app.conf", "/etc/drifted"]
    assert Alarm(marked, "r", WRITES).since(time.time() + 5) == []
    marked.run(["rm", "-r", "/etc/app"])


def test_a_whole_run_in_words() -> None:
    assert in_words((), ()) == "watched between the steps: nobody wrote where the rehearsal had seen nobody write"
    assert in_words(("/etc/x",), ()) == "somebody else wrote meanwhile: /etc/x"
    assert in_words((), ("07", "08")).endswith("it could not be looked after 07, 08")
