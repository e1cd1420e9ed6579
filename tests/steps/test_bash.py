"""Text of others enters bash only as text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.model.plan import Step
from fulldress.steps import StepContext, compile_step, kinds
from fulldress.steps._bash import references, template, word, words

HOSTILE = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
NASTY = [
    "$(touch canary)",
    "`touch canary`",
    "'; touch canary; '",
    '"; touch canary; "',
    "\n touch canary\n",
    "${PATH}",
    "-rf",
    "!!",
    "\\",
]


def said(script: str, cwd: Path | None = None) -> str:
    done = subprocess.run(["bash", "-euc", script], capture_output=True, check=True, cwd=cwd, env={"PATH": "/usr/bin:/bin"})
    return done.stdout.decode()


@settings(max_examples=10, deadline=None)
@given(st.lists(HOSTILE | st.sampled_from(NASTY), min_size=1, max_size=30))
def test_words_mean_exactly_their_text(values: list[str]) -> None:
    assert said(f"printf '%s\\0' {words(values)}").split("\0")[:-1] == values


@settings(max_examples=10, deadline=None)
@given(st.lists(HOSTILE | st.sampled_from(NASTY), min_size=1, max_size=30))
def test_templates_replace_only_references(values: list[str]) -> None:
    script = "NAME='s\"e $(x) cret'\n" + "printf '%s\\0' " + " ".join(template(v + "${NAME}") for v in values)
    known = [v for v in values if not references(v)]
    assert len(known) < len(values) or said(script).split("\0")[:-1] == [v + 's"e $(x) cret' for v in values]


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        word("a\0b")


def test_references_are_named_once_in_order() -> None:
    assert references("${B} ${A}", "${B} $C") == ["B", "A"]


def params_of(kind: str, nasty: str) -> dict[str, object]:
    return {
        "files": {"path": f"/x/{nasty.strip() or 'x'}y", "content": nasty, "owner": f"{nasty}:{nasty}"},
        "config-key": {"file": f"/x{nasty}", "key": nasty.replace("\n", ""), "value": nasty.replace("\n", "")},
        "unit": {"unit": "a.service", "action": "stop"},
        "deb": {"place": "a.deb", "guards": [f"/g{nasty}"], "touched": [f"/t{nasty}"]},
        "migration": {"database": "db", "content": nasty, "down": nasty, "verify-query": nasty, "verify-expect": nasty},
        "http": {
            "method": "POST",
            "url": "http://x/y",
            "body": nasty.replace("${PATH}", ""),
            "undo-body": nasty,
            "id-key": nasty,
        },
        "cron-job": {"file": f"/x{nasty}", "match": nasty.replace("\n", "") + "x"},
        "script": {"content": "true\n", "args": [nasty], "guards": [f"/g{nasty}"], "package": ["a.deb"]},
        "check": {"command": "true", "hint": nasty},
        "pause": {"file": f"/x{nasty}"},
    }[kind]


@pytest.mark.parametrize("kind", sorted(kinds()))
@pytest.mark.parametrize("nasty", NASTY)
def test_no_parameter_breaks_out(kind: str, nasty: str, tmp_path: Path) -> None:
    """Every script parses, and as a word list holds the text whole: nothing of it runs while the functions are read."""
    ctx = StepContext({"a.deb": ("a" * 64, 0o644)}, lambda _: "b" * 64)
    scripts = compile_step(Step(id="s", kind=kind, title=nasty, params=params_of(kind, nasty)), ctx)
    for text in (scripts.do, scripts.verify_before, scripts.verify_after, scripts.undo):
        done = subprocess.run(["bash", "-n"], input=text.encode(), capture_output=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert not text or text.startswith("set -euo pipefail\n")


@pytest.mark.parametrize("nasty", [n for n in NASTY if "\n" not in n])
def test_hostile_settings_are_written_not_run(nasty: str, tmp_path: Path) -> None:
    conf, undo = tmp_path / "app.conf", tmp_path / "undo"
    undo.mkdir()
    conf.write_text("[a]\nold = 1\nkey = before\n")
    step = Step(id="s", kind="config-key", title="t", params={"file": str(conf), "key": "a.key", "value": nasty})
    scripts = compile_step(step, StepContext({}, lambda _: ""))
    env = {"PATH": "/usr/bin:/bin", "FD_UNDO": str(undo)}
    subprocess.run(["bash", "-c", scripts.do], check=True, env=env, cwd=tmp_path)
    subprocess.run(["bash", "-c", scripts.verify_after], check=True, env=env, cwd=tmp_path)
    assert conf.read_text() == f"[a]\nold = 1\nkey = {nasty}\n"
    assert not (tmp_path / "canary").exists()
    subprocess.run(["bash", "-c", scripts.undo], check=True, env=env, cwd=tmp_path)
    assert conf.read_text() == "[a]\nold = 1\nkey = before\n"
