"""Times that are values of settings, and EJB timers."""

from __future__ import annotations

from fulldress.scan.jobs.set_jobs import set_jobs
from fulldress.scan.samples import context_of


def schedules(place: str, text: str) -> list[str]:
    return [job.schedule for job in set_jobs(context_of({place: text}))]


def test_under_any_key() -> None:
    text = "nightrun=0 30 22 * * ?\nsweep = 15 2 * * *\n# old=0 1 * * *\ntext=a * * b c\nsize=1 2 3 4 5\n"
    assert schedules("conf/app.properties", text) == ["0 30 22 * * ?", "15 2 * * *"]


def test_what_others_read_is_left_to_them() -> None:
    assert schedules("conf/app.yml", 'job:\n  schedule: "0 3 * * *"\n  cron-expression: "0 0 3 * * ?"\n') == []


def test_timers_of_ejb_begin_at_nought() -> None:
    assert schedules("src/T.java", '@Schedule(hour = "*", minute = "*/10", persistent = true)\nvoid a() {}\n') == [
        "0 */10 * * * *"
    ]
    assert schedules("src/T.java", '@Schedule(hour = "2")\nvoid a() {}\n') == ["0 0 2 * * *"]
    assert schedules("tests/T.java", '@Schedule(hour = "2")\nvoid a() {}\n') == []
