"""Production is touched only with a green rehearsal of exactly this plan, and by one run at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fulldress.errors import NoGo, NothingToDo, Stale, TargetHeld, UsageError
from fulldress.model.package import TrustReport
from fulldress.model.plan import Plan, PlanLock, StepTiming
from fulldress.model.rehearsal import Act, RehearsalReport, RunReport, StepDurations
from fulldress.run.gate import pick, rehearsed_seconds, require_no_unfinished, require_rehearsed, require_trusted
from fulldress.store import folder as f
from fulldress.store.codec import write_bytes, write_json

LOCK = PlanLock(
    digest="d" * 64, plan=Plan(release="r", host="h", step=()), scripts=(), inputs={}, package_sha256="", adapted_sha256=""
)


def rehearsal(
    root: Path, ident: str, verdict: Any = "pass", digest: str = "d" * 64, acts: tuple[Act, ...] = ()
) -> RehearsalReport:
    report = RehearsalReport(
        id=ident, plan_digest=digest, started="", verdict=verdict, checks=(), acts=acts, durations={}, not_shown=()
    )
    write_json(root / f.REHEARSALS / ident / "rehearsal.json", report)
    return report


def run(root: Path, ident: str, state: Any) -> None:
    write_json(
        root / f.RUNS / ident / "run.json",
        RunReport(id=ident, plan_digest="d" * 64, host="h", operator="erika", state=state, started=""),
    )


def test_green_means_this_plan_passed(tmp_path: Path) -> None:
    rehearsal(tmp_path, "1")
    assert require_rehearsed(f.ReleaseFolder(tmp_path), LOCK).id == "1"


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "no-data"])
def test_only_pass_is_green_and_the_latest_counts(tmp_path: Path, verdict: str) -> None:
    rehearsal(tmp_path, "1")
    rehearsal(tmp_path, "2", verdict)
    with pytest.raises(NoGo) as caught:
        require_rehearsed(f.ReleaseFolder(tmp_path), LOCK)
    assert caught.value.why == f"its latest rehearsal, 2, says: {verdict}"
    assert caught.value.exit_code == 20


def test_another_plans_rehearsal_is_none(tmp_path: Path) -> None:
    rehearsal(tmp_path, "1", digest="e" * 64)
    with pytest.raises(Stale, match="changed since rehearsal 1") as caught:
        require_rehearsed(f.ReleaseFolder(tmp_path), LOCK)
    assert caught.value.exit_code == 21


def test_never_rehearsed(tmp_path: Path) -> None:
    with pytest.raises(NoGo) as caught:
        require_rehearsed(f.ReleaseFolder(tmp_path), LOCK)
    assert caught.value.why == "it was never rehearsed"


def test_rehearsed_times_are_those_of_the_adapted_act(tmp_path: Path) -> None:
    def timing(phase: str, seconds: float) -> StepTiming:
        return StepTiming(id="a", title="", kind="check", phase=phase, started=1, ended=1 + seconds, code=0)

    acts = (
        Act(name="as-it-came", title="", steps=(timing("do", 9),)),
        Act(name="adapted", title="", steps=(timing("do", 2), timing("undo", 5))),
    )
    assert rehearsed_seconds(rehearsal(tmp_path, "1", acts=acts)) == {"a": 2}
    assert rehearsed_seconds(None) == {}


def test_rehearsed_times_are_the_medians_of_all_rehearsals(tmp_path: Path) -> None:
    durations = (
        StepDurations(step="a", phase="do", samples=(1.0, 2.0, 9.0), median=2.0, worst=9.0),
        StepDurations(step="a", phase="undo", samples=(5.0,), median=5.0, worst=5.0),
    )
    assert rehearsed_seconds(msgspec.structs.replace(rehearsal(tmp_path, "1"), step_durations=durations)) == {"a": 2.0}


def test_an_unfinished_run_comes_first(tmp_path: Path) -> None:
    run(tmp_path, "1", "done")
    require_no_unfinished(f.ReleaseFolder(tmp_path))
    run(tmp_path, "2", "running")
    with pytest.raises(TargetHeld, match="run 2 of erika on h is not finished"):
        require_no_unfinished(f.ReleaseFolder(tmp_path))


def test_which_run_is_meant(tmp_path: Path) -> None:
    folder = f.ReleaseFolder(tmp_path)
    with pytest.raises(NothingToDo):
        pick(folder, None, unfinished=True)
    for ident, state in (("1", "done"), ("2", "rolled-back"), ("3", "running")):
        run(tmp_path, ident, state)
    assert pick(folder, None, unfinished=True)[1].id == "3"
    assert pick(folder, "1", unfinished=False)[1].id == "1"
    run(tmp_path, "3", "rolled-back")
    assert pick(folder, None, unfinished=False)[1].id == "1"
    with pytest.raises(UsageError, match="no run 9"):
        pick(folder, "9", unfinished=False)


ACCEPTED = 'package-sha256 = "{sha}"\nby = {by}\nreason = "{reason}"\n'


def trusted(root: Path, verdict: Any, acceptance: str = "") -> None:
    report = TrustReport(package_sha256="a" * 64, verdict=verdict, explanation="", next_action="Call the contact.")
    write_json(root / f.TRUST, report)
    if acceptance:
        write_bytes(root / f.ACCEPTANCE, acceptance.encode())
    require_trusted(f.ReleaseFolder(root))


def test_a_pinned_signature_needs_nobody(tmp_path: Path) -> None:
    trusted(tmp_path, "pinned-ok")


def test_an_unexpected_signer_needs_two_people_and_says_whom_to_ask(tmp_path: Path) -> None:
    with pytest.raises(NoGo, match="unknown-key") as caught:
        trusted(tmp_path, "unknown-key")
    assert caught.value.slug == "package-not-accepted"
    assert "Call the contact." in caught.value.fix
    trusted(tmp_path, "unknown-key", ACCEPTED.format(sha="a" * 64, by='["Erika", "Max"]', reason="called"))


@pytest.mark.parametrize(
    ("verdict", "sha", "by", "reason"),
    [
        ("unknown-key", "b" * 64, '["Erika", "Max"]', "called"),
        ("unknown-key", "a" * 64, '["Erika", " erika "]', "called"),
        ("unknown-key", "a" * 64, '["Erika", ""]', "called"),
        ("unknown-key", "a" * 64, '["Erika", "Max"]', " "),
        ("bad", "a" * 64, '["Erika", "Max"]', "called"),
        ("revoked-or-weak", "a" * 64, '["Erika", "Max"]', "called"),
    ],
)
def test_what_is_no_acceptance(tmp_path: Path, verdict: str, sha: str, by: str, reason: str) -> None:
    with pytest.raises(NoGo):
        trusted(tmp_path, verdict, ACCEPTED.format(sha=sha, by=by, reason=reason))
