"""Where cures put secrets: the file that the host keeps them in, and the lines that read it. Pure."""

from __future__ import annotations

import re

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


def with_loader(text: str, path: str) -> str:
    """The script with a line that reads the secret file, below its opening comment; unchanged when it has one."""
    if _MARK in text:
        return text
    lines = text.split("\n")
    at = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    lines.insert(at, f'if [ -r "{path}" ]; then . "{path}"; fi  {_MARK}')
    return "\n".join(lines)
