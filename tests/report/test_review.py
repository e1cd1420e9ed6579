"""The review page: grouped, safe first, and safe against what it shows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.adapt.manifest import Repacked, RepackManifest
from fulldress.model.finding import Adaptation, Finding, StepDraft
from fulldress.report.review import Review, code, prose, review

NOTHING = RepackManifest(package_before="a" * 64, package_after="b" * 64, repacked=(), untouched=3)


def adaptation(number: int, rule: str, safety: Any, **more: Any) -> Adaptation:
    return Adaptation(
        number=number,
        slug=rule,
        rule=rule,
        findings=(f"f{number}",),
        places=(),
        note=f"note {number}",
        safety=safety,
        **more,
    )


def page(*adaptations: Adaptation, **more: Any) -> str:
    given: dict[str, Any] = {
        "package": "p.zip", "manifest": NOTHING, "adaptations": adaptations, "cured": {}, "patches": {}, "failures": (),
        "left_out": {}, "left": (), "families": {"one": "secret", "two": "schedule", "three": "schedule"},
    }  # fmt: skip
    return review(Review(**{**given, **more}))


def finding(title: str) -> Finding:
    return Finding(
        rule="one", severity="high", confidence="likely", title=title, place="a|b", line=3, consequence="c", fix="f"
    )


def test_safe_ones_first_then_by_kind() -> None:
    text = page(adaptation(1, "one", "review"), adaptation(2, "two", "review"), adaptation(3, "three", "safe"))
    found = re.findall(r"(?m)^#+ .*", text)
    assert found[1:] == [
        "## Safe: they take nothing away that works",
        "### Scheduled jobs: disabled or moved",
        "#### 0003 three",
        "## To be reviewed: a person reads each",
        "### Scheduled jobs: disabled or moved",
        "#### 0002 two",
        "### Secrets: referenced, not written down",
        "#### 0001 one",
    ]


def test_a_diff_cannot_end_its_fence() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-````\n+```\n+# Approved by all\n"
    text = page(adaptation(1, "one", "review", patch="0001-one.patch"), patches={"0001-one.patch": diff})
    assert text.count("`````") == 2
    assert text.index("`````diff") < text.index("# Approved") < text.rindex("`````")


def test_findings_steps_choice_and_archives_are_listed() -> None:
    archive = Repacked(
        place="a|b.deb", format="deb", sha256_before="1" * 64, sha256_after="2" * 64, members=9, identical=8, changed=("x",)
    )
    manifest = RepackManifest(package_before="a", package_after="b", repacked=(archive,), untouched=3)
    step = StepDraft(kind="config_key", title="set a key")
    text = page(
        adaptation(1, "one", "review", steps=(step,)), cured={"f1": finding("cured")}, failures=(finding("failed"),),
        left=(finding("left"),), left_out={"two": 2}, manifest=manifest,
    )  # fmt: skip
    for said in ("high: cured at `a|b:3`", "set a key", "- 0002 two", "failed", "left", "| `a\\|b.deb` | 9 | 8 |"):
        assert said in text


@pytest.mark.parametrize("evil", ["# x", "[x](javascript:1)", "<script>", "![x](http://e)", "a\n# b", "`x`", "\x1b[2J|"])
def test_strangers_text_is_no_markup(evil: str) -> None:
    text = prose(evil)
    assert "\n" not in text and "\x1b" not in text
    assert not re.search(r"(?<!\\)[`<\[#|!]", text)


@given(st.text())
def test_code_stays_code(text: str) -> None:
    shown = code(text)
    fence = re.match("`+", shown)
    assert fence is not None and "\n" not in shown
    inner = shown[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inner)
