"""A drafted plan: checks first, what only adds before the outage, settings while their readers are down."""

from __future__ import annotations

import hashlib

import pytest

from fulldress.errors import UsageError
from fulldress.model.finding import StepDraft
from fulldress.model.package import Entry, PackageLock
from fulldress.model.plan import Plan
from fulldress.model.release import Declared, Release
from fulldress.plan.as_it_came import lock_as_it_came
from fulldress.plan.draft import Draft, Source, draft, find_entry
from fulldress.plan.lock import compile_plan
from fulldress.plan.tomlout import plan_toml
from fulldress.store.blobs import BlobStore

ADDS = "ALTER TABLE t ADD COLUMN c integer;\nINSERT INTO schema_migrations (version) VALUES ('0002');\n"
LOSES = "ALTER TABLE t DROP COLUMN c;\n"
SCRIPT = """#!/bin/bash
systemctl stop app
psql -d db -f migrations/0002_adds.sql
dpkg -i packages/app.deb
systemctl start app
"""
RELEASE = Release(
    name="r",
    estate=Declared(hosts=("machine:m",), base_url="http://127.0.0.1/", schema_version_query="select max(v) from s"),
)


def source(**files: str) -> tuple[Source, PackageLock, dict[str, bytes]]:
    texts = {"scripts/upgrade.sh": SCRIPT, "migrations/0002_adds.sql": ADDS, "packages/app.deb": "deb", **files}
    texts["packages/app.deb!/DEBIAN/postinst"] = "#!/bin/sh\nln -sfn /opt/app/2 /opt/app/current\nmkdir -p /srv/app/data\n"
    contents = {hashlib.sha256(t.encode()).hexdigest(): t.encode() for t in texts.values()}
    entries = tuple(
        Entry(place=p, kind="file", size=len(t), sha256=hashlib.sha256(t.encode()).hexdigest()) for p, t in texts.items()
    )
    lock = PackageLock(name="p", sha256="0" * 64, size=1, format="zip", entries=entries, bytes_inspected=1)
    return Source(lock, contents.__getitem__), lock, contents


def drafted(*drafts: StepDraft, **files: str) -> Draft:
    return draft(RELEASE, source(**files)[0], drafts)


def order(found: Draft) -> list[str]:
    return [f"{s.kind} {s.params.get('action', '')}".strip() for s in found.plan.step]


def test_checks_frame_the_plan_and_what_only_adds_comes_before_the_stop() -> None:
    found = drafted()
    assert order(found) == ["check"] * 4 + ["migration", "unit stop", "deb", "unit start", "check", "check"]
    migration = found.plan.step[4]
    assert "DROP COLUMN IF EXISTS c" in migration.params["down"]
    assert (migration.params["verify-query"], migration.params["verify-expect"]) == ("select max(v) from s", "0002")
    assert "moved before the first stop" in found.notes[migration.id]


def test_what_loses_data_stays_where_it_was_and_keeps_those_after_it() -> None:
    script = SCRIPT.replace("psql", "psql -d db -f migrations/0001.sql\npsql", 1)
    found = drafted(**{"scripts/upgrade.sh": script, "migrations/0001.sql": LOSES})
    assert order(found)[4:8] == ["unit stop", "migration", "migration", "deb"]
    assert "down" not in found.plan.step[5].params


def test_adaptations_take_their_places() -> None:
    key = StepDraft(kind="config-key", title="k", params={"file": "/etc/a", "key": "a", "value": "b"})
    chain = StepDraft(kind="files", title="chain", params={"path": "/etc/ssl/x.pem", "content": "x"})
    after = StepDraft(kind="check", title="after", when="after", params={"command": "true"})
    found = drafted(key, chain, after)
    assert order(found)[4:] == [
        "files", "migration", "unit stop", "config-key", "deb", "unit start", "check", "check", "check",
    ]  # fmt: skip


