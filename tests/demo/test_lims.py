"""The demo application's own logic, in both versions, without Flask or a database."""

from __future__ import annotations

import importlib
import io
import sys
import urllib.error
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from demo.lims_tree import LIMS, release_files

Load = Callable[[str, str], Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports ``dten_lims.MODULE`` of a version from a release tree laid out as on the machine."""

    def forget() -> None:
        for name in [n for n in sys.modules if n.split(".")[0] == "dten_lims"]:
            del sys.modules[name]

    def imported(version: str, module: str) -> Any:
        base = tmp_path / version
        for path, (data, mode) in release_files(version).items():
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).write_bytes(data)
            (base / path).chmod(mode)
        forget()
        monkeypatch.syspath_prepend(str(base))
        return importlib.import_module(f"dten_lims.{module}")

    yield imported
    forget()


@pytest.mark.parametrize("version", ["4.2", "5.0"])
def test_release_knows_its_version(load: Load, version: str) -> None:
    assert version == load(version, "release").VERSION
    assert release_files(version)["VERSION"][0] == f"{version}\n".encode()


@pytest.mark.parametrize(("section", "writable"), [({}, False), ({"legacy_mode": "on"}, False), ({"enable": "yes"}, False)])
def test_5_0_falls_back_silently(load: Load, section: dict[str, str], writable: bool) -> None:
    assert load("5.0", "release").hybrid_mode(section) is writable
    assert load("4.2", "release").hybrid_mode(section) is True


def test_5_0_writes_when_hybrid_is_enabled(load: Load) -> None:
    assert load("5.0", "release").hybrid_mode({"enable": " True "}) is True


def test_settings_of_the_production_machine(load: Load, tmp_path: Path) -> None:
    config = (LIMS / "host/dten.conf").read_text()
    (tmp_path / "dten.conf").write_text(config)
    (tmp_path / "new.conf").write_text(config.replace("legacy_mode = on", "enable = true"))
    settings = load("5.0", "settings")
    assert settings.load(tmp_path / "dten.conf").writable is False
    ready = settings.load(tmp_path / "new.conf")
    assert ready.writable is True and ready.partner_retries == 2 and "dbname=dten" in ready.database


def test_new_strategy_waits_longer_and_tries_more(load: Load) -> None:
    old = load("4.2", "backoff").delays(2, lambda: 0.5)
    new = load("5.0", "backoff").delays(2, lambda: 0.5)
    assert old == [pytest.approx(0.055)] * 2
    assert new == [0.125, 0.25, 0.5, 1.0, 2.0]


class Partner:
    """Answers as told: an int is an HTTP status, 0 a refused connection."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.slept = list(answers), []

    def __call__(self, url: str, timeout: float) -> io.BytesIO:
        status = self.answers.pop(0)
        if status == 0:
            raise ConnectionRefusedError
        if status != 200:
            raise urllib.error.HTTPError(url, status, "no", None, None)  # type: ignore[arg-type]
        return io.BytesIO(b'{"certified": 1}')

    def fetch(self, module: Any, retries: int = 2) -> Any:
        return module.fetch("http://x/", 1.0, retries, opener=self, sleep=self.slept.append, rand=lambda: 1.0)


def test_fetch_retries_5xx_and_refused_connections(load: Load) -> None:
    partner = Partner(503, 0, 200)
    assert partner.fetch(load("4.2", "reference")) == ({"certified": 1}, 2)
    assert partner.slept == [pytest.approx(0.06)] * 2


def test_fetch_gives_up_after_all_tries(load: Load) -> None:
    reference = load("4.2", "reference")
    partner = Partner(503, 503, 503, 200)
    with pytest.raises(reference.PartnerError, match="does not answer"):
        partner.fetch(reference)
    assert partner.answers == [200]


def test_fetch_does_not_retry_4xx(load: Load) -> None:
    reference = load("5.0", "reference")
    partner = Partner(404, 200)
    with pytest.raises(reference.PartnerError, match="404"):
        partner.fetch(reference)
    assert partner.slept == []


def test_entry_takes_a_comma_as_decimal_point(load: Load) -> None:
    forms = load("4.2", "forms")
    given = {"analysis_id": "7", "value": "1,25", "person": "huber"}
    assert forms.entry(given) == (7, Decimal("1.25"), "mg/l", "huber")


@pytest.mark.parametrize(
    "change",
    [{"value": "x"}, {"value": "NaN"}, {"value": "1e30"}, {"analysis_id": "-1"}, {"analysis_id": "9" * 40},
     {"person": ""}, {"person": "a" * 41}, {"person": "a\0"}, {"unit": "u" * 13}],
)  # fmt: skip
def test_entry_refuses(load: Load, change: dict[str, str]) -> None:
    forms = load("4.2", "forms")
    with pytest.raises(ValueError, match="must be"):
        forms.entry({"analysis_id": "7", "value": "1", "person": "huber", **change})


@pytest.mark.parametrize("text", ["", "0", "-3", "1.5", "٣", "9" * 5000, "2147483648"])
def test_positive_refuses(load: Load, text: str) -> None:
    assert load("4.2", "forms").positive(text) is None


def test_both_versions_share_all_but_release_and_backoff() -> None:
    old, new = release_files("4.2"), release_files("5.0")
    assert set(old) == set(new)
    assert {path for path in old if old[path] != new[path]} == {"VERSION", "dten_lims/release.py", "dten_lims/backoff.py"}
