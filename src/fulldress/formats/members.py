"""What every archive reader yields, and the checks that hold for members of any format. Pure.

Links are resolved in the archive's own tree, never on a disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from fulldress.formats.late import late
from fulldress.formats.refusal import refusal

MemberKind = Literal["file", "directory", "symlink", "hardlink"]
MAX_NAME = 4096
MAX_COMPONENT = 255
_DRIVE = late(r"[A-Za-z]:")
_SEPARATES = late(r"\\(?!x[0-9a-f]{2})")
"""A backslash that is no escape of systemd's: units for ``/dev/disk/by-uuid`` are called ``dev-disk-by\\x2duuid.mount``."""
_PLAIN = late(r"(?:(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_@+=,.~#%&() -]+(?:/(?!\Z)|\Z))+")
"""Names that need no closer look: relative, plain letters, no part that is dots alone or empty."""
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def _no_content() -> Iterator[bytes]:
    return iter(())


class Member(msgspec.Struct, frozen=True, gc=False):
    """One member of an archive. ``chunks`` reads its content, verified as far as the format allows."""

    name: str
    kind: MemberKind
    size: int = 0
    mode: int = 0o644
    owner: str = ""
    modified: str = ""
    link: str = ""
    chunks: Callable[[], Iterator[bytes]] = _no_content
    packed: int = 0
    """Bytes that it takes in the archive; 0 when the format does not say."""
    at: int | None = None
    """Where its bytes lie as they are (neither packed nor encrypted) in the stream of the archive; None otherwise."""
    base: object = None
    """The stream that ``at`` counts in, where it is another than the archive's own."""
    elsewhere: bool = False
    """Another reader's to open: only its name, kind and packed size are known here."""
    attributes: str = ""
    """Names of recorded attributes that are beyond owner, mode and time (tar's extended attributes)."""
    remark: str = ""
    """What was read with a remark, in words that are the same for every member alike."""
    escaped: bool = False
    """``\\xNN`` in its name and link stands for a byte that is no UTF-8 (see :func:`legible`)."""


def about_archive(remark: str) -> Member:
    """A remark on the archive as a whole: a member without a name, which :func:`checked` passes on."""
    return Member(name="", kind="directory", remark=remark)


NOT_UTF8 = "names that are no UTF-8, whose bytes are written as \\xNN here and kept when the archive is packed anew"
_ESCAPE = late(r"\\x([89a-f][0-9a-f])")


def legible(member: Member) -> Member:
    """The member with bytes of its name and link that are no UTF-8 as ``\\xNN``, which :func:`exact` turns back.

    One whose name has such letters besides is left as it is: it could not be told from another (and is refused).
    """
    if member.name.isascii() and member.link.isascii():
        return member
    name, link = escape(member.name), escape(member.link)
    if (name, link) == (member.name, member.link) or exact(name) != member.name or exact(link) != member.link:
        return member
    return replace(member, name=name, link=link, escaped=True, remark=member.remark or NOT_UTF8)


def escape(text: str) -> str:
    """Bytes that are no UTF-8 (lone surrogates) as ``\\xNN``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def exact(text: str) -> str:
    """What :func:`legible` made legible, as it was recorded (bytes that are no UTF-8 as lone surrogates)."""
    return _ESCAPE.sub(lambda m: chr(0xDC00 + int(m.group(1), 16)), text)


def shown(name: str, limit: int = 120) -> str:
    """A member's name as it may be put into a message: control and bidi characters escaped, cut at ``limit``."""
    safe = (
        name
        if name.isascii() and name.isprintable()
        else "".join(c if c.isprintable() and c not in _BIDI else f"\\u{ord(c):04x}" for c in name)
    )
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def safe_name(raw: str, *, posix: bool = False) -> str:
    """The member's name as a clean relative path (no ``./``, no trailing slash); ``""`` for the root itself.

    ``posix``: a backslash is a letter like any other, as in TAR and .deb (systemd ships names with ``\\x2d``); even then
    no reading of it may climb or be absolute. Raises PackageRefused ``path-traversal`` for a name that is absolute,
    climbs, has a drive or a backslash, or holds control or bidirectional characters.
    """
    if len(raw) <= MAX_COMPONENT and _PLAIN.fullmatch(raw):
        return raw
    if fault := _name_fault(raw, posix):
        raise refusal("path-traversal", f"the member {shown(raw)!r} has {fault}")
    return "/".join(part for part in raw.split("/") if part not in ("", "."))


