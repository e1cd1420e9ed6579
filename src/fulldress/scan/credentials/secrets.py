"""Secrets in text: which keys hold them, which values are real, how to hide them and what to write instead. Pure.

Nothing here ever asks anyone whether a secret is valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from fulldress.formats.late import late

HIDDEN = "<redacted>"
Worth = Literal["", "weak", "real"]
"""What a value is: no secret, one that is in every list of passwords (or may be a word), or a secret."""

_WORDS = late(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAMES = late(
    r"(passwords?|passwd|passwort|kennwort|motdepasse|contrasena|senha|wachtwoord|heslo|passphrase|passcode|pwd|secret|secrets|token|credentials?|bearer|apikey|authkey|secretkey|"
    r"accesskey|privatekey|(db|user|ftp|ssh|smtp|ldap|mail|admin|root|http|become|sudo|my|key|store)?pass)$"
)
_PHRASES = {
    *(f"{w} key" for w in ("api", "access", "private", "auth", "secret", "account", "signing", "encryption", "shared")),
    *(f"{w} key" for w in ("enc", "dec", "wrap", "wrapping", "cipher", "crypto", "join", "network")),
    *("password salt", "rw community", "ro community", "snmp community", "community string", "kek"),
    *(
        f"{w} pw"
        for w in ("ldap", "mqtt", "smtp", "ftp", "sftp", "admin", "user", "partner", "mail", "http", "proxy", "service")
    ),
    *(f"{w} key" for w in ("master", "session", "license", "licence", "webhook", "storage", "encrypt", "crypt", "hmac")),
    "key base",
    *(
        "client secret",
        "auth pass",
        "bindpw",
        "rootpw",
        "requirepass",
        "masterauth",
        "psk",
        "wpa psk",
        "bind pw",
        "rpc secret",
        "pass word",
        "pass phrase",
        *(
            f"{w} pw"
            for w in ("db", "bind", "root", "svc", "service", "user", "admin", "app", "erp", "mail", "smtp", "ftp", "sql")
        ),
        *(f"{w} community" for w in ("snmp", "ro", "rw", "read", "write", "trap")),
        "aes key",
        "auth token",
        "de passe",
        "contrase a",
    ),
}
KEYS = tuple(sorted({phrase.removesuffix(" key") for phrase in _PHRASES if phrase.endswith(" key")}))
"""What stands before ``key`` in the name of a secret."""
_COUNTING = late(
    r"(?i)(^|_)(next|prev(ious)?|page|pagination|paging|continuation|continue|input|output|request|purchase|csrf|xsrf|parse|lex|"
    r"start|end|marker|max|min|sync|cancel(lation)?|cli|dry|device|special|eos|bos|pad|unk|sep|mask|stop|idempotency|"
    r"delimiter|white|comma|word|string|number|keyword)_(\w+_)?tokens?$"
    r"|(^|_)(no|not|is|has|get|set|confirm|repeat|forgot|reset|change|show|hide|invalid|missing|empty|null|error|errors|bad|"
    r"wrong|expired|incorrect|update|delete|create|generate|enter|requires?|required|use|need|nested|public|new|old|check|"
    r"validate|verify|hash|encode|encrypt|decrypt)_(\w+_)?(tokens?|passwords?|passwd|secrets?|credentials?|key|pwd|pass|passphrase)$"
    r"|^load_credential(_encrypted)?s?$|(^|_)(dummy|fake|mock|masked?|placeholder|prefix|suffix|regexp?|pattern)_"
)
_NOT_A_VALUE = late(
    r"""(?ix) ^(
      | \$.* | `.* | %\(.*\)s | %[A-Z_]+% | @[A-Z_.]+@? | @@[A-Za-z_.]+@@ | __[A-Z_]+__
      | \{\{.*\}\} | <.*> | \*+ | x{3,} | \.{3,} | ENC[\[(].* | !vault.*
      | \{cipher\}.* | \#\{.* | &\w+; | %[sdr]?
      | true | false | yes | no | on | off | none | null | nil | required | optional | prompt | \d{1,3} | undefined | string
      | /[^\s]* | \./[^\s]* | ~/.* | [a-z]:\\.* | (file|env|vault|arn|ref|secret|ssm|op|keyring|sops|pass|asm|kms):.*
      | (your|my|the|some|a|an|insert|enter|put|set|add|use|any|new)[-_ ].*
      | .*(placeholder|changeit-here|your[-_]?(secret|pass|token|key)|[-_]here$|example|dummy|redacted|removed|hidden).*
      | \[[A-Za-z].* | [\^~<>=]{1,2}\s?v?\d[\w.*+-]* | .*\{\$[^{}]*\}.* | \w*',\\?\$\w+,?
      | os\.(environ|getenv).* | getenv\(.* | process\.env.* | System\.getenv.* | ENV\[.* | env\(.* | lookup\(.*
      | (test|foo|bar|baz|dummy|fake|mock|sample)([-_ ]?(pass(word)?|secret|token|key|user)?)[\d]{0,3} | foobar\d* | s3cr3t
      | (workspace|npm|link|catalog|portal):.* | [~^<>=]{0,2}v?\d{1,4}(\.(\d{1,6}|x|\*)){1,3}([-+][\w.+-]{1,40})?
      | .*\{\$.*\}.* | .*\$\{.*\}.* | .*\{\{.*\}\}.* | .*<%.*%>.* | .*%\(\w+\)s.* | .*\#\{.*\}.* | .*\{\w*\}.*
      | (sha(1|256|384|512)|md5|pbkdf2|scram-sha|bcrypt|argon2)[-:$_].* | (bearer|basic|plain|token|oauth2?|jwt|md5)\s*
    )$"""
)
_CODE = late(
    r"^[A-Za-z_][\w.]*(\(.*\)?|\[.*\]?)[;,]?$|->|=>|::|\\[ntrux]|^\W+$|^[A-Za-z_]\w*\.[a-z]\w*\.\w+$|^self\.|^this\.|"
    r"\bfunction\b|\blambda\b|\\\$|',"
)
DEFAULTS = frozenset(
    re.split(
        r"\s+",
        """admin admin123 admin1 admin1234 administrator password password1 password123 passw0rd p@ssw0rd p@ssword pass1234
        changeme changeit change_me changeme123 secret secret123 letmein welcome welcome1 welcome123 default root toor
        qwerty qwerty123 123456 1234567 12345678 123456789 1234567890 12345 1234 0000 1111 111111 tomcat s3cret manager
        postgres mysql oracle sa guest user test123 tiger manager1 system minioadmin rabbitmq cisco ubnt raspberry alpine
        vagrant docker nagios zabbix jenkins sonar nexus elastic grafana kibana password! abc123 123abc iloveyou master
        superuser
        """.strip(),
    )
)
"""Passwords that are tried first."""
PROVIDER = late(
    r"(?<![A-Za-z0-9])("
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,}|gl[a-z]{2,5}-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{36}|"
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA|ABIA|ACCA)(?!IOSFODNN7EXAMPLE)[A-Z0-9]{16}|"
    r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{32,}|"
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28}|"
    r"[a-z]{2,10}_(?:live|prod)_[A-Za-z0-9]{16,}(?:-[A-Za-z0-9]+)*|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
    r"(?:\.[A-Za-z0-9_-]*)?|pypi-[A-Za-z0-9_-]{50,}|do[opr]_v1_[a-f0-9]{64}|sk-[A-Za-z0-9_-]{32,}|hf_[A-Za-z]{34}|"
    r"hv[sbr]\.[A-Za-z0-9_-]{24,}|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}|\d{8,10}:AA[A-Za-z0-9_-]{33}|key-[a-f0-9]{32}|"
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}|SK[a-f0-9]{32}|dapi[a-f0-9]{32}|[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}|"
    r"(?<=AccountKey=)[A-Za-z0-9+/]{86}==|(?<=SharedAccessKey=)[A-Za-z0-9+/]{43}="
    r")(?![A-Za-z0-9])"
)
URL_USERINFO = late(r"(?i)(?<![a-z])([a-z][a-z0-9+.:-]{1,30}://)([^\s/:@'\"<>$]*):([^\s/@'\"<>]+)@")
_USERINFO = late(r"://[^\s/:@'\"<>$]*:[^\s/@'\"<>]+@")
MAX_SCHEME = 31
URL_PARAMETER = late(r"(?i)([?&;](?:password|passwd|pwd|secret|token|api_?key|access_token)=)([^\s&;'\"<>]+)")
_WORD = r"""('[^']*'|"[^"]*"|[^\s'"]+)"""
_ARGUMENTS = (
    late(rf"(sshpass\s+(?:-\S+\s+)*-p\s*){_WORD}"),
    late(r"""((?:-u|--user)[ =]?\s*["']?[^\s:'"]+:)([^\s'"]+)"""),
    late(rf"(mysql\w*\s(?:[^|;&]*\s)?-p){_WORD}"),
    late(rf"(?i)(--(?:[a-z-]*(?:password|token|secret|api-?key))[ =]\s*){_WORD}"),
    late(r"""(?i)(\bx-(?:api-key|auth-token)\s*:\s*)([^\s'"]+)"""),
    late(rf"(pass:){_WORD}"),
    late(r"(?i)(\b(?:rw|ro)community6?\s+|\bsnmp-server\s+community\s+)(\S+)"),
    late(rf"(\bsnmp\w+\s(?:[^|;&]*\s)?-c\s*){_WORD}"),
    late(r"((?:-U|--user)[ =]?\s*[\"']?[^\s%'\"]{1,64}%)([^\s'\"]+)"),
    late(rf"(ldap\w+\s(?:[^|;&]*\s)?-w\s*){_WORD}"),
)


def userinfos(text: str) -> Iterator[re.Match[str]]:
    """What ``URL_USERINFO.finditer`` gives, without trying it at each character of a long line."""
    done = 0
    for match in _USERINFO.finditer(text) if "@" in text else ():
        if match.start() < done:
            continue
        found = URL_USERINFO.search(text, max(done, match.start() - MAX_SCHEME))
        if found is None:
            return
        yield found
        done = found.end()


def is_secret_key(key: str) -> bool:
    """True when a key's last words say that its value is a secret (``db.password``, ``API_KEY``, ``smtpPass``)."""
    name = key.strip().strip("\"'")
    words = [w.lower() for w in _WORDS.findall(re.split(r"[.:\[\]]", name.rstrip("]:."))[-1])]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if not words:
        return False
    if not (_NAMES.search(words[-1]) or words[-1] in _PHRASES or " ".join(words[-2:]) in _PHRASES):
        return False
    return not (words[-1] in ("compass", "bypass", "surpass") or _COUNTING.search("_".join(words)))


def worth(value: str) -> Worth:
    """What a value is that stands under the name of a secret: variables, paths, prose, code and names are none."""
    bare = value.strip().strip("\"'")
    if len(bare) < 4 or len(bare) > 4096 or _NOT_A_VALUE.match(bare) or _CODE.search(bare):
        return ""
    if re.search(r"\s", bare) or not bare.isprintable() or not re.search(r"[A-Za-z0-9]", bare):
        return ""
    if bare.lower() in DEFAULTS:
        return "weak"
    if (
        re.fullmatch(r"[A-Z]{3,}(?:_[A-Z]+)+(?:_?\d)?", bare)
        or re.fullmatch(r"[A-Za-z_]+(?:[-_./:][A-Za-z_]+)+", bare)
        or len(set(bare)) < 3
    ):
        return ""
    if len(re.findall(r"[a-z][A-Z]", bare)) * 4 >= len(bare) >= 12:
        return "real"
    if re.fullmatch(r"[A-Za-z]+|\d+|[^\W\d]+", bare):
        return "weak" if bare.isascii() and not _spelled(bare) else ""
    return "real" if re.search(r"\d", bare) or re.search(r"[^\w.:/-]", bare) else ""


def _spelled(word: str) -> bool:
    """True for what names the thing itself: ``accessToken``, ``PASSWORD``."""
    return (
        re.search(
            r"(?i)pass(word|wd)?$|token|secret|credential|key$|kennwort|passwort|contrase|senha|wachtwoord|heslo|motdepasse",
            word,
        )
        is not None
    )


def is_real(value: str) -> bool:
    """True for something that may be a secret itself: not a variable, template, path, prompt, mask or flag."""
    bare = value.strip().strip("\"'")
    return len(bare) >= 4 and not _NOT_A_VALUE.match(bare)


_HINT = late(
    r"(?i)://|pass|community|snmp|kennwort|contrase|senha|wachtwoord|heslo|secret|token|key|auth|pwd|identified|(?:^|\s)-[uUpwP]|[?&;]sig=|[A-Za-z0-9_.~-]{20}"
)
_AUTHORIZATION = late(r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)\s+)([^\s'\"$]{4,})")
_ASSIGNMENT = late(
    r"(?i)((?:passw(?:or)?d|passwd|passwort|kennwort|mot_?de_?passe|contrase[nñ]a|senha|wachtwoord|heslo|secret|token|api[_-]?key|secret[_-]?access[_-]?key)[\"']?\s*[=:]\s*)"
    r"([\"']?)([^\s\"'$<{]{4,})"
)
_STATEMENT = late(r"""(?i)\b((?:identified\s+(?:with\s+\S+\s+)?by|password)\s+(?:password\s+)?)(['"])([^'"]{4,})(['"])""")
_KEY_BLOCK = late(r"(-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----)[\s\S]*?(-----END|\Z)")


def hidden(text: str) -> str:
    """The text with every recognisable secret hidden: in URLs, headers, options, assignments, and provider tokens."""
    if not _HINT.search(text):
        return text
    lower = text.lower() if text.isascii() else _ALL_WORDS  # other letters may count as these: then all is tried
    for pattern in _ARGUMENTS:
        text = pattern.sub(lambda m: f"{m[1]}{HIDDEN}" if is_real(m[2]) else m[0], text)
    if "@" in text:
        text = URL_USERINFO.sub(lambda m: f"{m[1]}{m[2]}:{HIDDEN}@" if is_real(m[3]) else m[0], text)
    text = URL_PARAMETER.sub(lambda m: m[1] + HIDDEN if is_real(m[2]) else m[0], text)
    text = _KEY_BLOCK.sub(rf"\1{HIDDEN}\2", PROVIDER.sub(HIDDEN, text))
    if "authorization" in lower:
        text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    if "identified" in lower or "password" in lower:
        text = _STATEMENT.sub(lambda m: f"{m[1]}{m[2]}{HIDDEN}{m[4]}" if is_real(m[3]) else m[0], text)
    if any(word in lower for word in _ASSIGNED_WORDS):
        text = _ASSIGNMENT.sub(lambda m: f"{m[1]}{m[2]}{HIDDEN}" if is_real(m[3]) else m[0], text)
    return text


_ASSIGNED_WORDS = ("pass", "secret", "token", "key", "kennwort", "contrase", "senha", "wachtwoord", "heslo")
_ALL_WORDS = "authorization identified password secret token key"


def variable(*parts: str) -> str:
    """The variable that stands for a secret: ``("bridge", "partner.password")`` → ``BRIDGE_PARTNER_PASSWORD``."""
    words: list[str] = []
    for part in parts:
        for word in re.split(r"[^A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part)):
            if word and (not words or words[-1] != word.upper()):
                words.append(word.upper())
    name = "_".join(words) or "SECRET"
    return name if name[0].isalpha() else f"S_{name}"
