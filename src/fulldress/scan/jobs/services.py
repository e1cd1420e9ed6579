"""What a systemd service of the package runs when it starts: drop-ins, instances of templates, its environment. Pure."""

from __future__ import annotations

from typing import NamedTuple

from fulldress.formats import unit
from fulldress.formats.late import late
from fulldress.model.package import Entry
from fulldress.scan.reading import memo, named
from fulldress.scan.rule import Context

_FOLDERS = ("etc/systemd/system/", "usr/local/lib/systemd/system/", "usr/lib/systemd/system/", "lib/systemd/system/")
_WORD = late(r""""([^"]*)"|'([^']*)'|(\S+)""")
_SETTING = late(r"(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=[ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#]*))")


class Started(NamedTuple):
    """What starting a service means."""

    commands: tuple[tuple[str, str, int], ...]
    """(command line, file that says so, line)."""
    values: dict[str, str]
    """``Environment=``."""
    files: tuple[str, ...]
    """``EnvironmentFile=``: paths on the host."""


def service_named(context: Context, name: str, beside: str) -> Entry | None:
    """The service of that name, or the template that it is an instance of: beside a unit, else where systemd looks."""
    prefix, at, rest = name.partition("@")
    archive, folder = beside.rpartition("!")[0], beside.rpartition("/")[0]
    for wanted in (name, f"{prefix}@.{rest.rpartition('.')[2]}" if at else ""):
        found = (
            [e for e in named(context, wanted) if e.kind == "file" and e.place.rpartition("!")[0] == archive]
            if wanted
            else []
        )
        ranked = sorted(found, key=lambda e: (e.place.rpartition("/")[0] != folder, _rank(e.place)))
        if ranked:
            return ranked[0]
    return None


def _rank(place: str) -> int:
    return next((n for n, folder in enumerate(_FOLDERS) if folder in f"/{place}"), len(_FOLDERS))


def started(context: Context, service: Entry) -> Started:
    """What runs when the service starts, with its drop-ins in this package."""
    return memo(context, ("started", service.place), lambda: _started(context, service))


def _started(context: Context, service: Entry) -> Started:
    name = service.place.rpartition("/")[2]
    drop = [e for e in context.holding(f"{name.lower()}.d/") if e.place.endswith(".conf") and e.kind == "file"]
    commands: list[tuple[str, str, str, int]] = []
    values: dict[str, str] = {}
    files: list[str] = []
    for entry in (service, *sorted(drop, key=lambda e: e.place.rpartition("/")[2])):
        for directive, value, line in unit.parse(context.text(entry) or "").get("Service", []):
            if directive in unit.EXECS and directive.startswith("ExecStart"):
                commands = [c for c in commands if c[0] != directive] if not value else commands
                commands += [(directive, value.lstrip("-@:+!|").strip(), entry.place, line)] if value else []
            elif directive == "Environment":
                words = (a or b or c for a, b, c in _WORD.findall(value))
                values |= {key: rest for key, sign, rest in (w.strip("\"'").partition("=") for w in words) if sign}
            elif directive == "EnvironmentFile":
                files = [*files, value.lstrip("-")] if value else []
    return Started(tuple((command, place, line) for _, command, place, line in commands), values, tuple(files))


def settings(text: str) -> dict[str, str]:
    """The variables of a file that ``EnvironmentFile=`` reads."""
    return {name: a or b or c for name, a, b, c in _SETTING.findall(text)}
