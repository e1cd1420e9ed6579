"""Keys, values and lines of every configuration format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.keyreader import keys, kind

YAML = "server:\n  port: 8080   # comment\n  hosts:\n    - a.example\n    - b.example\nempty:\n---\nsecond: 'x: y'\n"
JSON = '{\n  "server": {"port": 8080,\n    "on": true},\n  "list": [1,\n    {"a": "b\\n"}],\n  "": null\n}\n'
XML = """<?xml version="1.0"?>
<server port="80"><!-- comment -->
  <property name="db.url">jdbc:x</property>
  <pool>
    <size> 5 </size>
  </pool>
</server>
"""
NGINX = """# head
worker_processes auto;
http {
    server {
        listen 443 ssl; # tls
        location /api { proxy_pass "http://a;b"; }
    }
}
"""
POSTGRES = """max_connections = 100 # more
shared_buffers '128MB'
search_path = '"$user", it''s'
#port = 1
include_dir 'conf.d'
"""


def read(text: str, file: str) -> list[tuple[str, str, int]]:
    return [(k.key, k.value, k.line) for k in keys(text, file=file)]


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        (
            "a.yaml",
            YAML,
            [
                ("server.port", "8080", 2),
                ("server.hosts.0", "a.example", 4),
                ("server.hosts.1", "b.example", 5),
                ("empty", "", 6),
                ("second", "x: y", 8),
            ],
        ),
        (
            "a.json",
            JSON,
            [
                ("server.port", "8080", 2),
                ("server.on", "true", 3),
                ("list.0", "1", 4),
                ("list.1.a", "b\n", 5),
                ("", "null", 6),
            ],
        ),
        ("a.xml", XML, [("server.@port", "80", 2), ("server.property[db.url]", "jdbc:x", 3), ("server.pool.size", "5", 5)]),
        (
            "/etc/nginx/nginx.conf",
            NGINX,
            [
                ("worker_processes", "auto", 2),
                ("http.server.listen", "443 ssl", 5),
                ("http.server.location /api.proxy_pass", "http://a;b", 6),
            ],
        ),
        (
            "/etc/postgresql/15/main/postgresql.conf",
            POSTGRES,
            [
                ("max_connections", "100", 1),
                ("shared_buffers", "128MB", 2),
                ("search_path", '"$user", it\'s', 3),
                ("include_dir", "conf.d", 5),
            ],
        ),
        (
            "/etc/ssh/sshd_config",
            'Port 22\n# Port 23\nMatch User x\n  ForceCommand "a b"\n',
            [("Port", "22", 1), ("Match User x.ForceCommand", "a b", 4)],
        ),
        (
            "redis.conf",
            "# c\nbind 127.0.0.1 -::1\nsave 60 1 # x\ndir /var/lib\n",
            [("bind", "127.0.0.1 -::1", 2), ("save", "60 1", 3), ("dir", "/var/lib", 4)],
        ),
        ("plain.conf", "a = b c\nd: e\n", [("a", "b c", 1), ("d", "e", 2)]),
        ("a.ini", "[s]\nk = v ; c\n", [("s.k", "v", 2)]),
        ("app.properties", "a.b=c\n", [("a.b", "c", 1)]),
        (".env", "export A='b c'\n", [("A", "b c", 1)]),
        ("settings.toml", '[t]\nk = "v"\n', [("t.k", "v", 2)]),
    ],
)
def test_keys_values_and_lines(file: str, text: str, found: list[tuple[str, str, int]]) -> None:
    assert read(text, file) == found


def test_what_is_not_what_its_name_says_is_read_as_plain_keys() -> None:
    assert read("a = 1\n", "x.json") == [("a", "1", 1)]
    assert read("a = {\n", "x.yaml") == [("a", "{", 1)]


def test_an_alias_to_itself_and_entities_are_not_followed() -> None:
    assert read("a: &x\n  b: 1\n  c: *x\n", "x.yaml") == [("a.b", "1", 2)]
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>'
    assert not [value for _, value, _ in read(bomb, "x.xml") if value == "x"]


@given(
    st.sampled_from(["a.yaml", "a.json", "a.xml", "/etc/nginx/nginx.conf", "postgresql.conf", "a.ini"]), st.text(max_size=80)
)
def test_any_text_is_read_without_an_error(file: str, text: str) -> None:
    assert isinstance(keys(text, file=file), list)


@given(
    st.text("{}[]:,\"'a1 \n-&*!<>/=;#", max_size=60), st.sampled_from(["a.yaml", "a.json", "a.xml", "/etc/nginx/nginx.conf"])
)
def test_broken_syntax_is_read_without_an_error(text: str, file: str) -> None:
    assert isinstance(keys(text, file=file), list)


def test_kind_by_content() -> None:
    assert [kind("<?xml version='1.0'?><a/>", "x.conf"), kind('{"a": 1}', "x"), kind("a=1", "x")] == ["xml", "json", "ini"]


def test_only_the_plain_family_can_be_written_by_a_step() -> None:
    assert {key.format for key in keys(YAML, file="a.yaml")} == {"yaml"}
    assert {key.format for key in keys("a = 1\n", file="a.conf")} == {""}


APACHE = """# site
Listen 80
<VirtualHost *:80>
    DocumentRoot "/var/www"
    <Directory /var/www>
        AllowOverride None
    </Directory>
    Header set X \\
        "a b"
</VirtualHost>
SSLProtocol all -SSLv3
"""


@pytest.mark.parametrize("file", ["/etc/apache2/sites-enabled/a.conf", "/opt/x/conf/site.conf"])
def test_apache_by_its_blocks(file: str) -> None:
    assert kind(APACHE, file) == "apache"
    assert read(APACHE, file) == [
        ("Listen", "80", 2),
        ("VirtualHost *:80.DocumentRoot", "/var/www", 4),
        ("VirtualHost *:80.Directory /var/www.AllowOverride", "None", 6),
        ("VirtualHost *:80.Header", 'set X "a b"', 8),
        ("SSLProtocol", "all -SSLv3", 11),
    ]


@pytest.mark.parametrize("text", ["<VirtualHost a>\nA b\n", "A b\n</VirtualHost>\n", "<A>\nA b\n</B>\n"])
def test_blocks_that_do_not_close_are_no_apache(text: str) -> None:
    assert all(key.format != "apache" for key in keys(text, file="/etc/apache2/a.conf"))


def test_a_file_of_endless_keys_is_cut() -> None:
    assert len(keys("a = 1\n" * 30_000, file="a.conf")) == 20_000
