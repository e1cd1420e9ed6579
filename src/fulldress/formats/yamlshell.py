"""The commands that a YAML file hands to a shell: tasks of Ansible, steps of GitHub's and GitLab's runners, cloud-init.

Pure: lines in, as many lines out, each with the shell text that stands on that line and nothing else. Read line by line and
not with a parser of YAML: lines keep their numbers, and a playbook with templates in it is often no YAML before it is filled
in. What a template puts in becomes a variable of the shell: an unknown word.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from fulldress.formats.late import late

_KEY = late(
    r"^(?P<lead>[ ]*(?:-[ ]+)*)(?:(?P<action>(?:local_)?action)[ ]*:[ ]+)?(?:ansible\.(?:builtin|legacy)\.)?"
    r"(?P<key>shell|command|raw|script|run|cmd|before_script|after_script|runcmd|bootcmd)(?(action)[ ]+|[ ]*:(?=[ ]|$))"
    r"(?P<rest>.*)$"
)
_ITEM = late(r"^(?P<lead>[ ]*-(?:[ ]+|$))(?P<rest>.*)$")
_CHILD = late(r"^(?P<lead>[ ]*)(?P<key>cmd|_raw_params|argv|command)[ ]*:(?P<rest>(?:[ ].*)?)$")
_BLOCK = late(r"^(?P<style>[|>])[-+0-9]*[ ]*(?:[ ]#.*)?$")
_MAPPING = late(r"^[\"']?[\w.-]+[\"']?[ ]*:(?:[ ]|$)")
_OTHER_SHELL = late(r"^[ ]*(?:-[ ]+)?shell[ ]*:[ ]*[\"']?(?:pwsh|powershell|python3?|cmd|node|perl)\b")
_WITHIN = late(r"""\b(?:cmd|_raw_params)[ ]*:[ ]*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,}]*)""")
_FLOW_WORD = late(r""""((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\s,\[\]][^,\[\]]*)""")
_ESCAPED = late(r"\\(.)")
_TEMPLATE = late(r"(?P<runner>\$)?\{\{(?P<inner>.{0,400}?)\}\}")
_NAME = late(r"[A-Za-z_]\w*")
_STATEMENT = late(r"\{[%#].{0,400}?[%#]\}")
_REMARK = late(r"(?:^|[ ])#.*$")
_NAMES_A_SHELL = late(
    r"[\"']?(?:/(?:usr/)?bin/)?(?:ba|da|z|k)?sh\b(?: -[a-z]+| -o pipefail| \{0\})*[\"']?(?:\s+#.*)?$|pwsh$|powershell$"
)
"""``shell: bash`` beside a runner's ``run:``."""
_NEAR = 12
"""Lines around a step in which it names its shell."""
MAX_SCALAR = 2000
"""Lines of one scalar; what is longer is no step."""


class _At(NamedTuple):
    """A value: the line on which it begins, what stands there, and how far its key is indented."""

    line: int
    rest: str
    indent: int
    key: str = ""


def shell_lines(lines: list[str]) -> list[str]:
    """Line for line the commands that a shell gets; "" where there are none."""
    found = [""] * len(lines)
    skip = 0
    for number, line in enumerate(lines):
        match = _KEY.match(line) if number >= skip and ":" in line else None
        if match is None or match["key"] == "cmd" or (match["key"] == "run" and _other_shell(lines, number, match)):
            continue
        at = _At(number, match["rest"].strip(), len(match["lead"]), match["key"])
        if at.key == "shell" and _NAMES_A_SHELL.match(at.rest):
            continue
        skip = _value(lines, at, found)
    return [_without_templates(line) if "{" in line else line for line in found]


