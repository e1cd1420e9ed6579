"""Shell scripts as the commands in them: a reader over tree-sitter's bash grammar, and byte-exact splicing for rewriters.

Pure: text in, nouns out; no I/O, nothing is run. A script that does not parse still yields the commands that can be
read in it (the grammar recovers from errors), so an empty answer never proves that a script does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import dropwhile, pairwise
from typing import NamedTuple

import msgspec
import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from fulldress.formats.late import late

COMPOUND = {
    "if_statement",
    "while_statement",
    "for_statement",
    "c_style_for_statement",
    "case_statement",
    "function_definition",
    "subshell",
    "command_substitution",
    "process_substitution",
    "compound_statement",
}
WRAPPERS: dict[str, str] = {
    "sudo": "AaCDghpRrTtUu",
    "doas": "Cu",
    "env": "uCS",
    "nice": "n",
    "ionice": "cnp",
    "nohup": "",
    "exec": "a",
    "command": "",
    "builtin": "",
    "time": "fo",
    "timeout": "ks",
    "setsid": "",
    "stdbuf": "ioe",
    "chronic": "",
    "cronic": "",
    "flock": "wE",
    "chrt": "DPT",
    "taskset": "",
    "chroot": "",
    "runuser": "uglGTPs",
    "setpriv": "",
    "systemd-run": "uptMHCGE",
    "systemd-cat": "tp",
    "systemd-inhibit": "",
    "unbuffer": "",
    "xargs": "aEIiLlnPsd",
    "setuidgid": "",
    "unshare": "",
}
"""Programs that run the command given to them, with those of their short options that take a value."""

OPERANDS = {"timeout": 1, "flock": 1, "chrt": 1, "taskset": 1, "chroot": 1, "setuidgid": 1}
"""Wrappers with operands of their own before the command: ``timeout 5m``, ``flock FILE``."""

SHELLS = {"sh", "bash", "dash", "ksh", "zsh"}


class Command(msgspec.Struct, frozen=True):
    """One simple command of a script.

    ``argv`` starts with the name; words are unquoted where static, otherwise raw text with its ``$``. ``start`` and
    ``end`` (and ``spans``, one for each word) are byte offsets in the encoded text, for :func:`splice`.
    """

    name: str
    argv: tuple[str, ...]
    line: int
    end_line: int
    text: str
    heredoc: str = ""
    redirects: tuple[str, ...] = ()
    """As written: ``> /etc/cron.d/x``, ``2>&1``."""
    assignments: tuple[str, ...] = ()
    """Variables set for this command only: ``PGPASSWORD=x``."""
    pipes_to: str = ""
    """Name of the command that reads this one's output through a pipe."""
    pipes_args: tuple[str, ...] = ()
    """The words after that name, as written."""
    top: bool = True
    """False inside a condition, loop, function, subshell or substitution."""
    function: str = ""
    """Name of the function whose body holds it."""
    start: int = 0
    end: int = 0
    raw: tuple[str, ...] = ()
    """The words as written, quotes included."""
    spans: tuple[tuple[int, int], ...] = ()


class Edit(NamedTuple):
    """Replace the bytes ``start:end`` of a text by ``new``."""

    start: int
    end: int
    new: str


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def encode(text: str) -> bytes:
    """The bytes of a text as it was read (undecodable bytes come back as they were)."""
    return text.encode("utf-8", "surrogateescape")


