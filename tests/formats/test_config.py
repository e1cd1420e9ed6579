"""Reading and changing keys: what is read, and that a change touches nothing else."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.errors import UsageError
from fulldress.formats import config

INI = """\
; the head
[hybrid]
legacy_mode = on   # removed in 5.0
# enable = false

[http]
workers=4
workers=8

[partner]
base_url = http://api.example/v2
hosts = a,
    b,
    c
"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(k.key, k.value) for k in config.keys(text, file="f")]


def test_ini_keys_with_sections_duplicates_and_continuation() -> None:
    assert pairs(INI) == [
        ("hybrid.legacy_mode", "on"),
        ("http.workers", "4"),
        ("http.workers", "8"),
        ("partner.base_url", "http://api.example/v2"),
        ("partner.hosts", "a,\n    b,\n    c"),
    ]


def test_lines_and_file_are_named() -> None:
    found = config.keys(INI, file="/etc/x.conf")
    assert [(k.file, k.line) for k in found] == [("/etc/x.conf", n) for n in (3, 7, 8, 11, 12)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("export TOKEN='a b' # c\nPLAIN=x#y\n", [("TOKEN", "a b"), ("PLAIN", "x#y")]),
        ("server.port: 80\na.b=c\\\n  d\n! note = no\n", [("server.port", "80"), ("a.b", "cd")]),
        ('[a.b]\nlist = [ # first\n  "x=1",\n]\ns = """\nk = v\n"""\nn = 3\n', None),
        ("url = http://h:80/x?a=b;c\n", [("url", "http://h:80/x?a=b;c")]),
        ('quoted = "a \\"b\\" # c"\n', [("quoted", 'a "b" # c')]),
        ("empty =\nnext = 1\n", [("empty", ""), ("next", "1")]),
        ("just words\n\n", []),
    ],
)
def test_forms(text: str, expected: list[tuple[str, str]] | None) -> None:
    if expected is None:
        assert [k for k, _ in pairs(text)] == ["a.b.list", "a.b.s", "a.b.n"]
    else:
        assert pairs(text) == expected


def test_setting_a_key_changes_its_value_only() -> None:
    assert config.set_key(INI, "hybrid.legacy_mode", "off") == INI.replace("= on ", "= off ")


def test_setting_a_repeated_key_sets_every_occurrence() -> None:
    assert config.set_key(INI, "http.workers", "9") == INI.replace("workers=4", "workers=9").replace(
        "workers=8", "workers=9"
    )


def test_a_new_key_goes_to_the_end_of_its_section_in_its_style() -> None:
    assert config.set_key(INI, "http.threads", "2") == INI.replace("workers=8\n", "workers=8\nthreads=2\n")


def test_a_new_section_goes_to_the_end() -> None:
    assert config.set_key(INI, "new.key", "v") == INI + "\n[new]\nkey = v\n"


def test_removing_a_key_removes_its_lines_only() -> None:
    assert config.set_key(INI, "partner.hosts", None) == INI.replace("hosts = a,\n    b,\n    c\n", "")


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert config.set_key(INI, "no.such", None) == INI


def test_a_flat_properties_file_stays_flat() -> None:
    assert config.set_key("a.b=1\n", "a.c", "2") == "a.b=1\na.c=2\n"


def test_an_env_file_keeps_export_and_quotes() -> None:
    assert config.set_key("export A='1'  # one\n", "A", "2") == "export A='2'  # one\n"


def test_windows_line_ends_and_a_missing_last_one_are_kept() -> None:
    assert config.set_key("[a]\r\nb = 1\r\nc = 2", "a.b", "3") == "[a]\r\nb = 3\r\nc = 2"


def test_toml_stays_toml() -> None:
    text = '[a]\nname = "x" # why\nport = 1\n'
    changed = config.set_key(config.set_key(config.set_key(text, "a.name", 'y"z'), "a.host", "h.example"), "a.on", "true")
    assert tomllib.loads(changed) == {"a": {"name": 'y"z', "port": 1, "host": "h.example", "on": True}}
    assert "# why" in changed


