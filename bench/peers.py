"""What we and other programs find of planted hazards.  Run: .venv/bin/python bench/peers.py [--write docs/comparison.md]

Every program reads the same files: the peers an unpacked copy, ``fulldress scan`` the package, alone: no estate, no matrix.
A hazard counts as found when the program says anything about its file (its line, in the story's package), however mildly;
generous to all alike. A trap counts as reported the same way, from ``low`` upwards for us.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import hazards
from exactness._planting import planted
from fulldress import __version__
from fulldress.adapters.peers.asking import program
from fulldress.cli.scanwork import package_context
from fulldress.scan.sweep import sweep
from fulldress.store.codec import write_bytes

ROOT = Path(__file__).parent.parent
ORACLE = ROOT / "../shared/corpora/migrations/lock-oracle/pg15.18.json"
STRONG = {"Share", "ShareRowExclusive", "Exclusive", "AccessExclusive"}
EVERYWHERE = {"require-lock-timeout", "require-statement-timeout", "require-timeout-settings"}
"""squawk's advice for every statement names the statement's own trouble no more than a checklist does."""

CHECKLIST = {"migration-without-undo", "migration-without-mutex", "migration-without-lock-timeout"}
"""So do these of ours, on a migration."""

Hit = tuple[str, int]
"""Place and line; line 0 for the file as a whole."""


class Set(NamedTuple):
    """Files with a known truth."""

    name: str
    files: dict[str, bytes]
    hazards: dict[str, Callable[[Iterable[Hit]], bool]]
    traps: dict[str, str]
    """What it is -> its place."""


class Tool(NamedTuple):
    """A program, how it is called, and what it says of a folder of files."""

    name: str
    version: str
    command: str
    look: Callable[[Path, Mapping[str, bytes]], set[Hit]]


def main() -> None:
    """Measure all sets with all tools; print the table, or write it."""
    tools = [ours(), *peers()]
    rows = [(one, {tool.name: score(one, tool) for tool in tools}) for one in sets()]
    text = page(tools, rows)
    if sys.argv[1:2] == ["--write"]:
        write_bytes(Path(sys.argv[2]), text.encode())
    print(text)


def score(one: Set, tool: Tool) -> tuple[list[str], list[str], float]:
    """Hazards that the tool misses, traps that it reports, seconds."""
    with tempfile.TemporaryDirectory(prefix="fulldress-bench-") as folder:
        home = Path(folder)
        started = time.monotonic()
        hits = tool.look(home, one.files)
        seconds = time.monotonic() - started
    missed = [what for what, found in one.hazards.items() if not found(hits)]
    places = {place for place, _ in hits}
    return missed, [what for what, place in one.traps.items() if place in places], seconds


# ---- the sets


def sets() -> list[Set]:
    """All sets; the lock oracle only where the corpora are."""
    found = [secrets(), scripts(), units(), jobs(), story()]
    return [*found, statements()] if ORACLE.is_file() else found


def at(place: str, lines: set[int] | None = None) -> Callable[[Iterable[Hit]], bool]:
    """True when something is said of the place (or of what is inside it), and of one of the lines if there are any."""

    def found(hits: Iterable[Hit]) -> bool:
        return any(
            (p == place or p.startswith(f"{place}!")) and (not lines or line == 0 or line in lines) for p, line in hits
        )

    return found


def secrets() -> Set:
    """53 secrets and 8 traps."""
    planting = planted(53_002, 1)
    wanted = {f"{kind} ({place})": at(place) for place, (kind, _) in planting.secrets.items()}
    return Set("secrets of 53 kinds", planting.files, wanted, {kind: place for place, kind in planting.traps.items()})


def scripts() -> Set:
    """One hazard a script."""
    files = {f"scripts/{n:02}.sh": (hazards.HEAD + body).encode() for n, body in enumerate(hazards.SHELL.values())}
    wanted = {what: at(f"scripts/{n:02}.sh") for n, what in enumerate(hazards.SHELL)}
    files["scripts/errors.sh"] = hazards.NO_ERRORS.encode()
    wanted["errors that nobody notices"] = at("scripts/errors.sh")
    traps = {}
    for n, (what, body) in enumerate(hazards.SHELL_TRAPS.items()):
        traps[what] = f"scripts/trap{n}.sh"
        files[traps[what]] = (hazards.HEAD + body).encode()
    return Set("shell scripts", files, wanted, traps)


def units() -> Set:
    """One hazard a unit, and one that is as it should be."""
    inside = "root/etc/systemd/system"
    files = {f"{inside}/{name}": f"[Unit]\nDescription=x\n{body}".encode() for name, body in hazards.UNITS.values()}
    files[f"{inside}/good.service"] = b"[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\nRestart=on-failure\n"
    wanted = {what: at(f"{inside}/{name}") for what, (name, _) in hazards.UNITS.items()}
    return Set("systemd units", files, wanted, {"a unit as it should be": f"{inside}/good.service"})


def jobs() -> Set:
    """One hazard a crontab, and one that is as it should be."""
    files = {f"etc/cron.d/{name}": body.encode() for name, body in hazards.CRON.values()}
    files["etc/cron.d/good"] = b"# nightly\n7 3 * * * root flock -n /run/app.lock /opt/app/nightly\n"
    wanted = {what: at(f"etc/cron.d/{name}") for what, (name, _) in hazards.CRON.items()}
    return Set("crontabs", files, wanted, {"a job as it should be": "etc/cron.d/good"})


def statements() -> Set:
    """Heavy statements as measured on PostgreSQL 15.18: rewritten or read through under Share or stronger."""
    files, wanted, traps = {}, {}, {}
    for case in json.loads(ORACLE.read_text()):
        if "error" in case or re.match(r"(?i)\s*(insert|update|delete|select)", case["sql"]):
            continue
        strong = {name for name, mode in case["locks"].items() if mode in STRONG}
        place = f"migrations/{case['id']}.sql"
        files[place] = f"{case['sql']};\n".encode()
        if strong & ({*case["rewrite"], *case["scan"]}):
            wanted[case["id"]] = at(place)
        elif not strong:
            traps[case["id"]] = place
    return Set("heavy SQL, of the lock oracle", files, wanted, traps)


def story() -> Set:
    """The demo's package, unpacked as deep as it goes."""
    path = ROOT / "demo/build/Full-upgrade-package-dten.zip"
    subprocess.run([sys.executable, "-m", "demo.package"], cwd=ROOT, check=True, capture_output=True)
    with package_context(path, vendor=None, sandboxed=False, progress=None) as context:
        files = {e.place: context.read(e) for e in context.files if e.kind == "file"}
    wanted = {}
    for what, place, word in hazards.STORY:
        lines = {n for n, line in enumerate(files[place].decode(errors="replace").split("\n"), 1) if word and word in line}
        wanted[what] = at(place, lines)
    return Set("the demo's package", files, wanted, {})


