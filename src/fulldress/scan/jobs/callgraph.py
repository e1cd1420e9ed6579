"""From a scheduled job to the scripts that it starts, the files that these read, and the hosts that they reach.

A chain names every place on the way: ``etc/cron.d/x:3 → usr/bin/sync.sh:14 → sftp://host``. Shell scripts are followed
by their syntax tree (variables, sourced files, wrappers, run-parts, units that they start); other programs and files by the
absolute paths and addresses in their lines. Pure: reads the Context; what is not in the package is not followed.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from fulldress.formats import cronlint, makefile, shell, shellflow
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.package import Entry
from fulldress.scan.jobs import imports, services
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import command_lines, service_of
from fulldress.scan.network.endpoints import urls
from fulldress.scan.network.targets import LOGINS, Target, operands, option, targets
from fulldress.scan.reading import is_prose, memo, named
from fulldress.scan.rule import Context

MAX_DEPTH = 8
MAX_FILES = 300
"""Files that one job is followed through."""
MAX_READ = 1 << 20
SETTINGS = (".properties", ".yml", ".yaml", ".conf", ".ini")
"""Ends of the settings that are looked for inside an archive that a job runs."""
MAX_SETTINGS = 30
_PATH = late(r"(?<![\w.$}:/-])/(?:[\w.+@-]+/)*[\w.+@-]+")
_INTERPRETERS = late(r"(?:python|perl|ruby|php|node|java|lua)[\d.]*$")
_ON_PATH = late(r"(^|/)(usr/)?(local/)?s?bin/[^/]+$")
_INERT = frozenset(
    [
        "echo",
        "printf",
        "test",
        "[",
        "[[",
        "export",
        "unset",
        "local",
        "return",
        "exit",
        "true",
        "false",
        "shift",
        "set",
        "trap",
        "logger",
    ]
)


class Step(NamedTuple):
    """One place on the way."""

    place: str
    line: int
    """0: the file as a whole."""


class Reach(NamedTuple):
    """What a job reaches: a file of the package, or a host."""

    steps: tuple[Step, ...]
    """From the job's own line to the line that names the file or host."""
    entry: Entry | None
    target: Target | None

    @property
    def chain(self) -> str:
        """As people read it."""
        last = self.target.url if self.target is not None else (short(self.entry.place) if self.entry else "")
        return " → ".join([*(f"{short(s.place)}:{s.line}" if s.line else short(s.place) for s in self.steps), last])


class _Text(NamedTuple):
    """Something to be read: a file, or the command line of the job."""

    place: str
    text: str
    shell: bool
    steps: tuple[Step, ...]
    values: dict[str, str]
    line: int = 0
    """Line of the place at which the text stands, for a command line; 0 for whole files."""
    folder: str = ""
    """Where it runs, when that is not the folder of the place."""


def short(place: str) -> str:
    """The place without the archives around it: as it will lie on the host."""
    return place.rpartition("!")[2].lstrip("/")


def reaches(context: Context, job: Job) -> list[Reach]:
    """Everything that the job reaches, nearest first; each file and each host once."""
    return memo(context, ("reaches", job), lambda: list(_Walk(context).follow(job)))


def files(context: Context, job: Job) -> list[Entry]:
    """The files of the package that the job runs or reads."""
    return [reach.entry for reach in reaches(context, job) if reach.entry is not None]


def hosts(context: Context, job: Job) -> list[Reach]:
    """The hosts that the job talks to, each with the chain that leads there."""
    return [reach for reach in reaches(context, job) if reach.target is not None]


