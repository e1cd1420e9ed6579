"""What is new in a package: by content, whatever versions, folders and line numbers did."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fulldress.model.finding import FindingsReport
from fulldress.scan.lineage import Before, only_new, unversioned
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import RAISED, sweep

BAD = '#!/bin/bash\nset -e\nrm -rf "$OLD"/lib\n'
INI = "db.password = {}\n"


def swept(files: dict[str, Any]) -> tuple[FindingsReport, Before]:
    context = context_of(files)
    report = sweep(context)
    before = Before(name="old", findings=report.findings, rules_run=frozenset(report.rules_run), lock=context.package)
    return report, before


def new(old: dict[str, Any], now: dict[str, Any]) -> FindingsReport:
    context = context_of(now)
    return only_new(sweep(context), context.package, swept(old)[1])


def test_another_version_with_other_folders_and_lines_has_nothing_new() -> None:
    old = {"app-4.2.1/run.sh": BAD, "app-4.2.1/conf/a.ini": INI.format("Kx82hd7s")}
    now = {
        "v5/app-5.0.0-rc1/run.sh": '#!/bin/bash\nset -e\n# more\n\n\nrm -rf "$OLD"/lib\n',
        "v5/a.ini": f"x = 1\n{INI.format('Kx82hd7s')}",
    }
    report = new(old, now)
    assert [f.title for f in report.findings if f.severity in ("critical", "high")] == []
    assert report.baseline is not None and report.baseline.known >= 2


def test_another_secret_on_the_same_line_is_new() -> None:
    report = new({"a.ini": INI.format("Kx82hd7s")}, {"a.ini": INI.format("Zq71mmw0")})
    assert [f.rule for f in report.findings] == ["secret-in-config"]


def test_the_same_line_once_more_is_new_once() -> None:
    report = new({"a/run.sh": BAD}, {"a/run.sh": BAD, "b/run.sh": BAD})
    assert len([f for f in report.findings if f.rule == "unguarded-destruction"]) == 1


def test_what_went_is_counted() -> None:
    report = new({"run.sh": BAD}, {"run.sh": "#!/bin/bash\nset -e\necho\n"})
    assert report.baseline is not None and report.baseline.gone >= 1


def test_a_more_severe_finding_is_new() -> None:
    context = context_of({"run.sh": BAD})
    report, before = swept({"run.sh": BAD})
    mild = tuple(msgspec.structs.replace(f, severity="low") for f in before.findings)
    assert only_new(report, context.package, msgspec.structs.replace(before, findings=mild)).findings != ()


def test_a_rule_that_failed_is_never_known() -> None:
    context = context_of({"run.sh": BAD})
    report, before = swept({"run.sh": BAD})
    failed = msgspec.structs.replace(report.findings[0], rule=RAISED)
    both = (failed, *report.findings)
    known = msgspec.structs.replace(before, findings=both)
    assert only_new(msgspec.structs.replace(report, findings=both), context.package, known).findings == (failed,)


def test_a_lock_alone_knows_the_files_that_did_not_change() -> None:
    _, before = swept({"run.sh": BAD, "b.sh": "x\n"})
    lock_only = Before(name="old", lock=before.lock)
    context = context_of({"moved/run.sh": BAD, "b.ini": INI.format("Kx82hd7s")})
    left = only_new(sweep(context), context.package, lock_only).findings
    assert {f.place for f in left} == {"b.ini"}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("/opt/app/5.0.1/bin", "/opt/app/#/bin"),
        ("app_2:4.1-1~deb12u3_all.deb", "app_#_all.deb"),
        ("released 2026-11-12", "released #"),
        ("http://10.20.1.15:80/", "http://10.20.1.15:80/"),
        ("port 8080", "port 8080"),
    ],
)
def test_versions_are_left_out_and_addresses_are_not(text: str, same: str) -> None:
    assert unversioned(text) == same


def test_a_host_that_the_previous_package_did_not_name_is_new() -> None:
    old = context_of({"conf/a.ini": "u = https://api.partner.example/\n"})
    report = sweep(old)
    before = Before(name="old", findings=report.findings, rules_run=frozenset(report.rules_run))
    assert before.hosts == {"api.partner.example"}
    new = context_of({"conf/a.ini": "u = https://api.partner.example/\nv = https://c2.other.example/\n"})
    new.known_hosts = before.hosts
    found = [f for f in sweep(new).findings if f.rule == "endpoint-new"]
    assert [f.names for f in found] == [("c2.other.example",)]
    assert Before(name="only its lock").hosts is None


def test_a_file_under_another_name_is_not_new() -> None:
    report = new({"scripts/run.sh": BAD}, {"moved/start.sh": BAD})
    assert [f.rule for f in report.findings if f.rule == "unguarded-destruction"] == []
    assert report.baseline is not None and report.baseline.gone == 0


def test_a_copy_under_another_name_is_new() -> None:
    report = new({"run.sh": BAD}, {"run.sh": BAD, "start.sh": BAD})
    assert len([f for f in report.findings if f.rule == "unguarded-destruction"]) == 1