def _name_fault(raw: str, posix: bool) -> str:
    if raw.startswith(("/", "\\")):
        return "an absolute path"
    if ".." in raw and ".." in re.split(r"[/\\]", raw):
        return "'..' in its path"
    if "\\" in raw and not posix and _SEPARATES.search(raw):
        return "a backslash in its path"
    if _DRIVE.match(raw):
        return "a drive letter"
    if "!/" in raw:
        return "'!/' in its path, which is how places inside nested archives are written"
    ascii_ = raw.isascii()
    if not (ascii_ and raw.isprintable()) and any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _BIDI for c in raw
    ):
        if any("\udc80" <= c <= "\udcff" for c in raw):
            return "bytes that are no UTF-8 in its name"
        return "control or direction-changing characters in its name"
    if ascii_ and len(raw) <= MAX_COMPONENT:
        return ""
    if len(raw.encode("utf-8", "replace")) > MAX_NAME or any(len(p.encode()) > MAX_COMPONENT for p in raw.split("/")):
        return "a name longer than any file system takes"
    return ""


def checked(members: Iterable[Member], *, system_root: bool = False, posix: bool = False) -> Iterator[Member]:
    """The members, each with a clean name, refused when together they would mislead.

    ``system_root`` is for trees whose root is the machine's own (the data of a .deb): absolute link targets are normal
    there. ``posix``: see :func:`safe_name`. Raises PackageRefused ``path-traversal``, ``duplicate-name``,
    ``symlink-escape``.
    """
    guard = _Guard(system_root, posix)
    for member in members:
        name = safe_name(member.name, posix=posix)
        if not name:
            if member.kind != "directory":
                raise refusal("path-traversal", f"the member {shown(member.name)!r} has an empty name")
            if member.remark:
                yield replace(member, name="")
            continue
        clean = member if name == member.name else replace(member, name=name)
        guard.admit(clean)
        yield clean
    guard.finish()


class _Guard:
    """Remembers what came, in every form under which a file system may take two names for one."""

    def __init__(self, system_root: bool, posix: bool) -> None:
        self.system_root, self.posix = system_root, posix
        self.kinds: dict[str, MemberKind] = {}
        self.links: dict[str, str] = {}
        self.parents: set[str] = set()

    def admit(self, member: Member) -> None:
        key = member.name if member.name.isascii() else unicodedata.normalize("NFC", member.name)
        if key in self.kinds:
            raise refusal("duplicate-name", f"two members are called {shown(member.name)!r}")
        if member.kind != "directory" and key in self.parents:
            raise refusal("duplicate-name", f"{shown(member.name)!r} is a file here and a folder there")
        self._parents(key)
        self.kinds[key] = member.kind
        if member.kind == "symlink":
            self._symlink(member, key)
        elif member.kind == "hardlink":
            self._hardlink(member)

    def _parents(self, key: str) -> None:
        parent = key.rpartition("/")[0]
        while parent and parent not in self.parents:  # what is a parent already was looked at then
            kind = self.kinds.get(parent, "directory")
            if kind == "symlink":
                raise refusal("symlink-escape", f"{shown(key)!r} would be written through the link {shown(parent)!r}")
            if kind != "directory":
                raise refusal("duplicate-name", f"{shown(parent)!r} is a file here and a folder there")
            self.parents.add(parent)
            parent = parent.rpartition("/")[0]

    def _symlink(self, member: Member, key: str) -> None:
        target = member.link
        if not target or len(target) > MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in target):
            raise refusal("symlink-escape", f"the link {shown(member.name)!r} has no usable target")
        windows = not self.posix and (_SEPARATES.search(target) or _DRIVE.match(target))
        if windows or (target.startswith("/") and not self.system_root):
            raise refusal("symlink-escape", f"the link {shown(member.name)!r} points outside: {shown(target)}")
        self.links[key] = target

    def finish(self) -> None:
        """Follow every link, now that all are known: a later link may bend an earlier one."""
        for key in self.links:
            self._follow(key)

    def _follow(self, link: str) -> None:
        done: list[str] = []
        todo = link.split("/")[::-1]
        for _ in range(MAX_NAME):
            if not todo:
                return
            part = todo.pop()
            if part == "..":
                if not done:
                    raise refusal(
                        "symlink-escape", f"the link {shown(link)!r} leaves the archive: {shown(self.links[link])}"
                    )
                done.pop()
                continue
            done.append(part)
            target = self.links.get("/".join(done))
            if target is not None:
                done = [] if target.startswith("/") else done[:-1]
                todo.extend(p for p in reversed(target.split("/")) if p not in ("", "."))
        raise refusal("symlink-escape", f"the link {shown(link)!r} goes in circles")

    def _hardlink(self, member: Member) -> None:
        target = unicodedata.normalize("NFC", safe_name(member.link, posix=self.posix))
        if self.kinds.get(target) not in ("file", "hardlink"):
            raise refusal(
                "symlink-escape", f"the hard link {shown(member.name)!r} names no earlier file: {shown(member.link)}"
            )
