"""The unit parser against the rules of systemd.syntax(7) and the unit files of Debian 12."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats import unit

CORPUS = Path(__file__).parents[2] / "../shared/corpora/units/systemd"

SAMPLE = """\
# a comment
[Unit]
Description=Report of the night
After=network.target dten-lims-worker.service
Requires=dten-lims-worker.service

[Service]
ExecStart=/usr/bin/true \\
; a comment in the middle
  --flag   value
Environment=A=1
Environment=B=2
Environment=

[Install]
WantedBy=multi-user.target
"""


def test_sections_directives_and_lines() -> None:
    parsed = unit.parse(SAMPLE)
    assert list(parsed) == ["Unit", "Service", "Install"]
    assert parsed["Unit"][0] == ("Description", "Report of the night", 3)


def test_continuation_lines_are_joined_over_comments() -> None:
    assert unit.parse(SAMPLE)["Service"][0] == ("ExecStart", "/usr/bin/true --flag   value", 8)


def test_repeated_and_empty_directives_are_kept() -> None:
    environment = [value for name, value, _ in unit.parse(SAMPLE)["Service"] if name == "Environment"]
    assert environment == ["A=1", "B=2", ""]


def test_depends_names_every_unit_with_its_line() -> None:
    assert unit.depends(SAMPLE) == [
        ("After", "network.target", 4),
        ("After", "dten-lims-worker.service", 4),
        ("Requires", "dten-lims-worker.service", 5),
        ("WantedBy", "multi-user.target", 16),
    ]


def test_a_continuation_at_the_end_of_the_file_is_not_lost() -> None:
    assert unit.parse("[Service]\nExecStart=/bin/a \\") == {"Service": [("ExecStart", "/bin/a", 2)]}


def test_carriage_returns_are_no_part_of_values() -> None:
    assert unit.depends("[Unit]\r\nAfter=a.service\r\n") == [("After", "a.service", 2)]


def test_every_unit_of_the_corpus_has_sections_and_plausible_directives() -> None:
    files = sorted(CORPUS.glob("*.*")) if CORPUS.is_dir() else []
    if not files:
        pytest.skip("no ../shared/corpora here")
    texts = {file: file.read_text(errors="replace") for file in files}
    for file, text in texts.items():
        if text.startswith("<?xml"):  # the corpus holds one Avahi service description
            continue
        parsed = unit.parse(text)
        assert parsed, file
        assert "" not in parsed, file
        for section, directives in parsed.items():
            assert section in {"Unit", "Service", "Timer", "Install", "Socket", "Path"}, file
            assert all(name.isalnum() for name, _, _ in directives), file
        if file.suffix == ".timer":
            assert any(name.startswith("On") for name, _, _ in parsed["Timer"]), file


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    lines = text.count("\n") + 1
    for directives in unit.parse(text).values():
        assert all(1 <= line <= lines for _, _, line in directives)
    unit.depends(text)


NAMES = st.from_regex(r"[A-Z][A-Za-z]{0,12}", fullmatch=True)
VALUES = st.from_regex(r"[a-z0-9/@%.:=-]([a-z0-9/@%.:= -]{0,20}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(NAMES, st.lists(st.tuples(NAMES, VALUES), max_size=6), max_size=5))
def test_what_is_written_is_read_back(sections: dict[str, list[tuple[str, str]]]) -> None:
    text = "".join(f"[{s}]\n" + "".join(f"{k}={v}\n" for k, v in ds) for s, ds in sections.items())
    read = {s: [(k, v) for k, v, _ in ds] for s, ds in unit.parse(text).items()}
    assert read == sections
