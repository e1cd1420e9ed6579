"""The draft of a plan: the vendor's steps, the adaptations' steps, checks before and after, in a safe order.

Pure: nouns in, a plan and its notes out. Online-safe migrations (those whose revert can be derived: they only add) move
before the first stop of a service, so that the outage does not wait for them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from fulldress.errors import UsageError
from fulldress.formats import shell
from fulldress.formats.sql import derive_down
from fulldress.formats.statements import static
from fulldress.model.finding import StepDraft
from fulldress.model.package import PackageLock
from fulldress.model.plan import Plan, Step
from fulldress.model.release import Release
from fulldress.plan.commands import changed_paths, make
from fulldress.plan.decompose import Dropped, Piece, decompose
from fulldress.steps import references

ENTRIES = ("scripts/upgrade.sh", "scripts/install.sh", "scripts/setup.sh", "upgrade.sh", "install.sh", "setup.sh")


class NoEntry(UsageError):
    """It is not clear which script of the package starts the upgrade; nothing is guessed.

    Name it: ``fulldress plan --entry PLACE``. The message lists the scripts of the package.
    """

    slug = "no-entry"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and a comment for steps that need one (step id -> text)."""

    plan: Plan
    notes: dict[str, str]
    dropped: tuple[Dropped, ...]
    entry: str


class Source:
    """The adapted package as the planner reads it."""

    def __init__(self, lock: PackageLock, read: Callable[[str], bytes]) -> None:
        self.lock, self._read = lock, read
        self.modes = {e.place: e.mode for e in lock.entries if e.sha256 and "!/" not in e.place}
        self._shas = {e.place: e.sha256 for e in lock.entries if e.sha256}

    def text(self, place: str) -> str:
        """An entry as text; bytes that are no UTF-8 are kept apart, not lost."""
        return self._read(self._shas[place]).decode("utf-8", "surrogateescape")

    def maintainer_scripts(self, deb: str) -> list[str]:
        """Texts of the scripts that installing a .deb runs."""
        wanted = {f"{deb}!/DEBIAN/{name}" for name in ("preinst", "postinst")}
        return [self.text(e.place) for e in self.lock.entries if e.place in wanted and e.sha256]


def find_entry(source: Source, named: str | None) -> str:
    """The entry script: as named, by the manifest's ``entry``, else by its usual names. UsageError lists candidates."""
    if named is not None:
        if named in source.modes:
            return named
        raise _no_entry(source, f"there is no {named} in the adapted package")
    if "manifest.json" in source.modes:
        try:
            manifest = msgspec.json.decode(source.text("manifest.json").encode("utf-8", "surrogateescape"))
        except msgspec.DecodeError:
            manifest = {}
        entry = posixpath.normpath(str(manifest.get("entry", ""))) if isinstance(manifest, dict) else ""
        if entry in source.modes:
            return entry
    found = next((name for name in ENTRIES if name in source.modes), None)
    if found is None:
        raise _no_entry(source, "it is not clear which script of the package starts the upgrade")
    return found


def _no_entry(source: Source, what: str) -> NoEntry:
    scripts = [p for p in source.modes if p.endswith((".sh", ".bash"))][:8]
    return NoEntry(
        what,
        why=f"scripts in the package: {', '.join(scripts) or 'none'}",
        fix="name it: fulldress plan --entry PLACE",
    )


def draft(
    release: Release, source: Source, drafts: Sequence[StepDraft], *, entry: str | None = None, has_curl: bool = True
) -> Draft:
    """The plan for one host: checks, what the adaptations put before, the vendor's steps, what they put after, checks."""
    start = find_entry(source, entry)
    readonly = [release.estate.version_command] if release.estate.version_command else []
    pieces, dropped = decompose(start, source.modes, source.text, readonly)
    vendor = [_completed(p, source, release) for p in pieces]
    if not vendor:
        raise UsageError(f"{start} holds no command that does anything", fix="name another: fulldress plan --entry PLACE")
    early, late, keys = _placed(_without_taken_calls(drafts, vendor))
    vendor = _without_repeats(vendor)
    hoisted, rest = _hoist(vendor)
    body = [*early, *hoisted, *_before_install(rest, keys), *late]
    pieces = [*_preflight(body, source, release, has_curl), *body, *_final(body, release, has_curl)]
    steps, notes, seen = [], {}, set[str]()
    for number, piece in enumerate(pieces, 1):
        ident = _ident(number, piece.step, seen)
        steps.append(msgspec.structs.replace(piece.step, id=ident))
        where = f"{piece.place}:{piece.line}" if piece.place else ""
        notes[ident] = "; ".join(x for x in (where, piece.note) if x)
    host = release.estate.hosts[0] if release.estate.hosts else ""
    plan = Plan(release=release.name, host=host, step=tuple(steps))
    return Draft(plan=plan, notes=notes, dropped=tuple(dropped), entry=start)


