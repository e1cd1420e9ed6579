"""Scripts that are made to keep the parser busy."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import fulldress
from fulldress.formats import shell


@pytest.mark.parametrize("unit", ["<<A\n", "a=(", "a | ", "a |\n", "|", "${"])
def test_a_script_costs_no_more_than_its_length(unit: str) -> None:
    begun = time.process_time()
    shell.commands("#!/bin/sh\n" + unit * (30_000 // len(unit)))
    assert time.process_time() - begun < 3


def test_eval_of_eval_is_read_once() -> None:
    command = shell.commands("eval eval eval rm -rf x\n")[0]
    assert list(shell.nested(command)) == ["rm -rf x"]


def test_many_pipes_in_many_statements_are_read() -> None:
    assert len(shell.commands("a | b\n" * 3000)) == 6000


def test_no_pattern_of_lines_runs_over_blank_lines() -> None:
    """``(?m)^\\s*`` tries every line of a run of blank lines anew, to the end of the run."""
    root = Path(fulldress.__file__).parent
    lines = ((p, line) for p in root.rglob("*.py") for line in p.read_text().split("\n"))
    assert not [(p.name, line) for p, line in lines if re.search(r"\(\?[a-z]*m[a-z]*\).*\^\\s[*+]", line)]


def test_tags_without_quotes_do_not_keep_the_parser_busy() -> None:
    text = "#!/bin/sh\n" + "<a>" * 100_000
    before = time.process_time()
    shell.commands(text)
    assert time.process_time() - before < 5
    assert shell.read_to(shell.encode(text)) < len(text)
    assert shell.read_to(b"#!/bin/sh\ncat <<E >x\n<html>\nE\n") == 30
