"""What a command of a shell script leaves nothing of: tables, databases, devices, folders that others live in, processes.

Pure. Whether a script may do so is the rule's part.
"""

from __future__ import annotations

import re

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command

_CLIENTS = ("psql", "mysql", "mariadb", "sqlplus")
_TABLES = late(
    r"(?i)\b(?:DROP\s{1,9}TABLE\s{1,9}(?:IF\s{1,9}EXISTS\s{1,9})?|TRUNCATE\s{1,9}(?:TABLE\s{1,9})?(?:ONLY\s{1,9})?)([\w.\"`$-]{1,200})"
)
_MADE = late(
    r"(?i)\bCREATE\s{1,9}(?:\w{1,12}\s{1,9}){0,3}TABLE\s{1,9}(?:IF\s{1,9}NOT\s{1,9}EXISTS\s{1,9})?([\w.\"`$-]{1,200})"
)
_SPARE = late(
    r"(?i)(^|[._\"`])(_?(tmp|temp|stg|staging|bak|backup|old|import|scratch|work)(_|$|\")|\w+_(tmp|temp|bak|old)\b)"
)
"""Names of tables that are there to be thrown away."""
_SITES = late(
    r"^/etc/(?:nginx|apache2|httpd|php/\d[\d.]*/fpm)/(?:sites-enabled|sites-available|conf\.d|conf-enabled|pool\.d)/\*$"
    r"|^/etc/(?:cron\.d|sudoers\.d|systemd/system|logrotate\.d|haproxy|postfix|sysctl\.d)/\*$"
)
_LIVING = late(
    r"""(?x)^(?:
      /var/lib/(?:postgresql|pgsql|mysql|mariadb|mongodb|redis|elasticsearch|docker|containerd|dpkg|rpm|ldap|samba|etcd)
        (?:/\d[\w.]*)?(?:/(?:main|data|base|global|pg_wal))?
    | /etc/(?:ssh|ssl|pam\.d|systemd|systemd/system|cron\.d|nginx|apache2|httpd|postgresql|letsencrypt|security|sudoers\.d)
    | /var/(?:log|lib|spool|backups|mail|www|spool/cron(?:/crontabs)?)
    | /usr/(?:bin|sbin|lib|lib64|share|local|local/bin|lib/systemd(?:/system)?) | /root/\.ssh | /lib/systemd/system
    )/?\*?$"""
)
"""Folders in which things of others lie, or a database."""


def tables_lost(command: Command) -> str:
    """The first table that a client of a database drops or empties; tables for the moment do not count."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            if found := tables_lost(inner):
                return found
    argv = shell.unwrapped(command)
    if not argv or argv[0].rpartition("/")[2] not in _CLIENTS:
        return ""
    text = "\n".join((*argv[1:], re.sub(r"(?m)--.*$", "", command.heredoc)))
    made = {match[1].lower() for match in _MADE.finditer(text)}
    names = (match[1] for match in _TABLES.finditer(text))
    return next((name for name in names if not _SPARE.search(name) and name.lower() not in made), "")


def folder_lost(command: Command) -> str:
    """The folder of the system, or of a database, that ``rm -r`` or ``find -delete`` empties."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    words = [w for w in argv[1:] if not w.startswith("-")]
    if name == "rm" and any(re.match(r"-\w*[rR]|--recursive", w) for w in argv[1:]):
        return next((w for w in words if _LIVING.match(w)), "")
    if name == "rm":  # a pattern over the settings of a server of the system needs no -r
        return next((w for w in words if _SITES.match(w)), "")
    if name == "find" and "-delete" in argv and not {"-name", "-mtime", "-iname", "-path", "-regex", "-mmin"} & set(argv):
        return next((w for w in words[:1] if _LIVING.match(w)), "")
    return ""


