"""The vendor's entry script taken apart into plan steps: what is understood becomes a step of its kind.

Pure: text in, steps out; nothing is run. What is not understood stays a ``script`` step of exactly those lines, and the
note says why; what changes nothing (``echo``, ``set``, ``cd``) is dropped. Scripts called by the script are read too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Mapping

import msgspec

from fulldress.formats import shell
from fulldress.formats.statements import Statement, expand, statements, static
from fulldress.model.plan import Step
from fulldress.plan.commands import HARMLESS, Words, changed_paths, make, recognise

DEPTH = 8
_PLAIN = {"echo", "printf", "cd", "set", "export", "true", ":", "umask", "date"}
"""Harmless commands that decide nothing: what follows them after ``&&`` always runs."""
_SIMPLE = {"command", "redirected_statement", "declaration_command", "unset_command"}
_COMPOUND = {"if_statement", "for_statement", "while_statement", "case_statement", "c_style_for_statement"}


class Piece(msgspec.Struct, kw_only=True):
    """A drafted step (without id), where it comes from, and why it is what it is."""

    step: Step
    place: str
    line: int
    note: str = ""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that does not become a step."""

    place: str
    line: int
    text: str


class Decomposer:
    """Reads scripts of one package. ``places`` maps place -> mode; ``read`` gives a script's text."""

    def __init__(self, places: Mapping[str, int], read: Callable[[str], str], readonly: Collection[str] = ()) -> None:
        self.places, self._read, self._readonly = places, read, readonly
        self.pieces: list[Piece] = []
        self.dropped: list[Dropped] = []
        self._known: dict[str, str] = {}
        self._prelude: list[str] = []
        self._quiet: set[str] = set()
        self._functions: set[str] = set()
        self._env_file = ""
        self._depth = 0

    def script(self, place: str) -> None:
        """Take a script of the package apart."""
        self._place, self._depth = place, self._depth + 1
        if self._depth > DEPTH:
            raise RecursionError(f"{place}: scripts call each other more than {DEPTH} deep")
        for statement in statements(self._read(place)):
            self._place = place
            self._statement(statement)
        self._depth -= 1

    def _statement(self, s: Statement) -> None:
        if s.kind == "variable_assignment":
            return self._assign(s)
        if s.kind == "function_definition":
            return self._function(s)
        found = shell.commands(s.text)
        if s.kind == "list" and self._parts(s):
            return None
        if s.kind in _COMPOUND and self._reads_secrets(s, found):
            return self._drop(s)
        direct = [c for c in found if c.top]
        inside = all(self._harmless(c) for c in found if not c.top)
        if s.kind not in _SIMPLE or len(direct) != 1 or not inside:
            harmless = s.kind != "negated_command" and all(self._harmless(c) for c in found)
            why = f"{s.kind.replace('_', ' ')}: its branches are decided when it runs"
            return self._drop(s) if harmless else self._keep(s, why)
        return self._one(s, direct[0])

    def _reads_secrets(self, s: Statement, found: list[shell.Command]) -> bool:
        """``if [ -r FILE ]; then . FILE; fi``: where the host keeps the secrets that the script refers to."""
        loud = [c for c in found if not self._harmless(c)]
        if len(loud) != 1 or loud[0].name not in (".", "source") or len(loud[0].argv) != 2:
            return False
        file = expand(loud[0].argv[1], loud[0].raw[1], self._known)
        if not file.startswith("/") or not static(file):
            return False
        self._env_file = file
        self._prelude.append(s.text)
        return True

    def _assign(self, s: Statement) -> None:
        self._prelude.append(s.text)
        value = expand(s.value.strip("\"'"), s.value, self._known)
        if static(value) or s.value.startswith("'"):
            self._known[s.name] = value
        else:
            self._known.pop(s.name, None)

    def _function(self, s: Statement) -> None:
        self._prelude.append(s.text)
        self._functions.add(s.name)
        if all(self._harmless(c) for c in shell.commands(s.text)):
            self._quiet.add(s.name)

    def _parts(self, s: Statement) -> bool:
        """``a && b`` is a then b; ``a || echo …`` is a. Anything else is not taken apart."""
        parts, operators = list(s.parts), list(s.operators)
        while operators and operators[-1] == "||" and all(self._harmless(c) for c in shell.commands(parts[-1])):
            parts.pop()
            operators.pop()
        if operators == list(s.operators) and set(operators) != {"&&"}:
            return False
        if set(operators) - {"&&"} or (operators and any(self._decides(part) for part in parts[:-1])):
            return False
        for part in parts:
            self._statement(statements(part)[0]._replace(line=s.line, end_line=s.end_line))
        return True

    def _decides(self, part: str) -> bool:
        """True when what comes after ``&&`` depends on this: a test, or anything else that changes nothing."""
        found = shell.commands(part)
        if statements(part)[0].kind not in _SIMPLE:
            return True
        return any(self._harmless(c) and c.name not in _PLAIN for c in found if c.top)

    def _one(self, s: Statement, command: shell.Command) -> None:
        if self._harmless(command):
            if command.name in ("export", "readonly", "declare"):
                for word in command.argv[1:]:
                    name, equals, value = word.partition("=")
                    if equals:
                        self._assign(s._replace(name=name, value=value, text=s.text))
            if command.name in ("cd", "pushd", "popd", "umask", "export") or command.argv[:1] == ("set",):
                self._prelude.append(s.text)
            return self._drop(s)
        inner = list(shell.nested(command))
        if len(inner) == 1:
            deeper = shell.commands(inner[0])
            if len(deeper) == 1:
                return self._command(s, deeper[0], user=_user(command))
        return self._command(s, command, user=_user(command))

    def _command(self, s: Statement, command: shell.Command, user: str) -> None:
        skip = shell.wrapped_by(command)
        argv = tuple(expand(w, r, self._known) for w, r in zip(command.argv[skip:], command.raw[skip:], strict=False))
        argv = _after_runuser(argv)
        called = self._called(argv)
        if called:
            return self._call(called, sourced=argv[0] in (".", "source"))
        redirects = tuple(expand(r, r, self._known) for r in command.redirects)
        if argv[:1] in ((".",), ("source",)) and len(argv) == 2 and argv[1].startswith("/") and static(argv[1]):
            self._env_file = argv[1]
            self._prelude.append(s.text)
            return self._drop(s)
        words = Words(argv, redirects, user or "", self._find, self.places, self._env_file)
        steps = recognise(words) if argv else None
        if steps is None:
            return self._keep(s, f"`{argv[0] if argv else s.text}` is not a command that is understood")
        if not steps:
            return self._drop(s)
        self.pieces += [Piece(step=step, place=self._place, line=s.line) for step in steps]
        return None

    def _call(self, place: str, *, sourced: bool) -> None:
        """Another script of the package; what it sets stays in it unless it is sourced."""
        before = (dict(self._known), list(self._prelude), self._env_file)
        self.script(place)
        if not sourced:
            self._known, self._prelude, self._env_file = before

    def _called(self, argv: tuple[str, ...]) -> str:
        """The place of the script of this package that a command runs, or nothing."""
        words = [w for w in argv if not (w.startswith("-") and len(w) > 1)]
        if not words:
            return ""
        if words[0] in (*shell.SHELLS, ".", "source") and len(words) >= 2:
            words = words[1:]
        elif "/" not in words[0]:
            return ""
        place = self._find(words[0])
        return place if place and shell.is_shell(place, self._read(place)) else ""

    def _find(self, name: str) -> str | None:
        """The place that a path in a script means: from the package's top, beside the script, or by its unique end."""
        loose = re.sub(r"^[\"']?(\$\{?\w+\}?|\$\([^()]*(\([^()]*\))?[^()]*\)|`[^`]*`)[\"']?/", "", name)
        if not static(loose):
            return None
        for base in ("", posixpath.dirname(self._place)):
            place = posixpath.normpath(posixpath.join(base, loose))
            if place in self.places:
                return place
        end = "/" + posixpath.normpath(loose).lstrip("./")
        ends = [p for p in self.places if f"/{p}".endswith(end) and "!/" not in p]
        return ends[0] if len(ends) == 1 and not name.startswith("/") else None

    def _harmless(self, command: shell.Command) -> bool:
        argv = shell.unwrapped(command)
        name = posixpath.basename(argv[0]) if argv else ""
        if name in self._quiet or " ".join(_after_runuser(argv)) in self._readonly:
            return True
        if name == "openssl" and argv[1:2] and argv[1] in ("verify", "version", "x509") and "-out" not in argv:
            return True
        writes = changed_paths((), command.redirects)[0] or any(
            ">" in r and not re.search(r">&|>\s*/dev/", r) for r in command.redirects
        )
        edits = name == "sed" and any(w.startswith(("-i", "--in-place")) for w in argv)
        looks = name == "systemctl" and argv[1:2] and argv[1] in ("is-active", "is-enabled", "status", "show")
        looks = looks or (name == "psql" and bool(re.search(r"(?i)-[A-Za-z]*c\s*['\"]?\s*select\s+1", command.text)))
        return bool((name in HARMLESS and not writes and not edits) or looks)

    def _drop(self, s: Statement) -> None:
        self.dropped.append(Dropped(place=self._place, line=s.line, text=s.text))

    def _keep(self, s: Statement, why: str) -> None:
        guards: list[str] = []
        touched: list[str] = []
        for command in shell.commands(s.text):
            argv = tuple(expand(w, r, self._known) for w, r in zip(command.argv, command.raw, strict=False))
            kept, meta = changed_paths(argv[shell.wrapped_by(command) :], command.redirects)
            guards += kept
            touched += meta
        content = "\n".join([*self._prelude, s.text]) + "\n"
        params = {"content": content, "beside": self._place}
        step = make("script", f"{posixpath.basename(self._place)} line {s.line}", **params)
        if guards or touched:
            step.params.update({k: v for k, v in (("guards", _unique(guards)), ("touched", _unique(touched))) if v})
        elif self._only_caches(s):
            step = msgspec.structs.replace(step, irreversible_because="it only removes cached files, which are made again")
        self.pieces.append(Piece(step=step, place=self._place, line=s.line, note=f"kept as a script: {why}"))

    def _only_caches(self, s: Statement) -> bool:
        loud = [c for c in shell.commands(s.text) if not self._harmless(c)]
        operands = [w for c in loud for w in shell.unwrapped(c)[1:] if not w.startswith("-")]
        removes = all(shell.unwrapped(c)[:1] == ("rm",) for c in loud)
        return bool(operands) and removes and all("/cache/" in w and ".." not in w for w in operands)


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _user(command: shell.Command) -> str:
    """The user that a command is run as by su, runuser or sudo -u."""
    argv = command.argv
    for index, word in enumerate(argv[:-1]):
        if word in ("-u", "--user") and argv[0].rpartition("/")[2] in ("sudo", "runuser", "doas"):
            return argv[index + 1]
    inner = shell.unwrapped(command)
    if inner and inner[0].rpartition("/")[2] in ("su", "runuser"):
        names = [w for w in inner[1:] if not w.startswith("-")]
        return names[0] if names else ""
    return ""


def _after_runuser(argv: tuple[str, ...]) -> tuple[str, ...]:
    """``runuser -u postgres -- psql …`` runs psql."""
    if argv and argv[0].rpartition("/")[2] == "runuser" and "--" in argv:
        return argv[argv.index("--") + 1 :]
    if argv and argv[0].rpartition("/")[2] == "runuser" and argv[1:2] == ("-u",):
        return argv[3:]
    return argv


def decompose(
    entry: str, places: Mapping[str, int], read: Callable[[str], str], readonly: Collection[str] = ()
) -> tuple[list[Piece], list[Dropped]]:
    """The entry script of a package (place) as drafted steps in order, and what was dropped.

    ``places`` maps every place of the adapted package outside nested archives to its mode; ``read`` returns the text.
    ``readonly`` are commands known to change nothing (the estate's version probe).
    """
    worker = Decomposer(places, read, readonly)
    worker.script(entry)
    return worker.pieces, worker.dropped
