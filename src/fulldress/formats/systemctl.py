"""What ``systemctl --output=json`` prints, as types. Pure."""

from __future__ import annotations

import msgspec


class ListedUnit(msgspec.Struct):
    """An item of ``systemctl list-units``: a unit that is loaded now."""

    unit: str
    load: str = ""
    active: str = ""
    sub: str = ""


class ListedFile(msgspec.Struct):
    """An item of ``systemctl list-unit-files``: a unit that is on disk."""

    unit_file: str
    state: str = ""
