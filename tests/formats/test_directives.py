"""The table of systemd's directives."""

from __future__ import annotations

from fulldress.formats import directives


def test_sections_and_versions() -> None:
    service = directives.known("Service")
    assert service["ExecStart"] == 0
    assert service["RestartSteps"] == 254
    assert service["MemoryMax"] <= 231
    assert "ExecStart" not in directives.known("Unit")
    assert "OnCalendar" in directives.known("Timer")
    assert directives.known("Nonsense") == {}


def test_every_renamed_directive_was_and_is_known() -> None:
    names = {name for section in ("Unit", "Service", "Install") for name in directives.known(section)}
    assert set(directives.RENAMED.values()) <= names
    assert len(names) > 350
