"""Tokens that providers issue, recognised by their form and verified by checksum or structure. Pure, and never online.

A verifier says no to what only looks like a token: a wrong CRC-32, a JWT whose header is no JSON, a documented example,
a run of the same character. What has no structure to verify needs enough variety to be random.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fulldress.formats.late import late

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Token(NamedTuple):
    """A token where it stands in a text."""

    kind: str
    """Whose it is: ``GitHub token``."""
    value: str
    start: int
    test: bool = False
    """True for a provider's own test mode."""


class _Form(NamedTuple):
    kind: str
    regex: str
    holds: Callable[[str], bool]


def entropy(text: str) -> float:
    """Bits per character, by the text's own frequencies."""
    count = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in count.values()) if text else 0.0


def is_random(text: str) -> bool:
    """True when the characters vary as random ones do; false for masks, counting and words put together."""
    body = re.sub(r"[^A-Za-z0-9]", "", text)
    if re.search(r"(?i)example|sample|dummy|placeholder|changeme|xxxx|0000000|1234567890|abcdefgh|your", text):
        return False
    return len(body) >= 8 and len(set(body)) >= min(10, len(body) * 2 // 5) and entropy(body) >= min(3.0, len(body) / 6)


def _digits(number: int) -> str:
    text = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return text


def summed(token: str) -> bool:
    """True when the last six characters are the CRC-32, in base 62, of the characters between prefix and them."""
    body = token[token.index("_") + 1 :]
    return _digits(zlib.crc32(body[:-6].encode())) == body[-6:]


def decoded(part: str) -> bytes:
    """Base64, URL-safe or not, with or without padding; ``b""`` when it is none."""
    try:
        return base64.b64decode(part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _object(part: str) -> dict[str, object]:
    try:
        found = json.loads(decoded(part))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _jwt(token: str) -> bool:
    head, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    return bool(
        isinstance(_object(head).get("alg"), str) and _object(body) and (signature or _object(head)["alg"] == "none")
    )


def _telegram(token: str) -> bool:
    return is_random(token.partition(":")[2])


def _discord(token: str) -> bool:
    return decoded(token.partition(".")[0]).isdigit()


def _aws(token: str) -> bool:
    return "EXAMPLE" not in token and len(set(token[4:])) >= 7


def _long(token: str) -> bool:
    return is_random(re.sub(r"^[A-Za-z]+[-_]", "", token))


_FORMS = (
    _Form("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36}(?![A-Za-z0-9])", summed),
    _Form("GitHub fine-grained token", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", _long),
    _Form("npm token", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])", summed),
    _Form("GitLab token", r"gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent)-[A-Za-z0-9_-]{20,60}", _long),
    _Form("Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{20,200}|xapp-\d-[A-Z0-9]{8,}-\d+-[a-f0-9]{32,}", _long),
    _Form(
        "Slack webhook",
        r"https://hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{6,12}/[AB][A-Z0-9]{6,12}/[A-Za-z0-9/]{18,60}",
        lambda t: is_random(t.rpartition("/")[2]),
    ),
    _Form("AWS access key id", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])", _aws),
    _Form("Stripe key", r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,120}", _long),
    _Form("Stripe webhook secret", r"whsec_[A-Za-z0-9+/]{32,64}=*", _long),
    _Form("SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", _long),
    _Form("Google API key", r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])", _long),
    _Form("Google OAuth token", r"ya29\.[A-Za-z0-9_-]{30,}", _long),
    _Form("Google OAuth secret", r"GOCSPX-[A-Za-z0-9_-]{28}", _long),
    _Form("Azure storage key", r"(?i:AccountKey)=[A-Za-z0-9+/]{86}==", lambda t: is_random(t[11:])),
    _Form("Azure shared key", r"(?i:SharedAccessKey)=[A-Za-z0-9+/]{43}=", lambda t: is_random(t[16:])),
    _Form("Azure SAS signature", r"[?&]sig=[A-Za-z0-9%/+]{40,80}(?:%3[Dd]|=)", lambda t: is_random(t[5:])),
    _Form("Azure client secret", r"[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}", _long),
    _Form("PyPI token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}|pypi-AgENdGVzdC5weXBpLm9yZ[A-Za-z0-9_-]{50,}", _long),
    _Form("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}", _long),
    _Form("Twilio key", r"SK[a-f0-9]{32}(?![A-Za-z0-9])", _long),
    _Form("Mailgun key", r"key-[a-f0-9]{32}(?![A-Za-z0-9])", _long),
    _Form("Mailchimp key", r"[a-f0-9]{32}-us\d{1,2}(?![A-Za-z0-9])", lambda t: is_random(t[:32])),
    _Form("Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])", _telegram),
    _Form("Discord bot token", r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}", _discord),
    _Form("Discord webhook", r"https://discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,80}", _long),
    _Form("Anthropic key", r"sk-ant-(?:api|admin)\d\d-[A-Za-z0-9_-]{80,}", _long),
    _Form("OpenAI key", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}", _long),
    _Form("Hugging Face token", r"hf_[A-Za-z]{34}(?![A-Za-z0-9])", _long),
    _Form("Vault token", r"hv[sbr]\.[A-Za-z0-9_-]{24,300}", _long),
    _Form("Docker Hub token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,40}", _long),
    _Form("Databricks token", r"dapi[a-f0-9]{32}(?![A-Za-z0-9])", _long),
    _Form("Doppler token", r"dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9.]{40,}", _long),
    _Form("Grafana token", r"gl(?:sa|c)_[A-Za-z0-9+/=]{32,400}(?:_[a-f0-9]{8})?", _long),
    _Form("New Relic key", r"NRAK-[A-Z0-9]{27}", _long),
    _Form("Shopify token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", _long),
    _Form("Square token", r"sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60}", _long),
    _Form("Terraform token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,70}", _long),
    _Form("RubyGems token", r"rubygems_[a-f0-9]{48}", _long),
    _Form("Linear key", r"lin_api_[A-Za-z0-9]{40}", _long),
    _Form("Atlassian token", r"ATATT3[A-Za-z0-9_=-]{180,220}", _long),
    _Form("age key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", lambda t: len(set(t[16:])) > 12),
    _Form("JSON web token", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{0,700}", _jwt),
    _Form("live key", r"(?!pk_)[a-z]{2,10}_(?:live|prod)_[A-Za-z0-9]{16,}(?:-[A-Za-z0-9]+)*", _long),
)
_ANY = late("(?<![A-Za-z0-9])(?:" + "|".join(f"(?P<f{n}>{f.regex})" for n, f in enumerate(_FORMS)) + ")")

LOOKS_LIKE = (
    r"(gh[pousr]_|npm_|github_pat_)[A-Za-z0-9]{22}",
    r"gl(pat|dt|rt|ptt|soat|cbt|ft|imt|agent)-[A-Za-z0-9_-]{20}|gl(sa|c)_[A-Za-z0-9+/=]{20}",
    r"xox[abeoprs]-[A-Za-z0-9-]{20}|xapp-\d-[A-Z0-9]{8}|hooks\.slack\.com/(services|workflows)/T[A-Z0-9]{6}",
    r"(AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    r"([a-z]{2}_(live|prod|test)_|whsec_)[A-Za-z0-9]{16}",
    r"SG\.[A-Za-z0-9_-]{22}\.|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{30}|GOCSPX-[A-Za-z0-9_-]{28}",
    r"(?i)(AccountKey|SharedAccessKey)=[A-Z0-9+/]{43}|[?&]sig=[A-Z0-9%/+]{40}",
    r"[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31}",
    r"pypi-AgE[A-Za-z0-9_-]{50}|do[opr]_v1_[a-f0-9]{64}|key-[a-f0-9]{32}\b",
    *(rf"SK[{hexadecimal}][a-f0-9]{{31}}\b" for hexadecimal in ("0-3", "4-7", "89ab", "c-f")),
    r"[a-f0-9]{32}-us\d|\d{8,10}:AA[A-Za-z0-9_-]{33}|discord(app)?\.com/api/webhooks/\d{17}",
    *(  # eighteen digits in Base64, by what stands around the fourth
        rf"[AEIMQUYcgk][{third}]{fourth}[DTjz]([AEIMQUYcgk][w-z0-5][MNO][DTjz]){{4}}"
        for third in ("w-z", "0-3", "45")
        for fourth in "MNO"
    ),
    r"sk-(ant|proj|svcacct|admin)-[A-Za-z0-9_-]{30}|sk-[A-Za-z0-9]{20}T3BlbkFJ|hf_[A-Za-z]{34}\b",
    r"hv[sbr]\.[A-Za-z0-9_-]{24}|dckr_(pat|oat)_|dapi[a-f0-9]{32}\b|dp\.(pt|st|ct|sa)\.[A-Za-z0-9.]{40}",
    r"NRAK-[A-Z0-9]{27}|shp(at|ca|pa|ss)_[a-fA-F0-9]{32}|sq0(atp|csp)-|\bEAAA[A-Za-z0-9_-]{60}|\.atlasv1\.",
    r"rubygems_[a-f0-9]{48}|lin_api_[A-Za-z0-9]{40}|ATATT3[A-Za-z0-9_=-]{40}|AGE-SECRET-KEY-1[A-Z0-9]{58}",
    r"eyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10}",
)
"""The same forms for the search of every byte, without look-around: in a binary any byte may stand before them."""


_RUN = late(r"(?<![A-Za-z0-9+/_%~.:=-])[A-Za-z0-9+/_%~.:=-]{20,}")
"""Every form is such a run or a part of one, at most with a ``?`` or ``&`` before it: only there are all of them tried."""


def tokens(text: str) -> Iterator[Token]:
    """The verified tokens of a text, in order."""
    for match in _matches(text):
        form = _FORMS[int((match.lastgroup or "f0")[1:])]
        value = match[0]
        if form.holds(value):
            named = re.match(r"[?&]?[A-Za-z]+=", value) if form.kind.startswith("Azure s") or "SAS" in form.kind else None
            cut = named.end() if named is not None else 0
            yield Token(form.kind, value[cut:], match.start() + cut, test="_test_" in value)


def _matches(text: str) -> Iterator[re.Match[str]]:
    for run in _RUN.finditer(text):
        yield from _ANY.finditer(text, max(0, run.start() - 1), run.end())
