"""Does a value fit what the matrix says of its key: type, range, the only values there are. Pure; knows no product.

A value that refers to something else (``${HOME}``, ``<secret>``) is nobody's error: what it will be is not known here.
"""

from __future__ import annotations

from difflib import get_close_matches

from fulldress.formats.late import late
from fulldress.model.estate import MatrixRow

BOOLEANS = {"true", "false", "yes", "no", "on", "off", "1", "0", "enabled", "disabled"}
TYPES = ("", "boolean", "integer", "number", "duration", "size", "port", "url", "path", "host", "string")
_RANGE = late(r"\s*(?P<low>-?\d+(?:\.\d+)?)?\s*\.\.\s*(?P<high>-?\d+(?:\.\d+)?)?\s*")
_NUMBER = late(r"[+-]?\d{1,300}(?:\.\d{0,300})?")
_UNKNOWN = late(r"\$\{|\$\(|\$[A-Za-z_]|\{\{|<secret>|%\(|@[A-Za-z_]+@")
_DURATION = late(r"(?P<n>\d{1,15}(?:\.\d{1,9})?)\s*(?P<unit>[a-zA-Zµ]*)")
_SIZE = late(r"(?P<n>\d{1,15}(?:\.\d{1,9})?)\s*(?P<unit>[kKmMgGtTpP]?)(?P<i>i?)[bB]?")
_URL = late(r"[A-Za-z][A-Za-z0-9+.-]*:(//)?[^\s]+")
_HOST = late(r"\[?[A-Za-z0-9_:.%-]+\]?")
_SECONDS = {
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
    "weeks": 604800.0,
}


def check_row(row: MatrixRow) -> None:
    """Raises ValueError when a row's own type or range cannot be understood."""
    if row.type not in TYPES:
        raise ValueError(f"no type is named {row.type!r}; there are {', '.join(name for name in TYPES if name)}")
    if row.range and _RANGE.fullmatch(row.range) is None:
        raise ValueError(f"not a range: {row.range!r}; write 1..64, 1.. or ..64")


def problem(row: MatrixRow, value: str) -> str:
    """Why the value does not fit, in words; ``""`` when it does or cannot be judged."""
    text = value.strip()
    if _UNKNOWN.search(text):
        return ""
    if row.values and text.lower() not in {allowed.lower() for allowed in row.values}:
        near = get_close_matches(text.lower(), row.values, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"“{text}” is none of {', '.join(row.values)}{hint}"
    number, said = _typed(row.type, text)
    if said:
        return f"“{text}” is {said}"
    return _outside(row.range, number, text) if row.range else ""


def corrected(row: MatrixRow, value: str) -> str:
    """The value that was surely meant: the one allowed value that is spelled alike; ``""`` when there is no such."""
    near = get_close_matches(value.strip().lower(), row.values, 2, 0.75)
    return near[0] if len(near) == 1 else ""


def _typed(kind: str, text: str) -> tuple[float | None, str]:
    """(the number behind it, what is wrong with it)."""
    if kind == "boolean":
        return None, "" if text.lower() in BOOLEANS else "neither true nor false"
    if kind in ("integer", "number", "port", ""):
        number = float(text) if _NUMBER.fullmatch(text) else None
        if kind and (number is None or (kind != "number" and "." in text)):
            return None, "no whole number" if kind != "number" else "no number"
        if kind == "port" and number is not None and not 0 <= number <= 65535:
            return None, "no port (0 to 65535)"
        return number, ""
    if kind == "duration":
        return _duration(text)
    if kind == "size":
        return _size(text)
    return None, _formed(kind, text)


def _formed(kind: str, text: str) -> str:
    if kind == "url" and not _URL.fullmatch(text):
        return "no URL"
    if kind == "path" and not text.startswith(("/", "./", "../", "~", "C:\\")) and "/" not in text:
        return "no path"
    return "no host name or address" if kind == "host" and not _HOST.fullmatch(text) else ""


def _duration(text: str) -> tuple[float | None, str]:
    parts = list(_DURATION.finditer(text))
    whole = "".join(part.group() for part in parts).replace(" ", "") == text.replace(" ", "")
    if not parts or not whole or any(part["unit"].lower() not in _SECONDS for part in parts):
        return None, "no duration (30s, 5m, 1h30m)"
    return sum(float(part["n"]) * _SECONDS[part["unit"].lower()] for part in parts), ""


def _size(text: str) -> tuple[float | None, str]:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None, "no size (512k, 64MB, 1GiB)"
    return float(match["n"]) * 1024 ** ("kmgtp".index(match["unit"].lower()) + 1 if match["unit"] else 0), ""


def _outside(written: str, number: float | None, text: str) -> str:
    limits = _RANGE.fullmatch(written)
    if limits is None or number is None:
        return ""
    low, high = limits["low"], limits["high"]
    if (low is not None and number < float(low)) or (high is not None and number > float(high)):
        return f"“{text}” is outside {written}"
    return ""
