"""Cure what the scan found, as reviewable patches over the untouched package, and scan again.

Joins the scan's rules to ``adapt``: writes ``04-adaptations/NNNN-rule.patch`` and ``.toml``, adapted lock and rescan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from fulldress.adapt.apply import AdaptResult, Curer, adapt
from fulldress.cli.scanwork import release_context
from fulldress.cli.stagework import StageWork, next_command, stage_work
from fulldress.errors import EXIT_FINDINGS, EXIT_OK, Stale
from fulldress.formats.redact import redacted
from fulldress.formats.tomltext import dumps
from fulldress.model.finding import Cure, Finding, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.columns import columns, shown
from fulldress.scan import secrets
from fulldress.scan.rule import Context, Rule, cure_of
from fulldress.scan.sweep import load_rules, sweep
from fulldress.scan.waivers import Waiver, read_waivers
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, to_plain, write_bytes, write_json
from fulldress.store.state import state_dir

_OURS = re.compile(r"^\d{4}-.+\.(patch|toml)$")


@click.command("adapt", epilog="Example:  fulldress adapt --check")
@click.option("--check", is_flag=True, help="Exit 10 when findings are left that a rule could cure.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
def command(check: bool, form: str, folder: Path) -> int:
    """Cure what the scan found, as reviewable patches over the untouched package, and scan again.

    Cures are applied one at a time over the current content; a rule's edits make one numbered patch. Cures that are plan
    steps are noted for the planner. Writes 04-adaptations/.
    """
    release = f.ReleaseFolder.find(folder)
    with stage_work(release, "adapt") as work:
        lock, report = _inputs(release)
        blobs = _Remembering(state_dir() / "blobs")
        context = _Contexts(release, blobs)
        waivers = read_waivers(release.path(f.WAIVERS), datetime.now(UTC).date()).active
        result = adapt(lock, blobs, _curers(report, context, waivers), hide=_hidden)
        rescan = _marked(sweep(release_context(release, result.lock, blobs, tuple(result.steps)), waivers=waivers), result)
        _write(work, result, rescan)
        left = [x for x in rescan.findings if x.curable]
        work.facts.update(
            adapted_sha256=result.lock.sha256,
            adaptations=len(result.adaptations),
            steps=len(result.steps),
            findings_before=len(report.findings),
            findings_after=len([x for x in rescan.findings if x.fingerprint not in result.by_step]),
            curable_left=len(left),
        )
    if form == "json":
        said = {"schema_version": 1, "adaptations": result.adaptations, "rescan": rescan, "sha256": result.lock.sha256}
        click.echo(msgspec.json.format(msgspec.json.encode(said), indent=2))
    else:
        click.echo(_text(result, report, rescan))
    next_command("fulldress plan")
    return EXIT_FINDINGS if check and left else EXIT_OK


def _inputs(folder: f.ReleaseFolder) -> tuple[PackageLock, FindingsReport]:
    lock = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
    report = read_json(folder.path(f.FINDINGS), FindingsReport)
    if report.package_sha256 != lock.sha256:
        raise Stale(
            f"{f.FINDINGS} is about another package than {f.PACKAGE_LOCK}",
            why="cures for another package's findings would be guesses",
            fix="run `fulldress scan` again",
        )
    return lock, report


class _Remembering(BlobStore):
    """Keeps what it read: between two cures nearly all of a package is as it was."""

    MOST = 256 << 20

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._known: dict[str, bytes] = {}
        self._size = 0

    def read(self, sha256: str) -> bytes:
        """As BlobStore's; verified when it was first read."""
        if sha256 not in self._known:
            data = super().read(sha256)
            if self._size + len(data) > self.MOST:
                return data
            self._known[sha256], self._size = data, self._size + len(data)
        return self._known[sha256]


class _Contexts:
    """The context of a state of the package; the last one is kept, because a check is followed by a cure."""

    def __init__(self, folder: f.ReleaseFolder, blobs: BlobStore) -> None:
        self._folder, self._blobs = folder, blobs
        self._last: tuple[PackageLock, Context] | None = None

    def __call__(self, lock: PackageLock) -> Context:
        if self._last is None or self._last[0] is not lock:
            self._last = (lock, release_context(self._folder, lock, self._blobs))
        return self._last[1]


