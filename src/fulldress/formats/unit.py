"""systemd unit files: sections, directives in order, and the units that a unit names.

Pure text in, plain tuples out; follows systemd.syntax(7): comments, continuation lines, repeated directives. Accepts
whatever systemd accepts and never raises; it does not know which directives exist.
"""

from __future__ import annotations

from collections.abc import Iterator

Directive = tuple[str, str, int]

DEPENDENCIES = frozenset(
    {
        "After", "Also", "Before", "BindsTo", "Conflicts", "JoinsNamespaceOf", "OnFailure", "OnSuccess", "PartOf",
        "PropagatesReloadTo", "PropagatesStopTo", "ReloadPropagatedFrom", "RequiredBy", "Requires", "Requisite",
        "Service", "Sockets", "StopPropagatedFrom", "Unit", "UpheldBy", "Upholds", "WantedBy", "Wants",
    }
)  # fmt: skip
"""Directives whose value is a list of unit names."""


def parse(text: str) -> dict[str, list[Directive]]:
    """Section -> (directive, value, 1-based line) in order; repeated directives and sections are all kept.

    A backslash at the end of a line joins it to the next by a blank, comment lines in between are skipped. Directives
    before the first section are under ``""``.
    """
    sections: dict[str, list[Directive]] = {}
    section = ""
    for number, line in _logical_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            sections.setdefault(section, [])
            continue
        name, separator, value = line.partition("=")
        if separator:
            sections.setdefault(section, []).append((name.rstrip(), value.strip(), number))
    return sections


def depends(text: str) -> list[tuple[str, str, int]]:
    """(directive, unit, line) for every unit that this unit names, in the order of the file."""
    found: list[tuple[str, str, int]] = []
    for directives in parse(text).values():
        for name, value, line in directives:
            if name in DEPENDENCIES:
                found.extend((name, unit, line) for unit in value.split())
    return sorted(found, key=lambda entry: entry[2])


EXECS = ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost")


def execs(text: str) -> list[tuple[str, str, str, int]]:
    """(directive, prefix characters such as ``-`` and ``+``, command line, line) of every command of a service.

    An empty value takes back those of the same directive before it.
    """
    found: list[tuple[str, str, str, int]] = []
    for name, value, line in parse(text).get("Service", []):
        if name not in EXECS:
            continue
        if not value:
            found = [e for e in found if e[0] != name]
            continue
        command = value.lstrip("-@:+!|")
        found.append((name, value[: len(value) - len(command)], command.strip(), line))
    return found


def commands(text: str) -> list[tuple[str, int]]:
    """(command line, line) of what a service runs when it starts."""
    return [(command, line) for name, _, command, line in execs(text) if name.startswith("ExecStart")]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number of the beginning, joined text) without blank and comment lines."""
    parts: list[str] = []
    begun = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line[:1] in ("#", ";") or (not line and not parts):
            continue
        if not parts:
            begun = number
        if line.endswith("\\"):
            parts.append(line[:-1].rstrip())
            continue
        yield begun, " ".join([*parts, line]).strip()
        parts = []
    if parts:
        yield begun, " ".join(parts).strip()
