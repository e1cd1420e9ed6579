"""CycloneDX written as XML, brought into the shape of its JSON. Pure; no entity is resolved, no document type allowed.

Only what the import reads: the components with their names, versions, package URLs, properties and inner components.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from fulldress.formats.late import late

_NAMESPACE = late(r"http://cyclonedx\.org/schema/bom/(\d\.\d+)$")
_TEXTS = ("group", "name", "version", "purl")
MAX_DEPTH = 200


class NotCycloneDX(ValueError):
    """The text is no CycloneDX XML; the reason in words."""


def document(data: bytes) -> dict[str, Any]:
    """The bill of materials as its JSON would say it. Raises NotCycloneDX."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = _refused
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise NotCycloneDX(f"it is no XML: {error}") from error
    return reader.bom


def _refused(*_: object) -> None:
    raise NotCycloneDX("it has a document type declaration")


class _Reader:
    """Elements as they come: a stack of names, a stack of the components that are open."""

    def __init__(self) -> None:
        self.bom: dict[str, Any] = {}
        self._path: list[str] = []
        self._open: list[dict[str, Any]] = []
        self._text: list[str] = []
        self._property = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        space, _, local = name.rpartition(" ")
        if not self._path:
            match = _NAMESPACE.match(space)
            if local != "bom" or match is None:
                raise NotCycloneDX("its root is not a bom of CycloneDX")
            self.bom = {"bomFormat": "CycloneDX", "specVersion": match[1], "components": []}
        self._path.append(local if _NAMESPACE.match(space) else "")
        if len(self._path) > MAX_DEPTH:
            raise NotCycloneDX(f"its elements lie more than {MAX_DEPTH} deep")
        self._text = []
        if local == "component" and self._path[-2:-1] in (["components"], ["metadata"]):
            self._open.append({"type": attributes.get("type", "library"), "components": [], "properties": []})
        elif local == "property":
            self._property = attributes.get("name", "")

    def data(self, text: str) -> None:
        """Text inside the element."""
        self._text.append(text)

    def end(self, name: str) -> None:
        """End an element: a component's own parts go into it, a component into the one around it."""
        local, above = self._path.pop(), self._path[-1] if self._path else ""
        text = "".join(self._text).strip()
        self._text = []
        if not self._open:
            return
        if above == "component" and local in _TEXTS:
            self._open[-1].setdefault(local, text)
        elif local == "property" and above == "properties":
            self._open[-1]["properties"].append({"name": self._property, "value": text})
        elif local == "component" and above in ("components", "metadata"):
            done = self._open.pop()
            if above == "metadata":
                self.bom["metadata"] = {"component": done}
            else:
                (self._open[-1] if self._open else self.bom)["components"].append(done)
