"""Shared fixtures. A missing capability fails in CI (``CI=true``) and stands aside, with its reason, elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own."""
    path = tmp_path / "state"
    monkeypatch.setenv("FULLDRESS_STATE", str(path))
    return path


def stand_aside(reason: str) -> None:
    """Skip with a reason; in CI a missing capability is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing on this machine, which CI may not skip: {reason}")
    pytest.skip(reason)
