"""What ``fulldress adapt`` leaves behind: patches, the review page, the record of what was packed anew; what it prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from fulldress.adapt.apply import AdaptResult
from fulldress.adapt.manifest import RepackManifest, manifest
from fulldress.adapt.repack import whole_package
from fulldress.cli.stagework import StageWork
from fulldress.errors import UsageError
from fulldress.formats.tomltext import dumps
from fulldress.model.finding import Finding, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.report.columns import columns, shown
from fulldress.report.review import Review, review
from fulldress.scan.sweep import load_rules
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import disk_full_or, file_digest, read_json, to_plain, write_bytes, write_json

REVIEW = f"{f.ADAPTATIONS}/review.md"
CHOICE = f"{f.ADAPTATIONS}/choice.json"
REPACK = f"{f.ADAPTATIONS}/repack.json"
_OURS = re.compile(r"^\d{4,}-.+\.(patch|toml)$")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """``04-adaptations/choice.json``: what a person took and left out."""

    schema_version: int = 1
    said: str = ""
    """The options, as they were typed."""
    numbers: dict[str, int] = {}
    """Rule -> number, left-out ones included: numbers stay what a reviewer read."""


class Outcome:
    """One run of ``adapt``: the package before and after, the findings before and after."""

    def __init__(
        self, before: PackageLock, report: FindingsReport, result: AdaptResult, swept: FindingsReport, choice: Choice
    ) -> None:
        self.before, self.report, self.result, self._swept = before, report, result, swept
        made = {a.slug: a.number for a in result.adaptations}
        self.choice = msgspec.structs.replace(choice, numbers={**choice.numbers, **made})
        self.left_out = {slug: number for slug, number in choice.numbers.items() if slug not in made}

    @cached_property
    def rescan(self) -> FindingsReport:
        """The scan of the adapted package; findings that a plan step answers are marked so, failed cures are among them."""
        answered = tuple(self._answered(x) for x in self._swept.findings)
        return msgspec.structs.replace(self._swept, findings=(*answered, *self.result.failures))

    @property
    def open(self) -> list[Finding]:
        """Findings that nothing answers."""
        return [x for x in self.rescan.findings if x.fingerprint not in self.result.by_step]

    @cached_property
    def manifest(self) -> RepackManifest:
        """What was packed anew."""
        return manifest(self.before, self.result.lock)

    def _answered(self, finding: Finding) -> Finding:
        number = self.result.by_step.get(finding.fingerprint)
        if number is None:
            return finding
        fix = f"Answered by a plan step (adaptation {number:04}): {finding.fix}"
        return msgspec.structs.replace(finding, severity="info", curable=False, fix=fix)


def earlier_numbers(folder: f.ReleaseFolder) -> dict[str, int]:
    """Rule -> number of its adaptation, as it was when all of them were made."""
    path = folder.path(CHOICE)
    return read_json(path, Choice).numbers if path.is_file() else {}


def write_outcome(work: StageWork, outcome: Outcome) -> None:
    """Write ``04-adaptations/`` anew; what an earlier run wrote there goes."""
    result = outcome.result
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
    write_json(work.path(f.RESCAN), outcome.rescan)
    write_json(work.path(CHOICE), outcome.choice)
    write_json(work.path(REPACK), outcome.manifest)
    write_bytes(work.path(REVIEW), review(_review(outcome)).encode("utf-8", "backslashreplace"))


def _review(outcome: Outcome) -> Review:
    families: Mapping[str, str] = {rule.META.slug: rule.META.family for rule in load_rules()}
    return Review(
        package=outcome.before.name,
        manifest=outcome.manifest,
        adaptations=outcome.result.adaptations,
        families=families,
        cured=outcome.result.cured,
        patches={name: text.decode("utf-8", "replace") for name, text in outcome.result.patches.items()},
        failures=outcome.result.failures,
        left_out=outcome.left_out,
        left=outcome.open,
    )


def write_package(outcome: Outcome, blobs: BlobStore, target: Path) -> None:
    """The whole adapted package as one file, whole or not at all. The vendor's file is never written over."""
    if target.exists() and file_digest(target) == outcome.before.sha256:
        raise UsageError(f"{target} is the vendor's package", why="it is never touched", fix="name another file")
    sha256 = whole_package(outcome.result.lock, blobs)
    temporary = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.writelines(blobs.chunks(sha256))
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_full_or(error, target) from error


def outcome_json(outcome: Outcome) -> str:
    """For machines."""
    said = {
        "schema_version": 1,
        "adaptations": outcome.result.adaptations,
        "rescan": outcome.rescan,
        "repack": outcome.manifest,
        "sha256": outcome.result.lock.sha256,
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=2).decode()


def outcome_text(outcome: Outcome) -> str:
    """For people: safe adaptations first, what is left, and where to read more."""
    result, rescan = outcome.result, outcome.rescan
    rows = [
        (f"{a.number:04}", a.slug, a.safety, f"{len(a.findings)}", _does(a.patch, len(a.steps)), a.note)
        for a in sorted(result.adaptations, key=lambda a: (a.safety != "safe", a.number))
    ]
    table = columns(("no.", "rule", "safety", "findings", "as", "what"), rows, widest=60) if rows else "nothing to cure"
    by_step = len(rescan.findings) - len(outcome.open)
    counts = f"findings: {len(outcome.report.findings)} before, {len(outcome.open)} after"
    counts += f", {by_step} more answered by plan steps" if by_step else ""
    counts += f", {len(rescan.waived)} waived by people" if rescan.waived else ""
    left = [(x.severity, x.place, x.title) for x in outcome.open]
    still = columns(("left", "place", "what"), left, widest=60) if left else ""
    out = ", ".join(f"{number:04} {slug}" for slug, number in sorted(outcome.left_out.items(), key=lambda x: x[1]))
    packed = (
        f"packed anew: {len(outcome.manifest.repacked)} archives; {outcome.manifest.untouched} are the vendor's ({REPACK})"
    )
    last = f"{packed}\nto be reviewed: {REVIEW}\nadapted package: {shown(result.lock.sha256)}"
    return "\n\n".join(part for part in (table, f"left out by choice: {out}" if out else "", counts, still, last) if part)


def _does(patch: str, steps: int) -> str:
    parts = [*(["patch"] if patch else []), *([f"{steps} plan step{'s' if steps > 1 else ''}"] if steps else [])]
    return " + ".join(parts)
