"""Shell commands in files that are no scripts: scriptlets of RPM specs, ``RUN`` of container files, recipes of make, tasks.

Tasks are those of Ansible that hand a line to a shell (``shell:``, ``command:``, ``raw:``); its variables become a shell's.

The commands have the lines and offsets that they have in their file. No cure may write such a file: what surrounds a command
has another grammar. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.model.package import Entry
from fulldress.scan.places import standing
from fulldress.scan.reading import MAX_PARSED, Script, memo
from fulldress.scan.rule import Context

CONTAINERFILE = late(r"(^|[!/])([\w-]+[.-])?(Docker|Container)file([.-][\w.-]+)?$|\.[dD]ockerfile$")
MAKEFILE = late(r"(^|[!/])(GNU)?[Mm]akefile$|\.mk$")
TASKS = late(r"(^|[!/])((tasks|handlers|playbooks?)/[^!]*|(site|main|playbook|deploy|install|upgrade|update)[\w-]*)\.ya?ml$")
_TASK = late(r"^(\s*(?:-\s+)?(?:ansible\.builtin\.)?(?:shell|command|raw|cmd):\s+)(\S.*)$")
_FOLDS = late(r"^[|>][+-]?\s*$")
_TEMPLATE = late(r"\{\{\s*(\w+)[^{}]*\}\}")
_SECTION = late(r"%(?:pre|post|preun|postun|pretrans|posttrans|trigger\w*|verifyscript)\b(?!.*-p\s*<lua>)")
_OTHER_SECTION = late(
    r"%(?:prep|build|install|check|clean|files|changelog|description|package|generate_buildrequires|conf|sourcelist|patchlist)\b"
)
_RUN = late(r"(?i)^(\s*RUN\s+)((?:--\w+=\S+\s+)*)(?!\s*\[)")
_RECIPE = late(r"^\t[@+-]*")
_VARIABLE = late(r"\$\((\w+)\)")


def embedded(context: Context) -> list[Script]:
    """The scriptlets of specs and the commands of container files and Makefiles that are no documentation or test."""
    named = (*context.ending(".spec", ".mk"), *context.naming("ockerfile", "containerfile", "makefile"))
    return memo(context, "embedded shell", lambda: [*_embedded(context, named), *in_tasks(context)])


def in_tasks(context: Context) -> list[Script]:
    """The commands of Ansible's tasks alone."""
    named = (e for e in context.ending(".yml", ".yaml") if TASKS.search(e.place))
    return memo(context, "shell of tasks", lambda: list(_embedded(context, named)))


def _embedded(context: Context, named: Iterable[Entry]) -> Iterator[Script]:
    for entry in named:
        blanked = next((make for pattern, make in _KINDS if pattern.search(entry.place)), None)
        if blanked is None or entry.kind != "file" or entry.size > MAX_PARSED or standing(entry.place) != "acting":
            continue
        text = context.text(entry)
        code = "\n".join(blanked(text.split("\n"))) if text is not None and "\0" not in text else ""
        if text is not None and code.strip():
            yield Script(entry, text, _commands(context, entry.sha256, code))


def _commands(context: Context, sha256: str, code: str) -> list[shell.Command]:
    return memo(context, ("shell", f"{sha256} within"), lambda: shell.commands(code))


def _blank(text: str) -> str:
    """As many bytes of nothing: what stands behind keeps its offset."""
    return " " * len(text.encode("utf-8", "surrogateescape"))


def _spec(lines: list[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        if line.startswith("%"):
            inside = _SECTION.match(line) is not None or (inside and not _OTHER_SECTION.match(line))
            yield _blank(line)
        else:
            yield line if inside else _blank(line)


def _containerfile(lines: list[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        run = _RUN.match(line) if not inside else None
        if run is not None:
            yield _blank(run[0]) + line[run.end() :]
        else:
            yield line if inside and not line.lstrip().startswith("#") else _blank(line)
        inside = (inside or run is not None) and (line.rstrip().endswith("\\") or line.lstrip().startswith("#"))


def _makefile(lines: list[str]) -> Iterator[str]:
    """Variables of make become those of a shell, of the same length."""
    inside = False
    for line in lines:
        recipe = _RECIPE.match(line)
        if recipe is not None and not inside:
            line = _blank(recipe[0]) + line[recipe.end() :]
        acts = recipe is not None or inside
        yield _VARIABLE.sub(r"${\1}", line) if acts else _blank(line)
        inside = acts and line.rstrip().endswith("\\")


def _tasks(lines: list[str]) -> Iterator[str]:
    """What stands behind ``shell:``, on its line or in the block below it; only in files that look like Ansible's."""
    task = any(
        re.match(r"\s*-\s+(name|hosts|block|include_\w+|import_\w+|ansible\.\w+\.\w+|shell|command):", line)
        for line in lines
    )
    depth = -1
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if depth >= 0 and (not line.strip() or indent > depth):
            yield _as_shell(line)
            continue
        depth = -1
        found = _TASK.match(line) if task else None
        if found is None:
            yield _blank(line)
        elif _FOLDS.match(found[2]):
            depth = len(found[1]) - len(found[1].lstrip(" -"))
            yield _blank(line)
        else:
            yield _blank(found[1]) + _as_shell(_unquoted(found[2]))


def _as_shell(text: str) -> str:
    """Jinja's variables as a shell's, of the same length."""
    return _TEMPLATE.sub(lambda m: "${" + m[1][: len(m[0]) - 3].ljust(len(m[0]) - 3, "_") + "}", text)


def _unquoted(text: str) -> str:
    """A command in YAML's quotes, without them."""
    if len(text) > 1 and text[0] in "\"'" and text.rstrip().endswith(text[0]) and text.count(text[0]) == 2:
        return " " + text.rstrip()[1:-1]
    return text


_KINDS: tuple[tuple[re.Pattern[str], Callable[[list[str]], Iterator[str]]], ...] = (
    (late(r"\.spec$"), _spec),
    (CONTAINERFILE, _containerfile),
    (MAKEFILE, _makefile),
    (TASKS, _tasks),
)
