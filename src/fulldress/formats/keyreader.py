"""The keys of a configuration file of any common format, each with its value and line. Reads; never evaluates anything.

Which format it is follows from the file's name, else from its first character: YAML, JSON, XML, nginx, postgresql.conf,
sshd_config; all else is of the ``key = value`` family (``formats/config.py``), like a file that is not what it is named.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any
from xml.parsers import expat

from fulldress.formats import config
from fulldress.formats.late import late
from fulldress.model.estate import ConfigKey

MAX_KEYS = 20_000
MAX_DEPTH = 40
MAX_YAML = 256 << 10
"""Larger YAML is data more often than configuration, and would take seconds: it is read line by line, without nesting."""
_POSTGRES = late(r"(^|/)(postgresql[^/]*|pg_[^/]*|recovery)\.(auto\.)?conf$|/postgresql/.*\.conf$")
_NGINX = late(r"(^|/)(nginx|openresty)(/.*|\.conf)$")
_WORDS = late(r"(?!export\s)[A-Za-z][\w.-]*\s+[^\s=:]")
_SSH = late(r"(^|/)sshd?_config(\.d/[^/]+\.conf)?$")
_APACHE = late(r"(^|/)(apache2?|httpd2?)(/.*|\.conf)$|(^|/)\.htaccess$|(^|/)proftpd(/.*|\.conf)$")
_BLOCK = late(r"<(?P<end>/)?(?P<name>[A-Za-z][\w:-]*)(?P<of>(\s[^>]*|))>\s*(#.*)?$")
_SETTING = late(r"\s*(?P<key>[A-Za-z_][\w.]*)(?:\s*=\s*|\s+)(?P<value>'(?:[^'\\]|''|\\.)*'|[^\s#']+)\s*(#.*)?$")
_PEM = late(r"-----BEGIN [A-Z0-9 ]{1,60}-----.*?(?:-----END [A-Z0-9 ]{1,60}-----|\Z)", re.DOTALL)


class NotThatFormat(ValueError):
    """The text is not in the format that its name promises."""


def keys(text: str, *, file: str) -> list[ConfigKey]:
    """Every key of a file in order, duplicates included; secrets too. Never raises."""
    form = kind(text, file)
    reader = READERS.get(form)
    text = _without_blocks(text) if form == "words" else text
    if reader is not None:
        try:
            return [ConfigKey(file=file, key=k, value=v, line=n, format=form) for k, v, n in _bounded(reader(text))]
        except (NotThatFormat, RecursionError):
            pass
    return config.keys(_without_blocks(text), file=file)[:MAX_KEYS]


def _without_blocks(text: str) -> str:
    """Keys and certificates are no settings: the last line of their base64 looks like one, and is part of a secret."""
    return _PEM.sub(lambda block: "\n" * block[0].count("\n"), text) if "-----BEGIN " in text else text


def kind(text: str, file: str) -> str:
    """yaml, json, xml, nginx, postgresql, ssh, apache, words or ini."""
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return "yaml"
    if suffix in (".json", ".xml"):
        return suffix[1:]
    if _NGINX.search(file) and suffix in ("", ".conf"):
        return "nginx"
    if _POSTGRES.search(file):
        return "postgresql"
    if _SSH.search(file):
        return "ssh"
    if _APACHE.search(file) and suffix in ("", ".conf", ".load", ".htaccess"):
        return "apache"
    if suffix in ("", ".conf", ".cfg") and _in_blocks(text):
        return "apache"
    begins = text.lstrip("\ufeff \t\r\n")[:6]
    if begins.startswith("<?xml") or begins[:1] == "{":
        return "xml" if begins[:1] == "<" else "json"
    return "words" if suffix in ("", ".conf", ".cfg") and _in_words(text) else "ini"


def _in_words(text: str) -> bool:
    """True when almost every line is a keyword and its value without a sign between them (redis, chrony, monit)."""
    lines = [line.strip() for line in text.split("\n")[:2000]]
    lines = [line for line in lines if line and line[0] not in "#;!"]
    if not lines or any(line[0] == "[" for line in lines):
        return False
    return sum(_WORDS.match(line) is not None for line in lines) >= 0.9 * len(lines)


def _in_blocks(text: str) -> bool:
    """True when ``<Name ...>`` and ``</Name>`` stand on lines of their own, as Apache's (and fluentd's) files have them."""
    if text.lstrip("\ufeff \t\r\n").startswith(("<?", "<!")):
        return False
    found = [match for line in text.split("\n")[:5000] if (match := _BLOCK.match(line.strip()))]
    opened = sum(match["end"] is None for match in found)
    return bool(found) and opened * 2 == len(found) and any(_WORDS.match(line.strip()) for line in text.split("\n")[:5000])


Found = tuple[str, str, int]


def _bounded(found: Iterator[Found]) -> Iterator[Found]:
    for number, one in enumerate(found):
        if number == MAX_KEYS:
            return
        yield one


# --- YAML: nodes with their lines, nothing constructed


def _yaml(text: str) -> Iterator[Found]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - loaded when needed: only for YAML files
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - the same

    if len(text) > MAX_YAML:
        raise NotThatFormat
    reader = YAML(typ="safe", pure=True)
    try:
        documents = list(reader.compose_all(io.StringIO(text)))
    except (YAMLError, ValueError, RecursionError) as error:
        raise NotThatFormat from error
    for document in documents:
        if document is not None and document.id == "scalar":
            raise NotThatFormat
        yield from _yaml_node(document, (), set(), 0)


def _yaml_node(node: Any, path: tuple[str, ...], above: set[int], line: int) -> Iterator[Found]:
    """Mappings and sequences by their paths, at the lines of their keys; an alias to a node above itself ends there."""
    if node is None or id(node) in above or len(path) > MAX_DEPTH:
        return
    inside = above | {id(node)}
    if node.id == "mapping":
        for key, value in node.value:
            yield from _yaml_node(value, (*path, str(key.value)), inside, key.start_mark.line + 1)
    elif node.id == "sequence":
        for index, value in enumerate(node.value):
            yield from _yaml_node(value, (*path, str(index)), inside, value.start_mark.line + 1)
    elif path:
        yield ".".join(path), str(node.value), line


# --- JSON: a tokeniser, because the standard reader forgets lines

_JSON = late(r'\s*(?P<token>"(?:[^"\\\x00-\x1f]|\\.)*"|[\[\]{}:,]|-?\d[\d.eE+-]*|true|false|null)')


def _json(text: str) -> Iterator[Found]:
    try:
        json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise NotThatFormat from error
    path: list[str | int] = []
    awaiting_key: list[bool] = []
    line, end = 1, 0
    for match in _JSON.finditer(text):
        line, end = line + text.count("\n", end, match.start("token")), match.start("token")
        token = match["token"]
        if token in "{[":
            path.append("" if token == "{" else 0)
            awaiting_key.append(token == "{")
        elif token in "}]":
            path.pop()
            awaiting_key.pop()
        elif token == ",":
            awaiting_key[-1] = isinstance(path[-1], str)
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else path[-1]
        elif token == ":":
            awaiting_key[-1] = False
        elif awaiting_key and awaiting_key[-1]:
            path[-1] = str(json.loads(token))
        elif path:
            value = json.loads(token)
            yield ".".join(map(str, path)), value if isinstance(value, str) else token, line


# --- XML: elements by their paths, attributes behind @


def _xml(text: str) -> Iterator[Found]:
    found: list[tuple[int, str, str, int]] = []
    path: list[str] = []
    texts: list[tuple[str, int, int]] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        label = attributes.get("name") or attributes.get("key")
        if len(path) > MAX_DEPTH:
            raise NotThatFormat
        path.append(f"{name}[{label}]" if label else name)
        for key, value in attributes.items():
            if key not in ("name", "key"):
                found.append((len(found), ".".join([*path, f"@{key}"]), value, parser.CurrentLineNumber))
        texts.append(("", parser.CurrentLineNumber, len(found)))

    def data(more: str) -> None:
        said, line, order = texts[-1]
        texts[-1] = (said + more, line, order)

    def ended(_: str) -> None:
        said, line, order = texts.pop()
        if said.strip():
            found.append((order, ".".join(path), said.strip(), line))
        path.pop()

    def entity(*_: object) -> None:
        raise NotThatFormat

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, ended, data
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise NotThatFormat from error
    return ((key, value, line) for _, key, value, line in sorted(found, key=lambda f: (f[3], f[0])))


# --- nginx: blocks by their names


def _nginx(text: str) -> Iterator[Found]:
    from crossplane import lexer  # noqa: PLC0415 - loaded when needed: only for nginx files
    from crossplane.errors import NgxParserBaseException  # noqa: PLC0415 - the same

    words: list[str] = []
    path: list[str] = []
    begun = 0
    try:
        for token, line, quoted in lexer._balance_braces(lexer._lex_file_object(io.StringIO(text))):
            if quoted or token not in ("{", "}", ";"):
                if not words and token.startswith("#") and not quoted:
                    continue
                begun = begun if words else line
                words.append(token)
                continue
            if token == ";" and words:
                yield ".".join([*path, words[0]]), " ".join(words[1:]), begun
            elif token == "{":
                path.append(" ".join(words))
            elif token == "}":
                path.pop()
            words = []
    except NgxParserBaseException as error:
        raise NotThatFormat from error


# --- postgresql.conf: the equals sign is optional


def _postgresql(text: str) -> Iterator[Found]:
    for number, line in enumerate(text.split("\n"), 1):
        match = _SETTING.match(line.rstrip("\r"))
        if match:
            value = match["value"]
            quoted = value.startswith("'")
            yield match["key"], value[1:-1].replace("''", "'").replace("\\'", "'") if quoted else value, number


# --- sshd_config: a keyword and the rest of the line; Match and Host open blocks


def _ssh(text: str) -> Iterator[Found]:
    block = ""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split("#", 1)[0].strip().replace("=", " ", 1).split(None, 1)
        if len(words) == 2 and words[0].lower() in ("match", "host"):
            block = f"{words[0]} {words[1].strip()}."
        elif len(words) == 2:
            yield block + words[0], words[1].strip().strip('"'), number


# --- Apache: a keyword and the rest of the line, in blocks


def _apache(text: str) -> Iterator[Found]:
    path: list[str] = []
    held, begun = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        begun = begun if held else number
        if line.endswith("\\"):
            held += f"{line[:-1].strip()} "
            continue
        line, held = f"{held}{line.strip()}".strip(), ""
        if not line or line.startswith("#"):
            continue
        if block := _BLOCK.match(line):
            if not block["end"]:
                path.append(f"{block['name']}{' ' if block['of'].strip() else ''}{block['of'].strip()}")
            elif not path or path.pop().partition(" ")[0].lower() != block["name"].lower():
                raise NotThatFormat
            continue
        word, _, value = line.partition(" ") if " " in line else line.partition("\t")
        yield ".".join([*path, word]), _unquoted(value.strip()), begun
    if path:
        raise NotThatFormat


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1] else value


# --- a keyword and the rest of the line


def _words(text: str) -> Iterator[Found]:
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip().split(None, 1)
        if words and words[0][0] not in "#;!":
            value = re.sub(r"\s+#.*$", "", words[1]).strip() if len(words) == 2 else ""
            yield words[0], value.strip('"'), number


READERS: dict[str, Callable[[str], Iterator[Found]]] = {
    "yaml": _yaml,
    "json": _json,
    "xml": _xml,
    "nginx": _nginx,
    "postgresql": _postgresql,
    "ssh": _ssh,
    "apache": _apache,
    "words": _words,
}
"""Kind -> reader; ``ini`` is ``formats/config.py``."""
