"""A lock binds a plan to its inputs, and refuses what cannot be undone or does not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fulldress.errors import Stale, UsageError
from fulldress.model.package import PackageLock
from fulldress.model.plan import Plan, PlanLock, Step
from fulldress.plan.lock import changed_inputs, intact, make_lock, require_fresh
from fulldress.store import folder as f

EMPTY = PackageLock(name="p", sha256="0" * 64, size=0, format="zip", entries=(), bytes_inspected=0)


def step(kind: str = "check", ident: str = "a", because: str = "", **params: Any) -> Step:
    return Step(id=ident, kind=kind, title="t", params=params or {"command": "true"}, irreversible_because=because)


def locked(root: Path, *steps: Step) -> tuple[f.ReleaseFolder, PlanLock]:
    for name in (f.RELEASE, f.ADAPTED_LOCK, f.ESTATE, f.PLAN):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    folder = f.ReleaseFolder(root)
    return folder, make_lock(folder, Plan(release="r", host="machine:m", step=steps), EMPTY, "1" * 64, lambda _: "2" * 64)


def test_a_fresh_lock_is_fresh(tmp_path: Path) -> None:
    folder, lock = locked(tmp_path, step())
    require_fresh(folder, lock)
    assert intact(lock)
    assert len(lock.digest) == 64


@pytest.mark.parametrize("name", [f.RELEASE, f.ADAPTED_LOCK, f.ESTATE, f.PLAN])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_each_input_is_watched_and_named(tmp_path: Path, name: str, how: str) -> None:
    folder, lock = locked(tmp_path, step())
    if how == "changed":
        (tmp_path / name).write_text("x")
    else:
        (tmp_path / name).unlink()
    assert changed_inputs(folder, lock) == [name]
    with pytest.raises(Stale, match=name.replace(".", r"\.")) as caught:
        require_fresh(folder, lock)
    assert caught.value.exit_code == 21


def test_a_lock_that_was_edited_is_not_intact(tmp_path: Path) -> None:
    folder, lock = locked(tmp_path, step())
    scripts = (msgspec.structs.replace(lock.scripts[0], do="rm -rf /"),)
    with pytest.raises(Stale, match=r"plan\.lock\.json"):
        require_fresh(folder, msgspec.structs.replace(lock, scripts=scripts))


def test_the_same_plan_gives_the_same_digest(tmp_path: Path) -> None:
    assert locked(tmp_path / "a", step())[1].digest == locked(tmp_path / "b", step())[1].digest
    assert locked(tmp_path / "a", step())[1].digest != locked(tmp_path / "b", step(command="false"))[1].digest


def test_a_step_without_undo_needs_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"step 'a' .* has no undo") as caught:
        locked(tmp_path, step("script", content="x"))
    assert caught.value.slug == "step-without-undo"
    locked(tmp_path, step("script", because="it is only a message", content="x"))
    locked(tmp_path, step("script", content="x", undo="y"))
    locked(tmp_path, step("script", content="x", guards=["/etc/x"]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (step("dance"), "unknown kind; known are check, config-key"),
        (step("check", comand="x"), "unknown parameter 'comand'; known are command, retry-s, hint"),
        (step("check", hint="x"), "parameter 'command' is missing"),
        (step("deb", place="none.deb"), "there is no 'none.deb' in the adapted package"),
        (step("unit", action="stop", unit="a b"), "not the name of a unit"),
        (step("files", path="relative", content="x"), "must be an absolute path"),
        (step("files", path="/a/../etc/shadow", content="x"), "must be an absolute path"),
        (step("http", method="POST", url="ftp://x"), "must be an http or https address"),
        (step("http", method="POST", url="http://x/", body="${T}"), "`env-file` does not say"),
        (step("http", method="POST", url="http://x/", headers={"a": "b\nc"}), "cannot hold a line break"),
        (step("migration", database="a b", content="x"), "must be plain names"),
        (step("pause"), "unknown parameter 'command'"),
        (step("script", content="x", guards=["/"]), "must list absolute paths below /"),
        (step("script", content="x", cwd="../.."), "must lie inside the package"),
        (step(ident="No Good"), "must be lower-case"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_step(tmp_path: Path, wrong: Step, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        locked(tmp_path, wrong)
    assert message in caught.value.what
    assert repr(wrong.id) in caught.value.what
    assert "05-plan/plan.toml" in caught.value.what


def test_two_steps_of_one_id_and_no_step_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="used twice"):
        locked(tmp_path, step(), step())
    with pytest.raises(UsageError, match="holds no step"):
        locked(tmp_path)