def bare_find(command: Command) -> str:
    """The variable, not in quotes, that alone tells a deleting ``find`` where to look: empty, it is the current folder."""
    at = shell.wrapped_by(command)
    if command.argv[at].rpartition("/")[2] != "find" or not ("-delete" in command.argv or "rm" in command.argv):
        return ""
    match = re.fullmatch(r"\$(?:\{(\w+)\}|(\w+))", command.raw[at + 1]) if len(command.raw) > at + 1 else None
    return (match[1] or match[2]) if match is not None else ""


_SHARED = late(
    r"^[\"'^]*(?:\S*/)?(?:python[\d.]*|java|node|perl|ruby|php[\d.]*|bash|sh|postgres|nginx|sshd|uwsgi|gunicorn|celery|\.\*|\.)[\"'$]*$"
)


def killed(command: Command) -> str:
    """The name by which a command ends processes that may be anybody's: an interpreter, a server of the system."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name not in ("pkill", "killall") or any(
        re.match(r"-(?:\w*[uUGPtg]|-(?:euid|uid|group|parent|pidfile|user))$", w) for w in argv
    ):
        return ""
    if any(w in ("-0", "-F", "-l", "-HUP", "-SIGHUP", "--pidfile") for w in argv):
        return ""
    words = [w for w in argv[1:] if not w.startswith("-")]
    return words[-1] if words and _SHARED.match(words[-1]) else ""


def flushed(command: Command) -> bool:
    """True for ``redis-cli FLUSHALL`` and its like."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    return name in ("redis-cli", "valkey-cli", "keydb-cli") and bool({"FLUSHALL", "FLUSHDB"} & {w.upper() for w in argv})


_DROPS = late(r"(?i)\bDROP\s+(DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?([\w.\"$-]+)")


def wrecked(command: Command) -> str:
    """What a command leaves nothing of: a file system, a device, a database; ``""`` for every other command."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            if found := wrecked(inner):
                return found
    argv = shell.unwrapped(command)
    name, words = (argv[0].rpartition("/")[2], argv[1:]) if argv else ("", ())
    plain = [w for w in words if not w.startswith("-")]
    if re.fullmatch(r"mkfs(\.\w+)?|wipefs|blkdiscard|mkswap", name) and any(w.startswith("/dev/") for w in plain):
        return next(w for w in plain if w.startswith("/dev/"))
    if name == "dd":
        device = next((w[3:] for w in words if w.startswith("of=/dev/")), "")
        return "" if re.match(r"/dev/(null|stdout|zero|tty|shm/)", device) else device
    pruned = name in ("docker", "podman") and plain[:2] in (["system", "prune"], ["volume", "prune"])
    if pruned and (plain[0] == "volume" or "--volumes" in words):
        return "the volumes of containers, of others too"
    if name == "dropdb":
        return f"the database {plain[-1] if plain else ''}".strip()
    if name in ("psql", "mysql", "mariadb", "sqlplus"):
        match = _DROPS.search(" ".join(words)) or _DROPS.search(re.sub(r"(?m)^[^\S\n]*--.*$", "", command.heredoc))
        return f"the {match[1].lower()} {match[2]}" if match is not None else ""
    return ""


def targets(command: Command) -> tuple[str, ...]:
    """The paths that a command destroys or changes recursively; () for every other command."""
    argv = shell.unwrapped(command)
    if not argv:
        return ()
    name, rest = argv[0].rpartition("/")[2], argv[1:]
    options = [w for w in rest if w.startswith("-")]
    paths = tuple(w for w in rest if not w.startswith("-"))
    recursive = any(o in ("--recursive",) or (not o.startswith("--") and ("r" in o or "R" in o)) for o in options)
    if name == "rm" and recursive:
        return paths
    if name in ("chown", "chmod", "chgrp") and any(o == "--recursive" or re.match(r"-\w*R", o) for o in options):
        return paths[1:]
    if name == "find" and ("-delete" in rest or "rm" in rest):
        return paths[:1]
    return ()
