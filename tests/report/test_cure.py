"""Lines of a diff are told apart by the hunk's counts, not by their first characters."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from fulldress.report.cure import diff_lines


def test_a_removed_comment_is_no_head() -> None:
    diff = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1 @@\n--- 0051: a comment\n-BEGIN;\n+++i;\n"
    diff += "--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n"
    kinds = [kind for kind, _ in diff_lines(diff)]
    assert kinds == ["head", "head", "hunk", "del", "del", "add", "head", "head", "hunk", "del", "add"]


TEXT = st.lists(st.sampled_from(["-- a", "++ b", "@@ -1 +1 @@", "x", "", "# sha"]), max_size=8)


@given(TEXT, TEXT)
def test_every_line_is_what_difflib_made_of_it(old: list[str], new: list[str]) -> None:
    diff = list(difflib.unified_diff(old, new, "a", "b", lineterm=""))
    lines = list(diff_lines("".join(f"{line}\n" for line in diff)))
    assert [text for _, text in lines] == diff
    assert [kind for kind, _ in lines].count("add") == sum(op in ("replace", "insert") and j2 - j1 for op, _, _, j1, j2 in
        difflib.SequenceMatcher(None, old, new).get_opcodes())  # fmt: skip
