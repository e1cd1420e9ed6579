"""Secrets in free text, replaced before the text is kept: passwords in addresses, tokens, keys, ``PASSWORD=...``.

Text in, text out. It errs on the side of hiding: a value that only looks like a secret is hidden too.
"""

from __future__ import annotations

import re

from fulldress.formats.late import late

SECRET = "<secret>"

_NAMED = (
    r"(?:[\w.-]{0,100}(?:passw(?:or)?[dt]|kennwort|mot_?de_?passe|contrase[nñ]a|wachtwoord|passphrase|pwd|secret|token|credential|"
    r"api[-_]?key|access[-_]?key|private[-_]?key)s?[\w.-]{0,100})"
)
"""Bounded, because the text may be a stranger's: a line of nothing but such words must not cost the square of its length."""
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (late(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), SECRET),
    (late(r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@'\"]*):[^\s/@'\"]+@", re.IGNORECASE), rf"\1:{SECRET}@"),
    (late(r"(\bauthorization\s*:\s*(?:(?:bearer|basic|token)\s+)?)[^\s'\"]+", re.IGNORECASE), rf"\1{SECRET}"),
    (late(r"\b(Bearer|Basic|Token)\s+(?=[\w.~+/=-]*[\d_.-])[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {SECRET}"),
    (  # JSON and its like, also inside a string of the shell: the name in its quotes, and the value in quotes or not
        late(rf"(?<![\w.-])({_NAMED}\\?[\"']\s*[:=]\s*)(\\?[\"'])(?:\\.|[^\\\n])*?\2", re.IGNORECASE),
        rf"\1\2{SECRET}\2",
    ),
    (
        late(rf"(?<![\w.-])({_NAMED}\\?[\"']\s*[:=]\s*\\?[\"']?)[^\s\"'\\&;,{{}}\[\]]+", re.IGNORECASE),
        rf"\1{SECRET}",
    ),
    (
        late(
            rf"(?<![\w.-])(-{{0,2}}{_NAMED})(\s*[=:]\s*|(?<=[a-z])\s+(?=\S*\d))(\"[^\"]*\"|'[^']*'|[^\s&;,'\"]+)",
            re.IGNORECASE,
        ),
        rf"\1\2{SECRET}",
    ),
    (late(r"(?<!\S)(-u|--user)(\s+|=)([^\s:]+):\S+"), rf"\1\2\3:{SECRET}"),
    (
        late(
            r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|"
            r"sk_(?:live|test)_\w{16,}|AIza[\w-]{35}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
        ),
        SECRET,
    ),
)


def redacted(text: str) -> str:
    """The text with everything that looks like a secret replaced by ``<secret>``."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


_VALUE = r"(?![\"']?[$`])(?:\"[^\"]*\"|'[^']*'|[^\s;|&'\"]+)"
"""A word of a command line that is written out: what comes from a variable or another command is no secret yet."""
_WITHIN = r"\b[^|;&\n]{0,400}?\s"
_COMMANDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (late(pattern), instead)
    for pattern, instead in (
        (rf"(\b(?:mysql|mariadb)(?:dump|admin|import|show|check|-dump|-admin|-backup)?{_WITHIN}-p){_VALUE}", rf"\1{SECRET}"),
        (rf"(\bsshpass{_WITHIN}-p\s*){_VALUE}", rf"\1{SECRET}"),
        (rf"(\bldap(?:search|modify|add|delete|passwd|whoami|compare){_WITHIN}-w\s*){_VALUE}", rf"\1{SECRET}"),
        (rf"(\bredis-cli{_WITHIN}(?:-a|--pass)\s+){_VALUE}", rf"\1{SECRET}"),
        (rf"(\b(?:smbclient|rpcclient|smbget|net){_WITHIN}(?:-U|--user)[\s=]*[^\s%'\"]+%){_VALUE}", rf"\1{SECRET}"),
        (rf"(\bopenssl{_WITHIN}(?:-k|-K)\s+){_VALUE}", rf"\1{SECRET}"),
        (r"(\bpass(?:in|out)?\s+pass:)[^\s'\"]+", rf"\1{SECRET}"),
        (
            rf"(\b(?:echo|printf)\s+(?:-\w+\s+)*){_VALUE}(?=\s*\|\s*(?:sudo\b[^|;&]*\s-S|passwd\b|chpasswd\b))",
            rf"\1{SECRET}",
        ),
        (rf"((?<!\S)--?(?:pw|pass|passwd)(?:\s+|=)){_VALUE}", rf"\1{SECRET}"),
        (rf"(\b(?:\w{{0,60}}_)?(?:PASS|PW)=){_VALUE}", rf"\1{SECRET}"),
    )
)
"""Where well-known programs take a password: their letters mean something else elsewhere, so only in command lines."""


def command_redacted(text: str) -> str:
    """As :func:`redacted`, for a command line: what programs are known to take as a password is hidden too."""
    text = redacted(text)
    for pattern, instead in _COMMANDS:
        text = pattern.sub(instead, text)
    return text
