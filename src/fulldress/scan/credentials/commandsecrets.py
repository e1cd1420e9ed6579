"""Which argument of which program is a secret: the roles of words in a command line. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fulldress.formats import shell, tokens
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.scan.credentials import secrets

_HEADER = late(r"(?i)^(?:authorization\s*:\s*(?:bearer|basic|token)?|x-[a-z-]*(?:key|token)\s*:|private-token\s*:)\s*(\S+)$")
_LONG = late(r"(?i)^--?((?:[a-z-]*-)?(?:password|passwd|passphrase|pass|token|secret|api-?key))(?:=(.*))?$", re.DOTALL)
_KEYED = late(
    r"(?i)^--?((?:licen[cs]e|api|secret|access|auth|encryption|encrypt|private|signing|activation|master)?-?key|license|serial)$"
)
_ANSWERED = late(r"""passw\w*\s+password\s+([^\s"'$]{4,})""")
_SET = late(r"(?i)^(?:[\w.,=-]*,)?[\w.-]*(?:password|passwd|secret|token|apikey)=([^\s,$]{4,})$")
_SUPERUSER = late(r"""create_superuser\(\s*["'][^"']*["']\s*,\s*["'][^"']*["']\s*,\s*["']([^"']{4,})["']""")
_MYSQL = late(r"^(mysql|mariadb)\w*$")

_DEFINED = late(r"^-D[\w.]*(?:[pP]assword|[sS]ecret|[tT]oken|[pP]ass)=([^\s$]+)$")
_IN_CODE = late(r"""(?i)\b(?:password|passwd|secret|token)\s*=\s*\\?["']([^"'$\\]{4,})\\?["']""")
_CRYPTED = late(r"\$(?:[1567]|y|gy|2[abxy])\$[A-Za-z0-9./$=,]{16}")
"""A hash of crypt(3), which looks like a variable to everyone else."""
_ORACLE = late(r"^[\w.-]+/([^@\s/$\"]{4,})(?:@[\w./:-]*)?$")
_FROM_LITERAL = late(r"(?i)^--from-literal=[\w.-]*(?:pass|pwd|secret|token|key)[\w.-]*=(\S{4,})$")
_CONNINFO = late(r"\bpassword\s?=\s?'?([^\s'$]{4,})")
_GIVEN = late(
    r"(?i)^(?:-var=)?[\"']?[\w.-]*(?:pass(?:word|wd)?|pwd|secret|token|key"
    r"|pw)[\w.-]*=[\"']?([^\s$,\"']{4,})[\"']?$"
)
_VARS = ("-var", "--var", "-e", "--extra-vars")
_MOUNTED = late(r"(?:^|,)(?:password|pass|passwd)=([^,\s]+)(?:,|$)")


def _after(*options: str) -> Callable[[str, str], str]:
    """The word after one of these options."""
    return lambda previous, word: word if previous in options and not word.startswith("-") else ""


def _percent(previous: str, word: str) -> str:
    """``-U user%password`` of Samba's programs."""
    if previous in ("-U", "--user"):
        return word.partition("%")[2]
    return word.partition("%")[2] if word.startswith(("-U", "--user=")) else ""


_SPLIT: dict[str, Callable[[str, str], str]] = {
    **dict.fromkeys(("smbclient", "rpcclient", "net", "smbget", "smbtree", "wmic", "winexe"), _percent),
    **dict.fromkeys(("ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami"), _after("-w")),
    "ldappasswd": _after("-w", "-s", "-a"),
    "slappasswd": _after("-s"),
    **dict.fromkeys(("mosquitto_pub", "mosquitto_sub", "mosquitto_rr"), _after("-P", "--pw")),
    **dict.fromkeys(("snmpget", "snmpset", "snmpwalk", "snmptrap"), _after("-A", "-X")),
    **dict.fromkeys(
        ("terraform", "tofu", "ansible", "ansible-playbook", "pulumi"),
        lambda previous, word: m[1] if (m := _GIVEN.match(word)) and (previous in _VARS or word.startswith("-var=")) else "",
    ),
    **dict.fromkeys(("kadmin", "kadmin.local", "xfreerdp", "asadmin"), _after("-w", "-pw")),
    **dict.fromkeys(("keytool", "jarsigner"), _after("-storepass", "-keypass", "-deststorepass", "-srcstorepass")),
    **dict.fromkeys(("sqlcmd", "osql", "isql", "bcp"), _after("-P")),
    **dict.fromkeys(("redis-cli",), _after("-a", "--pass")),
    **dict.fromkeys(("mongo", "mongosh", "mongodump", "mongorestore"), _after("-p", "--password")),
    **dict.fromkeys(("docker", "podman", "oc"), _after("-p", "--password")),
    **dict.fromkeys(("snmpset", "snmpget", "snmpwalk", "snmpbulkwalk", "snmptrap", "snmpbulkget"), _after("-c", "-A", "-X")),
    "helm": lambda previous, word: (
        (m[1] if (m := _SET.match(word)) else "")
        if previous in ("--set", "--set-string")
        else _after("-p", "--password")(previous, word)
    ),
    **dict.fromkeys(("az",), _after("-p", "--password", "--client-secret", "--account-key")),
    **dict.fromkeys(("openssl",), _after("-k")),
    **dict.fromkeys(("lftp",), lambda previous, word: word.partition(",")[2] if previous == "-u" else ""),
    **dict.fromkeys(
        ("sqlplus", "rman", "expdp", "sqlldr"), lambda _previous, word: m[1] if (m := _ORACLE.match(word)) else ""
    ),
    **dict.fromkeys(("kubectl",), lambda _previous, word: m[1] if (m := _FROM_LITERAL.match(word)) else ""),
    **dict.fromkeys(("ipmitool",), _after("-P")),
    **dict.fromkeys(("cqlsh", "impdp"), _after("-p")),
    **dict.fromkeys(("unzip", "7z", "zip"), _after("-P")),
    **dict.fromkeys(
        ("vault",), lambda _previous, word: word.partition("=")[2] if word.startswith(("password=", "secret_id=")) else ""
    ),
}
"""Programs -> what is a secret in a word, given the word before it."""


class Secret(NamedTuple):
    """A secret value inside one word of a command (index into ``argv``), or in an assignment (-1)."""

    word: int
    value: str
    kind: str


def found_in(command: Command) -> Iterator[Secret]:
    """The secrets of one command, each value once; what stands under a mere name is judged by its form too."""
    seen: set[str] = set()
    for secret in _candidates(command):
        form = secret.kind.startswith("the value of")
        real = secrets.worth(secret.value) if form else secrets.is_real(secret.value) or _CRYPTED.match(secret.value)
        if secret.value not in seen and real:
            seen.add(secret.value)
            yield secret


def _candidates(command: Command) -> Iterator[Secret]:
    for assignment in command.assignments:
        name, _, value = assignment.partition("=")
        if secrets.is_secret_key(name):
            yield Secret(-1, value.strip("\"'"), f"the value of {name}")
    start = shell.wrapped_by(command)
    for index, word in enumerate(command.argv[:start]):
        key, _, value = word.partition("=")
        if secrets.is_secret_key(key):
            yield Secret(index, value, f"the value of {key}")
    name = command.argv[start].rpartition("/")[2]
    if name == "htpasswd" and re.match(r"-\w*b", next(iter(command.argv[start + 1 :]), "")):
        yield Secret(len(command.argv) - 1, command.argv[-1], "a password")
    if name in ("mc", "mcli") and command.argv[start + 1 : start + 3] in (("alias", "set"), ("config", "host")):
        for index, word in list(enumerate(command.argv[start + 1 :], start + 1))[-2:]:
            if secrets.worth(word) == "real" and "://" not in word and len(word) >= 8:
                yield Secret(index, word, "a secret of an object store")
    if (
        name in _LAST
        and command.argv[start + 1 : start + 2]
        and (command.argv[start + 1] in _LAST[name] or "" in _LAST[name])
    ):
        last = command.argv[-1]
        if len(command.argv) > start + 3 and secrets.worth(last):
            yield Secret(len(command.argv) - 1, last, "a password")
    if name == "expect":
        for index, text in [*enumerate(command.argv), (HANDED, command.heredoc)]:
            yield from (Secret(index, m[1], "a password that is typed in") for m in _TYPED.finditer(text))
    if name == "aws" and command.argv[start + 1 : start + 3] == ("configure", "set") and "secret" in command.argv[-2]:
        yield Secret(len(command.argv) - 1, command.argv[-1], "a cloud secret")
    if name in ("echo", "printf") and command.pipes_to.rpartition("/")[2] in ("chpasswd", "passwd", "smbpasswd", "kinit"):
        yield from _piped(command)
    if name in ("echo", "printf") and command.pipes_to == "sudo" and "-S" in command.pipes_args:
        yield from _piped(command)
    if (
        name in _ASK
        or (name == "sudo" and "-S" in command.argv)
        or "-S" in command.argv[:start]
        or "--password-stdin" in command.argv
    ):
        yield from _handed(command, name)
    if (
        name == "openssl"
        and command.argv[start + 1 : start + 2] == ("passwd",)
        and secrets.worth(command.argv[-1]) == "real"
    ):
        yield Secret(len(command.argv) - 1, command.argv[-1], "a password")
    if "debconf-set-selections" in (name, command.pipes_to) and (answer := _ANSWERED.search(command.text)) is not None:
        at = next((index for index, word in enumerate(command.argv) if answer[1] in word), HANDED)
        yield Secret(at, answer[1], "an answer to debconf")
    edits = name in ("sed", "awk", "grep", "perl", "test", "[")
    for index, word in enumerate(command.argv[start + 1 :], start + 1):
        previous = command.argv[index - 1]
        if edits and "=" in word:
            continue
        yield from _by_program(name, previous, word, index)
        yield from _by_form(previous, word, index)


_LAST: dict[str, tuple[str, ...]] = {
    "rabbitmqctl": ("add_user", "change_password"),
    "mosquitto_passwd": ("-b", "-bc", "-cb"),
    "grafana-cli": ("admin",),
    "htdigest": (),
    "wpa_passphrase": ("",),
}
"""Programs whose last word is a password, and the first word by which they set one."""
_ASK = frozenset(("chpasswd", "passwd", "smbpasswd", "kinit", "cryptsetup", "faillock"))
"""Programs that read passwords from their standard input."""
HANDED = -2
"""Stands for the index of a word: the secret is in a here-string or here-document."""
_TYPED = late(r"""(?i)ass(?:word|phrase|wd)[\s\S]{0,120}?\bsend\s+(?:--\s+)?\\?["{]([^"$\\\s}]{4,})\\+[rn]""")
_PAIRS = late(r"""(?:^|[\s,;&?{'"])([A-Za-z][\w.]{2,60})=([^\s,;&'"$`(){}<>|\\/*]{6,200})(?=$|[\s,;&}'"])""")
"""``db_password=x env=prod``: settings that a word hands on (Ansible, Terraform, msiexec, forms of HTTP)."""


def _is_pair(match: re.Match[str]) -> bool:
    return secrets.is_secret_key(match[1]) and secrets.worth(match[2]) == "real"


_HERE_STRING = late(r"""^<<<\s*(?:"([^"]*)"|'([^']*)'|(\S+))$""")


def _handed(command: Command, name: str) -> Iterator[Secret]:
    """``sudo -S ... <<< password``, ``chpasswd <<EOF``: what the program reads from the script itself."""
    texts = ["".join(part or "" for part in m.groups()) for r in command.redirects if (m := _HERE_STRING.match(r.strip()))]
    for line in (*texts, *command.heredoc.split("\n")):
        value = line.strip().rpartition(":")[2] if name == "chpasswd" else line.strip()
        if value and " " not in value and "$" not in value:
            yield Secret(HANDED, value, "a password")


def hidden(text: str) -> str:
    """A command as a report may show it: without the values that :func:`found_in` finds in it."""
    values = {secret.value for command in shell.commands(text) for secret in found_in(command)}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, secrets.HIDDEN)
    return text


