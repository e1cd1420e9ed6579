"""Secrets in one line of a text, by the kind of file: pairs of keys and values, URLs. Pure; the rules judge the file."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from fulldress.formats import tokens
from fulldress.formats.late import late
from fulldress.model.finding import Confidence
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.secrets import Worth
from fulldress.scan.reading import is_code

CONFIG = (
    *(".properties", ".ini", ".conf", ".cfg", ".cnf", ".env", ".toml", ".yaml", ".yml", ".json", ".xml", ".config", ".reg"),
    *(
        ".bat",
        ".cmd",
        ".ps1",
        ".psm1",
        ".ks",
        ".preseed",
        ".nmconnection",
        ".tfstate",
        ".gradle",
        ".groovy",
        ".spec",
        ".service",
        ".socket",
    ),
    *(
        ".ldif",
        ".cli",
        ".timer",
        ".npmrc",
        ".pypirc",
        ".netrc",
        ".tf",
        ".tfvars",
        ".hcl",
        ".mako",
        ".plist",
        ".rc",
        ".sls",
        ".default",
    ),
    *(".example", ".sample", ".dist", ".template", ".tmpl", ".j2", ".erb", ".in", ".bak", ".old", ".orig", ".save"),
)
MARKUP = (".xml", ".config", ".plist", ".html")
_EXAMPLE_HOST = late(
    r"(?i)@(?:[\w.-]*\.)?(?:example\.(?:com|org|net)|acme\.com|your[\w.-]*|host(?:name|:port)?|server(?:name)?|domain|my-?host)"
    r"(?![\w.-])"
)
_EXAMPLE_USER = late(r"(?i)^(user(name)?|login|scott|nobody|foo|bar|alice|bob|me|name|usr|uname|myuser|joe|john|u|a)\d?$")
_EXAMPLE_WORD = late(
    r"(?i)^(pass(word|wd|phrase)?|pwd|pw|secret|tiger|custom|test|user|example|foo|bar|p|b|mypass(word)?|token)\d?$"
)
_PAIR = late(
    r"""^\s*(?:-\s+)?(?:Environment\s*=\s*["']?|export\s+|set\s+|ENV\s+|ARG\s+|\$env:)?["']?([\w.:\[\]/-]{1,120}?)["']?\s{0,40}(?:=>|[:?]=|[:=])\s{0,40}"""
    r"""(?:"([^"]*)"|'([^']*)'|([^"'#\s](?:[^"#]|(?<!\s)#)*?))["']?\s*[,;]?\s*(?:\s[#;].*)?$"""
)
_JSON = late(r'"([\w.:/-]+)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_XML = late(r"""<([\w.:-]+)(?:\s[^<>]*)?>([^<]+)</\1>|(?<![\w.:-])([\w.:-]{1,120})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)')""")
_NAMED = late(r"""(?i)\b(?:key|name)\s*=\s*["']([^"']+)["']\s+value\s*=\s*["']([^"']*)["']""")
_FLOW = late(r"""[{,]\s{0,20}["']?([\w.-]{1,120})["']?\s{0,4}:\s{0,4}["']?([^\s,'"{}\[\]]{4,400})""")
_DEFINE = late(r"""^\s*(?:#define|set)\s+([\w:(),.]+)\s+"([^"\\\n]{6,})"\s*$""")
_TYPED = late(
    r"""(?<![\w.-])([\w.-]{1,120})(?:\s{1,4}As\s{1,4}\w{1,30}|\??\s{0,4}:\s{0,4}[\w<>?&\[\]]{1,30})\s{0,4}=\s{0,4}(?:"([^"\\\n]{6,})"|'([^'\\\n]{6,})')"""
)
"""``const apiKey: string = "..."``, ``Const Password As String = "..."``."""
_FALLBACK = late(
    r"""\b(?:getenv|environ\.get|ENV\.fetch|env)\(\s*["']([\w.]+)["']\s*,\s*(?:default\s*=\s*)?["']([^"'\\\n]{4,})["']"""
)
_JS_FALLBACK = late(r"""\bprocess\.env\.(\w+)\s*(?:\|\||\?\?)\s*["'`]([^"'`\\\n$]{4,})["'`]""")
_OR_FALLBACK = late(
    r"""(?:getenv|environ(?:\.get)?|ENV|env)\s*[(\[{]\s*["']?([\w.]+)["']?\s*[)\]}]+\s*(?:or|\|\||//|\?:|\?\?)\s*["']([^"'\\\n]{4,})["']"""
)
"""``os.getenv("X") or "..."``, ``ENV['X'] || '...'``, ``$ENV{X} // '...'``, ``getenv('X') ?: '...'``."""
_DECODED = late(
    r"""(?<![\w.-])([\w.-]{1,80})["']?\]?\s{0,20}(?:=>|:=|[:=]|,)\s*[\w.:>\\-]{0,40}(?:pack|decode_?base64|b64decode|unhexlify|fromhex|hex2bin|"""
    r"""base64_decode|decode64|from_base64|FromBase64String|atob)\s*\(\s*(?:["'][Hh]\*["']\s*,\s*)?["']([A-Za-z0-9+/=_-]{8,})["']"""
)
"""``key => pack('H*', '...')``, ``PW = b64decode("...")``: veiled by a function that everybody has."""
_TUPLE = late(
    r"""^\s*(?:my|our|local|var|let|const)?\s*[(\[]?\s*([$@]?\w+(?:\s*,\s*[$@]?\w+)+)\s*[)\]]?\s*=\s*[(\[]?\s*((?:["'][^"'\n]*["']\s*,?\s*){2,8})[)\]]?\s*;?\s*$"""
)
_QUOTED = late(r"""["']([^"']*)["']""")
_GLUED = late(r"""["']\s*(?:\+|\.\.?|&|<>)\s*["']""")
"""Between two literals that are put together."""
_WRITTEN = late(r"""\bname=["']?([\w.:-]+)["']?,\s*value=["']?([^"',()\s]{4,})""")
"""``:write-attribute(name=password,value=...)`` of JBoss, and its like."""
_LDIF = late(r"^([\w;-]+)::?\s*(\S+)\s*$")
_ENVIRONMENT = late(r"""["'](\w+)=([^"']*)["']""")
_LITERAL = late(r"""(?<![\w.-])([\w.-]{1,120})["']?\]?\s{0,20}(?:=>|:=|[:=])\s*(?:"([^"\\\n]{6,})"|'([^'\\\n]{6,})')""")


_INLINE = late(r"""(?<![\w.$-])((?:-D)?[\w.-]{0,120})=["']?([^\s,;&'"<>]{6,})""")
_SPACED = late(
    r"""^\s*(?:ENV\s+|ARG\s+)?([A-Za-z][\w.-]*)[ \t]+(?:--\w+\s+)?"""
    r"""(?:"([^"\s]{4,})"|'([^'\s]{4,})'|([^\s"'=:]\S{3,}))\s*;?\s*$"""
)
_ENTRY = late(r"""<\w+\s[^<>]*\b(?:key|name)\s*=\s*["']([^"']+)["'][^<>]*>([^<]+)<""")
_JSON_NAMED = late(r'"(?:key|name)"\s*:\s*"([^"]+)"\s*,\s*"value"\s*:\s*"((?:[^"\\]|\\.)*)"')
_WHOLE_URL = late(r"[a-z]://[^\s'\"<>]*$")
MAX_URL = 300
_DOTTED = late(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
"""``support.class.actionscript.2``: the name of something, not a secret."""
GENERATED = 1000
"""Characters of a line of a program that no person wrote: its names are those of parsers and grammars."""
_CDATA = late(r"<!\[CDATA\[(.*?)\]\]>")
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (
        ("@tcp(", "@udp(", "@unix("),
        late(r"""["'`][\w.-]+:([^@\s"'`:/]{4,})@(?:tcp|udp|unix)\("""),
        "a password in a connection string",
    ),
    (
        ("convertto-securestring",),
        late(r"""(?i)ConvertTo-SecureString\s+(?:-String\s+)?["']([^"'$]+)["'].*-AsPlainText"""),
        "a plain password",
    ),
    (("/user:",), late(r"(?i)\bnet\s+use\s+\S+\s+\\\\\S+\s+([^\s/*]\S{3,})"), "a password of a network drive"),
    (("/add",), late(r"(?i)\bnet\s+user\s+[^\s/]+\s+([^\s/*%]\S{3,})\s.*/add"), "a password of an account"),
    (
        ("validationkey",),
        late(r"""(?i)\b(?:validation|decryption)Key=["']([0-9A-F]{32,})["']"""),
        "a key of the sessions",
    ),
    (
        ("crypt",),
        late(r"""'crypt'\s*=>\s*(?:\[|array\()\s*['"]key['"]\s*=>\s*['"]([^'"]{16,})['"]"""),
        "an encryption key",
    ),
    (
        ("basic_auth", "basic-auth"),
        late(r"""(?i)--?(?:http[_-])?basic[_-]auth[=\s"',]+[\w.-]+:([^\s"',:]{4,})"""),
        "a password for basic authentication",
    ),
    (("/user:",), late(r"(?i)\bnet\s+use\s.*/user:\S+\s+([^\s/*]\S{3,})"), "a password of a network drive"),
    (("insecure-password",), late(r"\binsecure-password\s+(\S{4,})"), "a password in clear"),
    (
        ("<value>",),
        late(r"(?i)<\w*Password>\s*<Value>([^<]{4,})</Value>"),
        "a password in an answer file",
    ),
    (
        ("jdbc:oracle:",),
        late(r"jdbc:oracle:\w+:[\w.-]+/([^@\s\"'/]{4,})@"),
        "a password in a connection string",
    ),
    (
        ("sqlcmd", "osql", "bcp"),
        late(r"(?i)\b(?:sqlcmd|osql|bcp)\b.{1,400}\s-P\s?([^\s%\"-]{4,})"),
        "a password of a database",
    ),
    (
        ("curl",),
        late(r"\bcurl\s[^\n]{0,300}?(?<=\s)(?:-u|--user)[ =]\\?[\"']?[\w.@-]{1,80}:([^\s\"'$@\\]{4,})"),
        "a password in a command",
    ),
    (
        ("/password=", "/pwd=", "/passwd=", "/password:", "/pwd:"),
        late(r"(?i)(?<=[\s\"'])/(?:password|passwd|pwd)[=:]([^\s\"'%${()\[\]\\*+?|/]{4,})(?=[\s\"']|$)"),
        "a password in a command",
    ),
    (("cmdkey",), late(r"(?i)\bcmdkey\s.*/pass:(\S{4,})"), "a stored password"),
    (
        ("auth",),
        late(r"""\bauth\s*=\s*\(\s*["'][^"']*["']\s*,\s*["']([^"']{4,})["']\s*\)"""),
        "a password for basic authentication",
    ),
    (("send",), late(r"""\bsend\s+(?:--\s+)?["{]([^"$\\\s}\[]{6,})\\+[rn]["}]"""), "a password that is typed in"),
    (("d-i",), late(r"(?i)^\s*d-i\s+\S*password\S*\s+password\s+(\S{4,})"), "a password in a preseed file"),
    (
        ("createuser",),
        late(r"""(?i)^\s*createUser\s+\S+\s+(?:MD5|SHA\S*)\s+"?([^\s"]{4,})"""),
        "an SNMP passphrase",
    ),
    (("stats auth",), late(r"^\s*stats\s+auth\s+[\w.-]+:([^\s\"'$]{4,})"), "a password of HAProxy's page"),
    (("{xor}",), late(r"\{xor\}([A-Za-z0-9+/=]{6,})"), "a password that is only veiled"),
    (
        ("encrypt",),
        late(r"""^\s*"?encrypt"?\s*[=:]\s*"([A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==)\""""),
        "the key of a cluster",
    ),
    (
        ("initial_management", "master", "agent_recovery", "replication"),
        late(
            r"""^\s*"?(?:initial_management|(?:agent_)?master|agent_recovery|replication)"?\s*[=:]\s*"""
            r""""([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\""""
        ),
        "a token",
    ),
    (("default_pass",), late(r"""\bdefault_pass\s*,\s*<<"([^"]{4,})">>"""), "a password of the broker"),
    (
        ("variable",),
        late(r"""(?i)\bvariable\s+"\w*(?:password|passwd|secret|token|api_?key)\w*"\s*\{.*\bdefault\s*=\s*"([^"$]{4,})\""""),
        "a secret as a default",
    ),
    (("cleartext-password",), late(r"""\bCleartext-Password\s*:?=\s*"?([^\s"]{4,})"""), "a password of RADIUS"),
    (
        ("user_",),
        late(r"""^\s+user_\w+\s*=\s*["']([^"'$]{4,})["']"""),
        "a password of a broker's user",
    ),
    (("community",), late(r"^\s*rwcommunity6?\s+([^\s\"'$]{4,})"), "an SNMP community that may write"),
    (
        ("set ",),
        late(r"""^\s*set\s+\w*(?:pass|passwd|password|pwd|secret)\w*\s+["{]([^"$\[\s}]{4,})["}]"""),
        "a password that is typed in",
    ),
    (
        ("set -",),
        late(
            r"""(?i)^\s*set\s+(?:-\w+\s+)+\w*(?:pass|passwd|password|pwd|secret|token|api_?key)\w*\s+["']?([^\s"'$();]{6,})"""
        ),
        "a secret in a variable",
    ),
)
"""(words of which one must occur, in lower case; the form; what it is)."""
FORMS_LOOK_LIKE = (
    r"\bdefault_pass\s{0,4},\s{0,4}<<|(?i:\bvariable\s{1,4}\"\w{0,40}(password|passwd|secret|token|key)\w{0,12}\"\s{0,4}\{)",
    r"\bCleartext-Password\s|^\s{1,12}user_\w{1,40}\s{0,4}=\s{0,4}[\"']|\brwcommunity6?\s|[\w][_.-](pw|PW)[\"']?\s{0,4}[=:]|[_.-]community[\"']?\s{0,4}[=:]",
    r"\bstats\s{1,4}auth\s|\{xor\}[A-Za-z0-9+/]",
    r"^\s{0,12}\"?(encrypt|initial_management|(agent_)?master|agent_recovery|replication)\"?\s{0,16}[=:]\s{0,4}\"[A-Za-z0-9+/-]{22}",
    r"(?i)^\s{0,20}set[ \t]\s{0,3}(-\w{1,8}\s{1,4}){1,3}\w{0,40}(pass|pwd|secret|token|key)\w{0,20}\s",
    r"[\"'`][\w.-]{1,60}:[^@\s\"'`:/]{4,100}@(tcp|udp|unix)\(",
    r"(?i)ConvertTo-SecureString\s|\bnet\s{1,4}user?\s|\bcmdkey\s|\bauth\s{0,2}=\s{0,2}\([\"']|^\s{0,8}d-i\s|\bsend\s{1,4}(--\s{1,4})?[\"{][^\"$\\\s}]{6,60}\\[rn]|^\s{0,8}createUser\s",
    r"(?i)^\s{0,20}(ENV\s{1,4}|ARG\s{1,4})?[\w.-]{0,40}(passw(or)?d|passwd|bindpw|rootpw|requirepass|masterauth|secret)"
    r"[ \t]{1,8}[^\s=:{(]",
    r"\bcurl\b[^\n]{0,200}\s(-u|--user)[ =][^\s]{1,80}:",
    r"(?i)[\s\"']/(password|passwd|pwd)[=:][^\s]{4}",
    r"insecure-password\s{1,4}\S{4}|jdbc:oracle:\w{1,8}:[\w.-]{1,60}/[^@\s\"'/]{4,60}@",
    r"(?i)\b(sqlcmd|osql|bcp)\b[^\n]{1,200}\s-P|secret_key_base|(passw(or)?d|pwd|secret|token|key)\s{1,4}As\s{1,4}String",
    rf"(?i)(pass(w(or)?d)?|pwd|secret|token|kek|community|({'|'.join(secrets.KEYS)})_{{0,2}}key|key_{{0,2}}base)"
    r"[\w)]{0,10}[^\S\n]{1,20}\"[^\"\\\n]{6}",
    r"(?i)\b(validation|decryption)Key=|[\"']crypt[\"']\s{0,4}=>|basic[_-]auth[=\s\"',]",
    r"\"Key\"\s{0,2}:\s{0,2}\"[^\"\n]{16,200}\"",
    r"(?i)\b(getenv|environ(\.get)?|ENV(\.fetch)?)[(\[{]\s{0,4}[\"']?[\w.]{0,60}(pass|_pw|pwd|secret|token|key)\w{0,20}[\"']?\s{0,4}"
    r"(,|[)\]}]{1,2}\s{0,4}(or\s|\|\||//|\?))",
    r"(?i)\bprocess\.env\.\w{0,60}(pass|pwd|secret|token|key)\w{0,20}\s{0,4}(\|\||\?\?)\s{0,4}[\"'`]",
    r"(?i)\b(wpa_)?psk\s{0,2}=\s{0,2}[\"A-Za-z0-9]|(bindpw|rootpw|masterauth|requirepass)\s{0,2}[:=]",
)


MAX_PAIR = 2048
"""Longer lines hold more than one key and value."""


class Secret(NamedTuple):
    """A secret in a line, and the key that it stands under (``""`` when it is recognised by its form)."""

    key: str
    value: str
    what: str
    confidence: Confidence = "certain"
    named: str = ""
    """What it is called inside the value: the parameter of a URL."""
    worth: Worth = "real"


def found_in(place: str, line: str) -> Iterator[Secret]:
    """The secrets of one line, each value once; verified provider tokens belong to their own rule."""
    seen: list[str] | None = None
    for secret in _candidates(place, line):
        if not secret.worth:
            continue
        if seen is None:
            seen = [t.value for t in tokens.tokens(line)]
        if not any(secret.value in value or value in secret.value for value in seen):
            seen.append(secret.value)
            yield secret


def _candidates(place: str, line: str) -> Iterator[Secret]:
    found = list(pairs(place, line))
    key = next((k for k, _ in found), "")
    code: Confidence = "likely" if is_code(place) else "certain"
    if code == "likely" and "://" in line and "@" in line:
        line = _GLUED.sub("", line)
    for match in secrets.userinfos(line):
        yield Secret(key, match[3], "a password in a URL", code, named="password", worth=_in_url(place, line, match))
    for match in secrets.URL_PARAMETER.finditer(line):
        if (
            is_code(place)
            and match[1][0] in "?&"
            and not _WHOLE_URL.search(line, max(0, match.start() - MAX_URL), match.start())
        ):
            continue  # a piece of a query: programs show how to call them
        yield Secret(key, match[2], "a password in a URL", named=match[1][1:-1], worth=secrets.worth(unquote(match[2])))
    for what, value in _by_form(line):
        yield Secret(key, value, what, "likely", worth="real" if secrets.worth(value) == "real" else "")
    for name, value in found:
        if secrets.is_secret_key(name) and "://" not in value:
            worth = secrets.worth(value)
            known = worth == "real" or name in _OF_IMAGES or not _is_data(place)
            yield Secret(name, value, "a secret", code, worth=worth if known else "")


FORM_WORDS = tuple(dict.fromkeys(word for words, _, _ in _FORMS for word in words))
"""One of these is in every secret that is known by its form, in lower case."""
_OF_A_FORM = late("|".join(map(re.escape, FORM_WORDS)))


def _by_form(line: str) -> Iterator[tuple[str, str]]:
    lower = line.lower()
    if not _OF_A_FORM.search(lower):
        return
    for words, form, what in _FORMS:
        if any(word in lower for word in words):
            for match in form.finditer(line):
                yield what, match[1]


def _in_url(place: str, line: str, match: re.Match[str]) -> Worth:
    """What the password of a URL is worth; documentation's users and hosts have none."""
    user, word = unquote(match[2]), unquote(match[3])
    if (
        _EXAMPLE_HOST.match(line, match.end() - 1)
        or "[" in match[0]
        or (_EXAMPLE_WORD.match(word) and _EXAMPLE_USER.match(user))
    ):
        return ""
    if is_code(place) and _EXAMPLE_WORD.match(word):
        return ""
    worth = secrets.worth(word)
    return "weak" if worth and (user == word or word.lower() in secrets.DEFAULTS) else worth


_OF_IMAGES = frozenset(
    (
        *(
            "POSTGRES_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_PASSWORD",
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_PASSWORD",
            "MSSQL_SA_PASSWORD",
        ),
        *(
            "SA_PASSWORD",
            "MONGO_INITDB_ROOT_PASSWORD",
            "RABBITMQ_DEFAULT_PASS",
            "REDIS_PASSWORD",
            "KEYCLOAK_ADMIN_PASSWORD",
            "ORACLE_PASSWORD",
        ),
        *(
            "MINIO_ROOT_PASSWORD",
            "GF_SECURITY_ADMIN_PASSWORD",
            "LDAP_ADMIN_PASSWORD",
            "PGADMIN_DEFAULT_PASSWORD",
            "ELASTIC_PASSWORD",
        ),
    )
)
"""Variables by which well-known images are given their first password: any word there is one."""


def _is_data(place: str) -> bool:
    """Formats in which a plain word under such a key is more often a name than a password."""
    return place.endswith((".json", ".xml", ".yaml", ".yml", ".toml", ".tf", ".hcl")) or is_code(place)


@lru_cache(maxsize=1 << 10)
def _plain_name(place: str) -> str:
    return re.sub(r"\.(example|sample|dist|template|tmpl|j2|erb|in|bak|old|orig|save|mako)$", "", place.rpartition("/")[2])


def pairs(place: str, line: str) -> Iterator[tuple[str, str]]:
    """The keys and values of a line, by the kind of file."""
    name = _plain_name(place)
    if name.endswith((".json", ".tfstate", ".ipynb")):
        yield from _JSON_NAMED.findall(line)
        yield from ((k, v.replace("\\/", "/")) for k, v in _JSON.findall(line))
        if name.startswith("appsettings"):  # where ASP.NET's {"Jwt": {"Key": ...}} stands
            yield from (("SigningKey", v) for k, v in _JSON.findall(line) if k == "Key")
    elif name.endswith(MARKUP):
        yield from _NAMED.findall(line)
        line = _CDATA.sub(r"\1", line)
        yield from _ENTRY.findall(line)
        for tag, text, attribute, double, single in _XML.findall(line):
            yield (tag, text.strip()) if tag else (attribute, double or single)
    elif is_code(name):
        made = len(line) > GENERATED
        yield from _FALLBACK.findall(line)
        yield from _JS_FALLBACK.findall(line)
        yield from _OR_FALLBACK.findall(line)
        yield from _DECODED.findall(line)
        if (several := _TUPLE.match(line)) is not None:
            yield from zip(re.findall(r"\w+", several[1]), _QUOTED.findall(several[2]), strict=False)
        literals = [*_LITERAL.findall(line), *_TYPED.findall(line), *((k, a, "") for k, a in _DEFINE.findall(line))]
        found = ((k, a or b) for k, a, b in literals if re.search(r"\d", a or b))
        yield from ((k, value) for k, value in found if _mixed(value) or not (made or _DOTTED.fullmatch(value)))
    elif name.endswith(".ldif"):
        entry = _LDIF.match(line)
        if entry is not None and ("::" not in line[: entry.start(2)] or secrets.worth(_decoded(entry[2])) == "real"):
            yield entry[1], entry[2]
        yield from _loose(name, line)
    elif is_settings(place):
        yield from _WRITTEN.findall(line)
        if line.startswith("Environment=") and line.count("=") > 2:
            yield from _ENVIRONMENT.findall(line)
        pair = _PAIR.match(line) if len(line) <= MAX_PAIR else None
        if pair is not None:
            value = (pair[2] or pair[3] or pair[4] or "").strip()
            yield pair[1], value
            if " " in value and (
                "=" in value or value.startswith(("{", "[")) or line.lstrip().startswith("- ")
            ):  # Environment=PORT=8080 API_SECRET=...
                yield from _loose(name, value)
        else:
            yield from ((k, a or b) for k, a, b in _LITERAL.findall(line))
            yield from _loose(name, line)


def _decoded(text: str) -> str:
    """What an LDIF writes as base64; as it stands where it is none."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except ValueError:
        return text


def _mixed(value: str) -> bool:
    """True for letters of both cases with digits, which no name of a grammar's token is."""
    return re.search(r"[\s(){}@$.]", value) is None and all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", r"\d"))


def _loose(name: str, line: str) -> Iterator[tuple[str, str]]:
    """Keys and values inside a line (``a=b c=d``), and directives with a blank between; only what is surely no word."""
    for key, value in [*_INLINE.findall(line), *(_FLOW.findall(line) if name.endswith((".yaml", ".yml")) else ())]:
        if secrets.worth(value) == "real":
            yield key, value
    spaced = _SPACED.match(line) if not name.endswith((".yaml", ".yml", ".toml", ".tf", ".hcl")) else None
    if spaced is not None:
        value = spaced[2] or spaced[3] or spaced[4]
        if secrets.worth(value) == "real":
            yield spaced[1], value


def is_settings(place: str) -> bool:
    """True for files of keys and values: by suffix, or without one where such files lie."""
    name = place.rpartition("/")[2]
    if (
        name.endswith(CONFIG)
        or "ockerfile" in name
        or name.startswith(".env")
        or "/cron.d/" in f"/{place}"
        or "/cron/" in f"/{place}"
    ):
        return True
    return "." not in name.lstrip(".") or name.startswith(".")
