"""What a command of a shell script leaves nothing of, though no variable is empty: tables, and folders that others live in.

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