def _piped(command: Command) -> Iterator[Secret]:
    """``echo user:password | chpasswd``, ``echo password | passwd --stdin user``."""
    word = command.argv[-1].strip()
    secret = word.rpartition(":")[2] if command.pipes_to.endswith("chpasswd") else word
    if " " not in secret and "$" not in secret:
        yield Secret(len(command.argv) - 1, secret.removesuffix("\\n"), "a password")


def _by_program(name: str, previous: str, word: str, index: int) -> Iterator[Secret]:
    """Arguments that are secrets because of the program."""
    if name in ("curl", "wget"):
        if previous in ("-u", "--user") and ":" in word:
            yield Secret(index, word.partition(":")[2], "a password")
        elif previous in ("-H", "--header") and (header := _HEADER.match(word)):
            yield Secret(index, header[1], "an authorization header")
        elif previous == "--oauth2-bearer":
            yield Secret(index, word, "a bearer token")
    elif name == "sshpass":
        if previous == "-p":
            yield Secret(index, word, "a password")
        elif word.startswith("-p") and len(word) > 2:
            yield Secret(index, word[2:], "a password")
    elif _MYSQL.match(name) and re.match(r"-p.", word):
        yield Secret(index, word[2:], "a database password")
    elif name in _SPLIT and (found := _SPLIT[name](previous, word)):
        yield Secret(index, found, "a password")
    elif name in ("export", "declare", "local", "readonly", "typeset", "env") and "=" in word:
        key, _, value = word.partition("=")
        if secrets.is_secret_key(key):
            yield Secret(index, value, f"the value of {key}")
    elif name in ("useradd", "usermod") and previous in ("-p", "--password"):
        yield Secret(index, word, "a password hash")


