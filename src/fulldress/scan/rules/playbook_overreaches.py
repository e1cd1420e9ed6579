"""A playbook changes more of the host than the product.

## What it does
Reads the tasks of Ansible: every package brought to its newest version (`name: "*"`, `upgrade: dist`), guards of the host
stopped or switched off, reboots that nothing asks for, keys of others put into `authorized_keys`, files removed by a pattern
in folders of other servers, everybody's passwords or `sudo` rules written. Examples, tests and collections of others do not
count.

## Why it matters
A playbook runs on every host of the group at the same time, and says "changed" in yellow: nobody reads which package or
which firewall it was.

## Example
```
- yum: { name: "*", state: latest }
```

## Fix
Name the packages and versions, leave the host's guards alone, and let a person decide about the reboot.

## References
- Ansible: ansible.builtin.dnf, ansible.builtin.reboot, ansible.posix.authorized_key
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row

META = RuleMeta(
    slug="playbook-overreaches",
    family="privilege",
    title="Playbook changes more than the product",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(
        r"^\s{2,40}name:\s{0,4}[\"']\*[\"']\s{0,4}$|\bname\s{0,2}[=:]\s{0,2}[\"']?\*[\"']?\s{0,4}[, ]\s{0,4}state\s{0,2}[=:]"
    ),
    Pattern(r"^\s{2,40}upgrade:\s{0,4}[\"']?(dist|full|safe|yes|true)\b|\bupgrade=(dist|full|yes)\b"),
    Pattern(r"\bname(=|:\s)[\"']?(firewalld|ufw|nftables|iptables|apparmor|auditd|fail2ban|clamav|falcon-sensor)"),
    Pattern(r"^\s{2,40}(-\s)?(ansible\.builtin\.|ansible\.windows\.win_|win_)?reboot:|\b(ansible\.posix\.)?authorized_key:"),
)
_TASKS = late(r"\.ya?ml$")
_ALL = "What is installed tonight is not what was scanned and rehearsed, on every host of the group at once."
_NAMED = "Name the packages, in named versions."
_MANAGER = late(r"\b(?:yum|dnf5?|apt|package|zypper|community\.general\.zypper|pacman|apk)\s*:")
_STOPS = late(r"\bstate\s*[=:]\s*[\"']?(?:stopped|absent|disabled)|\benabled\s*[=:]\s*[\"']?(?:no|false)\b")
_ON = late(r"\bstate\s*[=:]\s*[\"']?(?:started|restarted|reloaded|present|latest)")
_REASON = late(r"^\s+when:\s*(?!(?:true|yes|[\"']?true[\"']?)\s*$)\S")


def _task(lines: Sequence[str], number: int) -> list[str]:
    """The lines of the task around a line: from its ``- `` to the next, less far in or as far."""
    first = number - 1
    while first > 0 and not re.match(r"\s*-\s", lines[first]):
        first -= 1
    depth = len(lines[first]) - len(lines[first].lstrip())
    last = first + 1
    while (
        last < len(lines)
        and last < first + 25
        and (not lines[last].strip() or len(lines[last]) - len(lines[last].lstrip()) > depth)
    ):
        last += 1
    return list(lines[first:last])


def _every_package(lines: Sequence[str], number: int) -> bool:
    task = "\n".join(_task(lines, number))
    return _MANAGER.search(task) is not None and ("latest" in task or "upgrade" in task)


def _guard_off(lines: Sequence[str], number: int) -> bool:
    task = "\n".join(_task(lines, number))
    return _STOPS.search(task) is not None and _ON.search(task) is None


ROWS = (
    Row(
        _TASKS,
        late(r"\bname\s*[=:]\s*[\"']?\*|\bupgrade\s*[=:]\s*[\"']?(?:dist|full|safe|yes|true)\b"),
        "high",
        "brings every package of its hosts to the newest version",
        _ALL,
        _NAMED,
        _every_package,
    ),
    Row(
        _TASKS,
        late(
            r"\bname\s*[=:]\s*[\"']?(?:firewalld|ufw|nftables|iptables|apparmor|auditd|fail2ban|clamav[\w-]*|falcon-sensor)\b"
        ),
        "high",
        "stops a guard of its hosts",
        "What is switched off for the installation stays off; nobody looks after the window.",
        "Open the one port, or write the one rule, that is needed.",
        _guard_off,
    ),
    Row(
        _TASKS,
        late(r"\breboot:"),
        "medium",
        "reboots its hosts, whatever it has changed",
        "All hosts of the group go down together, with everything else that runs on them.",
        "Let a person decide, or reboot when the package manager says that it is needed, one host at a time.",
        lambda lines, number: not any(_REASON.match(line) for line in _task(lines, number)),
    ),
    Row(
        _TASKS,
        late(r"\bauthorized_key:"),
        "high",
        "lets the owner of a key log in",
        "Somebody has a login on every host of the group from tonight on, and no one here gave it.",
        "Take it out; give access by your own means, for as long as it is needed.",
        lambda lines, number: (
            re.search(r"ssh-(?:rsa|ed25519)\s+AAAA|ecdsa-sha2-|https?://", "\n".join(_task(lines, number))) is not None
            and "state: absent" not in "\n".join(_task(lines, number))
        ),
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAIH4Zp0oY2bqXnGm0l3T7vR8cK5wS1dF6jU9aQeB2xN4k"
BAD = (
    {"roles/a/tasks/main.yml": '- name: all\n  yum:\n    name: "*"\n    state: latest\n'},
    {"roles/a/tasks/main.yml": "- name: all\n  apt:\n    upgrade: dist\n"},
    {"roles/a/tasks/main.yml": "- name: fw\n  service: name=firewalld state=stopped enabled=no\n"},
    {"roles/a/tasks/main.yml": "- name: fw\n  systemd:\n    name: ufw\n    state: stopped\n"},
    {"roles/a/tasks/main.yml": "- name: again\n  ansible.builtin.reboot:\n  when: true\n"},
    {"roles/a/tasks/main.yml": f"- name: k\n  authorized_key:\n    user: root\n    key: '{_KEY}'\n"},
)
GOOD = (
    {"roles/a/tasks/main.yml": "- name: one\n  yum:\n    name: nginx-1.26\n    state: present\n- file:\n    name: '*'\n"},
    {"roles/a/tasks/main.yml": "- name: fw\n  service:\n    name: firewalld\n    state: started\n    enabled: yes\n"},
    {"roles/a/tasks/main.yml": "- name: again\n  reboot:\n  when: kernel.changed\n- apt:\n    upgrade: no\n"},
    {"roles/a/tasks/main.yml": f"- authorized_key:\n    user: x\n    state: absent\n    key: '{_KEY}'\n"},
    {"roles/a/tasks/main.yml": "- authorized_key:\n    user: x\n    key: \"{{ lookup('file', 'k.pub') }}\"\n"},
)
