"""Secrets in text: which keys hold them, which values are real, how to hide them and what to write instead. Pure.

Nothing here ever asks anyone whether a secret is valid.
"""

from __future__ import annotations

import re

HIDDEN = "<redacted>"
KEY = re.compile(
    r"(?i)(pass(word|wd|phrase)?|pwd|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|credentials?|auth[_.-]?key|"
    r"client[_.-]?secret|bearer)$"
)
_NOT_A_VALUE = re.compile(
    r"""(?ix) ^(
      | \$.* | %\(.*\)s | %[A-Z_]+% | @[A-Z_.]+@ | \{\{.*\}\} | <.*> | \*+ | x{3,} | \.{3,} | ENC[\[(].* | !vault.*
      | \{cipher\}.*
      | true | false | yes | no | on | off | none | null | nil | required | optional | prompt | \d{1,3}
      | /[^\s]* | \./[^\s]* | ~/.* | file:.* | env:.* | vault:.* | (your|my|the)[-_ ].* | .*(placeholder|changeit-here).*
      | os\.(environ|getenv).* | getenv\(.* | process\.env.* | System\.getenv.*
    )$"""
)
PROVIDER = re.compile(
    r"(?<![A-Za-z0-9])("
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,}|glpat-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{36}|"
    r"xox[abprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)(?!IOSFODNN7EXAMPLE)[A-Z0-9]{16}|sk_live_[A-Za-z0-9]{16,}|"
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|"
    r"[a-z]{2,10}_(?:live|prod)_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{10,}\.[a-z]{2,10}_(?:live|prod)_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|pypi-[A-Za-z0-9_-]{50,}|dop_v1_[a-f0-9]{64}"
    r")(?![A-Za-z0-9])"
)
URL_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.:-]{1,30}://)([^\s/:@'\"<>$]+):([^\s/@'\"<>]+)@")
URL_PARAMETER = re.compile(r"(?i)([?&;](?:password|passwd|pwd|secret|token|api_?key|access_token)=)([^\s&;'\"<>]+)")
_WORD = r"""('[^']*'|"[^"]*"|[^\s'"]+)"""
_ARGUMENTS = (
    re.compile(rf"(sshpass\s+(?:-\S+\s+)*-p\s*){_WORD}"),
    re.compile(r"""((?:-u|--user)[ =]?\s*["']?[^\s:'"]+:)([^\s'"]+)"""),
    re.compile(rf"(mysql\w*\s(?:[^|;&]*\s)?-p){_WORD}"),
    re.compile(rf"(?i)(--(?:[a-z-]*(?:password|token|secret|api-?key))[ =]\s*){_WORD}"),
    re.compile(r"""(?i)(\bx-(?:api-key|auth-token)\s*:\s*)([^\s'"]+)"""),
    re.compile(rf"(pass:){_WORD}"),
)


def is_secret_key(key: str) -> bool:
    """True when a key's last words say that its value is a secret (``db.password``, ``API_KEY``)."""
    name = key.strip().strip("\"'")
    return KEY.search(name) is not None and not re.search(r"(?i)(file|path|_url|_uri|length|expiry|policy|_ttl)$", name)


def is_real(value: str) -> bool:
    """True for something that may be a secret itself: not a variable, template, path, prompt, mask or flag."""
    bare = value.strip().strip("\"'")
    return len(bare) >= 4 and not _NOT_A_VALUE.match(bare)


def hidden(text: str) -> str:
    """The text with every recognisable secret hidden: in URLs, headers, options, assignments, and provider tokens."""
    for pattern in _ARGUMENTS:
        text = pattern.sub(lambda m: f"{m[1]}{HIDDEN}" if is_real(m[2]) else m[0], text)
    text = URL_USERINFO.sub(lambda m: f"{m[1]}{m[2]}:{HIDDEN}@" if is_real(m[3]) else m[0], text)
    text = URL_PARAMETER.sub(lambda m: m[1] + HIDDEN if is_real(m[2]) else m[0], text)
    text = PROVIDER.sub(HIDDEN, text)
    text = re.sub(r"(?i)\b(authorization\s*[:=]\s*(?:bearer|basic|token)\s+)([^\s'\"$]{4,})", rf"\1{HIDDEN}", text)
    return re.sub(
        r"(?i)([A-Za-z0-9_.-]*(?:passw(?:or)?d|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*)([\"']?)([^\s\"'$<{]{4,})",
        lambda m: f"{m[1]}{m[2]}{HIDDEN}" if is_real(m[3]) else m[0],
        text,
    )


def variable(*parts: str) -> str:
    """The variable that stands for a secret: ``("bridge", "partner.password")`` → ``BRIDGE_PARTNER_PASSWORD``."""
    words: list[str] = []
    for part in parts:
        for word in re.split(r"[^A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part)):
            if word and (not words or words[-1] != word.upper()):
                words.append(word.upper())
    name = "_".join(words) or "SECRET"
    return name if name[0].isalpha() else f"S_{name}"