# ---- the tools


def ours() -> Tool:
    """Ourselves, over a ZIP of the files; a place inside it is what the others see as a file."""

    def look(home: Path, files: Mapping[str, bytes]) -> set[Hit]:
        whole = ROOT / "demo/build/Full-upgrade-package-dten.zip"
        package = whole if "scripts/40-register.sh" in files else home / "p.zip"
        if package != whole:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                for place, data in files.items():
                    archive.writestr(place, data)
            package.write_bytes(out.getvalue())
        with package_context(package, vendor=None, sandboxed=False, progress=None) as context:
            report = sweep(context)
        said = [f for f in report.findings if f.severity != "info"]
        said = [f for f in said if not (f.rule in CHECKLIST and f.place.endswith(".sql"))]
        return {(f.place, f.line) for f in said if f.place} | {(p, 0) for f in said for p in files if _names(f.title, p)}

    return Tool("fulldress", __version__, "fulldress scan p.zip", look)


def _names(title: str, place: str) -> bool:
    """A finding over many files lists their names in its title."""
    name = re.split(r"!/|/", place)[-1]
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", title) is not None


def peers() -> list[Tool]:
    """Those that are installed."""
    known: list[tuple[str, str, Callable[[str, Path, Mapping[str, bytes]], set[Hit]]]] = [
        ("kingfisher", "scan . --no-validate --no-limits --no-update-check --format json", kingfisher),
        ("detect-secrets", "scan --no-verify --all-files .", detect_secrets),
        ("shellcheck", "--norc --severity=warning --format=json1 FILES", shellcheck),
        ("squawk", "--reporter json --pg-version 15 FILES", squawk),
        ("systemd-analyze", "verify --man=no --root=root UNITS", systemd),
    ]
    found = []
    for name, arguments, look in known:
        path = program(name)
        if path is not None:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            number = re.search(r"\d+(\.\d+)*", version)
            found.append(Tool(name, number[0] if number else "?", f"{name} {arguments}", _bound(look, path)))
    return found


def _bound(look: Callable[[str, Path, Mapping[str, bytes]], set[Hit]], path: str) -> Callable[..., set[Hit]]:
    def bound(home: Path, files: Mapping[str, bytes]) -> set[Hit]:
        for place, data in files.items():
            target = home / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return look(path, home, files)

    return bound


