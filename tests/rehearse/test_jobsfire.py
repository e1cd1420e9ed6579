"""Jobs that are started directly: what anacron says of them, and that another anacron does not keep them from running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.model.rehearsal import FiredJob
from fulldress.ports import Completed
from fulldress.rehearse import jobsfire
from fulldress.rehearse.jobsdue import Due, Schedules

RAN = "Anacron 2.3 started on 2026-11-22\nJob `own.job' started\nJob `own.job' terminated{how}\nNormal exit (1 job run)\n"
LOCKED = "Anacron 2.3 started on 2026-11-22\nJob `own.job' locked by another anacron - skipping\nNormal exit (0 jobs run)\n"
JOB = Due(
    kind="anacron", name="/etc/anacrontab:14", command="own", moments=(1795921800.0,), schedule="every 1 days",
    starts="own.job", direct="it would wait",
)  # fmt: skip


class Scripted:
    """A clone on which anacron says this; what was mailed lies where the stand-in for sendmail puts it."""

    name = "scripted"

    def __init__(self, says: str, mailed: str = "") -> None:
        self.says, self.mailed, self.asked = says, mailed, list[list[str]]()

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        self.asked.append(list(argv))
        if argv[0] == "anacron":
            return Completed(code=0, stderr=self.says.encode())
        if argv[0] == "cat" and self.mailed:
            return Completed(code=0, stdout=f"Subject: Anacron job\n\n{self.mailed}".encode())
        return Completed(code=0 if argv[0] != "cat" else 1)


def fired(host: Scripted) -> FiredJob:
    (row,) = jobsfire.fire(host, Schedules(ZoneInfo("UTC"), (JOB,), ()))  # type: ignore[arg-type]
    return row


def test_a_job_that_another_anacron_holds_was_not_seen_to_end() -> None:
    row = fired(Scripted(LOCKED))
    assert row.code is None
    assert row.trouble.endswith("; another anacron kept it from running")


@pytest.mark.parametrize(("how", "code"), [("", 0), (" (exit status: 4)", 4), (" (exit status: 4) (mailing output)", 4)])
def test_how_a_job_of_anacrons_ended_and_what_it_said(how: str, code: int) -> None:
    row = fired(Scripted(RAN.format(how=how), "fired by anacron\n"))
    assert (row.code, row.output.splitlines()[0]) == (code, "fired by anacron")


def test_other_anacrons_are_ended_before_each() -> None:
    host = Scripted(LOCKED)
    fired(host)
    words = [argv[3] if argv[:2] == ["sh", "-c"] else argv[0] for argv in host.asked]
    assert words.index("quiet") < words.index("anacron")
    assert words[words.index("anacron") - 1] == "quiet"


@pytest.mark.machine
def test_an_anacron_that_waits_is_gone_and_its_unit_has_not_failed(pg_machine: Machine) -> None:
    start = (
        "cp /bin/sleep /run/anacron; systemd-run -q --unit=anacron.service /run/anacron 1000; systemctl is-active anacron"
    )
    assert pg_machine.run(["bash", "-c", start]).stdout == b"active\n"
    quiet = [jobsfire._QUIET, "quiet", "/run/fulldress-mail"]
    assert pg_machine.run(["sh", "-c", *quiet]).ok
    left = pg_machine.run(["bash", "-c", "sleep 0.2; systemctl is-failed anacron; grep -lx anacron /proc/*/comm"]).stdout
    assert left.split() == [b"inactive"]
