"""Cure what the scan found, as reviewable patches over the untouched package, and scan again.

Joins the scan's rules to ``adapt``: writes ``04-adaptations/NNNN-rule.patch`` and ``.toml``, adapted lock and rescan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from fulldress.adapt.apply import Curer, adapt
from fulldress.cli.adaptout import Choice, Outcome, earlier_numbers, outcome_json, outcome_text, write_outcome, write_package
from fulldress.cli.curework import hide_secrets
from fulldress.cli.releasework import Memory, release_context, today
from fulldress.cli.stagework import next_command, stage_work
from fulldress.errors import EXIT_BROKE, EXIT_FINDINGS, EXIT_OK, Stale, UsageError
from fulldress.model.finding import Cure, Finding, FindingsReport
from fulldress.model.package import PackageLock
from fulldress.scan.cures import cured
from fulldress.scan.reading import take_over
from fulldress.scan.rule import Context, Rule, cure_of
from fulldress.scan.sweep import load_rules, prepare, sweep
from fulldress.scan.waivers import Waiver, read_waivers
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json
from fulldress.store.state import state_dir


@click.command("adapt", epilog="Example:  fulldress adapt --skip 3,endpoint-retired")
@click.option("--check", is_flag=True, help="Exit 10 when findings are left that a rule could cure.")
@click.option("--accept-safe", is_flag=True, help="Only cures that are marked safe; the others wait for a person.")
@click.option(
    "--only", default="", help="Only these adaptations: numbers of the last run, or rules (1,3-5,endpoint-retired)."
)
@click.option("--skip", default="", help="All but these adaptations; they keep their numbers.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole adapted package there too.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
def command(check: bool, accept_safe: bool, only: str, skip: str, output: Path | None, form: str, folder: Path) -> int:
    """Cure what the scan found, as reviewable patches over the untouched package, and scan again.

    Cures are applied one at a time over the current content; a rule's edits make one numbered patch. Cures that are plan
    steps are noted for the planner. Writes 04-adaptations/: read review.md there, then leave out what you do not want.
    Exits 0; 1 when a cure failed; with --check 10 when curable findings are left.
    """
    release = f.ReleaseFolder.find(folder)
    with stage_work(release, "adapt") as work:
        lock, report = _inputs(release)
        blobs = _Remembering(state_dir() / "blobs")
        able = _able(report)
        context = _Contexts(release, blobs, able)
        waivers = read_waivers(release.path(f.WAIVERS), today(release)).active
        said = " ".join(filter(None, ("accept-safe" * accept_safe, only and f"only {only}", skip and f"skip {skip}")))
        numbers = earlier_numbers(release) if said else {}
        rules = _chosen(able, numbers, only, skip)
        curers = [_curer(rule, context, waivers, accept_safe) for rule in rules]
        result = adapt(lock, blobs, curers, hide=hide_secrets, numbers=numbers)
        rescan = sweep(release_context(release, result.lock, blobs, tuple(result.steps)), waivers=waivers, emptied=True)
        outcome = Outcome(lock, report, result, rescan, Choice(said=said, numbers=numbers))
        write_outcome(work, outcome)
        if output is not None:
            write_package(outcome, blobs, output)
        left = [x for x in outcome.rescan.findings if x.curable]
        work.facts.update(
            adapted_sha256=result.lock.sha256,
            adaptations=len(result.adaptations),
            steps=len(result.steps),
            findings_before=len(report.findings),
            findings_after=len(outcome.open),
            curable_left=len(left),
            choice=said,
        )
    click.echo(outcome_json(outcome) if form == "json" else outcome_text(outcome))
    next_command("fulldress plan")
    if result.failures:
        return EXIT_BROKE
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
    """The context of a state of the package; the last one is kept, because a check is followed by a cure.

    The next one takes over what was parsed of contents that are still there, and is searched for all rules at once.
    """

    def __init__(self, folder: f.ReleaseFolder, blobs: BlobStore, rules: Sequence[Rule]) -> None:
        self._folder, self._blobs, self._rules = folder, blobs, rules
        self._last: tuple[PackageLock, Context] | None = None
        self._memory: Memory = {}

    def __call__(self, lock: PackageLock) -> Context:
        if self._last is None or self._last[0] is not lock:
            context = release_context(self._folder, lock, self._blobs, memory=self._memory)
            if self._last is not None:
                take_over(context, self._last[1])
            prepare(context, self._rules)
            self._last = (lock, context)
        return self._last[1]


def _able(report: FindingsReport) -> list[Rule]:
    """Rules that can cure, those of the most dangerous findings first."""
    order = {slug: at for at, slug in reversed(list(enumerate(x.rule for x in report.findings)))}
    able = [rule for rule in load_rules() if cure_of(rule) is not None]
    return sorted(able, key=lambda rule: (order.get(rule.META.slug, len(order)), rule.META.slug))


def _chosen(rules: list[Rule], numbers: Mapping[str, int], only: str, skip: str) -> list[Rule]:
    """The rules that a person wants. Raises UsageError for a number or a name that is none."""
    wanted = _slugs(rules, numbers, only) if only else {rule.META.slug for rule in rules}
    wanted -= _slugs(rules, numbers, skip)
    return [rule for rule in rules if rule.META.slug in wanted]


def _slugs(rules: list[Rule], numbers: Mapping[str, int], text: str) -> set[str]:
    known = {rule.META.slug for rule in rules}
    slugs: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = word.partition("-")
        if word in known:
            slugs.add(word)
        elif first.isdigit() and (last or first).isdigit():
            chosen = range(int(first), int(last or first) + 1)
            found = {slug for slug, number in numbers.items() if number in chosen}
            if not found:
                raise _no_such(word)
            slugs |= found
        else:
            raise _no_such(word)
    return slugs


def _no_such(word: str) -> UsageError:
    return UsageError(
        f"{word!r} is neither the number of an adaptation nor a rule that cures",
        why=f"numbers are those of the files in {f.ADAPTATIONS} as the last run wrote them",
        fix="run `fulldress adapt` once without a choice, read 04-adaptations/review.md, then choose",
    )


def _curer(rule: Rule, context: Callable[[PackageLock], Context], waivers: Sequence[Waiver], only_safe: bool) -> Curer:
    def check(lock: PackageLock) -> Sequence[Finding]:
        return sweep(context(lock), [rule], waivers=waivers, emptied=True).findings

    def answer(lock: PackageLock, finding: Finding) -> Cure | Finding | None:
        cure = cured(rule, context(lock), finding)
        return None if only_safe and isinstance(cure, Cure) and cure.safety != "safe" else cure

    return Curer(rule.META.slug, check, answer)
