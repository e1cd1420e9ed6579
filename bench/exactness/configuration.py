"""Configuration against the matrix, renames between two versions, and versions in order: each on a set made here.

The sets are written out below; what is planted and what is a trap can be read. The order of versions is held against dpkg on
pairs of what is installed on this machine.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess

from exactness import NotHere, Row
from fulldress.formats.keyreader import keys
from fulldress.formats.version import compare
from fulldress.inventory.matrixdiff import propose
from fulldress.inventory.survey import config_keys
from fulldress.model.estate import Estate, HostFacts, MatrixRow
from fulldress.scan.rule import Sample
from fulldress.scan.samples import context_of
from fulldress.scan.settings.configkeys import problems

_FORMS = {
    "http.port": {"type": "port"},
    "http.threads": {"type": "integer", "range": "1..64"},
    "http.timeout": {"type": "duration"},
    "cache.size": {"type": "size", "range": "1048576.."},
    "log.level": {"values": ("debug", "info", "warning", "error")},
    "partner.url": {"type": "url"},
    "audit.enabled": {"type": "boolean"},
    "hybrid.mode": {"values": ("active-active", "read-only"), "silent_fallback": True},
}
ROWS = tuple(
    MatrixRow(product="p", key=key, change="known", since="0", **form)  # type: ignore[arg-type]
    for key, form in _FORMS.items()
)
BROKEN = [
    "http.port=80800",
    "http.port=eighty",
    "http.threads=0",
    "http.threads=65",
    "http.threads=4.5",
    "http.threads=",
    "http.timeout=5 parsecs",
    "http.timeout=fast",
    "cache.size=lots",
    "cache.size=12",
    "log.level=verbose",
    "log.level=inof",
    "partner.url=partner example",
    "audit.enabled=maybe",
    "hybrid.mode=active-activ",
    "hybrid.mode=both",
    "hybrid.modes=active-active",
    "hybrid.Mode_=read-only",
]
SOUND = [
    "http.port=8080",
    "http.threads=64",
    "http.timeout=1h30m",
    "http.timeout=250ms",
    "cache.size=64MB",
    "log.level=INFO",
    "log.level=${LEVEL}",
    "partner.url=jdbc:postgresql://db/x",
    "audit.enabled=Off",
    "hybrid.mode=Read-Only",
    "http.threads=<secret>",
    "other.modes=x",
    "http.portal=x",
    "partner.urls=a b",
    "hybrid.nodes=a",
]
WRITTEN = {
    "app.ini": "[{section}]\n{name} = {value}\n",
    "app.properties": "{section}.{name}={value}\n",
    "app.yaml": "{section}:\n  {name}: '{value}'\n",
    "app.json": '{{"{section}": {{"{name}": "{value}"}}}}\n',
    "app.toml": '[{section}]\n{name} = "{value}"\n',
    "app.xml": "<{section}><{name}>{value}</{name}></{section}>\n",
}
RENAMED = {
    "http.timeout": "http.request_timeout",
    "db.maxConnections": "db.max_connections",
    "partner.url": "partners.url",
    "cache_dir": "cache.directory",
    "mail.smtp_host": "mail.smtp.host",
    "lims.export.folder": "lims.export.target_folder",
    "auth.ldapServer": "auth.ldap.server",
    "queue.size": "queue.capacity.size",
}
UNRELATED = {
    "ui.theme": "audit.retention",
    "fax.number": "otel.endpoint",
    "report.font": "tls.minimum",
    "a.printer": "hybrid.enable",
}


def measure() -> list[Row]:
    """Planted problems and traps in six formats, planted renames, and the order of installed versions."""
    return [*_problems(), *_renames(), _order()]


def _found(entry: str, file: str, form: str) -> bool:
    name, _, value = entry.partition("=")
    section, _, last = name.partition(".")
    text = form.format(section=section, name=last, value=value)
    read = tuple(config_keys(text, f"/etc/{file}"))
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", config=read)
    sample = Sample(files={"R": "x"}, impacts=(), matrix=ROWS, estate=Estate(taken="", hosts=(host,)))
    return bool(problems(context_of(sample)))


def _problems() -> list[Row]:
    broken = [(entry, file) for entry in BROKEN for file in WRITTEN if entry.partition("=")[2] or file != "app.xml"]
    sound = [(entry, file) for entry in SOUND for file in WRITTEN if "<" not in entry or file != "app.xml"]
    missed = [f"{entry} in {file}" for entry, file in broken if not _found(entry, file, WRITTEN[file])]
    wrong = [f"{entry} in {file}" for entry, file in sound if _found(entry, file, WRITTEN[file])]
    got = len(broken) - len(missed)
    return [
        Row("settings that the version will not understand, found", got, len(broken), not missed, "all", ", ".join(missed)),
        Row("sound settings reported", len(wrong), len(sound), not wrong, "none", ", ".join(wrong)),
    ]


def _renames() -> list[Row]:
    old = "".join(f"{key} = value-{n}\n" for n, key in enumerate(RENAMED)) + "".join(
        f"{key} = {n}7\n" for n, key in enumerate(UNRELATED)
    )
    new = "".join(f"{key} = value-{n}\n" for n, key in enumerate(RENAMED.values()))
    new += "".join(f"{key} = {n}9\n" for n, key in enumerate(UNRELATED.values()))
    rows = propose({"a.properties": keys(old, file="a")}, {"a.properties": keys(new, file="a")}, product="p", since="2")
    said = {p.row.key: p.row.instead for p in rows if p.row.change == "renamed"}
    missed = [key for key, other in RENAMED.items() if said.get(key) != other]
    wrong = [key for key in said if key not in RENAMED]
    return [
        Row(
            "renamed keys guessed from two versions' files",
            len(RENAMED) - len(missed),
            len(RENAMED),
            len(missed) <= 1,
            "all but one",
            ", ".join(missed),
        ),
        Row("unrelated keys taken for renames", len(wrong), len(UNRELATED), not wrong, "none", ", ".join(wrong)),
    ]


def _order() -> Row:
    if shutil.which("dpkg-query") is None:
        raise NotHere("dpkg is not on this machine")
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\\n"], capture_output=True, text=True, check=True).stdout
    versions = sorted(set(shown.split()))[::7][:32]
    pairs = list(itertools.combinations(versions, 2))[:400]
    wrong = [f"{a} {b}" for a, b in pairs if (compare(a, b, "deb") < 0) != _dpkg(a, b)]
    got = len(pairs) - len(wrong)
    return Row("pairs of installed versions in dpkg's own order", got, len(pairs), not wrong, "all", ", ".join(wrong[:5]))


def _dpkg(left: str, right: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0
