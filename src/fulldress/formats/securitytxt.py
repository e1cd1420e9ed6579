"""``security.txt`` (RFC 9116): whom to tell, until when that holds, and where the provider's advisories are. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$")
CLEAR_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"


class SecurityTxt(NamedTuple):
    """The fields, by lower-case name, in their order; and what is wrong with them."""

    fields: dict[str, tuple[str, ...]]
    expires: datetime | None
    problems: tuple[str, ...]


def read(text: str, now: datetime, url: str = "") -> SecurityTxt:
    """Read the text (without its signature armour). ``url``: where it was read, to compare with ``Canonical``."""
    fields: dict[str, list[str]] = {}
    odd: list[int] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := _FIELD.match(line):
            fields.setdefault(match[1].lower(), []).append(match[2].strip())
        else:
            odd.append(number)
    expires = _time(fields.get("expires", [""])[0])
    problems = [*_wrong(fields, expires, now, url), *(f"line {n} is no field" for n in odd[:5])]
    return SecurityTxt({name: tuple(values) for name, values in fields.items()}, expires, tuple(problems))


def _wrong(fields: dict[str, list[str]], expires: datetime | None, now: datetime, url: str) -> list[str]:
    found = []
    if not fields.get("contact"):
        found.append("it has no Contact")
    if len(fields.get("expires", ())) != 1 or expires is None:
        found.append("it has not exactly one Expires with a date and time")
    elif expires <= now:
        found.append(f"it expired on {expires:%Y-%m-%d}: nothing in it counts")
    if len(fields.get("preferred-languages", ())) > 1:
        found.append("it has more than one Preferred-Languages")
    if url and fields.get("canonical") and url not in fields["canonical"]:
        found.append("its Canonical names other places than the one it was read from")
    for name in ("contact", "encryption", "canonical", "policy", "csaf"):
        if any(value.lower().startswith("http://") for value in fields.get(name, ())):
            found.append(f"its {name.title()} is not https")
    return found


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None
