"""The documentation: pages written from the code are current, links lead somewhere, nothing is undocumented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from demo import package
from fulldress.adapters import sandbox
from fulldress.cli.reference import PAGES, every_error

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as a process of its own writes them: click remembers how a command was called before."""
    target = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, "-m", "fulldress.cli.reference", str(target)], check=True)
    return target


@pytest.mark.parametrize("name", sorted(PAGES))
def test_reference_pages_are_current(name: str, written: Path) -> None:
    assert (ROOT / "docs/reference" / name).read_text() == (written / name).read_text(), "run `make docs`"


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.slug)
def test_every_error_says_what_it_means(kind: type[Exception]) -> None:
    assert kind.__doc__
    assert len(kind.__doc__.split()) >= 5


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith(("http://", "https://"))]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_dependency_is_justified() -> None:
    pinned = re.findall(r'"([a-z0-9-]+)==', (ROOT / "pyproject.toml").read_text())
    justified = (ROOT / "docs/dependencies.md").read_text()
    assert [name for name in pinned if name not in justified and name not in ("hatchling", "types-jsonschema")] == []


def test_the_scan_in_the_readme_is_what_the_scan_prints(tmp_path: Path) -> None:
    """Whoever changes the words that the scan has for the demo's package brings the first page up to date."""
    (tmp_path / "vendor.zip").write_bytes(package.package_bytes())
    command = [sys.executable, "-m", "fulldress.cli.main", "scan", "vendor.zip"]
    waive = () if sandbox.missing() == "" else ("--no-sandbox",)
    done = subprocess.run([*command, *waive], cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = {_counted(line) for line in [*done.stdout.splitlines(), *done.stderr.splitlines()]}
    block = (ROOT / "README.md").read_text().split("```console\n")[1].split("```")[0]
    shown = [line for line in block.splitlines() if not line.startswith(("$ ", "[...]"))]
    assert [line for line in shown if _counted(line) not in printed] == []


def _counted(line: str) -> str:
    """Without the figures of the last lines: one more rule is not another first page."""
    return re.sub(r"\d+(?= (?:critical|high|medium|low|info|of|rules|less|can)\b|$)", "N", line)
