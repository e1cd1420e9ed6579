"""A second set of planted secrets: 88 files with one each, and 19 harmless ones, made anew from a seed at every run.

``planted`` and the rules grew side by side; this one was written from the words of the catalogue of rules alone, before
its author had read one of the rules or the first set, and was measured before anything was changed for it: ours found 82
of 88 and reported none of the 19 harmless files; kingfisher 2.14.0 found 19, with one false report at low confidence.
Missed then: a registry's URL in pip.conf, the second assignment of a unit's Environment=, a crypt hash of useradd -p, a
turned comparison in Java, a constant in compiled Python, a URL in WebAssembly. ``found``: a finding of the secret family
above info names the file and, where it is a text, the line.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import random
import shutil
import string
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from exactness import Row
from exactness import _independent_binaries as binaries
from exactness import _independent_texts as texts
from fulldress.cli.scanwork import package_context
from fulldress.scan.sweep import load_rules, sweep

NAME = "orbit-billing-4.2.0"
_ALNUM = string.ascii_letters + string.digits
_WORDS = tuple(
    "Kestrel Harbour Winter Maple Falcon Granite Copper Lantern Meadow Orchid Saffron Tundra Walnut Zephyr".split()  # noqa: SIM905
)


class Plant(NamedTuple):
    """One file with a secret, or a trap."""

    path: str
    data: bytes
    line: int
    """Where it is, 0 where a line means nothing."""
    value: str


class Maker:
    """Values from one seed."""

    def __init__(self, seed: int) -> None:
        """A seed gives one set."""
        self.random = random.Random(seed)

    def letters(self, count: int, alphabet: str = _ALNUM) -> str:
        """That many letters."""
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def value(self, kind: str) -> str:
        """A value of a kind named in the templates."""
        method = getattr(self, "_" + kind)
        return str(method())

    def _none(self) -> str:
        return ""

    def _plain(self) -> str:
        return self.letters(1, string.ascii_letters) + self.letters(9) + self.letters(2, string.digits) + self.letters(2)

    def _plain32(self) -> str:
        return self.letters(32)

    def _words(self) -> str:
        return "-".join(self.random.sample(_WORDS, 2)) + self.letters(3, string.digits)

    def _lower(self) -> str:
        return self.random.choice(_WORDS).lower() + self.random.choice(_WORDS).lower() + self.letters(2, string.digits)

    def _default(self) -> str:
        return "orbit" + self.letters(4, string.digits)

    def _symbols(self) -> str:
        return self.letters(5) + self.random.choice("!#%*") + self.letters(5) + self.random.choice("^@?") + self.letters(4)

    def _checked(self, prefix: str, count: int) -> str:
        body = self.letters(count)
        number, check = zlib.crc32(body.encode()), ""
        while number:
            number, digit = divmod(number, 62)
            check = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + check
        return prefix + body + check.rjust(6, "0")

    def _github(self) -> str:
        return self._checked("gh" + "p_", 30)

    def _npm(self) -> str:
        return self._checked("np" + "m_", 30)

    def _aws(self) -> str:
        return self.letters(40, _ALNUM + "/+")

    def _stripe(self) -> str:
        return "sk" + "_live_51" + self.letters(97)

    def _slack(self) -> str:
        return "xox" + f"b-{self.letters(12, string.digits)}-{self.letters(13, string.digits)}-{self.letters(24)}"

    def _gitlab(self) -> str:
        return "glpat" + "-" + self.letters(20)

    def _sendgrid(self) -> str:
        return "SG" + f".{self.letters(22)}.{self.letters(43)}"

    def _azure(self) -> str:
        return base64.b64encode(self.random.randbytes(64)).decode()

    def _jwt(self) -> str:
        def part(data: bytes) -> str:
            return base64.urlsafe_b64encode(data).decode().rstrip("=")

        claims = json.dumps({"sub": "orbit-agent", "iss": "orbit", "iat": 1735689600}).encode()
        head = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(claims)
        return head + "." + part(hmac.new(self.random.randbytes(32), head.encode(), hashlib.sha256).digest())

    def _apr1(self) -> str:
        return f"$apr1${self.letters(8)}${self.letters(22, _ALNUM + './')}"

    def _crypt(self) -> str:
        return f"$6${self.letters(16)}${self.letters(86, _ALNUM + './')}"

    def _bcrypt(self) -> str:
        return f"$2y$10${self.letters(53, _ALNUM + './')}"

    def _basic(self) -> str:
        return base64.b64encode(f"deploy:{self._plain()}".encode()).decode()

    def _b64(self) -> str:
        return base64.b64encode(self._words().encode()).decode()

    def _b64script(self) -> str:
        return base64.b64encode(f"export PGPASSWORD={self._plain()}\nexec /usr/bin/orbit-api\n".encode()).decode()

    def _hexconf(self) -> str:
        return f"smtp_user=noreply\nsmtp_password={self._plain()}\n".encode().hex()

    def _gzb64(self) -> str:
        return base64.b64encode(gzip.compress(f"host=db1\npassword={self._plain()}\n".encode(), mtime=0)).decode()

    def _urlenc(self) -> str:
        return "".join(f"%{byte:02X}" if not chr(byte).isalnum() else chr(byte) for byte in self._symbols().encode())

    def _enc(self) -> str:
        return base64.b64encode(self.random.randbytes(24)).decode()

    def _vault(self) -> str:
        return "\n".join(self.letters(80, "3456789") for _ in range(4))

    def _hex64(self) -> str:
        return self.random.randbytes(32).hex()

    def _sri(self) -> str:
        return base64.b64encode(self.random.randbytes(64)).decode()

    def aws_id(self) -> str:
        """The public half of a pair."""
        return "AKI" + "A" + self.letters(16, string.ascii_uppercase + "234567")

    def text(self, one: texts.Text) -> Plant:
        """A template with its values."""
        value, other = self.value(one.value), self.aws_id() if one.value == "aws" else self.value(one.value)
        body = one.body.replace("@T@", other)
        line = body[: body.find("@S@")].count("\n") + 1 if "@S@" in body else 0
        return Plant(one.path, body.replace("@S@", value).encode(), line, value)


def planted(seed: int = 20260407) -> list[Plant]:
    """Every file with one secret."""
    maker = Maker(seed)
    groups = (texts.TOKENS, texts.CREDENTIAL_FILES, texts.CONFIGS, texts.COMMANDS, texts.SQL, texts.CODE, texts.ENCODED)
    found = [maker.text(one) for group in groups for one in group]
    found += [Plant(path, data, 0, "") for path, data in binaries.keys().items()]
    words = [maker.value("plain") for _ in range(6)]
    found += [Plant(path, data, 0, "") for path, data in binaries.programs(words).items()]
    word = maker.value("words")
    wide = f"[ldap]\r\nbind_dn=cn=svc\r\nbind_password={word}\r\n"
    found += [Plant(path, data, 0, word) for path, data in binaries.wide(wide).items()]
    inner = f"jdbc.user=orbit\njdbc.password={maker.value('words')}\n".encode()
    found.append(Plant("plugins/rates.tar.gz", binaries.nested("rates.properties", inner), 0, ""))
    found.append(Plant("share/defaults.gz", gzip.compress(f"api_secret={maker.value('plain')}\n".encode(), mtime=0), 0, ""))
    return found


def traps(seed: int = 20260407) -> list[Plant]:
    """Every file without a secret."""
    maker = Maker(seed + 1)
    return [maker.text(one) for one in texts.TRAPS] + [
        Plant(path, data, 0, "") for path, data in binaries.public_only().items()
    ]


def _at(one: Plant, told: list[tuple[str, int]]) -> bool:
    """True when the right file is named, and the right line where the file is a text."""
    return any((one.path in place.replace("!", "")) and (not one.line or line == one.line) for place, line in told)


def measure() -> list[Row]:
    """Found, trapped and leaked, ours and the peer's."""
    secrets, harmless = planted(), traps()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / f"{NAME}.tar.gz"
        package.write_bytes(binaries.tarred({f"{NAME}/{one.path}": one.data for one in (*secrets, *harmless)}))
        told, shown = _ours(package)
        rows = _rows("found", "reported", told, secrets, harmless, judged=True)
        leaked = [one.path for one in secrets if len(one.value) > 5 and one.value in shown]
        rows.append(Row("secrets shown in the report", len(leaked), len(secrets), not leaked, "0", ", ".join(leaked)))
        tool = shutil.which("kingfisher") or shutil.which("kingfisher", path=str(Path(sys.executable).parent))
        if tool is not None:
            for confidence in ("medium", "low"):
                said = f"by kingfisher, {confidence} and above"
                theirs = _theirs(tool, package, confidence)
                rows += _rows(f"found {said}", f"reported {said}", theirs, secrets, harmless, judged=False)
    return rows


