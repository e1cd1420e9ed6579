"""The rehearsal on the page: every part is shown, the worst is named, and nothing from outside is trusted."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from fulldress.model.faults import Sweep
from fulldress.model.rehearsal import RehearsalReport, RunReport
from fulldress.report.page import render
from fulldress.report.rehearsalview import durations_chart, shifts_chart, sweep_grid, troubles, write_groups
from fulldress.store.codec import write_json
from fulldress.store.folder import ReleaseFolder

from .rehearsed import difference, injection, job, lock, report, sweep

VOID = {"meta", "br"}


class Wellformed(HTMLParser):
    """Raises on tags that do not match; collects the text and the names of the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path, rehearsal: RehearsalReport) -> Wellformed:
    (folder / "release.toml").write_text('name = "lims-5"\n')
    write_json(folder / "06-rehearsals" / rehearsal.id / "rehearsal.json", rehearsal)
    seen = Wellformed()
    seen.feed(render(ReleaseFolder(folder)))
    assert seen.open == []
    return seen


@pytest.mark.parametrize(
    "shown",
    [
        "ssh:p", "15/main: copied", "Personal data was not masked",
        "ALTER TABLE result", "uprobes, server log", "4, up to 2500 ms", "80, 12",
        "/etc/cron.d/dten-import:3", "sftp://sftp.old-labs.example:22/in", "/var/spool/lims/in.csv", "giving up",
        "1 of 2 rollbacks equal", "1 of 3 crashes fired", "kill-step inside do at 50 %", "did not fire",
        "rows public.result", "regressed", "+10 to +40 %", "rate, RMSE", "1 paths", "12 more", "2.50", "Hardware differs.",
    ],
)  # fmt: skip
def test_every_part_is_shown(tmp_path: Path, shown: str) -> None:
    assert shown in " ".join(page(tmp_path, report()).text.split())


def test_an_old_report_without_the_newer_parts_is_still_shown(tmp_path: Path) -> None:
    full = report()
    old = RehearsalReport(
        id=full.id, plan_digest=full.plan_digest, started=full.started, verdict="pass", checks=full.checks, acts=full.acts,
        durations={}, not_shown=(),
    )  # fmt: skip
    text = page(tmp_path, old).text
    assert "Rollback, proven" in text
    assert "crashes" not in text


@pytest.mark.parametrize(
    "hostile", ["</td><script>alert(1)</script>", '" onload="alert(1)', "a\x1b]8;;evil\x07b", "\u202egnp.exe"]
)
def test_text_from_outside_stays_text(tmp_path: Path, hostile: str) -> None:
    full = report()
    spoiled = msgspec.structs.replace(
        full.acts[1],
        jobs=(
            msgspec.structs.replace(
                job(), name=hostile, command=hostile, output=hostile, trouble=hostile, writes=(hostile,)
            ),
        ),
        retries=(msgspec.structs.replace(full.acts[1].retries[0], endpoint=hostile, path=hostile, scripted=(hostile,)),),
        impacts=(msgspec.structs.replace(full.acts[0].impacts[0], lock=lock(hostile), endpoints=(hostile,)),),
    )
    bad = msgspec.structs.replace(injection(equal=False), trouble=hostile, differences=(difference(hostile),))
    shown = page(tmp_path, msgspec.structs.replace(full, acts=(full.acts[0], spoiled, full.acts[2]), sweep=sweep(bad)))
    assert "script" not in shown.tags
    assert not {"\x1b", "\x07", "\u202e"} & set(shown.text)


def test_the_grid_has_a_row_for_each_step_in_the_plans_order() -> None:
    rows = sweep_grid(
        sweep(injection(step="start-units"), injection(step="migrate")), ["stop-units", "migrate", "start-units"]
    )
    assert [row.step for row in rows] == ["stop-units", "migrate", "start-units"]


def test_a_crash_that_did_not_fire_is_never_green() -> None:
    (row,) = [r for r in sweep_grid(Sweep(injections=(injection(), injection(fired=False))), []) if r.step == "migrate"]
    assert row.cells[1][:3] == (1, 2, "inconclusive")


def test_a_crash_that_left_something_is_red_even_beside_one_that_did_not_fire() -> None:
    (row,) = sweep_grid(Sweep(injections=(injection(equal=False), injection(fired=False))), [])
    assert row.cells[1].word == "fail"


def test_nothing_tried_is_neither_good_nor_bad() -> None:
    (row,) = sweep_grid(Sweep(injections=(injection(),)), [])
    assert (row.back.word, row.cells[0].word) == ("none", "none")


def test_what_fired_and_failed_is_named_before_what_did_not_fire() -> None:
    assert [i.fired for i in troubles(sweep(injection(fired=False), injection(), injection(equal=False)))] == [True, False]


def test_charts_of_nothing_are_not_drawn() -> None:
    assert durations_chart(()) is None
    assert shifts_chart(()) is None


def test_the_write_set_is_grouped_by_its_first_two_folders() -> None:
    (group,) = write_groups(report().write_set)
    assert group.folder == "/etc/lims.conf"


def test_what_had_to_be_contained_is_said_and_a_staging_host_is_labelled(tmp_path: Path) -> None:
    told = report()
    acts = (msgspec.structs.replace(told.acts[0], contained=("step 03 rebooted the machine",)), *told.acts[1:])
    assert told.mirror is not None
    facts = msgspec.structs.replace(told.mirror, driver="staging", full_dress=False)
    text = " ".join(page(tmp_path, msgspec.structs.replace(told, acts=acts, mirror=facts)).text.split())
    assert "Contained: step 03 rebooted the machine." in text
    assert "not full dress" in text and "driver staging" in text


def test_what_the_machine_did_when_a_third_party_failed_is_told(tmp_path: Path) -> None:
    shown = page(tmp_path, report()).text
    assert "What the machine did when a third party failed" in shown
    assert "POST api.example:443/v1/hooks" in shown
    assert "declared: 503, Retry-After 3 s" in shown
    assert "0.51 1.02" in shown


def test_backup_drift_and_comparison_of_the_run_are_on_the_page(tmp_path: Path) -> None:
    run = RunReport(
        id="20261122", plan_digest="d" * 64, host="h", operator="erika", state="done", started="2026-11-22",
        backup="backed up before the first step: 2 paths", watched="somebody else wrote meanwhile: <b>, /etc/0 and 7 more",
        drift=tuple(f"/etc/{number}<b>" for number in range(8)), restored="1 of 2 paths are not as they were",
    )  # fmt: skip
    write_json(tmp_path / "08-runs" / run.id / "run.json", run)
    seen = page(tmp_path, report())
    for words in (run.backup, run.watched, run.restored, "Written by somebody else: 8 paths", "/etc/7<b>"):
        assert words in seen.text
    write_json(tmp_path / "08-runs" / run.id / "run.json", msgspec.structs.replace(run, watched="", backup="", drift=()))
    assert "Written by somebody else" not in page(tmp_path, report()).text
