"""Where cures put secrets: the file that the host keeps them in, and the lines that read it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from fulldress.scan.rule import Context

_MARK = "# secrets are read from the host, they are no part of the package"


def secret_file(context: Context) -> str:
    """The estate's own environment file with secrets, when it has one, else ``/etc/<product>/secrets.env``."""
    if context.estate is not None:
        for host in context.estate.hosts:
            for key in host.config:
                if key.file.endswith(".env") and key.value == "<secret>":
                    return key.file
    return f"/etc/{_product(context)}/secrets.env"


def _product(context: Context) -> str:
    named = context.release.estate.product if context.release is not None else ""
    if not named and context.estate is not None:
        named = next((p.name for h in context.estate.hosts for p in h.products), "")
    stem = named or context.package.name.partition(".")[0]
    return re.sub(r"[^a-z0-9-]+", "-", stem.lower()).strip("-") or "upgrade"


def out_of_unit(line: str, values: Collection[str], path: str) -> str:
    """A unit's ``Environment=`` without the settings that hold a value, and the file that gives them instead.

    systemd fills no variable in there: ``Environment=TOKEN=${X}`` is the text ``${X}``.
    """
    name, _, rest = line.partition("=")
    kept = [word for word in re.findall(r"\"[^\"]*\"|'[^']*'|\S+", rest) if not any(value in word for value in values)]
    return "\n".join([*([f"{name}={' '.join(kept)}"] if kept else []), f"EnvironmentFile={path}"])


def in_unit(place: str, line: str) -> bool:
    """True for a line that sets environment variables of a unit, or of a drop-in of one."""
    unit = place.endswith(".service") or re.search(r"\.service\.d/[^/]+\.conf$", place) is not None
    return unit and re.match(r"\s*Environment\s*=", line) is not None


def reference(place: str, text: str, name: str) -> str:
    """How a file of this kind refers to an environment variable."""
    playbook = place.endswith((".yml", ".yaml")) and re.search(r"(?m)^[^\S\n]*(-\s*)?(hosts|tasks|roles|handlers):", text)
    return "{{ lookup('env', '" + name + "') }}" if playbook else f"${{{name}}}"


def with_loader(text: str, path: str) -> str:
    """The script with a line that reads the secret file, below its opening comment; unchanged when it has one."""
    if _MARK in text:
        return text
    lines = text.split("\n")
    at = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    lines.insert(at, f'if [ -r "{path}" ]; then . "{path}"; fi  {_MARK}')
    return "\n".join(lines)