def _by_form(previous: str, word: str, index: int) -> Iterator[Secret]:
    """Arguments that are secrets because of how they look."""
    option = _LONG.match(word) if word.startswith("-") else None
    before = _LONG.match(previous) if previous.startswith("--") and not word.startswith("-") else None
    if option is not None and option[2]:
        yield Secret(index, option[2], f"the value of --{option[1]}")
    elif before is not None and before[2] is None:
        yield Secret(index, word, f"the value of --{before[1]}")
    keyed = _KEYED.match(previous) if previous.startswith("-") and not word.startswith("-") else None
    if keyed is not None and _is_key(word):
        yield Secret(index, word, f"the value of --{keyed[1]}")
    if word.startswith("pass:"):
        yield Secret(index, word[5:], "a passphrase")
    if "create_superuser(" in word and (superuser := _SUPERUSER.search(word)) is not None:
        yield Secret(index, superuser[1], "an administrator's password")
    if "=" in word:
        yield from _assigned(word, index)
        yield from (Secret(index, m[2], f"the value of {m[1]}") for m in _PAIRS.finditer(word) if _is_pair(m))
    for match in secrets.userinfos(word):
        yield Secret(index, match[3], "a password in a URL")
    for match in secrets.URL_PARAMETER.finditer(word) if "=" in word else ():
        yield Secret(index, match[2], "a secret in a URL")
    for token in tokens.tokens(word):
        yield Secret(index, token.value, "a provider's token")


def _is_key(word: str) -> bool:
    """True for a key as such: no file's, table's or key's name, no number of it."""
    return (
        secrets.worth(word) == "real"
        and len(word) >= 8
        and re.search(r"[A-Z]", word) is not None
        and (
            re.search(r"[^\w.:/-]", word) is not None
            or re.fullmatch(r"[A-Z0-9]{4,8}(?:-[A-Z0-9]{4,8}){2,}", word) is not None
        )
    )


def _assigned(word: str, index: int) -> Iterator[Secret]:
    """Secrets behind an equals sign inside an argument."""
    if (defined := _DEFINED.match(word)) is not None and secrets.worth(defined[1]):
        yield Secret(index, defined[1], "a password in a property")
    if (code := _IN_CODE.search(word)) is not None and secrets.worth(code[1]) == "real":
        yield Secret(index, code[1], "a password in code")
    if re.search(r"\b(host|dbname|user)\s?=", word) and (info := _CONNINFO.search(word)) and secrets.worth(info[1]):
        yield Secret(index, info[1], "a database password")
    if (mounted := _MOUNTED.search(word)) is not None:
        yield Secret(index, mounted[1], "a password")
