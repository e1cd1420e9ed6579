"""Makefiles: which commands a target runs."""

from __future__ import annotations

from fulldress.formats.makefile import recipes

TEXT = """\
HOST := sftp.old.example
OUT ?= out
.PHONY: all push
all: push ; @echo done
push: pack | ready
\t@scp $(OUT)/*.csv \\
\t  lab@$(HOST):/in/
\t-for f in *; do echo $$f; done
pack:
\ttar czf x.tgz ${OUT}
ready:
# a comment
unused:
\trm -rf /
"""


def test_prerequisites_come_first_and_variables_are_filled_in() -> None:
    assert [(r.line, r.command) for r in recipes(TEXT, ["push"])] == [
        (10, "tar czf x.tgz out"),
        (6, "scp out/*.csv  lab@sftp.old.example:/in/"),
        (8, "for f in *; do echo $f; done"),
    ]


def test_without_a_target_the_first_one_is_made() -> None:
    assert recipes(TEXT)[-1].command == "echo done"


def test_a_circle_ends() -> None:
    assert [r.command for r in recipes("a: b\n\ttrue\nb: a\n\tfalse\n", ["a"])] == ["false", "true"]


def test_an_unknown_target_runs_nothing() -> None:
    assert recipes(TEXT, ["nothing"]) == []