def _ident(number: int, step: Step, seen: set[str]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", step.title.lower()).strip("-")
    if len(slug) > 32:  # cut between words
        slug = slug[:33].rpartition("-")[0] or slug[:32]
    ident = f"{number:02d}-{slug or step.kind}"
    seen.add(ident)
    return ident


def _without_taken_calls(drafts: Iterable[StepDraft], vendor: list[Piece]) -> list[StepDraft]:
    """The drafts without those calls that the vendor's script makes anyway: these became steps with an undo.

    A call that is still hidden in a script step would be made twice, or never undone: UsageError.
    """
    taken = {(p.step.params["method"], p.step.params["url"].partition("?")[0]) for p in vendor if p.step.kind == "http"}
    kept = []
    for draft in drafts:
        if draft.kind != "http" or set(draft.params) != {"method", "url"}:
            kept.append(draft)
        elif (draft.params["method"], draft.params["url"]) not in taken:
            raise UsageError(
                f"{draft.title} is in the package, but could not be taken out of its script",
                why="a call to a third party inside a script has no undo of its own",
                fix="make it a plain curl command in the entry script, or waive the finding outside-side-effect",
                slug="call-not-taken",
            )
    return kept


def _without_repeats(pieces: list[Piece]) -> list[Piece]:
    """A stop of what is stopped already, or a start of what runs, is said once."""
    state: dict[str, str] = {}
    kept = []
    for piece in pieces:
        action, unit = piece.step.params.get("action"), str(piece.step.params.get("unit", ""))
        if piece.step.kind == "unit" and action in ("stop", "start"):
            if state.get(unit) == action:
                continue
            state[unit] = str(action)
        elif piece.step.kind in ("script", "unit"):
            state.clear()
        kept.append(piece)
    return kept


def _placed(drafts: Iterable[StepDraft]) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """Adaptations' steps: early, late, and settings, which change only while what reads them is down.

    A key that the new version does not know any more goes late: it disturbs nobody, and the outage does not wait for it.
    """
    early: list[Piece] = []
    late: list[Piece] = []
    keys: list[Piece] = []
    once: list[StepDraft] = []
    for d in drafts:
        if d in once:
            continue  # two rules asked for the same
        once.append(d)
        piece = Piece(
            step=Step(id="", kind=d.kind, title=d.title, params=dict(d.params)), place="", line=0, note="adaptation"
        )
        setting = d.kind == "config-key"
        if d.when == "after" or (setting and d.params.get("remove")):
            late.append(piece)
        else:
            (keys if setting else early).append(piece)
    return early, late, keys


def _before_install(pieces: list[Piece], keys: list[Piece]) -> list[Piece]:
    at = next((i for i, p in enumerate(pieces) if p.step.kind in ("deb", "files", "script")), None)
    if at is None:
        at = next((i for i, p in enumerate(pieces) if _starts(p.step)), len(pieces))
    return [*pieces[:at], *keys, *pieces[at:]]


def _stops(step: Step) -> bool:
    return step.kind == "unit" and step.params.get("action") in ("stop", "restart")


def _starts(step: Step) -> bool:
    return step.kind == "unit" and step.params.get("action") in ("start", "restart")


def _hoist(pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Migrations that only add, up to the first that does more, when a service stop comes before them."""
    first = next((i for i, p in enumerate(pieces) if _stops(p.step)), None)
    if first is None:
        return [], pieces
    hoisted: list[Piece] = []
    rest = list(pieces[:first])
    blocked = False
    for piece in pieces[first:]:
        if piece.step.kind == "migration" and not blocked and ("down" in piece.step.params):
            note = f"moved before the first stop: it only adds{'; ' + piece.note if piece.note else ''}"
            hoisted.append(Piece(step=piece.step, place=piece.place, line=piece.line, note=note))
            continue
        blocked = blocked or piece.step.kind == "migration"
        rest.append(piece)
    return [*rest[:first], *hoisted], rest[first:]


def _completed(piece: Piece, source: Source, release: Release) -> Piece:
    """A vendor's step with what its content tells: the revert of a migration, the guards of a .deb."""
    step = piece.step
    if step.kind == "migration":
        return _migration(piece, source, release)
    if step.kind != "deb":
        return piece
    guards: list[str] = []
    touched: list[str] = []
    for text in source.maintainer_scripts(str(step.params["place"])):
        for command in shell.commands(text):
            argv = shell.unwrapped(command)
            kept, meta = changed_paths(argv, command.redirects)
            guards += kept
            touched += meta
    extra = {"guards": _unique(guards), "touched": _unique(t for t in touched if t not in guards)}
    params = {**step.params, **{k: v for k, v in extra.items() if v}}
    return Piece(step=msgspec.structs.replace(step, params=params), place=piece.place, line=piece.line, note=piece.note)


def _migration(piece: Piece, source: Source, release: Release) -> Piece:
    params: dict[str, Any] = dict(piece.step.params)
    text = str(params["content"]) if "content" in params else source.text(str(params["place"]))
    down = derive_down(text)
    note = piece.note
    if down is not None:
        params["down"] = down
    else:
        note = "its revert cannot be derived: give `down`, or say why it is irreversible"
    query, number = release.estate.schema_version_query, re.match(r"\d+", posixpath.basename(str(params.get("place", ""))))
    if query and number and f"'{number[0]}'" in text:
        params |= {"verify-query": query, "verify-expect": number[0]}
    step = msgspec.structs.replace(piece.step, params=params, timeout_s=3600.0)
    return Piece(step=step, place=piece.place, line=piece.line, note=note)


def _unique(values: Iterable[str]) -> list[str]:
    return [v for v in dict.fromkeys(values) if static(v)]


def _preflight(body: list[Piece], source: Source, release: Release, has_curl: bool) -> list[Piece]:
    sizes: Mapping[str, int] = {e.place: e.size for e in source.lock.entries if "!/" not in e.place}
    need = 3 * sum(sizes.values()) // 1024 + 200 * 1024
    checks = [
        (
            "Enough room on the disks",
            f"for d in / /var /tmp; do [ $(df --output=avail -k $d | tail -n 1) -ge {need} ]; done",
            f"free at least {need // 1024} MB",
        )
    ]
    for database in dict.fromkeys(str(p.step.params["database"]) for p in body if p.step.kind == "migration"):
        sql = f"runuser -u postgres -- psql -XAtq -d {shell_word(database)} -c 'SELECT 1'"
        checks.append((f"Database {database} answers", f"cd / && {sql}", "start PostgreSQL"))
    units = list(dict.fromkeys(str(p.step.params["unit"]) for p in body if _stops(p.step)))
    if units:
        test = '[ "$(systemctl show -p LoadState --value -- "$u")" = loaded ] || { echo "no unit $u"; exit 1; }'
        listed = " ".join(shell_word(u) for u in units)
        checks.append(("The units exist under these names", f"for u in {listed}; do {test}; done", ""))
    checks += [*_secrets(body), *_healthy(release, has_curl, "The product answers before the upgrade")]
    return [_check(title, command, hint) for title, command, hint in checks]


def _secrets(body: list[Piece]) -> list[tuple[str, str, str]]:
    """The secrets that calls refer to must be in their file before anything is changed."""
    wanted: dict[str, list[str]] = {}
    for step in (p.step for p in body if "env-file" in p.step.params):
        texts = [str(step.params.get("body", "")), *map(str, step.params.get("headers", {}).values())]
        wanted.setdefault(str(step.params["env-file"]), []).extend(references(*texts))
    return [
        (
            f"{file} holds the secrets",
            "; ".join(
                f"grep -Eq {shell_word(f'^(export )?{n}=')} {shell_word(file)} || {{ echo 'no {n}'; exit 1; }}"
                for n in names
            ),
            f"add them to {file}: {', '.join(dict.fromkeys(names))}",
        )
        for file, names in wanted.items()
        if names
    ]


def _final(body: list[Piece], release: Release, has_curl: bool) -> list[Piece]:
    units = list(dict.fromkeys(str(p.step.params["unit"]) for p in body if _starts(p.step)))
    checks = []
    if units:
        listed = " ".join(shell_word(u) for u in units)
        show = "systemctl show -p ActiveState,Type,Result --value -- $u | sort | tr '\\n' ' '"
        test = f'case "$({show})" in "active "*|"inactive oneshot success ") ;; *) echo "$u does not run"; exit 1;; esac'
        checks.append(("The units run", f"for u in {listed}; do {test}; done", ""))
    checks += _healthy(release, has_curl, "The product answers after the upgrade")
    return [_check(title, command, hint, retry=60) for title, command, hint in checks]


def _healthy(release: Release, has_curl: bool, title: str) -> list[tuple[str, str, str]]:
    url = release.estate.base_url
    if not url:
        return []
    if has_curl:
        return [(title, f"curl -fsS -o /dev/null --max-time 10 -- {shell_word(url)}", "")]
    code = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=10).read()"
    return [(title, f"python3 -c {shell_word(code)} {shell_word(url)}", "")]


def _check(title: str, command: str, hint: str, retry: int = 0) -> Piece:
    extra: dict[str, Any] = {**({"hint": hint} if hint else {}), **({"retry_s": retry} if retry else {})}
    return Piece(step=make("check", title, command=command, **extra), place="", line=0)


def shell_word(text: str) -> str:
    """A text as one word of a check's command."""
    return "'" + text.replace("'", "'\\''") + "'"
