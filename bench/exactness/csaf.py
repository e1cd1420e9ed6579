"""The CSAF committee's own test files: for each the verdict of the mandatory tests, and for each test whether it fires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exactness import NotHere, Row
from fulldress.formats.csaf.validate import Checked, check

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "corpora" / "csaf_2.0" / "test" / "validator" / "data"


class Case(NamedTuple):
    """One file of the suite."""

    test: str
    group: str
    name: str
    valid: bool
    """True when the document as a whole is valid."""
    trips: bool
    """True when the test must fire."""


def cases() -> Iterator[Case]:
    """Every case of ``testcases.json``."""
    if not (DATA / "testcases.json").is_file():
        raise NotHere(f"{DATA} (test/validator/data of oasis-tcs/csaf, csaf_2.0)")
    suite: dict[str, Any] = msgspec.json.decode((DATA / "testcases.json").read_bytes())
    for test in suite["tests"]:
        for kind in ("failures", "valid"):
            for case in test.get(kind, ()):
                yield Case(test["id"], test["group"], case["name"], case["valid"], kind == "failures")


def measure() -> list[Row]:
    """Verdicts on the mandatory set, on the whole set, and tests that fire where they must."""
    looked = [(case, check((DATA / case.name).read_bytes(), remarks=True)) for case in cases()]
    mandatory = [(c, found) for c, found in looked if c.group == "mandatory"]
    return [
        _row("mandatory set: valid or not", mandatory, _verdict, len(mandatory), "all"),
        _row("mandatory set: the file's own test (or schema)", mandatory, _own_test, len(mandatory), "all"),
        _row("whole set: valid or not", looked, _verdict, len(looked) - 2, "all but 2 (md5 or sha1 twice: against 6.1.25)"),
        _row(
            "whole set: the file's own test", looked, _own_test, len(looked) - 5, "all but 6.3.6-6.3.8 (network, spelling)"
        ),
    ]


def _verdict(case: Case, found: Checked) -> bool:
    return found.valid == case.valid


def _own_test(case: Case, found: Checked) -> bool:
    fired = {p.test for p in (*found.problems, *found.remarks)}
    own = any(f"{case.test}.".startswith(f"{f}.") for f in fired)  # the eleven parts of 6.1.27 are reported as one
    return (own or "schema" in fired) == case.trips


def _row(
    what: str, looked: list[tuple[Case, Checked]], right: Callable[[Case, Checked], bool], least: int, target: str
) -> Row:
    wrong = [Path(case.name).stem for case, found in looked if not right(case, found)]
    missed = [name.removeprefix("oasis_csaf_tc-csaf_2_0-2021-") for name in wrong]
    got = len(looked) - len(missed)
    return Row(what, got, len(looked), got >= least, target, f"other than the suite: {', '.join(missed)}" if missed else "")
