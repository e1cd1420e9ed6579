"""Files that exist to hold credentials, by their own formats: what is locked away in which line. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.secrets import Worth


class Credential(NamedTuple):
    """One credential of a file."""

    line: int
    value: str
    whose: str
    """Account and, where the file says so, host."""
    worth: Worth = "real"


class Kind(NamedTuple):
    """One kind of file."""

    name: str
    place: re.Pattern[str]
    read: Callable[[str], Iterator[Credential]]
    words: tuple[str, ...] = ("",)
    """In lower case, one of these is in the name of every such file or of its folder."""


_REGISTRY = late(r"\s*//[^\s:/]+[^\s=]*:_\w+\s*=")
"""``//registry.host/:_authToken=``: a setting of npm, no comment."""


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and (not line.lstrip().startswith(("#", ";", "//")) or _REGISTRY.match(line)):
            yield number, line.rstrip("\r")


def _pgpass(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        fields = re.split(r"(?<!\\):", line.strip())
        if len(fields) == 5 and re.fullmatch(r"\d+|\*", fields[1]):
            yield Credential(number, fields[4], f"{fields[3]} at {fields[0]}", secrets.worth(fields[4]))


def _netrc(text: str) -> Iterator[Credential]:
    host = user = ""
    for number, line in _lines(text):
        words = line.split()
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word == "machine":
                host = following
            elif word == "login":
                user = following
            elif word == "password":
                yield Credential(number, following, f"{user} at {host}", secrets.worth(following))


_HASH = late(
    r"^([^\s:#]{1,64}):(\$apr1\$[^:\s]+|\$2[aby]\$\d\d\$[^:\s]{53}|\{SHA\}[^:\s]+|\$[156]\$[^:\s]+|[./A-Za-z0-9]{13})(:|$)"
)


def _htpasswd(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        found = _HASH.match(line)
        if found is not None:
            yield Credential(number, found[2], found[1])


def _mosquitto(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        found = re.match(r"^([^\s:]+):(\$[67]\$\S+)", line)
        if found is not None:
            yield Credential(number, found[2], found[1])


def _docker(text: str) -> Iterator[Credential]:
    for match in re.finditer(r'"auth"\s*:\s*"([A-Za-z0-9+/=]{8,})"', text):
        try:
            user, _, word = base64.b64decode(match[1]).decode().partition(":")
        except (binascii.Error, ValueError):
            continue
        if word:
            yield Credential(text.count("\n", 0, match.start()) + 1, match[1], user, secrets.worth(word))


def _kube(text: str) -> Iterator[Credential]:
    pattern = r"""(?m)^[^\S\n]*["']?(token|password|client-key-data)["']?\s*:\s*["']?([^\s"',]+)"""
    for match in re.finditer(pattern, text):
        yield Credential(text.count("\n", 0, match.start(2)) + 1, match[2], match[1], secrets.worth(match[2]))


def _tomcat(text: str) -> Iterator[Credential]:
    text = re.sub(r"<!--.*?-->", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)
    for tag in re.finditer(r"<user\s[^>]*>", text):
        user, word = (re.search(rf"""\b{k}\s*=\s*["']([^"']*)["']""", tag[0]) for k in ("(?:user)?name", "password"))
        if word is not None:
            number = text.count("\n", 0, tag.start() + word.start(1)) + 1
            yield Credential(number, word[1], user[1] if user else "", secrets.worth(word[1]))


def _wordpress(text: str) -> Iterator[Credential]:
    names = r"DB_PASSWORD|FTP_PASS|AUTH_KEY|SECURE_AUTH_KEY|LOGGED_IN_KEY|NONCE_KEY|AUTH_SALT"
    for match in re.finditer(rf"""define\(\s*["']({names})["']\s*,\s*(?:'([^']*)'|"([^"]*)")""", text):
        value = match[2] or match[3] or ""
        worth: Worth = secrets.worth(value) if " " not in value else "real" if re.search(r"\W\S*\d", value) else ""
        yield Credential(text.count("\n", 0, match.start()) + 1, value, match[1], worth)


def _registry(text: str) -> Iterator[Credential]:
    """A token or password under its key, or in the URL of the index."""
    yield from _pairs(text)
    yield from _urls(text)


_SECRET_KEYS = late(
    r"(?i)^\s*(?:export\s+)?(?://[^\s=]+:)?(_?password|_?passwd|_auth(?:token)?|secret_key|access_key_secret|aws_secret_access_key|"
    r"aws_session_token|pass|secret_access_key|client_secret|token|gpg_passphrase|rpc_secret)\s*[:=]\s*(?:\"([^\"\n]+)\"|'([^'\n]+)'|([^\"'\s#]+))"
)


def _pairs(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        found = _SECRET_KEYS.match(line)
        if found is not None:
            value = found[2] or found[3] or found[4]
            yield Credential(number, value, found[1].lstrip("_"), secrets.worth(value))


def _urls(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        for match in secrets.userinfos(line):
            yield Credential(number, match[3], match[2], secrets.worth(match[3]))


def _service_account(text: str) -> Iterator[Credential]:
    try:
        found = json.loads(text)
    except ValueError:
        return
    key = found.get("private_key") if isinstance(found, dict) else None
    if isinstance(key, str) and "PRIVATE KEY-----" in key and len(key) > 300:
        at = text.find("private_key")
        yield Credential(text.count("\n", 0, at) + 1, key, str(found.get("client_email", "")))


def _colons(text: str) -> Iterator[Credential]:
    """``user:password`` in each line (rsync, Postfix with a host in front, chpasswd)."""
    for number, line in _lines(text):
        found = re.match(r"^\s*(?:\S+\s+)?([^\s:#]{1,80}):(\S+)\s*$", line)
        if found is not None:
            yield Credential(number, found[2], found[1], secrets.worth(found[2]))


def _chap(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        words = [w.strip("\"'") for w in line.split()]
        if len(words) >= 3:
            yield Credential(number, words[2], words[0], secrets.worth(words[2]))


def _cloud_init(text: str) -> Iterator[Credential]:
    inside = False
    for number, line in _lines(text):
        if not line.startswith((" ", "-")):
            inside = line.startswith("chpasswd")
        found = re.match(r"""^\s+(?:-\s+)?["']?([a-z_][\w-]*):([^\s"':]+)["']?\s*$""", line) if inside else None
        if found is not None:
            yield Credential(number, found[2], found[1], secrets.worth(found[2]))


def _expect(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        found = re.search(r"""\bsend\s+(?:--\s+)?"([^"\\$\s]{4,})\\[rn]""", line)
        if found is not None and secrets.worth(found[1]) == "real":
            yield Credential(number, found[1], "a prompt")


def _userlist(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        found = re.match(r'^"([^"]+)"\s+"([^"]+)"', line)
        if found is not None:
            verifier = re.match(r"SCRAM-SHA-256\$|md5[0-9a-f]{32}$", found[2])
            yield Credential(number, found[2], found[1], "weak" if verifier else secrets.worth(found[2]))


def _ipsec(text: str) -> Iterator[Credential]:
    for number, line in _lines(text):
        found = re.search(r':\s*(PSK|EAP|XAUTH|NTLM)\s+"([^"]+)"', line)
        if found is not None:
            yield Credential(number, found[2], found[1], secrets.worth(found[2]))


KINDS = (
    Kind(
        "Mosquitto logins",
        late(r"(^|[/!])mosquitto/(conf\.d/)?(passwd|passwords?|pwfile)(\.txt)?$"),
        _mosquitto,
        ("passwd", "password", "pwfile"),
    ),
    Kind("pgbouncer users", late(r"(^|[/!])userlist\.txt$"), _userlist, ("userlist.txt",)),
    Kind("IPsec secrets", late(r"(^|[/!])[\w.-]*ipsec[\w.-]*\.secrets$"), _ipsec, ("ipsec",)),
    Kind(
        "Postfix logins",
        late(r"(^|[/!])(sasl_?passwd|relay_?passwd|smtp_auth)$"),
        _colons,
        ("passwd", "smtp_auth"),
    ),
    Kind("rsync passwords", late(r"(^|[/!])rsyncd?\.(secrets|scrt|pass(wd|word)?)$"), _colons, ("rsync",)),
    Kind("PPP secrets", late(r"(^|[/!])(chap|pap)-secrets$"), _chap, ("-secrets",)),
    Kind(
        "cloud-init user data",
        late(r"(^|[/!])(user-data|cloud-(init|config))[\w.-]*$"),
        _cloud_init,
        ("user-data", "cloud-"),
    ),
    Kind("expect script", late(r"\.(exp|expect)$"), _expect, (".exp",)),
    Kind("PostgreSQL password file", late(r"(?i)(^|[/!])[._]?pgpass(\.conf)?$"), _pgpass, ("pgpass",)),
    Kind("netrc", late(r"(^|[/!])[._]?netrc$"), _netrc, ("netrc",)),
    Kind(
        "htpasswd",
        late(r"(?i)(^|[/!])[\w.-]*(htpasswd|htdigest|passwdfile|users\.auth)[\w.-]*$"),
        _htpasswd,
        ("htpasswd", "htdigest", "passwdfile", "users.auth"),
    ),
    Kind(
        "Docker registry login",
        late(r"(?i)(^|[/!])(\.?docker/config|[\w.-]*dockerconfig(json)?|\.dockercfg)(\.json)?$"),
        _docker,
        ("docker",),
    ),
    Kind(
        "kubeconfig",
        late(r"(?i)(^|[/!])(\.kube/config|[\w.-]*kubeconfig[\w.-]*|admin\.conf|kubelet\.conf)$"),
        _kube,
        ("kube", "admin.conf"),
    ),
    Kind("Tomcat users", late(r"(^|[/!])tomcat-users\.xml$"), _tomcat, ("tomcat-users",)),
    Kind("WordPress configuration", late(r"(^|[/!])wp-config[\w.-]*\.php$"), _wordpress, ("wp-config",)),
    Kind("Git credentials", late(r"(^|[/!])\.?git-credentials$"), _urls, ("git-credentials",)),
    Kind("MySQL client options", late(r"(^|[/!])(\.?my|\.mylogin|debian|backup|client|mariadb)\.cnf$"), _pairs, (".cnf",)),
    Kind(
        "cloud credentials",
        late(r"(^|[/!])(\.aws/(credentials|config)|\.s3cfg|\.boto|\.passwd-s3fs|credentials\.csv)$"),
        _pairs,
        (".aws", "s3cfg", ".boto", "s3fs", "credentials"),
    ),
    Kind("rclone remotes", late(r"(^|[/!])rclone\.conf$"), _pairs, ("rclone",)),
    Kind(
        "package registry login",
        late(r"(^|[/!])(\.npmrc|\.pypirc|pip\.(conf|ini)|\.yarnrc|\.gem/credentials)$"),
        _registry,
        ("npmrc", "pypirc", "pip.", "yarnrc", ".gem"),
    ),
    Kind(
        "SMB or davfs login",
        late(r"(^|[/!])(\.?smbcredentials|\.credentials|davfs2?/secrets|\.smb)$"),
        _pairs,
        ("smb", "davfs", ".credentials"),
    ),
)
SERVICE_ACCOUNT = Kind("Google service account", late(r"\.json$"), _service_account)


NAME_PARTS = (
    *(
        "pgpass",
        "userlist.txt",
        "netrc",
        "passwd",
        "htdigest",
        "users.auth",
        "config",
        "dockercfg",
        "tomcat-users",
        "credentials",
        ".cnf",
    ),
    *("s3cfg", "boto", "s3fs", "rclone", "smtp_auth", "rsync", "secrets", "user-data", "cloud-init", ".exp", "npmrc"),
    *("pwfile", "passwords", "pypirc", "pip.conf", "pip.ini", "yarnrc", ".smb", "admin.conf", "kubelet.conf"),
)
"""In the lower-case name of every file that is one of the kinds: most names can be passed over at a glance."""


def is_whole(place: str) -> bool:
    """True when all that is secret in such a file is read here; user data and scripts hold anything else too."""
    kind = kind_of(place)
    return kind is not None and kind.name not in ("cloud-init user data", "expect script")


def kind_of(place: str) -> Kind | None:
    """The kind of credential file that a path names, if any."""
    name = place.rpartition("/")[2].lower()
    if not any(part in name for part in NAME_PARTS):
        return None
    # No kind looks beyond the folder around the name: long paths are not searched for each.
    near = "/".join(place.rsplit("/", 3)[-3:])
    lower = near.lower()
    return next((k for k in KINDS if any(word in lower for word in k.words) and k.place.search(near)), None)
