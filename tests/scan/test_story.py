"""The story's package, whole: what is found, that every cure cures, and what stays for people to decide."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from demo import package
from fulldress.formats import shell
from fulldress.intake.unpack import unpack
from fulldress.model.estate import Estate, HostFacts
from fulldress.model.release import Declared, Release, Window
from fulldress.scan.rule import Sample, cure_of
from fulldress.scan.samples import context_of, cured
from fulldress.scan.sweep import load_rules, sweep
from fulldress.store.blobs import BlobStore

HOST = HostFacts(name="machine:p", hostname="p", os="debian", os_version="12", timezone="Europe/Vienna", commands=("bash",))
ESTATE = Estate(taken="2026-11-21T00:00:00Z", hosts=(HOST,), retired=("sftp.old-labs.example",))
RELEASE = Release(
    name="r", estate=Declared(timezone="Europe/Vienna", product="lims"), window=Window(start="2026-11-29T02:30", minutes=60)
)
EXPECTED = {
    ("schedule-retired-target", "packages/dten-lims_5.0_all.deb!/etc/cron.d/dten-import"),
    ("schedule-in-window", "packages/dten-lims_5.0_all.deb!/etc/cron.d/dten-import"),
    ("secret-in-config", "lib/dten-bridge.jar!/bridge.properties"),
    ("secret-in-command", "scripts/40-register.sh"),
    ("secret-in-command", "scripts/10-preflight.sh"),
    ("unguarded-destruction", "scripts/30-services.sh"),
    ("sudo-assumption", "scripts/10-preflight.sh"),
    ("outside-side-effect", "scripts/40-register.sh"),
    ("endpoint-plaintext-hard-coded", "scripts/40-register.sh"),
    ("endpoint-plaintext-hard-coded", "bin/dtenctl"),
    ("stale-timestamps", "bin/dtenctl"),
    ("loose-dependency-constraints", "manifest.json"),
    ("doubtful-reboot", "manifest.json"),
}
SECRETS = (b"Sommer2023!", b"Br1dge-2023-x7", b"dtn_live_7Qm2xV9kRt4LpZs8WcYb3HfJ")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("story")
    blobs = BlobStore(folder / "blobs")
    lock = unpack(package.build(folder / "build"), blobs)
    files: dict[str, str | bytes] = {e.place: blobs.read(e.sha256) for e in lock.entries if e.kind == "file"}
    times = {e.place: e.modified for e in lock.entries}
    return Sample(files=files, estate=ESTATE, release=RELEASE, times=times)


@pytest.fixture(scope="module")
def after(sample: Sample) -> Sample:
    """Every cure, the rules of the most dangerous findings first, as ``adapt`` does."""
    order = list(dict.fromkeys(f.rule for f in sweep(context_of(sample)).findings))
    rules = {rule.META.slug: rule for rule in load_rules()}
    for slug in order:
        cure = cure_of(rules[slug])
        for _ in range(40):
            open_ones = [f for f in sweep(context_of(sample), [rules[slug]]).findings if f.curable]
            patch = cure(context_of(sample), open_ones[0]) if cure is not None and open_ones else None
            if patch is None:
                break
            sample = cured(sample, patch)
    return sample


def test_every_trap_is_found(sample: Sample) -> None:
    found = {(f.rule, f.place) for f in sweep(context_of(sample)).findings}
    assert found >= EXPECTED
    assert "endpoint-retired" in {rule for rule, _ in found}


def test_no_secret_is_shown(sample: Sample) -> None:
    report = repr(sweep(context_of(sample))).encode()
    assert [s for s in SECRETS if s in report] == []


def test_no_rule_raises(sample: Sample) -> None:
    assert not [f.title for f in sweep(context_of(sample)).findings if f.rule == "rule-raised"]


def test_after_the_cures_no_curable_edit_is_left(after: Sample) -> None:
    left = {f.rule for f in sweep(context_of(after)).findings if f.curable}
    assert left & {rule for rule, _ in EXPECTED} == set()


def test_what_people_must_decide_stays(after: Sample) -> None:
    left = {f.rule for f in sweep(context_of(after)).findings}
    assert {"stale-timestamps", "endpoint-plaintext-hard-coded"} <= left


def test_what_a_plan_step_answers_is_gone_once_it_is_drafted(after: Sample) -> None:
    left = {f.rule for f in sweep(context_of(after)).findings}
    assert left & {"outside-side-effect", "doubtful-reboot"} == set()
    assert [step.title for step in after.drafted if step.kind == "http"] == [
        "POST http://hooks.lab-partner.example/v1/webhooks",
        "PUT http://flags.dten-cloud.example/v1/flags/hybrid-approval",
    ]


def test_after_the_cures_no_secret_is_left(after: Sample) -> None:
    contents = [c.encode() if isinstance(c, str) else c for c in after.files.values()]
    assert [s for s in SECRETS if any(s in c for c in contents)] == []


def test_the_job_is_off(after: Sample) -> None:
    table = after.files["packages/dten-lims_5.0_all.deb!/etc/cron.d/dten-import"]
    assert isinstance(table, bytes)
    jobs = [line for line in table.decode().splitlines() if line[:1].isdigit()]
    assert jobs == []
    assert "# 0 3 * * *" in table.decode()


def test_cured_scripts_still_parse(after: Sample) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    checked = 0
    for place, content in after.files.items():
        data = content.encode() if isinstance(content, str) else content
        if shell.is_shell(place, data.decode("utf-8", "replace")):
            checked += 1
            assert subprocess.run([bash, "-n"], input=data, check=False, capture_output=True).returncode == 0, place
    assert checked >= 8


def test_the_guard_lets_the_script_go_on_without_the_variable(after: Sample, tmp_path: Path) -> None:
    """The cured lines really run: nothing is deleted when the link is missing, and the script does not stop."""
    script = after.files["scripts/30-services.sh"]
    assert isinstance(script, bytes)
    lines = [line for line in script.decode().splitlines() if line.startswith(("OLD=", "if [", "set "))]
    done = subprocess.run(
        ["bash", "-c", "\n".join([*lines, "echo reached"])], capture_output=True, check=False, cwd=tmp_path, text=True
    )
    assert (done.returncode, done.stdout) == (0, "reached\n")
    assert "skipped: OLD has no value" in done.stderr