def test_what_two_adaptations_ask_for_is_done_once() -> None:
    hold = StepDraft(kind="unit", title="Hold a.timer", params={"action": "hold", "unit": "a.timer"})
    release = StepDraft(kind="unit", title="Release a.timer", when="after", params={"action": "release", "unit": "a.timer"})
    steps = [s.params.get("action") for s in drafted(hold, release, hold, release).plan.step if s.kind == "unit"]
    assert (steps[0], steps.count("hold"), steps.count("release"), steps[-1]) == ("hold", 1, 1, "release")


def test_a_deb_is_guarded_by_what_its_scripts_change() -> None:
    deb = next(s for s in drafted().plan.step if s.kind == "deb")
    assert deb.params == {
        "place": "packages/app.deb",
        "guards": ["/opt/app/2", "/opt/app/current"],
        "touched": ["/srv/app/data"],
    }


def test_what_stops_says_what_will_look_broken() -> None:
    stop = next(s for s in drafted().plan.step if s.params.get("action") == "stop")
    assert stop.breaks == "app.service is down until it is started again"


def test_a_second_stop_of_the_same_unit_is_said_once() -> None:
    found = drafted(**{"scripts/upgrade.sh": SCRIPT.replace("dpkg", "systemctl stop app\ndpkg")})
    assert order(found).count("unit stop") == 1


def test_secrets_are_checked_before_anything_changes() -> None:
    script = '. /etc/app/s.env\ncurl -X POST http://x/h -H "A: ${TOKEN}" -d "{}"\n'
    found = drafted(**{"scripts/upgrade.sh": SCRIPT + script})
    checks = [s for s in found.plan.step[:6] if "TOKEN" in str(s.params.get("command"))]
    assert len(checks) == 1
    assert checks[0].params["hint"] == "add them to /etc/app/s.env: TOKEN"


def test_the_draft_reads_back_from_its_toml_and_compiles() -> None:
    import msgspec

    found = drafted()
    text = plan_toml(found.plan, found.notes)
    assert msgspec.toml.decode(text.encode(), type=Plan) == found.plan
    _, lock, _ = source()
    assert len(compile_plan(found.plan, lock, lambda data: hashlib.sha256(data).hexdigest())) == len(found.plan.step)


def test_the_manifest_names_the_entry() -> None:
    made = source(**{"manifest.json": '{"entry": "./bin/go.sh"}', "bin/go.sh": "systemctl stop app\n"})[0]
    assert find_entry(made, None) == "bin/go.sh"
    assert find_entry(made, "scripts/upgrade.sh") == "scripts/upgrade.sh"


@pytest.mark.parametrize("manifest", ["not json", "[]", '{"entry": "none.sh"}', '{"entry": 7}'])
def test_a_manifest_that_names_nothing_falls_back(manifest: str) -> None:
    assert find_entry(source(**{"manifest.json": manifest})[0], None) == "scripts/upgrade.sh"


def test_no_entry_lists_candidates() -> None:
    lock = source()[1]
    entries = tuple(e for e in lock.entries if e.place != "scripts/upgrade.sh")
    bare = PackageLock(name="p", sha256="", size=0, format="zip", entries=entries, bytes_inspected=0)
    with pytest.raises(UsageError, match="not clear") as caught:
        find_entry(Source(bare, lambda _: b""), None)
    assert caught.value.slug == "no-entry"


def test_as_it_came_is_one_step_without_undo(tmp_path: object) -> None:
    from pathlib import Path

    _, lock, contents = source()
    blobs = BlobStore(Path(str(tmp_path)) / "b")
    for data in contents.values():
        blobs.put(data)
    made = lock_as_it_came(lock, blobs, release="r", host="machine:m")
    assert [s.params for s in made.plan.step] == [{"place": "scripts/upgrade.sh"}]
    assert made.scripts[0].undo == ""
    assert made.plan.step[0].irreversible_because