@pytest.mark.parametrize(("key", "value"), [("a.b", "x\ny = 1"), ("a\nb", "x"), ("", "x"), ("a=b", "x"), ("a.b", "x\0")])
def test_a_key_or_value_that_would_write_more_is_refused(key: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.set_key(INI, key, value)
    assert caught.value.slug == "config-key-invalid"


@pytest.mark.parametrize(
    "key",
    ["db.password", "DB_PASSWORD", "apiKey", "api_key", "client-secret", "auth.token", "ACCESS_TOKEN", "x.dsn",
     "smtp_passwd", "secret", "SECRET_KEY_BASE", "privateKey", "partner.credentials", "db.pwd", "password_hash"],
)  # fmt: skip
def test_secret_looking_keys(key: str) -> None:
    assert config.secret_looking(key)


@pytest.mark.parametrize(
    "key",
    ["http.workers", "keyboard", "monkey", "secrets_file", "token_ttl", "password_min_length", "author", "hybrid.enable",
     "passive", "bypass_count", "token.name"],
)  # fmt: skip
def test_innocent_keys(key: str) -> None:
    assert not config.secret_looking(key)


NAME = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda n: n != "export")
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters="\\\x85\x7f"), max_size=12).filter(
    lambda v: v[:1] not in ("[", '"', "'", "=", ":") and v == v.strip()
)
LINE = st.one_of(
    st.tuples(NAME, st.sampled_from(["=", " = ", " =", "= "]), VALUE).map("".join),
    st.sampled_from(["", "# note", "; k = v", "#a=b", "   "]),
    NAME.map(lambda n: f"[{n}]"),
)
TEXT = st.lists(LINE, max_size=14).map(lambda ls: "\n".join(ls) + ("\n" if ls else ""))
KEY = st.one_of(NAME, st.tuples(NAME, NAME).map(".".join))
WRITTEN = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x85\x7f"), max_size=14)


@given(TEXT, KEY, WRITTEN)
def test_a_key_that_was_set_is_read_back_and_all_else_stays(text: str, key: str, value: str) -> None:
    before, after = pairs(text), pairs(config.set_key(text, key, value))
    assert {v for k, v in after if k == key} == {value}
    assert [p for p in after if p[0] != key] == [p for p in before if p[0] != key]
    assert len([p for p in after if p[0] == key]) == max(1, len([p for p in before if p[0] == key]))


@given(TEXT, KEY, WRITTEN)
def test_setting_twice_is_setting_once_and_comments_stay(text: str, key: str, value: str) -> None:
    once = config.set_key(text, key, value)
    assert config.set_key(once, key, value) == once
    comments = [line for line in text.split("\n") if line[:1] in ("#", ";")]
    assert [line for line in once.split("\n") if line[:1] in ("#", ";")] == comments


@given(TEXT, KEY)
def test_added_then_removed_leaves_the_keys_as_they_were(text: str, key: str) -> None:
    kept = config.set_key(text, key, None)
    assert pairs(config.set_key(config.set_key(kept, key, "v"), key, None)) == pairs(kept)


@given(st.text(), KEY, WRITTEN)
def test_any_text_is_accepted(text: str, key: str, value: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= k.line <= lines for k in config.keys(text, file="f"))
    config.set_key(text, key, value)


ARRAYS = "[[a]]\nx = 1\n[[a.b]]\ny = 1\n[[a.b]]\ny = 2\n[a.c]\nz = 1\n[[a]]\nx = 2\n[[a.b]]\ny = 3\n[t]\nq = 1\n"


def test_toml_tables_of_one_name_are_told_apart() -> None:
    assert [(key.key, key.value) for key in config.keys(ARRAYS, file="a.toml")] == [
        ("a.0.x", "1"), ("a.0.b.0.y", "1"), ("a.0.b.1.y", "2"), ("a.0.c.z", "1"), ("a.1.x", "2"), ("a.1.b.0.y", "3"),
        ("t.q", "1"),
    ]  # fmt: skip


def test_a_key_of_one_of_them_is_set_there_only() -> None:
    assert config.set_key(ARRAYS, "a.1.x", "9") == ARRAYS.replace("x = 2", "x = 9")
    assert config.set_key(ARRAYS, "a.1.new", "9") == ARRAYS.replace("x = 2\n", "x = 2\nnew = 9\n")


def test_double_brackets_of_other_formats_are_plain_sections() -> None:
    assert [key.key for key in config.keys("[a]\n[[b]]\nx = un quoted\n", file="a.conf")] == ["b.x"]


@pytest.mark.parametrize("key", ["requirepass", "masterauth", "rootpw", "db.dbpassword", "clientsecret", "accesstoken"])
def test_secrets_whose_words_are_written_as_one(key: str) -> None:
    assert config.secret_looking(key)


@pytest.mark.parametrize(
    "key",
    [
        "PasswordAuthentication",
        "PermitEmptyPasswords",
        "password_encryption",
        "max_tokens",
        "bypass",
        "compass",
        "tokenizer",
    ],
)
def test_words_that_only_sound_like_secrets(key: str) -> None:
    assert not config.secret_looking(key)
