"""Applies cures to a package, one at a time over its current content, until each rule finds nothing more to cure.

The vendor's package stays untouched: every edit makes a new state of entries. One numbered patch for each rule that changed
something. Knows no rule: they come in as plain callables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from fulldress.adapt.lists import broken_signatures
from fulldress.adapt.patch import patch
from fulldress.adapt.repack import repacked
from fulldress.adapt.tree import changed_places, edited
from fulldress.errors import PackageRefused
from fulldress.model.finding import Adaptation, Cure, Finding, StepDraft, cure_failure
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

MAX_CURES = 2000
"""Cures of one rule; a rule that is never satisfied is a bug and must end."""


MAX_SAME = 100
"""Cures of findings with one fingerprint (the same line may stand in a file often)."""


class Curer(NamedTuple):
    """One rule as ``adapt`` sees it."""

    slug: str
    check: Callable[[PackageLock], Sequence[Finding]]
    """Findings of this rule over the current content, fingerprinted."""
    cure: Callable[[PackageLock, Finding], Cure | Finding | None]
    """What to write instead; None when nothing; a finding when the cure failed."""


class AdaptResult(NamedTuple):
    """What the cures made."""

    adaptations: tuple[Adaptation, ...]
    lock: PackageLock
    """The adapted package: own digest, contents in the store."""
    patches: dict[str, bytes]
    """File name (``0001-slug.patch``) -> unified diff."""
    steps: tuple[StepDraft, ...]
    """Plan steps that cures ask for, in order."""
    answered: dict[str, int]
    """Fingerprint -> number of the adaptation that answers it (by an edit or by a plan step)."""
    by_step: dict[str, int]
    """The part of ``answered`` that only plan steps answer: the package itself still trips these."""
    failures: tuple[Finding, ...] = ()
    """Cures that failed; their findings stay, and the other cures went on."""
    cured: Mapping[str, Finding] = {}
    """Fingerprint -> the finding, as it was when its cure was applied."""


class _Done(NamedTuple):
    finding: Finding
    cure: Cure


class _Tried(NamedTuple):
    after: PackageLock
    done: list[_Done]
    failed: list[Finding]


def adapt(
    lock: PackageLock,
    blobs: BlobStore,
    rules: Sequence[Curer],
    *,
    hide: Callable[[str], str] = lambda text: text,
    numbers: Mapping[str, int] | None = None,
) -> AdaptResult:
    """Cure what can be cured, rule by rule in the order given. ``hide`` removes secrets from the patches.

    ``numbers``: rule -> number that its adaptation keeps; the others get the next free ones.
    """
    current = lock
    adaptations: list[Adaptation] = []
    patches: dict[str, bytes] = {}
    by_step: dict[str, int] = {}
    failures: list[Finding] = []
    cured: dict[str, Finding] = {}
    kept = dict(numbers or {})
    for rule in rules:
        after, done, failed = _exhaust(rule, current, blobs)
        failures += failed
        if not done:
            continue
        number = kept.setdefault(rule.slug, max(kept.values(), default=0) + 1)
        adaptation, text = _adaptation(number, rule.slug, done, current, after, blobs, hide)
        if text:
            patches[adaptation.patch] = text
        adaptations.append(adaptation)
        by_step.update({_key(d.finding): adaptation.number for d in done if not d.cure.edits})
        cured.update({_key(d.finding): d.finding for d in done})
        current = after
    answered = {fingerprint: a.number for a in adaptations for fingerprint in a.findings}
    steps = tuple(s for a in adaptations for s in a.steps)
    adaptations.sort(key=lambda a: a.number)
    whole = repacked(lock, current, blobs)
    return AdaptResult(tuple(adaptations), whole, patches, steps, answered, by_step, tuple(failures), cured)


def _exhaust(rule: Curer, before: PackageLock, blobs: BlobStore) -> _Tried:
    """Cure the first curable finding, look again, until nothing curable is left that was not tried.

    A rule that is never satisfied has its cures undone and is reported as one that failed.
    """
    current, done, failed = before, list[_Done](), list[Finding]()
    tried: set[str] = set()
    times: Counter[str] = Counter()
    for _ in range(MAX_CURES):
        tried |= {key for key, count in times.items() if count >= MAX_SAME}
        finding = next((f for f in rule.check(current) if f.curable and _key(f) not in tried), None)
        if finding is None:
            return _Tried(current, done, failed)
        cure = rule.cure(current, finding)
        if isinstance(cure, Cure) and any(current.sealed_in(place) is not None for place in cure.edits):
            cure = None  # an RPM, an APK or a self-extracting archive is never rewritten
        after = _edited(current, cure, finding, blobs)
        if isinstance(after, Finding):
            failed.append(after)
            tried.add(_key(finding))
            continue
        if not isinstance(cure, Cure) or (after is current and not cure.steps):
            tried.add(_key(finding))
            continue
        if after is current:
            tried.add(_key(finding))
        times[_key(finding)] += 1
        done.append(_Done(finding, cure))
        current = after
    endless = cure_failure(done[0].finding, f"it found something new after each of {MAX_CURES} cures of its own")
    return _Tried(before, [], [*failed, endless])


def _edited(lock: PackageLock, cure: Cure | Finding | None, finding: Finding, blobs: BlobStore) -> PackageLock | Finding:
    """The package with the cure's edits, or the finding that they do not fit into it."""
    if not isinstance(cure, Cure):
        return lock if cure is None else cure
    try:
        return edited(lock, cure.edits, blobs)
    except (PackageRefused, KeyError) as error:
        return cure_failure(finding, f"its edits do not fit the package: {error}")


def _key(finding: Finding) -> str:
    return finding.fingerprint or f"{finding.rule}:{finding.place}:{finding.line}:{finding.excerpt}"


def _adaptation(
    number: int,
    slug: str,
    done: Sequence[_Done],
    before: PackageLock,
    after: PackageLock,
    blobs: BlobStore,
    hide: Callable[[str], str],
) -> tuple[Adaptation, bytes]:
    safety: Literal["safe", "review"] = "safe" if all(d.cure.safety == "safe" for d in done) else "review"
    notes = list(dict.fromkeys(d.cure.note for d in done))
    notes += [
        f"the signature of {jar} is taken out: it cannot fit what was changed" for jar in broken_signatures(before, after)
    ]
    text = patch(before, after, blobs, hide)
    head = "".join(f"# {line}\n" for line in (f"{number:04} {slug} ({safety})", *(" ".join(n.split()) for n in notes)))
    adaptation = Adaptation(
        number=number,
        slug=slug,
        rule=slug,
        findings=tuple(dict.fromkeys(_key(d.finding) for d in done)),
        places=tuple(changed_places(before, after)),
        note="; ".join(notes),
        safety=safety,
        patch=f"{number:04}-{slug}.patch" if text else "",
        steps=tuple(s for d in done for s in d.cure.steps),
    )
    return adaptation, (head + text).encode() if text else b""