def _other_shell(lines: list[str], number: int, match: re.Match[str]) -> bool:
    """True for a step of a runner that names PowerShell, Python and the like as its shell."""
    indent = len(match["lead"])
    first = number
    while "-" not in lines[first][:indent] and first > max(0, number - _NEAR):
        first -= 1
    last = number + 1
    while last < min(len(lines), number + _NEAR) and (not lines[last].strip() or _depth(lines[last]) >= indent):
        last += 1
    return any(_OTHER_SHELL.match(line) is not None for line in lines[first:last])


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _value(lines: list[str], at: _At, found: list[str]) -> int:
    """Write a value's commands into ``found``; returns the line behind it."""
    if at.rest.startswith("#"):
        at = at._replace(rest="")
    if not at.rest:
        return _below(lines, at, found)
    if at.rest.startswith("["):
        return _flow(lines, at, found)
    if at.rest.startswith("{") and not at.rest.startswith(("{{", "{%")):
        inner = _WITHIN.search(at.rest)
        found[at.line] = _unquoted(inner[1].strip()) if inner is not None else ""
        return at.line + 1
    return _scalar(lines, at, found)


def _below(lines: list[str], at: _At, found: list[str]) -> int:
    """A list of commands, or the arguments of a module with ``cmd:`` or ``argv:`` among them."""
    first = next((n for n in range(at.line + 1, min(len(lines), at.line + 4)) if lines[n].strip()), None)
    if first is None:
        return at.line + 1
    depth = _depth(lines[first])
    if lines[first].lstrip(" ").startswith("-"):
        if depth < at.indent:
            return at.line + 1
        return _words(lines, at, found) if at.key == "command" and _are_words(lines, first) else _items(lines, first, found)
    number = first
    while depth > at.indent and number < len(lines) and (not lines[number].strip() or _depth(lines[number]) >= depth):
        child = _CHILD.match(lines[number])
        if child is None or len(child["lead"]) != depth:
            number += 1
            continue
        inner = _At(number, child["rest"].strip(), depth)
        number = _words(lines, inner, found) if child["key"] == "argv" and not inner.rest else _value(lines, inner, found)
    return number


def _are_words(lines: list[str], first: int) -> bool:
    """True for a list of single words: of a container's command, not of commands."""
    depth = _depth(lines[first])
    items = [
        item["rest"].strip()
        for line in lines[first : first + _NEAR]
        if _depth(line) == depth and (item := _ITEM.match(line))
    ]
    return not any(" " in item or item[:1] in "|>[" for item in items)


def _items(lines: list[str], first: int, found: list[str]) -> int:
    """Each item is a command: a scalar of any style, or a list of words."""
    depth, number = _depth(lines[first]), first
    while number < len(lines):
        line = lines[number]
        if not line.strip() or line.lstrip(" ").startswith("#"):
            number += 1
            continue
        item = _ITEM.match(line)
        if item is None or _depth(line) != depth:
            return number
        rest = item["rest"].strip()
        inner = _At(number, rest, depth)
        if not rest or _MAPPING.match(rest) or rest.startswith("!"):
            number += 1
            while number < len(lines) and lines[number].strip() and _depth(lines[number]) > depth:
                number += 1
        else:
            number = _flow(lines, inner, found) if rest.startswith("[") else _scalar(lines, inner, found)
    return number


def _words(lines: list[str], at: _At, found: list[str]) -> int:
    """``argv:`` as a list: one command, a word on each line."""
    number = at.line + 1
    taken: list[int] = []
    while number < len(lines) and (item := _ITEM.match(lines[number])) is not None and _depth(lines[number]) >= at.indent:
        found[number] = shlex.quote(_unquoted(_plain(item["rest"].strip())))
        if "{{" in found[number]:
            found[number] = _unquoted(_plain(item["rest"].strip()))
        taken.append(number)
        number += 1
    for n in taken[:-1]:
        found[n] += " \\"
    return number


