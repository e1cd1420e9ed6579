"""Which hosts a command talks to, by the roles of its arguments: URLs, ``sftp user@host``, ``psql -h host``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.scan.network.endpoints import urls

_REMOTE = late(r"^(?:[\w.+-]+@)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9][\w.-]*\.?)$")
_COPY = late(r"^(?:[\w.+-]+@)?([A-Za-z0-9][\w.-]*):")
LOGINS = {
    "ssh": "BbcDEeFIiJLlmOopQRSWw",
    "sftp": "BbcDFiJloPRSsX",
    "ftp": "",
    "lftp": "euUp",
    "telnet": "el",
    "nc": "eiIMmoOpPqsTVwXxW",
    "ncat": "egGiopsw",
    "mosh": "",
}
"""Programs whose first operand is a host, with those of their options that take a value."""
COPIES = frozenset({"scp", "rsync"})
CLIENTS = {
    "psql": ("h", "host"),
    "pg_dump": ("h", "host"),
    "pg_basebackup": ("h", "host"),
    "mysql": ("h", "host"),
    "mysqldump": ("h", "host"),
    "mariadb": ("h", "host"),
    "redis-cli": ("h", "host"),
    "ldapsearch": ("h", "host"),
    "smbclient": ("I", "ip-address"),
}
SCHEMES = {"scp": "scp", "nc": "tcp", "ncat": "tcp", "mosh": "ssh", "lftp": "ftp", "curl": "http", "wget": "http"}


class Target(NamedTuple):
    """A host that a command talks to."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        """As shown in a chain."""
        return f"{self.scheme}://{self.host}"


def targets(argv: tuple[str, ...]) -> Iterator[Target]:
    """The hosts that a command (unwrapped, expanded) talks to."""
    name, rest = argv[0].rpartition("/")[2], argv[1:]
    if name == "sshpass":
        inner = tuple(operands(rest, "pfdP"))
        at = argv.index(inner[0]) if inner else len(argv)
        yield from targets(argv[at:]) if at < len(argv) else ()
        return
    for word in argv:
        for url in urls(word):
            yield Target(url.scheme, url.host)
    if name in LOGINS:
        operand = next(iter(operands(rest, LOGINS[name])), "")
        match = _REMOTE.match(operand.partition(":")[0])
        if match is not None and "$" not in operand:
            yield _target(SCHEMES.get(name, name), match[1])
    elif name in COPIES:
        for word in operands(rest, "cFiloPSJe"):
            match = _COPY.match(word) if "://" not in word else None
            if match is not None:
                yield _target("rsync" if name == "rsync" else "sftp", match[1])
    elif name in CLIENTS:
        host = option(rest, *CLIENTS[name])
        if re.fullmatch(r"[\w.-]+", host):
            yield _target(name, host)
    elif name in ("curl", "wget"):
        for word in rest:
            if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\.?(:\d+)?(/\S*)?", word) and not word.startswith("-"):
                yield _target("http", re.split(r"[:/]", word)[0])


def _target(scheme: str, host: str) -> Target:
    return Target(scheme, host.rstrip(".").lower())


def operands(words: tuple[str, ...], valued: str) -> Iterator[str]:
    """Words that are neither options nor their values; ``valued``: the short options that take one."""
    skip = False
    for index, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            yield from words[index + 1 :]
            return
        elif word.startswith("-") and len(word) > 1:
            skip = not word.startswith("--") and word[-1] in valued
        else:
            yield word


def option(words: tuple[str, ...], short: str, long: str) -> str:
    """The value of an option: ``-h X``, ``-hX``, ``--host X``, ``--host=X``; ``""`` when it is not given."""
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if word in (f"-{short}", f"--{long}"):
            return following
        if word.startswith(f"--{long}="):
            return word.partition("=")[2]
        if word.startswith(f"-{short}") and len(word) > 2 and not word.startswith("--"):
            return word[2:]
    return ""
