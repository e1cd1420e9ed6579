"""Shell scripts as commands: words, heredocs, pipes, wrappers, positions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.formats import shell
from fulldress.formats.shell import Edit, commands

CORPUS = Path(__file__).parents[3] / "shared/corpora/units/cron"


def names(text: str) -> list[str]:
    return [c.name for c in commands(text)]


def test_every_simple_command_in_order() -> None:
    text = "a | b && c\nif d; then e; fi\nf() { g; }\nwhile h; do i; done\n(j)\nx=$(k)\n"
    assert names(text) == list("abcdeghijk")


def test_words_are_unquoted_where_static() -> None:
    (command,) = commands("""run 'a b' "c d" e\\ f --x="$Y z" $'t' "q\\"r" """)
    assert command.argv == ("run", "a b", "c d", "e f", "--x=$Y z", "t", 'q"r')


def test_raw_words_and_spans_point_into_the_text() -> None:
    text = "äö 'x y' z\n"
    (command,) = commands(text)
    data = text.encode()
    assert [data[a:b].decode() for a, b in command.spans] == list(command.raw) == ["äö", "'x y'", "z"]


def test_heredoc_redirects_and_pipe() -> None:
    text = "cat > /etc/cron.d/x <<'EOF' | sort\n0 3 * * * root x\nEOF\nnext\n"
    first, second, third = commands(text)
    assert first.heredoc == "0 3 * * * root x\n"
    assert first.redirects == ("> /etc/cron.d/x",)
    assert first.pipes_to == "sort"
    assert (second.name, third.name, third.line) == ("sort", "next", 4)


def test_pipe_into_a_wrapped_shell() -> None:
    assert commands("curl https://x | sudo bash -s")[0].pipes_to == "sudo"


def test_assignments_belong_to_their_command_only() -> None:
    lone, prefixed = commands("A=1 B=2\nrun x\nPGPASSWORD=p psql")
    assert lone.assignments == ()
    assert prefixed.assignments == ("PGPASSWORD=p",)
    assert prefixed.text == "PGPASSWORD=p psql"


def test_declarations_are_commands() -> None:
    (command,) = commands('export A="b c" D')
    assert command.argv == ("export", "A=b c", "D")


def test_top_and_function() -> None:
    top, inside, conditional = commands("a\nf() { b; }\nif true; then c; fi")[:1] + [
        c for c in commands("f() { b; }\nif x; then c; fi") if c.name in "bc"
    ]
    assert top.top and not inside.top and not conditional.top
    assert inside.function == "f"


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("sudo -u bob -n id", ("id",)),
        ("sudo A=b env -i C=d nice -n 5 id x", ("id", "x")),
        ("timeout -k 5 10 curl u", ("curl", "u")),
        ("/usr/bin/sudo -- rm x", ("rm", "x")),
        ("exec id", ("id",)),
        ("sudo", ("sudo",)),
        ("id -u", ("id", "-u")),
    ],
)
def test_unwrapped(line: str, argv: tuple[str, ...]) -> None:
    assert shell.unwrapped(commands(line)[0]) == argv


@pytest.mark.parametrize(
    ("line", "text"),
    [("su postgres -c 'psql x'", "psql x"), ("bash -ec 'a; b'", "a; b"), ("eval a b", "a b"), ("runuser -u x -- ls", None)],
)
def test_nested(line: str, text: str | None) -> None:
    assert next(shell.nested(commands(line)[0]), None) == text


def test_splice_by_byte_offsets_and_first_of_overlapping_wins() -> None:
    text = "é sudo x"
    assert shell.splice(text, [Edit(3, 8, "")]) == "é x"
    assert shell.splice("abc", [Edit(0, 3, "z"), Edit(1, 2, "y")]) in ("ayc", "z")


def test_broken_script_still_yields_commands() -> None:
    text = "a\nif b; then\nc\n"
    assert not shell.parses(text)
    assert "a" in names(text)


@pytest.mark.parametrize(
    ("place", "text", "yes"),
    [
        ("x", "#!/bin/sh\n", True),
        ("x", "#!/usr/bin/env bash\n", True),
        ("x", "#!/usr/bin/python3\n", False),
        ("a/x.sh", "echo", True),
        ("p.deb!/postinst", "echo", True),
        ("x.txt", "echo", False),
    ],
)
def test_is_shell(place: str, text: str, yes: bool) -> None:
    assert shell.is_shell(place, text) is yes


def test_real_cron_scripts_parse() -> None:
    if not CORPUS.is_dir():
        pytest.skip("no ../shared/corpora here")
    found = [p for p in CORPUS.rglob("*") if p.is_file() and p.parent.name != "cron.d"]
    assert found
    for path in found:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        assert shell.parses(text), path
        assert commands(text), path


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200) | st.text("$(){}|&;<>'\"`\\\n a=#!", max_size=80))
def test_never_raises_and_spans_are_inside(text: str) -> None:
    data = shell.encode(text)
    for command in commands(text):
        assert command.name == command.argv[0]
        assert 0 <= command.start <= command.end <= len(data)
        assert len(command.spans) == len(command.argv) == len(command.raw)


def test_undecodable_bytes_survive_a_splice() -> None:
    text = b"echo \xff\xfe x\n".decode("utf-8", "surrogateescape")
    (command,) = commands(text)
    start, end = command.spans[2]
    assert shell.encode(shell.splice(text, [Edit(start, end, "y")])) == b"echo \xff\xfe y\n"


def test_huge_line() -> None:
    assert names("echo " + "x" * 200_000 + "\nls\n") == ["echo", "ls"]


def test_a_group_writes_into_the_pipe() -> None:
    found = {
        c.name: (c.pipes_to, c.pipes_args) for c in commands("(crontab -l; echo x) | crontab -\n{ a; b; } | tee -a /f\n")
    }
    assert found["echo"] == ("crontab", ("-",))
    assert found["a"] == found["b"] == ("tee", ("-a", "/f"))


@pytest.mark.parametrize(
    ("text", "runs", "inner"),
    [
        ("flock -n /run/l /bin/a x", ("/bin/a", "x"), []),
        ("flock -n /run/l -c '/bin/a x'", ("flock", "-n", "/run/l", "-c", "/bin/a x"), ["/bin/a x"]),
        ("runuser -u app -- /bin/a", ("/bin/a",), []),
        ("runuser app -c '/bin/a'", ("runuser", "app", "-c", "/bin/a"), ["/bin/a"]),
        ("sudo -u app nice -n 5 timeout 5m env A=b /bin/a", ("/bin/a",), []),
        ("chrt 10 taskset 3 /bin/a", ("/bin/a",), []),
    ],
)
def test_what_wrappers_run(text: str, runs: tuple[str, ...], inner: list[str]) -> None:
    (command,) = commands(text)
    assert shell.unwrapped(command) == runs
    assert list(shell.nested(command)) == inner
