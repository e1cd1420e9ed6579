"""All rules over one package: find the rules, run them, rank what they found.

A rule that lacks an input stands aside with the reason; a rule that raises becomes a finding of its own and the others
go on. May not write anything, and knows no rule by name.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import cast

import msgspec

from fulldress.errors import NothingToDo
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import is_shell
from fulldress.model.finding import Finding, FindingsReport
from fulldress.model.package import SEALED, PackageLock, TrustReport
from fulldress.ports import Progress
from fulldress.scan import crew
from fulldress.scan import rules as rules_package
from fulldress.scan.boundary import attempt
from fulldress.scan.credentials import commandsecrets, secrets
from fulldress.scan.lineage import lineage
from fulldress.scan.reading import MAX_PARSED, SHEBANG, commands_first, read_together
from fulldress.scan.rule import Context, Rule, patterns_of
from fulldress.scan.titles import sentence
from fulldress.scan.waivers import Waiver

RAISED = "rule-raised"
"""Slug of the finding that stands for a rule that failed."""

HEAVY = ("migration", "secret", "endpoint", "archive", "privilege", "provenance")
"""Families that take longest, the longest first: they are begun first where two processes share the work."""
MAX_READ = 4096
"""Characters of a text that are looked at for secrets; far more than is shown, so that none is cut in two and missed."""
MAX_TITLE = 300
MAX_EXCERPT = 400
"""Characters; a minified file is one line of a megabyte, and nobody reads it in a report."""

ASIDE = {
    "estate": "no inventory of the estate (run `fulldress inventory`)",
    "matrix": "no matrix of configuration keys (run `fulldress matrix`)",
    "trust": "no trust report (run `fulldress intake`)",
    "release": "no release.toml (run `fulldress new`)",
    "advisories": "no advisories of this package (run `fulldress vendor fetch`)",
    "baseline": "no previous package to compare with (`scan --baseline`)",
}


@cache
def _modules() -> tuple[Rule, ...]:
    names = sorted(m.name for m in pkgutil.iter_modules(rules_package.__path__) if not m.name.startswith("_"))
    return tuple(cast("Rule", importlib.import_module(f"{rules_package.__name__}.{name}")) for name in names)


def load_rules() -> list[Rule]:
    """Every rule: the modules of ``scan/rules/`` whose name does not begin with an underscore, by name."""
    return list(_modules())


def sweep(
    context: Context,
    rules: Sequence[Rule] | None = None,
    *,
    waivers: Iterable[Waiver] = (),
    progress: Progress | None = None,
    emptied: bool = False,
) -> FindingsReport:
    """Run the rules (default: all) and return ranked findings, fingerprinted, without duplicates and without waived ones.

    ``waivers`` are those in force. Raises NothingToDo when the package holds nothing that could be looked at, unless cures
    ``emptied`` it.
    """
    if not context.files and not context.package.not_inspected and not emptied:
        raise NothingToDo(
            f"{context.package.name or 'the package'} holds no files",
            why="nothing was scanned, and nothing scanned is never reported as fine",
            fix="check that this is the right file",
        )
    chosen = load_rules() if rules is None else list(rules)
    aside = {rule.META.slug: reason for rule in chosen if (reason := _stands_aside(rule, context))}
    run = [rule for rule in chosen if rule.META.slug not in aside]
    if progress is not None:
        progress.start("scan", float(len(run)))
    found: list[Finding] = []
    found.extend(prepare(context, run))
    for findings in _all(run, context, progress):
        found.extend(findings)
    if progress is not None:
        progress.finish()
    return _report(context, run, aside, found, waivers)


def prepare(context: Context, rules: Iterable[Rule]) -> list[Finding]:
    """Search for all that the rules look for, at once; a rule that cannot say what it looks for is in the answer."""
    failed: list[Finding] = []
    context.prepare([SHEBANG, *(pattern for rule in rules for pattern in _patterns(rule, context, failed))])
    return failed


def _all(run: Sequence[Rule], context: Context, progress: Progress | None) -> list[list[Finding]]:
    """What each rule found, in the order of the rules."""

    me = os.getpid()

    def one(number: int) -> list[Finding]:
        found = list(_run(run[number], context))
        if progress is not None and os.getpid() == me:  # the bar belongs to the process that drew it
            progress.advance()
        return found

    families: dict[str, list[int]] = {}
    for number, rule in enumerate(run):
        families.setdefault(rule.META.family, []).append(number)
    alone = len(families) < 2 or (os.cpu_count() or 1) < 2
    if alone or not crew.WORTH_IT <= context.package.bytes_inspected < crew.TOO_MUCH:
        return [_tidied(one(number), context) for number in range(len(run))]
    attempt(lambda: read_together(context))
    groups = sorted(families.values(), key=lambda g: (_turn(run[g[0]].META.family), -len(g)))
    first = attempt(lambda: commands_first(context))
    done = crew.shared_out(groups, one, first if isinstance(first, crew.First) else None)
    return [done[number] for number in range(len(run))]


def _tidied(found: list[Finding], context: Context) -> list[Finding]:
    """The same; in a package of very many files what one rule has used is not left lying about while the next one runs."""
    if context.package.bytes_inspected >= crew.TOO_MUCH:
        crew.give_back()
    return found


def _turn(family: str) -> int:
    return HEAVY.index(family) if family in HEAVY else len(HEAVY)


def patterns_alone() -> tuple[Pattern, ...]:
    """What the rules will look for in a package of which nothing else is known: it may be searched before it is read."""
    nothing = PackageLock(name="", sha256="", size=0, format="", entries=(), bytes_inspected=0)
    trust = TrustReport(package_sha256="", verdict="unsigned", explanation="", next_action="")
    context = Context(nothing, lambda _: b"", trust=trust)
    failed: list[Finding] = []
    run = [rule for rule in load_rules() if not _stands_aside(rule, context)]
    return tuple(dict.fromkeys([SHEBANG, *(p for rule in run for p in _patterns(rule, context, failed))]))


def _patterns(rule: Rule, context: Context, failed: list[Finding]) -> tuple[Pattern, ...]:
    """What a rule looks for; a rule that cannot say it is in ``failed``, and the others go on."""
    answer = attempt(lambda: patterns_of(rule, context))
    if isinstance(answer, Exception):
        failed.append(_raised(rule, answer))
        return ()
    return answer


def _stands_aside(rule: Rule, context: Context) -> str:
    given = {
        "estate": context.estate is not None,
        "matrix": context.impacts is not None,
        "trust": context.is_judged,
        "release": context.release is not None,
        "advisories": context.advisories is not None,
        "baseline": context.known_hosts is not None,
    }
    return "; ".join(ASIDE[need] for need in rule.META.needs if not given[need])


def _run(rule: Rule, context: Context) -> Iterator[Finding]:
    """What a rule finds; one that raises is a finding of its own, besides what it had found before."""
    found: list[Finding] = []
    failed = attempt(lambda: found.extend(rule.check(context)))
    yield from found
    if isinstance(failed, Exception):
        yield _raised(rule, failed)


def _raised(rule: Rule, error: Exception) -> Finding:
    return Finding(
        rule=RAISED,
        severity="medium",
        confidence="certain",
        title=f"the rule {rule.META.slug} failed: {type(error).__name__}: {error}"[:300],
        place="",
        excerpt=rule.META.slug,
        consequence=f"{rule.META.title}: the package was not (completely) looked at for this.",
        fix="Report the failure with the package's digest, and check by hand what the rule looks for.",
    )


def _report(
    context: Context, run: list[Rule], aside: dict[str, str], found: list[Finding], waivers: Iterable[Waiver]
) -> FindingsReport:
    found.sort(key=lambda f: f.place)  # each text is split into lines once
    ranked = sorted((as_shown(context, finding) for finding in found), key=lambda f: (f.rank, f.rule))
    kept = _merged(ranked)
    in_force = list(waivers)
    waived = {f.fingerprint: f"{f.title}: {w.said}" for f in kept for w in in_force if w.covers(f)}
    return FindingsReport(
        package_sha256=context.package.sha256,
        rules_run=tuple(rule.META.slug for rule in run),
        rules_stood_aside=aside,
        waived=waived,
        findings=tuple(
            _in_case(f) for f in _told_once(_yielding([f for f in kept if f.fingerprint not in waived], run), run)
        ),
    )


def _in_case(finding: Finding) -> Finding:
    title = sentence(finding.title)
    return finding if title == finding.title else msgspec.structs.replace(finding, title=title)


def _yielding(kept: list[Finding], run: Sequence[Rule]) -> list[Finding]:
    """Without what a rule says of a line that another one knows better. After the waivers, as below."""
    better = {rule.META.slug: rule.META.yields_to for rule in run if rule.META.yields_to}
    told = {(f.rule, f.place, f.line) for f in kept if f.line}
    return [f for f in kept if not any((rule, f.place, f.line) in told for rule in better.get(f.rule, ()))]


def _told_once(kept: list[Finding], run: Sequence[Rule]) -> list[Finding]:
    """One finding of the secret family for each line: the worst, rather one with a cure, which names the others.

    Only after the waivers, so that a waived finding never hides another of its line. Cures are each rule's own and go on.
    """
    family = {rule.META.slug for rule in run if rule.META.family == "secret"}
    lines: dict[tuple[str, int], list[Finding]] = {}
    for finding in kept:
        if finding.rule in family and finding.line:
            lines.setdefault((finding.place, finding.line), []).append(finding)
    shown: dict[int, Finding | None] = {}
    for together in lines.values():
        first = min(together, key=lambda f: (f.rank[0], not f.curable, f.rank[1]))
        what = first.title.partition(" in ")[0]
        others = dict.fromkeys(f.title.partition(" in ")[0] for f in together if f is not first)
        named = ", ".join(other for other in others if other != what)
        title = f"{first.title}; also {named}"[:MAX_TITLE] if named else first.title
        shown.update({id(f): msgspec.structs.replace(f, title=title) if f is first else None for f in together})
    return [answer for f in kept if (answer := shown.get(id(f), f)) is not None]


def _merged(ranked: list[Finding]) -> list[Finding]:
    """One finding of a rule for each line of a file (the worst one); findings without a line by their content."""
    seen: set[tuple[str, str, int, str]] = set()
    kept = []
    for finding in ranked:
        key = (finding.rule, finding.place, finding.line, "" if finding.line else finding.fingerprint)
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return kept


def as_shown(context: Context, finding: Finding) -> Finding:
    """The finding as reports hold it: printable, short, without secrets, fingerprinted."""
    shown = msgspec.structs.replace(
        finding,
        place=_printable(finding.place),
        title=_printable(secrets.hidden(finding.title[:MAX_READ]))[:MAX_TITLE],
        curable=finding.curable and not _sealed(context, finding.place),
        excerpt=_printable(_excerpt(context, finding))[:MAX_EXCERPT],
    )
    return msgspec.structs.replace(
        shown, fingerprint=fingerprint(context, shown), lineage=lineage(shown, _line(context, shown))
    )


def _excerpt(context: Context, finding: Finding) -> str:
    """The excerpt without secrets: those that any text shows, and in a shell script those that a command is given."""
    shown = secrets.hidden(finding.excerpt[:MAX_READ])
    entry = context.entry(finding.place)
    if finding.line and " " in shown and entry is not None and entry.sha256 and entry.size <= MAX_PARSED:
        text = context.text(entry)
        if text is not None and is_shell(finding.place, text):
            return commandsecrets.hidden(shown)
    return shown


def _sealed(context: Context, place: str) -> bool:
    """True inside an archive that is read but never rewritten: no cure can be offered there."""
    key = "sealed"
    if key not in context.memo:
        inside = tuple(f"{e.place}!/" for e in context.package.entries if e.kind == "container" and e.format in SEALED)
        context.memo[key] = ("",) if context.package.format in SEALED else inside
    sealed = context.memo[key]
    return isinstance(sealed, tuple) and place.startswith(sealed)


def _printable(text: str) -> str:
    """Undecodable bytes as ``\\xNN``, so that every sink can encode the text; control characters are the sinks' part."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def fingerprint(context: Context, finding: Finding) -> str:
    """Sixteen hex digits: twelve over rule, place and (redacted) content, four over the line as it really is.

    Four digits notice another secret on a waived line, but are far too few to guess the secret from the fingerprint.
    """
    shown = _normal(finding.excerpt or finding.title)
    public = hashlib.sha256("\0".join((finding.rule, finding.place, shown)).encode("utf-8", "surrogateescape"))
    real = hashlib.sha256(_normal(_line(context, finding)).encode("utf-8", "surrogateescape"))
    return public.hexdigest()[:12] + real.hexdigest()[:4]


def _line(context: Context, finding: Finding) -> str:
    entry = context.entry(finding.place)
    if not finding.line or entry is None or not entry.sha256:
        return ""
    known = context.memo.get("lines")
    if not isinstance(known, tuple) or known[0] != entry.sha256:
        known = context.memo["lines"] = (entry.sha256, (context.text(entry) or "").split("\n"))
    lines = known[1]
    return str(lines[finding.line - 1]) if finding.line <= len(lines) else ""


def _normal(text: str) -> str:
    return " ".join(text.split())