def _scalar(lines: list[str], at: _At, found: list[str]) -> int:
    """A block, a quoted or a plain scalar."""
    block = _BLOCK.match(at.rest)
    end = _end(lines, at)
    if block is not None:
        body = lines[at.line + 1 : end]
        depth = min((_depth(line) for line in body if line.strip()), default=0)
        texts = [line[depth:].rstrip() for line in body]
        found[at.line + 1 : end] = texts if block["style"] == "|" else _folded(texts)
        return end
    quote = at.rest[0] if at.rest[0] in "\"'" else ""
    body = [at.rest, *(line.strip() for line in lines[at.line + 1 : end])]
    if quote:
        body = _quoted(body, quote)
        end = at.line + len(body)
    else:
        body = [_plain(line) for line in body]
    found[at.line : end] = _folded(body)
    return end


def _end(lines: list[str], at: _At) -> int:
    """The line behind a scalar: the first that is not indented deeper than its key."""
    number = at.line + 1
    while number < min(len(lines), at.line + MAX_SCALAR) and (
        not lines[number].strip() or _depth(lines[number]) > at.indent
    ):
        number += 1
    while number - 1 > at.line and not lines[number - 1].strip():
        number -= 1
    return number


def _folded(lines: list[str]) -> list[str]:
    """Lines that YAML joins by a blank, joined for the shell where they stand; an empty or deeper line keeps the break."""
    out = list(lines)
    for n in range(len(out) - 1):
        here, following = lines[n], lines[n + 1]
        if here.strip() and following.strip() and not here.startswith(" ") and not following.startswith(" "):
            out[n] = f"{here.removesuffix(chr(92)).rstrip()} \\"
    return out


def _quoted(body: list[str], quote: str) -> list[str]:
    """The lines of a quoted scalar, without its quotes."""
    out: list[str] = []
    for n, line in enumerate(body):
        text = line[1:] if n == 0 else line
        close = _close(text, quote)
        out.append(_unescaped(text if close is None else text[:close], quote))
        if close is not None:
            break
    return out


def _close(text: str, quote: str) -> int | None:
    """Where the closing quote stands."""
    n = 0
    while n < len(text):
        if text[n] == "\\" and quote == '"':
            n += 2
            continue
        if text[n] == quote:
            if quote == "'" and text[n + 1 : n + 2] == "'":
                n += 2
                continue
            return n
        n += 1
    return None


def _unescaped(text: str, quote: str) -> str:
    if quote == "'":
        return text.replace("''", "'")
    return _ESCAPED.sub(lambda m: {"n": ";", "t": " "}.get(m[1], m[1]), text)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        return _unescaped(text[1:-1], text[0])
    return text


def _plain(text: str) -> str:
    """A plain scalar ends before a remark."""
    return text if text[:1] in ('"', "'") else _REMARK.sub("", text) if "#" in text else text


def _flow(lines: list[str], at: _At, found: list[str]) -> int:
    """``[sh, -c, "..."]``: words of one command; may go over several lines."""
    text, number = at.rest, at.line + 1
    while text.count("[") > text.count("]") and number < min(len(lines), at.line + _NEAR):
        text += " " + lines[number].strip()
        number += 1
    words = []
    for match in _FLOW_WORD.finditer(text):
        double, single, bare = match.groups()
        quote = '"' if double is not None else "'"
        word = bare.strip() if bare is not None else _unescaped(double if double is not None else single, quote)
        words.append(word if "{{" in word and " " not in _TEMPLATE.sub("", word) else shlex.quote(word))
    found[at.line] = "; ".join(_unquoted(word) for word in words) if at.key.endswith("script") else " ".join(words)
    return number


def _without_templates(line: str) -> str:
    """What a template puts in is a variable. Ansible stops where one is not set: such a variable is never empty."""
    return _TEMPLATE.sub(_variable, _STATEMENT.sub("", line))


def _variable(match: re.Match[str]) -> str:
    name = _NAME.search(match["inner"])
    word = name[0] if name is not None else "_"
    return f"${{{word}}}" if match["runner"] else f"${{{word}:?}}"
