"""The proof of equality: on a real machine with every kind of tampering, and its allow-list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.adapters.manifest import PathState
from fulldress.adapters.nspawn import Machine
from fulldress.errors import UsageError
from fulldress.model.proof import Proof
from fulldress.ports import Completed
from fulldress.rehearse.proof import ALLOWED, BETWEEN_CLONES, MOST, CaptureFailed, StateSnapshot, allowed, capture, compare

GLOBS = ("/etc/proof/*.conf",)
SETUP = """
set -e
mkdir -p /etc/proof /opt/proof
printf '[a]\\nkey = one\\npassword = first\\n' >/etc/proof/p.conf
for f in content mode owner mtime xattr gone size; do echo $f >/opt/proof/$f; done
echo twin >/opt/proof/h1; ln /opt/proof/h1 /opt/proof/h2; ln -s content /opt/proof/link
printf '[Service]\\nExecStart=/bin/sleep 3600\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/proof.service
systemctl daemon-reload; systemctl start proof
runuser -u postgres -- psql -Xq -c 'CREATE DATABASE proven'
runuser -u postgres -- psql -Xq proven <<'SQL'
CREATE TABLE t(id serial primary key, n numeric, j json, a text[]);
INSERT INTO t(n, j, a) SELECT 1.0, '{"a": 1}', ARRAY['x'] FROM generate_series(1, 5000);
CREATE INDEX t_n ON t(n);
CREATE TABLE empty(x int);
SQL
"""


def sql(text: str) -> str:
    return f"runuser -u postgres -- psql -Xq -v ON_ERROR_STOP=1 proven <<'SQL'\n{text}\nSQL\n"


def sh(machine: Machine, script: str) -> None:
    done = machine.run(["bash", "-ec", script])
    assert done.ok, done.stderr.decode()


def snapshot(machine: Machine) -> StateSnapshot:
    return capture(machine, databases=["proven"], config_globs=GLOBS)


@pytest.fixture(scope="module")
def proven(pg_machine: Machine) -> Iterator[tuple[Machine, StateSnapshot]]:
    sh(pg_machine, SETUP)
    yield pg_machine, snapshot(pg_machine)
    sh(pg_machine, "systemctl stop proof; rm -rf /etc/proof /opt/proof /etc/systemd/system/proof.service")


def named(proof: Proof) -> set[tuple[str, str]]:
    return {(d.part, d.name) for d in proof.differences}


TAMPERING: list[tuple[str, str, set[tuple[str, str]]]] = [
    ("f=/opt/proof/content; touch -r $f /tmp/t; echo changed >$f; touch -r /tmp/t $f",
     "cp -p $f /tmp/x; echo content >$f; touch -r /tmp/t $f", {("file", "/opt/proof/content")}),
    ("chmod 600 /opt/proof/mode", "chmod 644 /opt/proof/mode", {("file", "/opt/proof/mode")}),
    ("chown 33 /opt/proof/owner", "chown 0 /opt/proof/owner", {("file", "/opt/proof/owner")}),
    ("touch -r /opt/proof/mtime /tmp/m; touch -d @1 /opt/proof/mtime", "touch -r /tmp/m /opt/proof/mtime",
     {("file", "/opt/proof/mtime")}),
    ("python3 -c \"import os; os.setxattr('/opt/proof/xattr', 'user.x', b'1')\"",
     "python3 -c \"import os; os.removexattr('/opt/proof/xattr', 'user.x')\"", {("file", "/opt/proof/xattr")}),
    ("touch /opt/proof/new", "rm /opt/proof/new", {("file", "/opt/proof/new")}),
    ("mv /opt/proof/gone /opt/.gone", "mv /opt/.gone /opt/proof/gone",
     {("file", "/opt/proof/gone"), ("file", "/opt/.gone")}),
    ("mv /opt/proof/link /tmp/link; ln -s mode /opt/proof/link", "rm /opt/proof/link; mv /tmp/link /opt/proof/link",
     {("file", "/opt/proof/link")}),
    ("systemctl stop proof", "systemctl start proof", {("unit", "proof.service")}),
    ("systemctl enable -q proof", "systemctl disable -q proof",
     {("unit", "proof.service"), ("file", "/etc/systemd/system/multi-user.target.wants/proof.service")}),
    (sql("UPDATE t SET n = 1.00 WHERE id = 77"), sql("UPDATE t SET n = 1.0 WHERE id = 77"), {("rows", "proven: public.t")}),
    (sql("DELETE FROM t WHERE id = 5000"), sql("INSERT INTO t VALUES (5000, 1.0, '{\"a\": 1}', '{x}')"),
     {("rows", "proven: public.t")}),
    (sql("DROP INDEX t_n"), sql("CREATE INDEX t_n ON t(n)"), {("schema", "proven: INDEX public.t_n")}),
    (sql("ALTER TABLE empty ADD y int"), sql("ALTER TABLE empty DROP y"), {("schema", "proven: TABLE public.empty")}),
    (sql("CREATE ROLE mallory"), sql("DROP ROLE mallory"),
     {("schema", "server: ROLE mallory"), ("schema", "server: password of role mallory")}),
]  # fmt: skip


@pytest.mark.machine
class TestRealMachine:
    def test_idle_time_and_a_restart_change_nothing(self, proven: tuple[Machine, StateSnapshot]) -> None:
        machine, before = proven
        sh(machine, "systemctl restart proof nginx postgresql@15-main; sleep 2")
        proof = compare(before, snapshot(machine))
        assert proof.differences == ()
        assert proof.equal
        assert proof.before == proof.after
        assert proof.counted["file"] > 5000
        assert min(proof.counted.values()) > 0

    def test_every_kind_of_tampering_is_named_and_undoing_it_is_equality(
        self, proven: tuple[Machine, StateSnapshot]
    ) -> None:
        machine, _ = proven
        before = snapshot(machine)
        sh(machine, "\n".join(do for do, _, _ in TAMPERING))
        proof = compare(before, snapshot(machine))
        wanted = set().union(*(names for _, _, names in TAMPERING))
        assert named(proof) == wanted
        assert not proof.equal
        assert {p for p in proof.before if proof.before[p] != proof.after[p]} == {"file", "unit", "rows", "schema"}
        sh(machine, "f=/opt/proof/content\n" + "\n".join(undo for _, undo, _ in TAMPERING))
        assert compare(before, snapshot(machine)).differences == ()

    def test_hard_links(self, proven: tuple[Machine, StateSnapshot]) -> None:
        machine, _ = proven
        before = snapshot(machine)
        sh(machine, "cd /opt/proof; cp -p h2 h3; mv h3 h2")
        assert named(compare(before, snapshot(machine))) == {("file", "/opt/proof/h1"), ("file", "/opt/proof/h2")}

    def test_a_config_key_and_a_secret_one(self, proven: tuple[Machine, StateSnapshot]) -> None:
        machine, _ = proven
        before = snapshot(machine)
        sh(machine, "sed -i 's/one/two/; s/first/other/' /etc/proof/p.conf")
        proof = compare(before, snapshot(machine))
        found = {d.name: (d.before, d.after) for d in proof.differences if d.part == "config"}
        assert found["/etc/proof/p.conf a.key"] == ("one", "two")
        assert all(text.startswith("<secret ") for text in found["/etc/proof/p.conf a.password"])
        assert b"first" not in msgspec.json.encode([proof, before.config])

    def test_a_database_that_is_not_there_is_no_proof(self, proven: tuple[Machine, StateSnapshot]) -> None:
        with pytest.raises(CaptureFailed, match="nowhere"):
            capture(proven[0], databases=["nowhere"])

    def test_a_tree_that_is_only_visible_inside_gives_the_same(self, proven: tuple[Machine, StateSnapshot]) -> None:
        machine, _ = proven
        outside, inside = snapshot(machine), snapshot(Invisible(machine))  # type: ignore[arg-type]
        differing = {p for p in outside.files if outside.files[p] != inside.files.get(p)}
        assert [p for p in differing if not any(p.startswith(q) for q in ("/var/log", "/var/cache"))] == []


class Invisible:
    """A host whose tree cannot be seen from here."""

    root = None

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = machine.name

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        return self.machine.run(argv, stdin=stdin, timeout_s=timeout_s, user=user)


STATE = PathState("file", 0o644, 0, 0, 1, 1, "", "00")


def snap(**parts: dict[str, object]) -> StateSnapshot:
    empty: dict[str, object] = {"files": {}, "units": {}, "config": {}, "rows": {}, "schema": {}}
    return StateSnapshot(host="h", **{**empty, **parts})  # type: ignore[arg-type]


def test_only_the_fields_that_differ_are_shown() -> None:
    proof = compare(snap(files={"/a": STATE}), snap(files={"/a": STATE._replace(mode=0o4755, uid=3)}))
    (difference,) = proof.differences
    assert (difference.before, difference.after) == ("mode=0644 uid=0", "mode=4755 uid=3")


def test_differences_are_sorted_and_capped_but_counted() -> None:
    proof = compare(snap(), snap(files={f"/{n:04}": STATE for n in range(MOST + 7)}))
    assert [d.name for d in proof.differences[:2]] == ["/0000", "/0001"]
    assert (len(proof.differences), proof.differences[-1].name) == (MOST + 1, "and 7 more")
    assert proof.counted["file"] == MOST + 7


def test_allowed_differences_are_outside_the_digests() -> None:
    before, after = snap(files={"/var/log/x": STATE, "/opt/a": STATE}), snap(files={"/opt/a": STATE})
    proof = compare(before, after)
    assert proof.equal
    assert proof.before == proof.after
    assert proof.counted["file"] == 1
    assert not compare(after, snap(files={"/opt/a": STATE, "/opt/log": STATE})).equal


def test_a_new_directory_among_logs_is_a_difference_and_a_new_log_is_none() -> None:
    log, folder = {"/var/log/x": STATE}, {"/var/log/app": STATE._replace(kind="directory")}
    assert compare(snap(), snap(files=log)).equal
    assert [d.name for d in compare(snap(), snap(files={**log, **folder})).differences] == ["/var/log/app"]
    assert compare(snap(), snap(files=folder), allowed(["file:/var/log/app | kept on purpose"])).equal


@pytest.mark.parametrize(("after", "equal"), [("9 drawn", True), ("7 drawn", True), ("6 drawn", False), ("10 drawn", True)])
def test_a_sequence_may_go_on_but_not_back(after: str, equal: bool) -> None:
    one, two = snap(rows={"d: sequence s": "7 drawn"}), snap(rows={"d: sequence s": after})
    assert compare(one, two).equal is equal


def test_two_clones_may_differ_in_what_their_masks_give_them() -> None:
    one, two = snap(files={"/etc/machine-id": STATE}), snap(files={"/etc/machine-id": STATE._replace(content="11")})
    assert not compare(one, two).equal
    assert compare(one, two, BETWEEN_CLONES).equal


def test_a_release_may_allow_more() -> None:
    after = snap(rows={"db: public.audit": "3 rows, sum 1"})
    assert not compare(snap(), after).equal
    assert compare(snap(), after, allowed(["rows:*.audit | the audit log is append-only"])).equal


@pytest.mark.parametrize("line", ["", "file:/x", "file: | why", "nothing:/x | why", "file:/x |", "/x | why"])
def test_an_allowed_difference_needs_part_pattern_and_reason(line: str) -> None:
    with pytest.raises(UsageError):
        allowed([line])


def test_names_that_are_no_utf8_can_be_written() -> None:
    proof = compare(snap(), snap(files={os.fsdecode(b"/\xff"): STATE}))
    assert b"\\\\udcff" in msgspec.json.encode(proof) or b"\\\\xff" in msgspec.json.encode(proof)
    assert proof.before["file"] != proof.after["file"]


def test_every_default_allowance_has_a_reason() -> None:
    assert all(rule.reason and rule.pattern not in ("*", "/*") for rule in (*ALLOWED, *BETWEEN_CLONES))
    assert len({(rule.part, rule.pattern) for rule in ALLOWED}) == len(ALLOWED)


STATES = st.builds(
    PathState, st.just("file"), st.integers(0, 7), st.integers(0, 1), st.just(0), st.integers(0, 2), st.integers(0, 2),
    st.sampled_from(["", "user.a=00"]), st.sampled_from(["aa", "bb"]),
)  # fmt: skip
TREES = st.dictionaries(st.sampled_from(["/a", "/b", "/c", "/d"]), STATES, max_size=4)


@given(TREES, TREES)
def test_equal_exactly_when_the_trees_are(one: dict[str, object], two: dict[str, object]) -> None:
    proof = compare(snap(files=one), snap(files=two))
    assert proof.equal == (one == two)
    assert (proof.before == proof.after) == (one == two)
    assert {d.name for d in proof.differences} == {p for p in one.keys() | two.keys() if one.get(p) != two.get(p)}


class Answering:
    """A host whose reader answers with given sections."""

    name = "machine:fake"

    def __init__(self, root: Path, sections: dict[str, str], *, code: int | None = 0, end: str = "end\n") -> None:
        self.root, self.sections, self.code, self.end = root, sections, code, end

    def run(self, argv: list[str], **how: object) -> Completed:
        boundary = argv[3]
        text = "".join(f"\n{boundary} {name}\n{body}" for name, body in self.sections.items())
        return Completed(code=self.code, stdout=f"{text}\n{boundary} {self.end}".encode())


@pytest.mark.parametrize(
    ("sections", "how"),
    [
        ({}, {"code": 1}),
        ({}, {"code": None}),
        ({}, {"end": "nothing\n"}),
        ({"rows d": "public.t\t1\t2\n"}, {}),
        ({"rows d": "ERROR: permission denied\nend\t0\t0\n"}, {}),
        ({"schema d": "CREATE TABLE\n\nfailed\n"}, {}),
        ({"schema d": ""}, {}),
    ],
)
def test_half_a_state_is_no_state(tmp_path: Path, sections: dict[str, str], how: dict[str, object]) -> None:
    with pytest.raises(CaptureFailed):
        capture(Answering(tmp_path, sections, **how))  # type: ignore[arg-type]


def test_a_dumps_random_key_and_comments_are_no_difference(tmp_path: Path) -> None:
    def schema(key: str) -> dict[str, str]:
        head = f"-- Dumped\n\\restrict {key}\nSET a = 1;\n"
        text = f"{head}-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\nCREATE TABLE t();\n"
        return capture(Answering(tmp_path, {"schema d": text}), databases=()).schema  # type: ignore[arg-type]

    assert schema("abc") == schema("def")
    assert set(schema("abc")) == {"d: settings", "d: TABLE public.t"}


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ('{"unit":"a.service","load":"loaded","active":"active","sub":"running"}', "active running enabled"),
        ('{"unit":"a.service","load":"loaded","active":"failed","sub":"failed"}', "failed failed enabled"),
        ('{"unit":"a.service","load":"loaded","active":"inactive","sub":"dead"}', "inactive dead enabled"),
        ("", "inactive dead enabled"),
    ],
)
def test_an_idle_unit_that_systemd_forgot_is_an_idle_unit(tmp_path: Path, listed: str, expected: str) -> None:
    sections = {"units": f"[{listed}]", "unit-files": '[{"unit_file":"a.service","state":"enabled"}]'}
    assert capture(Answering(tmp_path, sections)).units == {"a.service": expected}  # type: ignore[arg-type]


def test_a_job_of_a_timer_is_not_judged_by_the_moment(tmp_path: Path) -> None:
    def state(active: str) -> dict[str, str]:
        units = f'[{{"unit":"j.service","load":"loaded","active":"{active}","sub":"x"}}]'
        sections = {"units": units, "triggered": "Id=j.service\nTriggeredBy=j.timer\n\nId=k.service\nTriggeredBy=\n"}
        return capture(Answering(tmp_path, sections)).units  # type: ignore[arg-type]

    assert state("activating") == state("inactive") != state("failed")
