"""Shell commands in files that are no scripts: scriptlets of RPM specs, ``RUN`` of container files, recipes of make, tasks
of Ansible, steps of runners, commands of cloud-init.

The commands have the lines that they have in their file. No cure may write such a file: what surrounds a command has
another grammar. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.yamlshell import shell_lines
from fulldress.scan.jobs import program_shell
from fulldress.scan.places import standing
from fulldress.scan.reading import MAX_PARSED, Script, memo
from fulldress.scan.rule import Context

CONTAINERFILE = late(r"(^|[!/])([\w-]+[.-])?(Docker|Container)file([.-][\w.-]+)?$|\.[dD]ockerfile$")
MAKEFILE = late(r"(^|[!/])(GNU)?[Mm]akefile$|\.mk$")
YAML = Pattern(
    r"^[ ]*(-[ ]+)?((local_)?action:[ ]{1,4}(ansible\.(builtin|legacy)\.)?(shell|command|raw|script)[ ]"
    r"|(ansible\.(builtin|legacy)\.)?(shell|command|raw|script|run|before_script|after_script|runcmd|bootcmd)[ ]{0,4}:)"
)
LOOKS_FOR = (YAML,)
RUNNERS = late(
    r"(^|[!/])(\.github|\.circleci|\.woodpecker|\.buildkite)/|(^|[!/])\.?(gitlab-ci|travis|drone|appveyor|azure-pipelines)[^/]*$"
)
"""What builds and tests the vendor's sources: it runs at the vendor's."""
_YAML_ENDS = (".yml", ".yaml")
_SECTION = late(r"%(?:pre|post|preun|postun|pretrans|posttrans|trigger\w*|verifyscript)\b(?!.*-p\s*<lua>)")
_OTHER_SECTION = late(
    r"%(?:prep|build|install|check|clean|files|changelog|description|package|generate_buildrequires|conf|sourcelist|patchlist)\b"
)
_RUN = late(r"(?i)^(\s*RUN\s+)((?:--\w+=\S+\s+)*)(?!\s*\[)")
_RECIPE = late(r"^\t[@+-]*")
_LANGUAGES = (".py", ".pl", ".rb", ".php", ".groovy", ".js")
_OF_THE_UPGRADE = late(
    r"(?i)(?:^|[/!])(?:[^/!]*[-_.\d])?(?:upgrade|migrate|install|setup|update|convert|patch|hotfix|deploy|post|pre)s?(?:[-_.\d][^/!]*)?"
    r"(?:/[^/!]+)?\.(?:py|pl|rb|php|groovy|js)$"
)
"""A program that the upgrade runs, by its name or folder: what others run is their daily work."""
_PROGRAMS = (*program_shell.TCL, *_LANGUAGES)
_VARIABLE = late(r"\$\((\w+)\)")


def embedded(context: Context) -> list[Script]:
    """The commands of specs, container files, Makefiles and YAML files that are no documentation or test."""
    return memo(context, "embedded shell", lambda: [*_embedded(context), *in_yaml(context)])


def tasks(context: Context) -> list[Script]:
    """Those of them that run on hosts: tasks of playbooks, cloud-init; no steps of a vendor's own runners.

    Their text is what a shell gets, at the lines of the file.
    """
    return [s for s in embedded(context) if s.entry.place.endswith(_YAML_ENDS) and not RUNNERS.search(s.entry.place)]


def in_yaml(context: Context) -> list[Script]:
    """The commands of YAML files alone."""
    return memo(context, "shell in YAML", lambda: list(_in_yaml(context)))


def _in_yaml(context: Context) -> Iterator[Script]:
    for entry in context.matching(YAML, among=lambda e: e.place.endswith(_YAML_ENDS)):
        if entry.kind != "file" or entry.size > MAX_PARSED or standing(entry.place) != "acting":
            continue
        text = context.text(entry)
        code = "\n".join(shell_lines(text.split("\n"))) if text is not None and "\0" not in text else ""
        if code.strip():
            yield Script(entry, code, _commands(context, entry.sha256, code))


def _embedded(context: Context) -> Iterator[Script]:
    for entry in (
        *context.ending(".spec", ".mk", *program_shell.TCL, *_LANGUAGES),
        *context.naming("ockerfile", "containerfile", "makefile"),
    ):
        if entry.place.endswith(_PROGRAMS) and _shipped(entry.place):
            continue
        blanked = next((make for pattern, make in _KINDS if pattern.search(entry.place)), None)
        if blanked is None or entry.kind != "file" or entry.size > MAX_PARSED or standing(entry.place) != "acting":
            continue
        text = context.text(entry)
        code = "\n".join(blanked(text.split("\n"))) if text is not None and "\0" not in text else ""
        if text is not None and code.strip():
            yield Script(entry, text, _commands(context, entry.sha256, code))


def _shipped(place: str) -> bool:
    """Programs in the folders of a system or a language: the upgrade does not run them."""
    return "usr/" in place or "-packages/" in place or "node_modules/" in place


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


_KINDS: tuple[tuple[re.Pattern[str], Callable[[list[str]], Iterator[str]]], ...] = (
    (late(r"\.spec$"), _spec),
    (CONTAINERFILE, _containerfile),
    (MAKEFILE, _makefile),
    (late(r"\.(tcl|itcl|exp|expect)$"), program_shell.tcl),
    (_OF_THE_UPGRADE, program_shell.calls),
)