def _rows(
    found: str, reported: str, told: list[tuple[str, int]], secrets: list[Plant], harmless: list[Plant], *, judged: bool
) -> list[Row]:
    missed = [one.path for one in secrets if not _at(one, told)]
    trapped = [one.path for one in harmless if _at(one._replace(line=0), told)]
    got, of = len(secrets) - len(missed), len(secrets)
    enough = got * 53 >= of * 50 or not judged
    note = "" if not judged else ", ".join(missed)
    return [
        Row(f"secrets {found}", got, of, enough, "at least 50 of 53, in proportion" if judged else "(a peer's)", note),
        Row(
            f"harmless files {reported}",
            len(trapped),
            len(harmless),
            not (trapped and judged),
            "0" if judged else "(a peer's)",
            ", ".join(trapped),
        ),
    ]


def _ours(package: Path) -> tuple[list[tuple[str, int]], str]:
    with package_context(package, vendor=None, sandboxed=False, progress=None) as context:
        report = sweep(context)
    family = {rule.META.slug for rule in load_rules() if rule.META.family == "secret"}
    told = [(f.place, f.line) for f in report.findings if f.rule in family and f.severity != "info"]
    return told, msgspec.json.encode(report).decode()


def _theirs(tool: str, package: Path, confidence: str) -> list[tuple[str, int]]:
    options = f"--no-validate --no-limits --no-update-check --confidence {confidence} --format json"
    done = subprocess.run(
        [tool, "scan", str(package), *options.split()], capture_output=True, text=True, check=False, timeout=300
    )
    told, _ = json.JSONDecoder().raw_decode(done.stdout.lstrip() or "{}")  # a summary follows in a second document
    return [(f["finding"]["path"], f["finding"]["line"]) for f in told.get("findings", [])]
