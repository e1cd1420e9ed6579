"""A vendor's script taken apart: what is known becomes a step, what is not stays as it is, nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from fulldress.plan.decompose import Piece, decompose

PACKAGE = {
    "packages/app_2.0.deb": "",
    "migrations/1.sql": "",
    "certs/a.pem": "",
    "scripts/sub.sh": "#!/bin/sh\nsystemctl stop app\n",
}


def pieces(script: str, **files: str) -> list[Piece]:
    texts = {**PACKAGE, **files, "scripts/upgrade.sh": "#!/bin/bash\n" + script}
    return decompose("scripts/upgrade.sh", dict.fromkeys(texts, 0o644), texts.__getitem__)[0]


def steps(script: str) -> list[tuple[str, dict[str, Any]]]:
    return [(p.step.kind, p.step.params) for p in pieces(script)]


MIGRATION = ("migration", {"database": "db", "place": "migrations/1.sql"})
STOP = ("unit", {"action": "stop", "unit": "app.service"})
DEB = ("deb", {"place": "packages/app_2.0.deb"})


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("dpkg -i packages/app_2.0.deb", [DEB]),
        ("sudo dpkg --force-all -i ./packages/app_2.0.deb", [DEB]),
        ("apt-get install -y ./packages/app_2.0.deb", [DEB]),
        ('DEB=packages/app_2.0.deb\ndpkg -i "$DEB"', [DEB]),
        ('HERE=$(cd "$(dirname "$0")/.." && pwd)\ndpkg -i "$HERE/packages/app_2.0.deb"', [DEB]),
        ("psql -d db -f migrations/1.sql", [MIGRATION]),
        ('su postgres -c "psql -v ON_ERROR_STOP=1 -d db -f migrations/1.sql"', [MIGRATION]),
        ("runuser -u postgres -- psql db -f migrations/1.sql", [MIGRATION]),
        ("sudo -u postgres psql db < migrations/1.sql", [MIGRATION]),
        ("psql -d db -c 'DELETE FROM x'", [("migration", {"database": "db", "content": "DELETE FROM x;\n"})]),
        ("systemctl stop app", [STOP]),
        ("service app stop", [STOP]),
        ("sudo systemctl stop app.service && systemctl stop app || exit 1", [STOP, STOP]),
        ("systemctl stop app || true", [STOP]),
        ("systemctl daemon-reload", [("unit", {"action": "daemon-reload"})]),
        (
            "systemctl disable --now app",
            [("unit", {"action": "disable", "unit": "app.service"}), STOP],
        ),
        ("bash scripts/sub.sh", [STOP]),
        (". scripts/sub.sh", [STOP]),
        ('sh "$(dirname "$0")/sub.sh"', [STOP]),
        ("curl -X PUT http://x/f -d '{\"a\": 1}'", [("http", {"method": "PUT", "url": "http://x/f", "body": '{"a": 1}'})]),
        (
            "curl -fsS http://x/h -H 'A: b' -d x=1",
            [("http", {"method": "POST", "url": "http://x/h", "headers": {"A": "b"}, "body": "x=1"})],
        ),
        (
            "install -m 600 -o root -g app certs/a.pem /etc/app/a.pem",
            [("files", {"path": "/etc/app/a.pem", "place": "certs/a.pem", "mode": "0600", "owner": "root:app"})],
        ),
        (
            "cp certs/a.pem /etc/app/",
            [("files", {"path": "/etc/app/a.pem", "place": "certs/a.pem", "mode": "0644", "owner": "root:root"})],
        ),
        ("rm -f /etc/app/old.conf", [("files", {"path": "/etc/app/old.conf", "absent": True})]),
        ("sleep 2", [("pause", {"seconds": 2.0})]),
        ("echo a; set -x; cd /; exit 0", []),
        ('log() { echo "$*"; }\nlog hello', []),
        ("if [ -f /x ]; then echo yes; fi", []),
        ("systemctl status app\ndf -h | tail -n 1", []),
    ],
)
def test_what_is_known(script: str, expected: list[tuple[str, dict[str, Any]]]) -> None:
    assert steps(script) == expected


@pytest.mark.parametrize(
    ("script", "guards"),
    [
        ("if [ -f /etc/x ]; then rm -f /etc/x; fi", ["/etc/x"]),
        ("sed -i s/a/b/ /etc/app.conf", ["/etc/app.conf"]),
        ("cat >/etc/cron.d/a <<EOF\n1\nEOF", ["/etc/cron.d/a"]),
        ("ln -sfn /opt/a/2 /opt/a/current", ["/opt/a/2", "/opt/a/current"]),
        ("frobnicate --all", None),
        ("rm -rf /opt/a/*", ["/opt/a"]),
    ],
)
def test_what_is_not_known_stays_whole(script: str, guards: list[str] | None) -> None:
    (piece,) = pieces(script)
    assert piece.step.kind == "script"
    assert piece.step.params["content"].endswith(script + "\n")
    assert piece.step.params.get("guards") == guards
    assert piece.note.startswith("kept as a script")
    assert (piece.place, piece.line) == ("scripts/upgrade.sh", 2)


def test_a_condition_is_not_dropped() -> None:
    (piece,) = pieces('[ -n "$OLD" ] && rm -rf "$OLD"/x')
    assert piece.step.kind == "script"
    assert piece.step.params["content"].endswith('[ -n "$OLD" ] && rm -rf "$OLD"/x\n')


def test_a_kept_line_keeps_its_variables_functions_and_directory() -> None:
    (piece,) = pieces('set -e\nA=$(date)\nf() { rm /opt/x/$1; }\ncd "$(dirname "$0")"\nf "$A"')
    assert piece.step.params["content"] == ('set -e\nA=$(date)\nf() { rm /opt/x/$1; }\ncd "$(dirname "$0")"\nf "$A"\n')
    assert piece.step.params["beside"] == "scripts/upgrade.sh"


def test_secrets_are_referred_to_through_their_file() -> None:
    script = 'if [ -r "/etc/app/s.env" ]; then . "/etc/app/s.env"; fi\n'
    script += 'curl -X POST http://x/h -H "Authorization: Bearer ${TOKEN:?}" -d "{}"'
    ((kind, params),) = steps(script)
    assert kind == "http"
    assert params["headers"] == {"Authorization": "Bearer ${TOKEN}"}
    assert params["env-file"] == "/etc/app/s.env"


def test_a_call_with_an_unknown_value_stays_a_script() -> None:
    (piece,) = pieces('curl -X POST http://x/h -d "$(cat /etc/hostname)"')
    assert piece.step.kind == "script"


def test_only_caches_removed_says_so() -> None:
    (piece,) = pieces('D=$(cat /etc/d)\nif [ -n "$D" ]; then rm -rf "$D"/var/cache/app/*; fi')
    assert "cached files" in piece.step.irreversible_because


def test_scripts_that_call_each_other_end() -> None:
    with pytest.raises(RecursionError):
        pieces(
            "bash scripts/a.sh",
            **{"scripts/a.sh": "#!/bin/sh\nsh scripts/b.sh\n", "scripts/b.sh": "#!/bin/sh\nsh scripts/a.sh\n"},
        )


def test_what_a_called_script_sets_stays_in_it() -> None:
    (piece,) = pieces(
        "bash scripts/a.sh\n. scripts/c.sh\nfrobnicate $A $C",
        **{"scripts/a.sh": "#!/bin/sh\nA=1\n", "scripts/c.sh": "#!/bin/sh\nC=2\n"},
    )
    assert piece.step.params["content"] == "C=2\nfrobnicate $A $C\n"
