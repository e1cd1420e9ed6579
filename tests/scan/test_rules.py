"""Every rule, by its own samples: BAD trips it, GOOD does not, its page is complete, its cure cures."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fulldress.formats import shell
from fulldress.model.finding import CONFIDENCES, SEVERITIES, Finding
from fulldress.scan.rule import Rule, Sample, cure_of
from fulldress.scan.samples import as_sample, context_of, cured
from fulldress.scan.sweep import load_rules, sweep

RULES = load_rules()
HEADINGS = ["What it does", "Why it matters", "Example", "Fix", "References"]


def samples(kind: str) -> list[object]:
    return [
        pytest.param(rule, as_sample(sample), id=f"{rule.META.slug}-{number}")
        for rule in RULES
        for number, sample in enumerate(getattr(rule, kind))
    ]


def run(rule: Rule, sample: Sample) -> tuple[Finding, ...]:
    report = sweep(context_of(sample), [rule])
    assert report.rules_run, report.rules_stood_aside
    return report.findings


def page(rule: Rule) -> str:
    return inspect.getdoc(rule) or ""


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.META.slug)
def test_page_has_the_fixed_headings_in_order(rule: Rule) -> None:
    assert re.findall(r"(?m)^## (.+)$", page(rule)) == HEADINGS
    assert all(part.strip() for part in re.split(r"(?m)^## .+$", page(rule)))


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.META.slug)
def test_slug_is_the_file_name(rule: Rule) -> None:
    path = Path(inspect.getfile(rule))  # type: ignore[arg-type]
    assert rule.META.slug == path.stem.replace("_", "-")
    assert rule.META.severity in SEVERITIES
    assert rule.META.confidence in CONFIDENCES
    assert rule.BAD
    assert rule.GOOD


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.META.slug)
def test_rules_are_pure(rule: Rule) -> None:
    tree = ast.parse(Path(inspect.getfile(rule)).read_text())  # type: ignore[arg-type]
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {m.partition(".")[0] for m in imported} & {"os", "subprocess", "socket", "pathlib", "shutil", "urllib"}


@pytest.mark.parametrize(("rule", "sample"), samples("BAD"))
def test_bad_trips(rule: Rule, sample: Sample) -> None:
    findings = run(rule, sample)
    assert findings
    for finding in findings:
        assert finding.rule == rule.META.slug
        assert finding.title and finding.consequence and finding.fix
        assert not finding.place or finding.place in sample.files or sample.not_inspected or sample.remarks or sample.trust


@pytest.mark.parametrize(("rule", "sample"), samples("GOOD"))
def test_good_does_not_trip(rule: Rule, sample: Sample) -> None:
    assert run(rule, sample) == ()


@pytest.mark.parametrize(("rule", "sample"), samples("BAD"))
def test_cured_does_not_trip(rule: Rule, sample: Sample) -> None:
    """Cure finding by finding, each over the content as it is by then, until nothing curable is left."""
    cure = cure_of(rule)
    curable = [f for f in run(rule, sample) if f.curable]
    assert cure is not None or not curable
    for _ in range(20):
        findings = [f for f in run(rule, sample) if f.curable]
        if not findings or cure is None:
            break
        patch = cure(context_of(sample), findings[0])
        assert patch is not None and (patch.edits or patch.steps)
        assert patch.note
        changed = cured(sample, patch)
        assert changed != sample
        sample = changed
        assert_scripts_parse(sample)
    assert [f for f in run(rule, sample) if f.curable] == []


def assert_scripts_parse(sample: Sample) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    for place, content in sample.files.items():
        data = content.encode() if isinstance(content, str) else content
        if shell.is_shell(place, data.decode("utf-8", "replace")):
            done = subprocess.run([bash, "-n"], input=data, capture_output=True, check=False)
            assert done.returncode == 0, (place, done.stderr.decode(), data.decode())


@pytest.mark.parametrize(("rule", "sample"), samples("BAD"))
def test_no_secret_reaches_a_finding(rule: Rule, sample: Sample) -> None:
    shown = " ".join(f"{f.title} {f.excerpt} {f.consequence} {f.fix}" for f in run(rule, sample))
    for secret in (
        "geheim1",
        "Summer2023",
        "tok_1234567890",
        "Br1dge-2023",
        "ghp_0123456789",
        "7Qm2xV9kRt4LpZs8",
        "abcdef123456",
    ):
        assert secret not in shown