def _run(argv: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=home, capture_output=True, text=True, errors="replace", check=False, timeout=600)


def kingfisher(path: str, home: Path, files: Mapping[str, bytes]) -> set[Hit]:
    """Every finding."""
    argv = [path, "scan", ".", "--no-validate", "--no-limits", "--no-update-check", "--format", "json"]
    told, _ = json.JSONDecoder().raw_decode(_run(argv, home).stdout.lstrip() or "{}")
    places = [(f["finding"]["path"].removeprefix("./"), f["finding"]["line"]) for f in told.get("findings", [])]
    return {(_place(p, files), line) for p, line in places}


def _place(path: str, files: Mapping[str, bytes]) -> str:
    """A path inside an archive, as the peer writes it, is at the archive's own place."""
    return next((p for p in files if path == p or path.startswith((f"{p}!", f"{p}/"))), path)


def detect_secrets(path: str, home: Path, files: Mapping[str, bytes]) -> set[Hit]:
    """Every finding in one of the files."""
    told = json.loads(_run([path, "scan", "--no-verify", "--all-files", "."], home).stdout or "{}")
    return {
        (p.removeprefix("./"), hit["line_number"])
        for p, hits in told.get("results", {}).items()
        if p in files
        for hit in hits
    }


def shellcheck(path: str, home: Path, files: Mapping[str, bytes]) -> set[Hit]:
    """Warnings and errors of what begins like a shell script."""
    names = [p for p, data in files.items() if re.match(rb"#![^\n]*sh\b", data)]
    if not names:
        return set()
    told = json.loads(_run([path, "--norc", "--severity=warning", "--format=json1", *names], home).stdout or "{}")
    return {(c["file"], c["line"]) for c in told.get("comments", [])}


def squawk(path: str, home: Path, files: Mapping[str, bytes]) -> set[Hit]:
    """Everything but its advice for every statement and matters of taste."""
    names = [p for p in files if p.endswith(".sql")]
    if not names:
        return set()
    told = json.loads(_run([path, "--reporter", "json", "--pg-version", "15", *names], home).stdout or "[]")
    said = [v for v in told if v["rule_name"] not in EVERYWHERE and not v["rule_name"].startswith("prefer-")]
    return {(v["file"], line) for v in said for line in range(v["line"] + 1, v.get("line_end", v["line"]) + 2)}


def systemd(path: str, home: Path, files: Mapping[str, bytes]) -> set[Hit]:
    """Every line that names a unit of ours."""
    names = {p.rpartition("/")[2]: p for p in files if p.startswith("root/etc/systemd/system/")}
    if not names:
        return set()
    done = _run([path, "verify", "--man=no", f"--root={home / 'root'}", *names], home)
    return {(place, 0) for line in done.stderr.splitlines() for name, place in names.items() if name in line}


# ---- the page


def page(tools: list[Tool], rows: list[tuple[Set, dict[str, tuple[list[str], list[str], float]]]]) -> str:
    """The table as Markdown."""
    head = ["set", "hazards", *(t.name for t in tools)]
    lines = (
        ["# Side by side with other programs", "", *__doc__.split("\n\n", 1)[1].strip().splitlines(), ""] if __doc__ else []
    )
    lines += [
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `python bench/peers.py --write docs/comparison.md`. In brackets: traps"
    ]
    lines += ["reported, which hold nothing. A dash: the program says nothing about any of these files.", ""]
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for one, scores in rows:
        cells = [_cell(one, scores[tool.name]) for tool in tools]
        lines.append(f"| {one.name} | {len(one.hazards)} | {' | '.join(cells)} |")
    lines += ["", "| program | version | command |", "|---|---|---|"]
    lines += [f"| {t.name} | {t.version} | `{t.command}` |" for t in tools]
    lines += ["", "## What `fulldress scan` misses here, and which traps it falls into", ""]
    for one, scores in rows:
        missed, trapped, _ = scores["fulldress"]
        if missed or trapped:
            said = "; ".join(filter(None, (", ".join(missed), "traps: " + ", ".join(trapped) if trapped else "")))
            lines.append(f"- {one.name}: {said}")
    return "\n".join(lines) + "\n"


def _cell(one: Set, score_: tuple[list[str], list[str], float]) -> str:
    missed, trapped, _ = score_
    found = len(one.hazards) - len(missed)
    if not found and not trapped:
        return "–"
    return f"{found} ({len(trapped)} of {len(one.traps)})" if one.traps else f"{found}"


if __name__ == "__main__":
    main()