def splice(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits given in byte offsets; of two that overlap the first one wins."""
    data, done = encode(text), len(encode(text)) + 1
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        if edit.end <= done:
            data = data[: edit.start] + encode(edit.new) + data[edit.end :]
            done = edit.start
    return data.decode("utf-8", "surrogateescape")


MAX_OPEN = 500
"""Here-documents and arrays in one script; the parser's time grows with the square of those that never end."""
MAX_PIPES = 2000
"""Stages of one pipeline; the same."""
MAX_ANGLES = 10_000
"""Signs of redirection in both directions; the same, where they are tags that nobody quoted."""


def tree(data: bytes) -> Node:
    """The root of the syntax tree, for readers that need more than the commands.

    A text that is made to keep the parser busy (thousands of here-documents, arrays, pipes, tags) is read up to there.
    """
    return _parser().parse(data[: read_to(data)]).root_node


def read_to(data: bytes) -> int:
    """How many bytes of a text :func:`tree` reads: all, but for one that is made to keep the parser busy."""
    ends = [_endless_pipe(data)]
    for mark in (b"<<", b"=("):
        if data.count(mark) > MAX_OPEN:
            ends.append(len(mark.join(data.split(mark, MAX_OPEN)[:-1])))
    if min(data.count(b"<"), data.count(b">")) > MAX_ANGLES:
        ends.append(len(b"<".join(data.split(b"<", MAX_ANGLES)[:-1])))
    return min(ends)


def _endless_pipe(data: bytes) -> int:
    """Where a statement begins that has too many pipes; else the text's length."""
    if data.count(b"|") <= MAX_PIPES:
        return len(data)
    start = 0
    for part in re.split(rb"((?<![|\\\s])\s*\n|;)", data):
        if part.count(b"|") > MAX_PIPES:
            return start
        start += len(part)
    return len(data)


def parses(text: str) -> bool:
    """True when the grammar reads the whole text without an error."""
    return not tree(encode(text)).has_error


def commands(text: str) -> list[Command]:
    """Every simple command in order: of pipelines, lists, conditions, functions, substitutions and subshells."""
    data = encode(text)
    reader = _Reader(data)
    stack: list[tuple[Node, bool, str]] = [(tree(data), True, "")]
    found: list[Command] = []
    while stack:
        node, top, function = stack.pop()
        kind = node.type
        if kind in _COMMANDS:
            command = reader.command(node, top, function)
            if command is not None:
                found.append(command)
        elif kind in _AROUND:
            reader.note(node, kind)
        if kind in COMPOUND:
            top = False
            if kind == "function_definition":
                function = reader.text(node.child_by_field_name("name"))
        elif kind in _WORDS and not reader.substitutes(node):
            continue
        stack.extend([(child, top, function) for child in reversed(node.named_children) if child.child_count])
    return found


_COMMANDS = frozenset(("command", "declaration_command", "unset_command"))
_WORDS = _COMMANDS | {"variable_assignment", "variable_assignments", "string", "concatenation", "array"}
"""What is made of words: another command is in there only by a substitution."""
_AROUND = frozenset(("redirected_statement", "pipeline"))


_PLAIN = late(r"[\w./:@%,+-]+")
"""A word without anything to unquote or to keep apart."""
_QUOTED = late(r'\\(["\\$`])')
_ESCAPED = late(r"\\(.)", re.DOTALL)


class _Reader:
    """Reads command nodes; remembers what enclosing nodes (redirects, pipes) say about them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._heredoc: dict[int, str] = {}
        self._redirects: dict[int, list[str]] = {}
        self._pipes_to: dict[int, str] = {}
        self._pipes_args: dict[int, tuple[str, ...]] = {}

    def text(self, node: Node | None) -> str:
        return "" if node is None else self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")

    def substitutes(self, node: Node) -> bool:
        """True when there may be a command in it: every substitution has one of these."""
        start, end = node.start_byte, node.end_byte
        return self.data.find(b"(", start, end) >= 0 or self.data.find(b"`", start, end) >= 0

    def note(self, node: Node, kind: str) -> None:
        if kind == "redirected_statement":
            self._note_redirects(node)
        elif node.parent is None or node.parent.type != "heredoc_redirect":
            self._note_pipe(node.named_children)

    def _note_redirects(self, node: Node) -> None:
        body = node.child_by_field_name("body")
        target = _last_command(body) if body is not None else None
        if target is None:
            return
        for redirect in node.children_by_field_name("redirect"):
            if redirect.type == "heredoc_redirect":
                self._note_heredoc(target, redirect)
            else:
                self._redirects.setdefault(target.id, []).append(self.text(redirect))

    def _note_heredoc(self, target: Node, redirect: Node) -> None:
        for child in redirect.named_children:
            if child.type == "heredoc_body":
                self._heredoc[target.id] = self.text(child)
            elif child.type == "file_redirect":
                self._redirects.setdefault(target.id, []).append(self.text(child))
            elif child.type == "pipeline":
                self._note_pipe([target, *child.named_children])

    def _note_pipe(self, stages: list[Node]) -> None:
        for left, right in pairwise(stages):
            source, sink = _last_command(left), _first_command(right)
            if sink is None:
                continue
            grouped = left.type in ("subshell", "compound_statement")  # `(a; b) | c`: both write into the pipe
            for writer in _commands_in(left) if grouped else [source] if source is not None else []:
                self._pipes_to[writer.id] = self.text(sink.child_by_field_name("name"))
                self._pipes_args[writer.id] = tuple(self.text(w) for w in sink.named_children if w.type != "command_name")

    def command(self, node: Node, top: bool, function: str) -> Command | None:
        words, assignments, inline = self._parts(node)
        if not words:
            return None
        first = words[0]
        spans = tuple([(w.start_byte, w.end_byte) for w in words])
        raw = tuple([self.data[start:end].decode("utf-8", "surrogateescape") for start, end in spans])
        argv = tuple([text if _PLAIN.fullmatch(text) else self.word(w) for w, text in zip(words, raw, strict=True)])
        start = min([first.start_byte, *[a.start_byte for a in assignments]])
        return Command(
            name=argv[0],
            argv=argv,
            line=first.start_point.row + 1,
            end_line=node.end_point.row + 1,
            text=self.data[start : node.end_byte].decode("utf-8", "surrogateescape"),
            heredoc=self._heredoc.get(node.id, ""),
            redirects=(*inline, *self._redirects.get(node.id, ())),
            assignments=tuple([self.text(a) for a in assignments]),
            pipes_to=self._pipes_to.get(node.id, ""),
            pipes_args=self._pipes_args.get(node.id, ()),
            top=top,
            function=function,
            start=start,
            end=node.end_byte,
            raw=raw,
            spans=spans,
        )

    def _parts(self, node: Node) -> tuple[list[Node], list[Node], list[str]]:
        """Words, assignments on the command's own line, redirects written among the words."""
        words: list[Node] = []
        assignments: list[Node] = []
        inline: list[str] = []
        for child in node.children if node.type != "command" else node.named_children:
            kind = child.type
            if kind == "variable_assignment" and not words:
                assignments.append(child)
            elif kind.endswith("_redirect"):
                inline.append(self.text(child))
            elif kind != "comment":
                words.append(child)
        # The grammar reads `A=1 B=2` on a line of its own as a prefix of the command on the next line.
        if words:
            row = words[0].start_point.row
            assignments = [a for a in assignments if a.end_point.row == row or self._continued(a, words[0])]
        return words, assignments, inline

    def _continued(self, assignment: Node, word: Node) -> bool:
        return b"\\\n" in self.data[assignment.end_byte : word.start_byte]

    def word(self, node: Node) -> str:
        """A word without its quotes; expansions stay as written."""
        kind = node.type
        if kind in ("command_name", "concatenation"):
            return "".join([self.word(c) for c in node.children])
        if kind == "variable_assignment":
            value = node.child_by_field_name("value")
            name = self.text(node.child_by_field_name("name"))
            return f"{name}={self.word(value)}" if value is not None else self.text(node)
        raw = self.text(node)
        if kind == "raw_string":
            return raw[1:-1]
        if kind in ("string", "ansi_c_string", "translated_string"):
            inner = raw[raw.find('"' if kind != "ansi_c_string" else "'") + 1 : -1]
            return _QUOTED.sub(r"\1", inner.replace("\\\n", "")) if "\\" in inner else inner
        if kind == "word" and "\\" in raw:
            return _ESCAPED.sub(r"\1", raw.replace("\\\n", ""))
        return raw


def _last_command(node: Node) -> Node | None:
    while node.type not in ("command", "declaration_command"):
        if node.type not in ("list", "pipeline", "redirected_statement", "negated_command"):
            return None
        body = node.child_by_field_name("body")
        children = node.named_children
        if body is None and not children:
            return None
        node = body if body is not None else children[-1]
    return node


def _commands_in(node: Node) -> list[Node]:
    found, stack = [], [node]
    while stack:
        one = stack.pop()
        if one.type == "command":
            found.append(one)
        stack.extend(one.named_children)
    return found


def _first_command(node: Node) -> Node | None:
    while node.type not in ("command", "declaration_command"):
        if node.type not in ("list", "pipeline", "redirected_statement", "negated_command") or not node.named_children:
            return None
        node = node.named_children[0]
    return node


def unwrapped(command: Command) -> tuple[str, ...]:
    """The argv that really runs: without sudo, env, nice, timeout and their like, their options and assignments."""
    argv = command.argv
    if argv and argv[0] not in WRAPPERS and "/" not in argv[0]:
        return argv  # most are: every rule asks, of every command
    return argv[wrapped_by(command) :]


def wrapped_by(command: Command) -> int:
    """How many leading words belong to wrappers; the word after them is the program that runs (0 when there are none)."""
    argv = command.argv
    if not argv or argv[0].rpartition("/")[2] not in WRAPPERS:
        return 0
    position = 0
    while position < len(argv) and (name := argv[position].rpartition("/")[2]) in WRAPPERS:
        after = _after_options(argv, position + 1, WRAPPERS[name])
        after += OPERANDS.get(name, 0)
        if after < len(argv) and (argv[after].startswith("-") or (name == "runuser" and "-u" not in argv[position:after])):
            return position  # ``flock FILE -c TEXT``, ``runuser USER -c TEXT``: see nested()
        if after >= len(argv):
            return position
        position = after
    return position


def _after_options(argv: tuple[str, ...], position: int, valued: str) -> int:
    while position < len(argv):
        word = argv[position]
        if word == "--":
            return position + 1
        if re.match(r"[A-Za-z_]\w*=", word):
            position += 1
        elif word.startswith("-") and len(word) > 1:
            takes_value = not word.startswith("--") and word[-1] in valued
            position += 2 if takes_value else 1
        else:
            return position
    return position


def nested(command: Command) -> Iterator[str]:
    """Script texts that a command hands to another shell: ``bash -c TEXT``, ``su USER -c TEXT``, ``eval TEXT``."""
    argv = unwrapped(command)
    if not argv:
        return
    name = argv[0].rpartition("/")[2]
    if name == "eval":
        words = list(dropwhile(lambda word: word == "eval", argv))  # read once, however often it is said
        if words:
            yield " ".join(words)
    elif name in SHELLS or name in ("su", "runuser", "flock", "script"):
        for index, word in enumerate(argv[1:-1], 1):
            if word == "--command" or re.fullmatch(r"-[a-z]*c", word):
                yield argv[index + 1]
                return


def is_shell(place: str, text: str) -> bool:
    """True for a shell script, by its first line or by its name (maintainer scripts of a .deb included)."""
    first = text[:200].partition("\n")[0]
    if first.startswith("#!"):
        return re.search(r"\b(ba|da|k|z)?sh\b", first) is not None
    name = place.rpartition("/")[2]
    return name.endswith((".sh", ".bash")) or name in ("preinst", "postinst", "prerm", "postrm")