def _hidden(text: str) -> str:
    """No secret value ever lands in the release folder, not even on the removed side of a patch.

    A line with a variable in a secret's place is what a reviewer must see, so it is hidden by the finer of the two means.
    """
    return secrets.hidden(text) if "${" in text else redacted(secrets.hidden(text))


def _curers(report: FindingsReport, context: Callable[[PackageLock], Context], waivers: Sequence[Waiver]) -> list[Curer]:
    """Rules that can cure, those of the most dangerous findings first."""
    order = {slug: at for at, slug in reversed(list(enumerate(x.rule for x in report.findings)))}
    able = [rule for rule in load_rules() if cure_of(rule) is not None]
    able.sort(key=lambda rule: (order.get(rule.META.slug, len(order)), rule.META.slug))
    return [_curer(rule, context, waivers) for rule in able]


def _curer(rule: Rule, context: Callable[[PackageLock], Context], waivers: Sequence[Waiver]) -> Curer:
    cure = cure_of(rule)

    def check(lock: PackageLock) -> Sequence[Finding]:
        return sweep(context(lock), [rule], waivers=waivers).findings

    def answer(lock: PackageLock, finding: Finding) -> Cure | None:
        return cure(context(lock), finding) if cure else None

    return Curer(rule.META.slug, check, answer)


def _marked(rescan: FindingsReport, result: AdaptResult) -> FindingsReport:
    """The rescan, with findings that a plan step answers marked so: the package itself still trips their rule."""
    return msgspec.structs.replace(rescan, findings=tuple(_answered(x, result) for x in rescan.findings))


def _answered(finding: Finding, result: AdaptResult) -> Finding:
    number = result.by_step.get(finding.fingerprint)
    if number is None:
        return finding
    return msgspec.structs.replace(
        finding, severity="info", curable=False, fix=f"Answered by a plan step (adaptation {number:04}): {finding.fix}"
    )


def _write(work: StageWork, result: AdaptResult, rescan: FindingsReport) -> None:
    home = work.folder.path(f.ADAPTATIONS)
    home.mkdir(parents=True, exist_ok=True)
    for old in home.iterdir():
        if _OURS.match(old.name):
            old.unlink()
    for name, text in result.patches.items():
        write_bytes(work.path(f"{f.ADAPTATIONS}/{name}"), text)
    for adaptation in result.adaptations:
        name = f"{f.ADAPTATIONS}/{adaptation.number:04}-{adaptation.slug}.toml"
        write_bytes(work.path(name), dumps(to_plain(adaptation)).encode())
    write_json(work.path(f.ADAPTED_LOCK), result.lock)
    write_json(work.path(f.RESCAN), rescan)


def _text(result: AdaptResult, report: FindingsReport, rescan: FindingsReport) -> str:
    rows = [
        (f"{a.number:04}", a.slug, a.safety, f"{len(a.findings)}", _does(a.patch, len(a.steps)), a.note)
        for a in result.adaptations
    ]
    table = columns(("no.", "rule", "safety", "findings", "as", "what"), rows, widest=60) if rows else "nothing to cure"
    open_ = [x for x in rescan.findings if x.fingerprint not in result.by_step]
    by_step = len(rescan.findings) - len(open_)
    counts = f"findings: {len(report.findings)} before, {len(open_)} after"
    counts += f", {by_step} more answered by plan steps" if by_step else ""
    counts += f", {len(rescan.waived)} waived by people" if rescan.waived else ""
    left = columns(("left", "place", "what"), [(x.severity, x.place, x.title) for x in open_], widest=60) if open_ else ""
    return "\n\n".join(part for part in (table, counts, left, f"adapted package: {shown(result.lock.sha256)}") if part)


def _does(patch: str, steps: int) -> str:
    parts = [*(["patch"] if patch else []), *([f"{steps} plan step{'s' if steps > 1 else ''}"] if steps else [])]
    return " + ".join(parts)
