"""Shell commands that programs of the upgrade run, as the shell text that they hand over, line for line. Pure.

Tcl and Expect by their own words (``exec``, ``spawn``, ``file delete``, what ``send`` types); other languages by the calls
that start a shell or a program with literal words. What is put together at run time becomes a variable of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fulldress.formats.late import late

_TCL_VARIABLE = late(r"\$(?:::)?\{?([A-Za-z_]\w*)(?:::\w+)*(?:\([^)]*\))?\}?")
_TCL_RUN = late(r"(?:^|[\s\[{;])(?:exec|spawn|system)\s+((?:-\w+\s+(?:--\s+)?)*)(.+)$")
_TCL_FILE = late(r"(?:^|[\s\[{;])file\s+(delete|copy|rename|attributes)\s+(.+)$")
_TCL_SEND = late(r"^\s*(?:exp_)?send\s+(?:--\s+)?[\"{]([^\"\n]*\s[^\"\n]*?)(?:\\+[rn])+[\"}]")
_TCL_WRAPPER = late(r"^\s*(?:catch\s*\{)?\s*(?:sh|run|run_cmd|cmd|do_cmd|shell)\s+[\"{](.+?)[\"}]\s*\}?\s*$")
_TCL_OUT = late(r"\s[<>]@\s*\w+|\s&\s*\]?$")
_CALL = late(
    r"\b(?:os\.system|os\.popen|subprocess\.\w+|commands\.getoutput|check_call|check_output|getoutput|shell_exec|passthru|popen|execSync|spawnSync"
    r"|child_process\.exec|Open3\.\w+|Kernel\.system|std::system|system|qx|exec)\s*[({]\s*[rfb]?(?P<q>[\"'`])(?P<text>(?:\\.|(?!(?P=q)).)+)(?P=q)(?P<rest>[^;]*)"
    r"|\bopen\s*\(\s*(?:my\s+)?\$\w+\s*,\s*[\"'](?:\|-|-\|)[\"']\s*,\s*(?P<p>[\"'])(?P<pipe>(?:\\.|(?!(?P=p)).)+)(?P=p)"
    r"|(?:^|=|;)\s*`(?P<tick>[^`]+)`"
)
_LIST = late(
    r"\b(?:subprocess\.\w+|check_call|check_output|run|call|Popen|os\.exec[lv]\w*|spawnSync|execFileSync|system)\s*\(?\s*(?:[\w.]+\s*,\s*)?"
    r"(?P<list>[\[(]\s*(?:[\w.]+\s*,\s*)?(?:[\"'][^\"']*[\"']\s*,?\s*)(?:(?:[\"'][^\"']*[\"']|[\w.]+)\s*,?\s*){1,40}[\])])"
)
_WORD = late(r"\"([^\"\\]*)\"|'([^'\\]*)'|([A-Za-z_][\w.]*)")
_GLUE = late(r"^\s*(?:\.|\+|%)\s*\(?\s*\$?([A-Za-z_]\w*)(?:\s*(?:\.|\+)\s*[\"']([^\"']*)[\"'])?")
_HOLES = late(r"#\{([^}]*)\}|\$\{([^}]*)\}|\{\$?([A-Za-z_][\w.]*)[^}]*\}|%s")

TCL = (".tcl", ".exp", ".expect", ".itcl")


def tcl(lines: list[str]) -> Iterator[str]:
    """What a Tcl or Expect script runs."""
    for line in lines:
        bare = line.strip()
        yield "" if bare.startswith("#") or not bare else _tcl_line(bare)


def _tcl_line(line: str) -> str:
    run, handled = _TCL_RUN.search(line), _TCL_FILE.search(line)
    if handled is not None:
        return _plain(_file(handled[1], _ended(handled[2])))
    if run is not None:
        return _plain(_TCL_OUT.sub("", _ended(run[2])))
    said = _TCL_SEND.match(line) or _TCL_WRAPPER.match(line)
    return _plain(said[1]) if said is not None else ""


def _ended(words: str) -> str:
    """Without the brackets and braces that close around the command, and what follows on the same line."""
    depth = 0
    for at, char in enumerate(words):
        depth += (char in "[{") - (char in "]}")
        if depth < 0 or (char == ";" and depth == 0):
            return words[:at]
    return words


def _file(verb: str, words: str) -> str:
    """``file delete -force X`` as the command that it is."""
    rest = re.sub(r"(?:^|\s)--?(?:force)?(?=\s|$)", "", words).strip()
    if verb == "attributes":
        mode = re.search(r"-permissions\s+(\S+)", words)
        return f"chmod {mode[1]} {words.split()[0]}" if mode is not None else ""
    return {"delete": "rm -rf ", "copy": "cp -f ", "rename": "mv -f "}[verb] + rest


def _plain(text: str) -> str:
    return re.sub(r"\[[^\]]*\]", "x", _TCL_VARIABLE.sub(r"${\1}", text))


def calls(lines: list[str]) -> Iterator[str]:
    """What a program in another language runs through a shell or as a list of words."""
    for line in lines:
        bare = line.strip()
        yield "" if bare.startswith(("#", "//", "*", "--")) or len(bare) > _LONGEST else _called(bare)


_LONGEST = 1000


def _called(line: str) -> str:
    words = _LIST.search(line)
    if words is not None:
        found = [a or b or f"${{{c.rpartition('.')[2]}}}" for a, b, c in _WORD.findall(words["list"])]
        return " ".join(found)
    call = _CALL.search(line)
    if call is None:
        return ""
    text = call["text"] or call["pipe"] or call["tick"] or ""
    after = _GLUE.match(call["rest"] or "") if call["text"] else None
    if after is not None and "%s" not in text:
        text += f"${{{after[1]}}}" + (after[2] or "")
    text = _HOLES.sub(lambda m: f"${{{re.sub(r'[^A-Za-z0-9_]', '_', m[1] or m[2] or m[3] or 's')}}}", text)
    return text.replace('\\"', '"').replace("\\@", "@")


Reader = Callable[[list[str]], Iterator[str]]
