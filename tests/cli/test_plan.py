"""The plan command: drafts once, keeps a person's edits, locks what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fulldress.cli.commands.plan import command
from fulldress.errors import FulldressError
from fulldress.model.estate import Estate
from fulldress.model.finding import Adaptation, StepDraft
from fulldress.model.package import Entry, PackageLock
from fulldress.model.plan import PlanLock
from fulldress.plan.lock import require_fresh
from fulldress.plan.tomlout import plan_toml
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, write_bytes, write_json

FILES = {
    "scripts/upgrade.sh": "#!/bin/sh\nsystemctl stop app\nfrobnicate\ndpkg -i a.deb\nsystemctl start app\n",
    "a.deb": "deb",
}


@pytest.fixture
def folder(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> f.ReleaseFolder:
    root = tmp_path / "release"
    root.mkdir()
    (root / f.RELEASE).write_text('name = "r"\n[estate]\nhosts = ["machine:m"]\n')
    blobs = BlobStore(state / "blobs")
    entries = tuple(Entry(place=p, kind="file", size=len(t), sha256=blobs.put(t.encode())) for p, t in FILES.items())
    lock = PackageLock(name="p", sha256="0" * 64, size=1, format="zip", entries=entries, bytes_inspected=1)
    write_json(root / f.ADAPTED_LOCK, lock)
    write_json(root / f.ESTATE, Estate(taken="", hosts=()))
    monkeypatch.chdir(root)
    return f.ReleaseFolder(root)


def plan(*argv: str) -> Result:
    return CliRunner().invoke(command, list(argv), standalone_mode=False)


def edited(folder: f.ReleaseFolder, old: str, new: str) -> None:
    path = folder.path(f.PLAN)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_step_without_undo_is_for_a_person_to_decide(folder: f.ReleaseFolder) -> None:
    error = plan().exception
    assert isinstance(error, FulldressError)
    assert error.slug == "step-without-undo"
    assert not folder.path(f.PLAN_LOCK).exists()
    edited(folder, 'title = "upgrade.sh line 3"', 'title = "upgrade.sh line 3"\nirreversible-because = "it only greets"')
    result = plan()
    assert result.exception is None
    assert "frobnicate" in folder.path(f.PLAN).read_text()
    lock = read_json(folder.path(f.PLAN_LOCK), PlanLock)
    require_fresh(folder, lock)
    assert "it only greets" in folder.path(f.RUNBOOK).read_text()
    assert f.PLAN in lock.inputs
    receipt = folder.receipt("plan")
    assert receipt is not None
    assert set(receipt.wrote) >= {f.PLAN, f.PLAN_LOCK, f.RUNBOOK}


def test_edits_are_kept_until_redraft(folder: f.ReleaseFolder) -> None:
    plan()
    edited(folder, 'title = "upgrade.sh line 3"', 'title = "mine"\nirreversible-because = "x"')
    assert plan().exception is None
    assert 'title = "mine"' in folder.path(f.PLAN).read_text()
    assert plan("--redraft").exception is not None
    assert 'title = "mine"' not in folder.path(f.PLAN).read_text()


def test_what_adaptations_ask_for_is_in_the_plan(folder: f.ReleaseFolder) -> None:
    draft = StepDraft(kind="config-key", title="set it", params={"file": "/etc/a.conf", "key": "k", "value": "v"})
    row = Adaptation(number=1, slug="s", rule="r", findings=(), places=(), note="", safety="safe", steps=(draft,))
    import msgspec

    text = "\n".join(
        [
            'number = 1\nslug = "s"\nrule = "r"\nfindings = []\nplaces = []\nnote = ""\nsafety = "safe"',
            '[[steps]]\nkind = "config-key"\ntitle = "set it"',
            'params = { file = "/etc/a.conf", key = "k", value = "v" }\n',
        ]
    )
    assert msgspec.toml.decode(text.encode(), type=Adaptation) == row
    write_bytes(folder.path(f.ADAPTATIONS) / "0001-s.toml", text.encode())
    plan()
    assert 'title = "set it"' in folder.path(f.PLAN).read_text()


def test_an_unknown_entry_lists_the_scripts(folder: f.ReleaseFolder) -> None:
    error = plan("--entry", "none.sh").exception
    assert isinstance(error, FulldressError)
    assert (error.slug, "scripts/upgrade.sh" in error.why) == ("no-entry", True)


def test_the_written_plan_says_why_a_line_stayed_a_script(folder: f.ReleaseFolder) -> None:
    plan()
    text = folder.path(f.PLAN).read_text()
    assert "# scripts/upgrade.sh:3; kept as a script: `frobnicate` is not a command that is understood" in text
    assert plan_toml.__doc__
