"""One command of a vendor's script turned into plan steps, where its meaning is known.

Pure: gets words (expanded) and the places of the adapted package, gives steps without ids. A command that is not
recognised, or whose words are not all known, gives None and stays a script.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from fulldress.formats.statements import static
from fulldress.model.plan import Step

HARMLESS = {
    *("echo", "printf", "exit", "return", "set", "cd", "pushd", "popd", "true", "false", ":", "trap", "logger", "date"),
    *("read", "shift", "test", "[", "[[", "command", "type", "which", "hash", "whoami", "id", "hostname", "uname", "umask"),
    *("export", "local", "readonly", "declare", "unset", "wait", "clear", "tput", "df", "free", "uptime", "cat", "grep"),
    *("ls", "head", "tail", "awk", "cut", "tr", "wc", "dirname", "basename", "pwd", "sort", "stty", "nproc", "stat", "sed"),
}
"""Commands that change nothing on the host when their output goes nowhere (``sed`` without ``-i``)."""

ACTIONS = {"stop", "start", "restart", "reload", "enable", "disable", "mask", "unmask", "daemon-reload"}


class Words:
    """A command as seen by the recognisers: its words, its redirects, and how paths of the package are found."""

    def __init__(
        self,
        argv: tuple[str, ...],
        redirects: tuple[str, ...],
        user: str,
        find: Callable[[str], str | None],
        modes: Mapping[str, int],
        env_file: str = "",
    ) -> None:
        self.redirects, self.user, self.find, self.modes, self.env_file = redirects, user, find, modes, env_file
        self.argv = tuple(w if static(w) else (find(w) or w) for w in argv)

    @property
    def name(self) -> str:
        """The program, without its directory."""
        return posixpath.basename(self.argv[0])

    def options(self, valued: str, long: tuple[str, ...] = ()) -> tuple[dict[str, list[str]], list[str]]:
        """Options (those in ``valued`` and ``long`` take a value) and the remaining words."""
        found: dict[str, list[str]] = {}
        rest: list[str] = []
        words = list(self.argv[1:])
        while words:
            word = words.pop(0)
            if word == "--":
                return found, [*rest, *words]
            if word.startswith("--"):
                name, equals, value = word.partition("=")
                taken = value if equals else (words.pop(0) if name in long and words else "")
                found.setdefault(name, []).append(taken)
            elif word.startswith("-") and len(word) > 1:
                self._short(word[1:], valued, words, found)
            else:
                rest.append(word)
        return found, rest

    def _short(self, letters: str, valued: str, words: list[str], found: dict[str, list[str]]) -> None:
        for index, letter in enumerate(letters):
            if letter in valued:
                value = letters[index + 1 :] or (words.pop(0) if words else "")
                found.setdefault(f"-{letter}", []).append(value)
                return
            found.setdefault(f"-{letter}", []).append("")


def make(kind: str, title: str, *, breaks: str = "", **params: Any) -> Step:
    """A step without an id; underscores in parameter names become dashes."""
    return Step(id="", kind=kind, title=title, params={k.replace("_", "-"): v for k, v in params.items()}, breaks=breaks)


def recognise(words: Words) -> list[Step] | None:
    """The steps that do what the command does; None when it is not known."""
    how = _KNOWN.get(words.name)
    if how is None or not (how is _curl or all(static(w) for w in words.argv)):
        return None
    return how(words)


def _systemctl(words: Words) -> list[Step] | None:
    options, rest = words.options("tpHM", ("--type", "--property", "--signal"))
    action, units = (rest[0], rest[1:]) if rest else ("", [])
    if action in ("status", "is-active", "is-enabled", "show", "list-units", "cat"):
        return []
    if action not in ACTIONS or (not units and action != "daemon-reload"):
        return None
    if action == "daemon-reload":
        return [make("unit", "Make systemd read its files anew", action=action)]
    steps = [_unit(action, unit) for unit in units]
    if "--now" in options and action in ("enable", "disable", "mask"):
        steps += [_unit("start" if action == "enable" else "stop", unit) for unit in units]
    return steps


def _service(words: Words) -> list[Step] | None:
    if len(words.argv) != 3 or words.argv[2] not in ("start", "stop", "restart", "reload"):
        return None
    return [_unit(words.argv[2], words.argv[1])]


def _unit(action: str, unit: str) -> Step:
    name = unit if "." in unit else f"{unit}.service"
    breaks = {
        "stop": f"{name} is down until it is started again",
        "restart": f"what {name} serves does not answer while it restarts",
    }
    return make("unit", f"{action.capitalize()} {name}", breaks=breaks.get(action, ""), action=action, unit=name)


def _dpkg(words: Words) -> list[Step] | None:
    options, rest = words.options("", ())
    if not ({"-i", "--install"} & options.keys()) or not rest:
        return None
    return _debs(words, rest)


def _apt(words: Words) -> list[Step] | None:
    _, rest = words.options("oqt", ())
    if rest[:1] != ["install"] or not all(r.endswith(".deb") for r in rest[1:]) or len(rest) < 2:
        return None
    return _debs(words, rest[1:])


def _debs(words: Words, names: list[str]) -> list[Step] | None:
    places = [words.find(name) for name in names]
    if not all(places):
        return None
    return [make("deb", f"Install {posixpath.basename(p)}", place=p) for p in places if p]


def _psql(words: Words) -> list[Step] | None:
    options, rest = words.options(
        "dfcvUhpFPRTLo", ("--dbname", "--file", "--command", "--set", "--username", "--host", "--port")
    )
    database = next(iter([*options.get("-d", []), *options.get("--dbname", []), *rest]), words.user or "postgres")
    if re.search(r"[=:/]", database):
        return None
    steps = []
    files = [*options.get("-f", []), *options.get("--file", [])]
    files += [m[1] for r in words.redirects if (m := re.fullmatch(r"0?<\s*[\"']?([^\"'<&]+)[\"']?", r))]
    for name in files:
        place = words.find(name)
        if place is None:
            return None
        steps.append(make("migration", f"Migrate {database}: {posixpath.basename(place)}", database=database, place=place))
    for sql in [*options.get("-c", []), *options.get("--command", [])]:
        steps.append(
            make("migration", f"Run SQL in {database}", database=database, content=f"{sql.rstrip().rstrip(';')};\n")
        )
    return steps or None


def _curl(words: Words) -> list[Step] | None:
    long = ("--request", "--data", "--data-raw", "--data-binary", "--header", "--url", "--output", "--max-time", "--retry")
    options, rest = words.options("XdHomuAebxEKTwz", long)
    urls = [*options.get("--url", []), *rest]
    bodies = [b for name in ("-d", "--data", "--data-raw", "--data-binary") for b in options.get(name, [])]
    if len(urls) != 1 or not re.match(r"https?://", urls[0]) or any(b.startswith("@") for b in bodies):
        return None
    secret = [*bodies, *options.get("-H", []), *options.get("--header", [])]
    if not static(urls[0]) or any(not static(_VARIABLE.sub("", t)) for t in secret):
        return None
    if {"-u", "-T", "-F", "-E", "-K", "-b", "-x"} & options.keys():
        return None
    method = next(iter([*options.get("-X", []), *options.get("--request", [])]), "POST" if bodies else "GET").upper()
    target = re.sub(r"^https?://", "", urls[0])
    if method in ("GET", "HEAD"):
        return [make("check", f"Ask {target}", command=f"curl -fsS -o /dev/null --max-time 20 -- {_quoted(urls[0])}")]
    headers = dict(h.partition(":")[::2] for h in [*options.get("-H", []), *options.get("--header", [])])
    extra: dict[str, Any] = {"headers": {k.strip(): _secret(v.strip()) for k, v in headers.items()}} if headers else {}
    if bodies:
        extra["body"] = _secret("&".join(bodies))
    if any(not static(t) for t in secret):
        if not words.env_file:
            return None
        extra["env_file"] = words.env_file
    return [make("http", f"{method} {target}", method=method, url=urls[0], **extra)]


_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::\?[^}]*)?\})")


def _secret(text: str) -> str:
    """``$NAME`` as ``${NAME}``, which the step looks up in the environment file when it runs."""
    return _VARIABLE.sub(lambda m: f"${{{m[1] or m[2]}}}", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _copy(words: Words) -> list[Step] | None:
    valued = "mogtS" if words.name == "install" else "tS"
    options, rest = words.options(valued, ("--mode", "--owner", "--group", "--target-directory"))
    if {"-d", "-r", "-R", "-a", "--recursive"} & options.keys() and words.name != "install":
        return None
    if "-d" in options or len(rest) != 2:
        return None
    place, target = words.find(rest[0]), rest[1]
    if place is None or not target.startswith("/"):
        return None
    path = posixpath.join(target, posixpath.basename(place)) if target.endswith("/") else target
    default = "0755" if words.name == "install" else f"{words.modes.get(place, 0o644) & 0o777:04o}"
    mode = next(iter([*options.get("-m", []), *options.get("--mode", [])]), default)
    owner = next(iter([*options.get("-o", []), *options.get("--owner", [])]), "root")
    group = next(iter([*options.get("-g", []), *options.get("--group", [])]), "root")
    return [make("files", f"Put {path}", path=path, place=place, mode=mode.rjust(4, "0"), owner=f"{owner}:{group}")]


def _remove(words: Words) -> list[Step] | None:
    options, rest = words.options("", ())
    if {"-r", "-R", "--recursive"} & options.keys() or not all(re.fullmatch(r"/[^*?\[]+[^/*?\[]", r) for r in rest):
        return None
    return [make("files", f"Remove {path}", path=path, absent=True) for path in rest] or None


def _sleep(words: Words) -> list[Step] | None:
    if len(words.argv) != 2 or not re.fullmatch(r"\d+(\.\d+)?", words.argv[1]):
        return None
    return [make("pause", f"Wait {words.argv[1]} s", seconds=float(words.argv[1]))]


_KNOWN: dict[str, Callable[[Words], list[Step] | None]] = {
    "systemctl": _systemctl,
    "service": _service,
    "dpkg": _dpkg,
    "apt": _apt,
    "apt-get": _apt,
    "psql": _psql,
    "curl": _curl,
    "install": _copy,
    "cp": _copy,
    "rm": _remove,
    "sleep": _sleep,
}

_WRITERS = {"ln", "rm", "mv", "cp", "install", "sed", "tee", "update-alternatives", "touch", "unlink", "truncate", "patch"}
_TOUCHERS = {"mkdir", "chown", "chmod", "chgrp", "rmdir", "setfacl"}


def changed_paths(argv: tuple[str, ...], redirects: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Absolute paths that a command changes: those to keep with content, and those of which only the metadata changes."""
    name = posixpath.basename(argv[0]) if argv else ""
    paths = [p for w in argv[1:] if (p := _path(w))]
    written = [p for r in redirects if (m := re.fullmatch(r"[0-9&]?>>?\|?\s*(.+)", r)) and (p := _path(m[1].strip("'\"")))]
    if name in _TOUCHERS:
        return written, paths
    return ([*paths, *written] if name in _WRITERS else written), []


def _path(word: str) -> str:
    path = posixpath.normpath(word.rstrip("*"))
    ok = word.startswith("/") and static(word) and path.count("/") >= 2 and not path.startswith(("/dev/", "/proc/", "/tmp/"))
    return path if ok else ""