class _Walk:
    """Breadth first over the texts that a job reaches."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.seen_files: set[str] = set()
        self.seen_targets: set[str] = set()
        self.queue: deque[_Text] = deque()

    def follow(self, job: Job) -> Iterator[Reach]:
        self.seen_files.add(job.place)
        values = self._environment(job)
        start = (Step(job.place, job.line),)
        self.queue.append(_Text(job.place, job.command.replace("\\%", "%"), True, start, values, job.line))
        while self.queue and len(self.seen_files) < MAX_FILES:
            text = self.queue.popleft()
            yield from self._shell(text) if text.shell else self._lines(text)

    def _environment(self, job: Job) -> dict[str, str]:
        entry = self.context.entry(job.place)
        if job.timer and (service := service_of(self.context, job.place)) is not None:
            return self._given(services.started(self.context, service), service.place)
        content = self.context.text(entry) if job.kind == "cron" and entry is not None and entry.sha256 else None
        if content is None or shell.is_shell(job.place, content):
            return {}
        return {s.name: s.value for s in cronlint.settings(content) if s.line < job.line}

    def _given(self, started: services.Started, place: str) -> dict[str, str]:
        """The environment of a service."""
        found = [self.entry(path, "", place) for path in started.files]
        texts = [self.context.text(e) or "" for e in found if e is not None and e.size <= MAX_READ]
        return started.values | {name: value for text in texts for name, value in services.settings(text).items()}

    # ---- shell: by its syntax tree

    def _shell(self, text: _Text) -> Iterator[Reach]:
        values, folder = text.values, _inside(posixpath.dirname(text.place))
        here = text.folder or folder
        for event in memo(self.context, ("events", text.text), lambda: shellflow.events(text.text, loops=True)):
            if isinstance(event, shellflow.Assignment):
                values[event.name] = shellflow.expand(event.value, values, folder)
                continue
            steps = self._at(text, event.line)
            words = _expanded(event, values, folder)
            if words[0] == "cd" and len(words) > 1 and "$" not in words[1]:
                here = self._folder(words[1], here)
                continue
            yield from self._command(event, words, text, steps, here)

    def _at(self, text: _Text, line: int) -> tuple[Step, ...]:
        return text.steps if text.line else (*text.steps, Step(text.place, line))

    def _folder(self, path: str, here: str) -> str:
        return path if path.startswith("/") else posixpath.normpath(posixpath.join(here, path))

    def _command(
        self, event: Command, words: tuple[str, ...], text: _Text, steps: tuple[Step, ...], here: str
    ) -> Iterator[Reach]:
        name = words[0].rpartition("/")[2]
        for inner in shell.nested(event):
            script = shellflow.expand(inner, text.values, _inside(posixpath.dirname(text.place)))
            self.queue.append(_Text(text.place, script, True, steps, dict(text.values), event.line, here))
        if name in _INERT:
            return
        yield from self._targets(targets(words), steps)
        if event.heredoc and name in LOGINS:
            yield from self._targets(_line_targets(event.heredoc), steps)
        if name in (".", "source") and len(words) > 1:
            yield from self._sourced(words[1], text, steps, here)
            return
        if name in ("make", "gmake"):
            yield from self._made(words[1:], text, steps, here)
            return
        fed = (
            [r.lstrip("< ").strip("\"'") for r in event.redirects if re.match(r"<\s*[^<&(]", r)]
            if name in shell.SHELLS
            else []
        )
        for path in (*self._started(name, words), *fed):
            for entry in self.entries(path, here, text.place):
                yield from self._enter(entry, steps, text.values)

    def _started(self, name: str, words: tuple[str, ...]) -> Iterator[str]:
        """The files that a command runs or is given, by the ways in which commands name them."""
        operands = [w for w in words[1:] if not w.startswith("-")]
        if name == "run-parts":
            yield from (f"{w}/*" for w in operands)
            return
        if name == "systemctl" and operands[:1] and operands[0] in ("start", "restart", "try-restart"):
            yield from (w if "." in w else f"{w}.service" for w in operands[1:])
            return
        if name in ("service", "invoke-rc.d") and operands:
            yield from (f"{operands[0]}.service", f"/etc/init.d/{operands[0]}")
            return
        if name == "find" and operands and ("-exec" in words or "-execdir" in words):
            yield f"{operands[0]}/*"
        if _INTERPRETERS.match(name) and "-m" in words[:-1]:
            module = words[words.index("-m") + 1].replace(".", "/")
            yield from (f"~{module}.py", f"~{module}/__main__.py")
        yield words[0]
        for word in words[1:]:
            value = word.partition("=")[2] if word.startswith("-") else word
            if "/" in value or name in shell.SHELLS or _INTERPRETERS.match(name):
                yield value

    def _sourced(self, path: str, text: _Text, steps: tuple[Step, ...], here: str) -> Iterator[Reach]:
        """A sourced file's assignments hold from here on, and its commands run."""
        for entry in self.entries(path, here, text.place):
            content = self.context.text(entry) if entry.size <= MAX_READ else None
            if content is None or entry.place in self.seen_files:
                continue
            self.seen_files.add(entry.place)
            yield Reach(steps, entry, None)
            inner = _Text(entry.place, content, True, steps, text.values)
            if len(steps) < MAX_DEPTH:
                yield from self._shell(inner)
            yield from self._lines(inner)

    def _made(self, words: tuple[str, ...], text: _Text, steps: tuple[Step, ...], here: str) -> Iterator[Reach]:
        """The recipes of the targets that ``make`` is asked for."""
        folder = option(words, "C", "directory")
        here = self._folder(folder, here) if folder else here
        wanted = option(words, "f", "file")
        entry = next(
            (
                e
                for name in ((wanted,) if wanted else makefile.NAMES)
                if (e := self.entry(f"{here}/{name}", here, text.place))
            ),
            None,
        )
        content = self.context.text(entry) if entry is not None and entry.size <= MAX_READ else None
        targets = [w for w in operands(words, "CfIjloW") if "=" not in w]
        key = " ".join((entry.place if entry is not None else "", *targets))
        if entry is None or content is None or len(steps) >= MAX_DEPTH or key in self.seen_files:
            return
        self.seen_files.add(key)
        yield Reach(steps, entry, None)
        values = dict(text.values) | {
            k: v for k, sign, v in (w.partition("=") for w in words) if sign and not k.startswith("-")
        }
        for recipe in makefile.recipes(content, targets):
            self.queue.append(
                _Text(
                    entry.place,
                    recipe.command,
                    True,
                    (*steps, Step(entry.place, recipe.line)),
                    dict(values),
                    recipe.line,
                    here,
                )
            )

    def _enter(self, entry: Entry, steps: tuple[Step, ...], values: dict[str, str]) -> Iterator[Reach]:
        if entry.place in self.seen_files or len(steps) >= MAX_DEPTH:
            return
        self.seen_files.add(entry.place)
        yield Reach(steps, entry, None)
        if entry.kind == "container":
            self._settings_of(entry, steps)
        content = self.context.text(entry) if entry.kind == "file" and entry.size <= MAX_READ else None
        if content is None or is_prose(entry.place):
            return
        if entry.place.endswith(".service"):
            started = services.started(self.context, entry)
            for command, place, line in started.commands:
                inner = dict(values) | self._given(started, place)
                self.queue.append(_Text(place, command, True, (*steps, Step(place, line)), inner, line))
            return
        self.queue.append(_Text(entry.place, content, shell.is_shell(entry.place, content), steps, dict(values)))

    def _settings_of(self, archive: Entry, steps: tuple[Step, ...]) -> None:
        """The settings inside an archive that is run: a program in a JAR reads them first."""
        inside = (e for e in self.context.ending(*SETTINGS) if e.place.startswith(f"{archive.place}!/") and e.kind == "file")
        for entry in list(inside)[:MAX_SETTINGS]:
            content = self.context.text(entry) if entry.size <= MAX_READ and "/META-INF/" not in entry.place else None
            if content is not None and entry.place not in self.seen_files:
                self.seen_files.add(entry.place)
                self.queue.append(_Text(entry.place, content, False, steps, {}))

    # ---- other texts: by their lines

    def _lines(self, text: _Text) -> Iterator[Reach]:
        python = imports.is_python(text.place, text.text)
        for number, line in command_lines(text.text):
            steps = (*text.steps, Step(text.place, number))
            yield from self._targets(_line_targets(line), steps)
            for module in imports.imported(self.context, line, text.place, python=python):
                yield from self._enter(module, steps, text.values)
            for path in _PATH.findall(line):
                entry = self.entry(path, "", text.place)
                if entry is not None:
                    yield from self._enter(entry, steps, text.values)

    def _targets(self, targets: Iterator[Target], steps: tuple[Step, ...]) -> Iterator[Reach]:
        for target in targets:
            if target.url not in self.seen_targets:
                self.seen_targets.add(target.url)
                yield Reach(steps, None, target)

    # ---- which file of the package a word means

    def entries(self, word: str, here: str, caller: str) -> list[Entry]:
        """As :meth:`entry`; several where a pattern means several."""
        if "*" in word.rpartition("/")[2] and "$" not in word:
            return self._of_folder(word, here)
        entry = self.entry(word, here, caller)
        return [entry] if entry is not None else []

    def entry(self, word: str, here: str, caller: str) -> Entry | None:
        """The file of the package behind a path, a bare name on the PATH, or a path relative to a folder."""
        if not word or "$" in word:
            return None
        if word.endswith(".service") and "/" not in word:
            return services.service_named(self.context, word, caller)
        name = word.rpartition("/")[2].removeprefix("~")
        candidates = named(self.context, name)
        if not candidates:
            return None
        archive = caller.rpartition("!")[0]
        candidates = sorted(candidates, key=lambda e: (e.place.rpartition("!")[0] != archive, len(e.place)))
        if word.startswith("~"):
            return next((e for e in candidates if e.place.endswith(f"/{word[1:]}") or e.place == word[1:]), None)
        if word.startswith("/"):
            path = posixpath.normpath(word)
            return next((e for e in candidates if f"/{e.place}".endswith(path)), None)
        relative = posixpath.normpath(posixpath.join(here, word))
        exact = next((e for e in candidates if e.place == relative or _inside(e.place) == relative), None)
        if exact is not None or "/" in word:
            return exact or next((e for e in candidates if e.place.endswith(f"/{word.removeprefix('./')}")), None)
        return next((e for e in candidates if _ON_PATH.search(e.place) or e.place.endswith(".service")), None)

    def _of_folder(self, pattern: str, here: str) -> list[Entry]:
        """run-parts, a loop: every file that the pattern means."""
        folder, _, glob = pattern.rpartition("/")
        folder = folder if folder.startswith("/") else posixpath.normpath(posixpath.join(here, folder))
        inside = self.context.holding(f"{folder.strip('/').lower()}/")
        files = [e for e in inside if e.kind == "file" and f"/{e.place}".rpartition("/")[0].endswith(folder)]
        return [e for e in files if fnmatchcase(e.place.rpartition("/")[2], glob)]


def _inside(place: str) -> str:
    """The path within the innermost archive: what ``cd`` and the like see on the host. It always begins with a slash, so
    that what a script makes of its own folder is not looked for below that folder again."""
    return f"/{place.rpartition('!')[2].lstrip('/')}"


def _expanded(event: Command, values: dict[str, str], folder: str) -> tuple[str, ...]:
    local = dict(values)
    for assignment in event.assignments:
        name, _, value = assignment.partition("=")
        local[name] = value.strip("\"'")
    words = tuple(shellflow.expand(word, local, folder) for word in shell.unwrapped(event))
    return words if words and words[0] else event.argv


def _line_targets(line: str) -> Iterator[Target]:
    for url in urls(line):
        yield Target(url.scheme, url.host)
