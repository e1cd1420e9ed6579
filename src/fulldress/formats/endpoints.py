"""From paths to endpoint templates: ``/api/results/17?x=1`` is ``/api/results/{id}``. Pure; no I/O.

Two steps: :func:`template` replaces segments that look like identifiers; :class:`Templates`, fitted over many paths,
also collapses the children of a folder that has a great many rare ones (names, slugs) into ``{*}``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_IDENTIFIER = re.compile(
    r"\d+(?:[-_.:]\d+)*"  # 17, 2026-11-21
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # UUID
    r"|(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}"  # hash
    r"|(?=\D*\d)[0-9A-HJKMNP-TV-Z]{26}"  # ULID
    r"|[A-Za-z]{1,8}[-_]\d{3,}(?:[-_]\d+)*"  # S-000123, LAB_2026_17
    r"|[a-z]{1,8}_(?=[A-Za-z]*\d)[A-Za-z0-9]{6,}"  # wh_3f9a21
    r"|(?=[A-Za-z_-]*\d)(?=[0-9_-]*[A-Za-z])(?=.*[A-Z])[A-Za-z0-9_-]{20,}"  # tokens
)
_DEEPEST = 32
"""Folders told apart; what is below stays one piece."""
_MANY = 12
_RARE, _VERY_RARE, _SELDOM = 0.05, 0.01, 60
"""A child is rare below 1 % of its folder's requests, or below 5 % when it was seen fewer than 60 times; more than twelve
such children are names, not endpoints. So twenty resources of an API with their own traffic stay apart."""
_MOST_DISTINCT = 100_000


def template(path: str) -> str:
    """The path without its query, identifiers (numbers, UUIDs, hashes, prefixed ids) replaced by ``{id}``."""
    return "/".join(_segment(part) for part in _bare(path).split("/", _DEEPEST))


def _bare(path: str) -> str:
    return path.partition("?")[0].partition("#")[0] or "/"


def _segment(part: str) -> str:
    return "{id}" if _IDENTIFIER.fullmatch(part) else part


class _Node:
    """One folder of the collapsed tree: children that keep their name, and one for all the rare ones."""

    __slots__ = ("children", "rest")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.rest: _Node | None = None


class Templates:
    """Endpoint templates fitted over the paths of a log; :meth:`of` gives the template of any path."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """``counts``: how often each path or template was seen; of more than 100,000 distinct ones the commonest count."""
        merged: Counter[str] = Counter()
        for path, times in counts.items():
            merged[template(path)] += times
        items = [(tuple(name.split("/", _DEEPEST)), times) for name, times in merged.most_common(_MOST_DISTINCT)]
        self._root = _grow(items, 0)

    @classmethod
    def fit(cls, paths: Iterable[str]) -> Templates:
        """Fit over every path as it was requested."""
        return cls(Counter(template(path) for path in paths))

    def of(self, path: str) -> str:
        """The template of a path; one never seen keeps its names, but for identifiers."""
        parts = template(path).split("/", _DEEPEST)
        node: _Node | None = self._root
        out: list[str] = []
        for part in parts:
            if node is None:
                out.append(part)
            elif part in node.children:
                out.append(part)
                node = node.children[part]
            elif node.rest is not None:
                out.append("{*}")
                node = node.rest
            else:
                out.append(part)
                node = None
        return "/".join(out)


def _grow(items: list[tuple[tuple[str, ...], int]], depth: int) -> _Node:
    node = _Node()
    by_part: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for parts, times in items:
        if depth < len(parts):
            by_part.setdefault(parts[depth], []).append((parts, times))
    total = sum(times for _, times in items)
    weight = {part: sum(times for _, times in group) for part, group in by_part.items()}
    rare = _rare({part: times for part, times in weight.items() if part not in ("", "{id}")}, total)
    for part, group in by_part.items():
        if part not in rare:
            node.children[part] = _grow(group, depth + 1)
    if rare:
        node.rest = _grow([item for part in sorted(rare) for item in by_part[part]], depth + 1)
    return node


def _rare(weight: Mapping[str, int], total: int) -> set[str]:
    """Which children of a folder collapse into one."""
    rare = {
        part for part, times in weight.items() if times < _VERY_RARE * total or (times < _RARE * total and times < _SELDOM)
    }
    return rare if len(rare) > _MANY else set()
