"""What is encoded is decoded within a budget, and what was left is said."""

from __future__ import annotations

import base64

import pytest

from fulldress.scan.rules import secret_encoded
from fulldress.scan.samples import context_of


def titles(**files: str) -> list[str]:
    return [f"{f.line} {f.title}" for f in secret_encoded.check(context_of({f"etc/{k}.conf": v for k, v in files.items()}))]


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_what_was_left_for_the_budget_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_encoded, "MAX_DECODED", 2000)
    lines = "".join(f"x{n}={coded(f'password is no. {n}, and so on')}\n" for n in range(50))
    assert titles(a=lines) == ["0 the package holds more encoded text than is decoded here"]
    assert titles(a=lines[:300]) == []


def test_a_block_over_many_lines_is_one_finding_at_its_first_line() -> None:
    text = coded("".join(f"setting.number.{n} = {n}\n" for n in range(40)) + "db.password=Zx9-Qm42ltTp7\n" * 3)
    block = "\n".join(f"    {text[n : n + 76]}" for n in range(0, len(text), 76))
    [title] = titles(a=f"a: |\n{block}\nb: c\n")
    assert title.startswith("2 ") and "encoded" in title
