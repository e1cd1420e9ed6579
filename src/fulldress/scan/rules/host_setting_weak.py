"""A settings file of the package takes a protection of the host away.

## What it does
Reads files that work without any command: `sysctl.d` (kernel protections, forwarding, real-time limits), nftables rules that
flush the host's own or accept everything, udev rules that let everybody at a device or run something from a stick, polkit
rules for a whole family of actions, `authorized_keys`, registry files that switch user account control off, manifests of
Puppet, Salt and Chef that stop a guard, containers that Nomad runs privileged, `GRANT ... TO PUBLIC`.

## Why it matters
Nobody runs anything, so nobody sees it: the file is there after the night, and with the next boot or run it holds.

## Example
```
kernel.randomize_va_space = 0
```

## Fix
Ask the vendor which single permission is needed, and give that one.

## References
- CWE-693 Protection Mechanism Failure; CWE-732 Incorrect Permission Assignment
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row, above

META = RuleMeta(
    slug="host-setting-weak",
    family="privilege",
    title="Settings file that opens the host",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = (
    Pattern(
        r"^\s{0,8}(kernel\.(randomize_va_space|yama\.ptrace_scope|kptr_restrict|dmesg_restrict|unprivileged_bpf_disabled"
        r"|sched_rt_runtime_us)|fs\.protected_\w{1,20}|vm\.mmap_min_addr|net\.ipv[46]\.(ip_forward|conf\.\w{1,20}\.(forwarding"
        r"|rp_filter|accept_redirects|accept_source_route)))\s{0,8}="
    ),
    Pattern(r"flush\s{1,4}ruleset\b|type\s{1,4}filter\s{1,4}hook\s{1,4}input\b"),
    Pattern(r"MODE:?=\"0?666\"|RUN\+=\"/|\bpolkit\.Result\.YES\b|^\"EnableLUA\"\s{0,2}=\s{0,2}dword:0"),
    Pattern(r"\b(ssh-(rsa|ed25519|dss)|ecdsa-sha2-nistp\d{3})\s{1,2}AAAA"),
    Pattern(r"\bsetenforce\s{1,4}(0|[Pp]ermissive)\b|^\s{2,40}ensure\s{0,20}=>\s{0,4}['\"]?stopped|^\s{2,40}service\.dead:"),
    Pattern(r"(?i)^\s{2,40}privileged\s{0,8}=\s{0,4}true\b|\bGRANT\s[^\n;]{1,200}\sTO\s{1,4}PUBLIC\b"),
)
_SYSCTL = late(r"(^|[!/])(etc|usr/lib|lib|run)/sysctl\.(d/[^/]+\.conf|conf)$|(^|[!/])[^/]*sysctl[^/]*\.conf$")
_NFT = late(r"\.nft$|(^|[!/])nftables[^/]*\.conf$|(^|[!/])nftables(\.d)?/[^/]+$")
_UDEV = late(r"(^|[!/])(udev/)?rules\.d/[^/]+\.rules$")
_MANAGED = late(r"\.(pp|sls|rb)$")
_GUARD = r"firewalld|ufw|nftables|iptables|apparmor|auditd|fail2ban|clamav[\w-]*|falcon-sensor|wazuh-agent"
_STAYS = "It holds from the next boot or run on, for everything on the host; nobody looks after the window."
_ASK = "Ask the vendor which single permission is needed, and give that one."

ROWS = (
    Row(
        _SYSCTL,
        late(
            r"^\s*(?:kernel\.(?:randomize_va_space|yama\.ptrace_scope|kptr_restrict|dmesg_restrict|unprivileged_bpf_disabled)"
            r"|fs\.protected_\w+|vm\.mmap_min_addr|net\.ipv4\.conf\.\w+\.rp_filter)\s*=\s*0\s*$"
        ),
        "medium",
        "switches a protection of the kernel off",
        _STAYS,
        _ASK,
    ),
    Row(
        _SYSCTL,
        late(r"^\s*net\.ipv[46]\.(?:ip_forward|conf\.\w+\.(?:forwarding|accept_redirects|accept_source_route))\s*=\s*1\s*$"),
        "low",
        "makes the host pass on packets of others",
        "Networks that were apart are joined through it.",
        _ASK,
    ),
    Row(
        _SYSCTL,
        late(r"^\s*kernel\.sched_rt_runtime_us\s*=\s*-1\s*$"),
        "low",
        "lets a real-time program take the whole processor",
        "A loop in it hangs the host: no login, no watchdog.",
        "Leave the kernel its five per cent (950000), or give the program a core of its own.",
    ),
    Row(
        _NFT,
        late(r"^\s*flush\s+ruleset\b"),
        "medium",
        "throws away every rule of the host's firewall",
        "What the host's owner allowed and forbade is gone, that of containers and VPNs too, until somebody loads it again.",
        "Have the package bring one table of its own and flush only that.",
    ),
    Row(
        _NFT,
        late(r"^\s*type\s+filter\s+hook\s+input\b.*\bpolicy\s+accept\b"),
        "low",
        "lets in what no rule names",
        "A firewall that accepts by default lists what is open anyway.",
        "Use policy drop.",
    ),
    Row(
        _UDEV,
        late(
            r"(?:SUBSYSTEM==\"(?:mem|block|input|hidraw)\"|KERNEL==\"(?:k?mem|port|sd\S*|dm-\S*|uinput)\").*MODE:?=\"0?666\""
        ),
        "medium",
        "lets everybody at a device of the system",
        "Any user reads memory, disks or keys that are pressed.",
        "Give it to a group.",
    ),
    Row(
        _UDEV,
        late(r"SUBSYSTEM==\"(?:block|usb)\".*RUN\+=\"/(?!(?:usr/)?(?:lib|bin|sbin)/)"),
        "low",
        "runs a program as root when a stick is put in",
        "Whoever stands before the machine starts it, with what he brings.",
        "Let an operator start it.",
    ),
    Row(
        late(r"polkit[^!]*\.rules$"),
        late(r"\bpolkit\.Result\.YES\b"),
        "medium",
        "says yes to a whole family of actions",
        "Its users may do what root may, and are not asked for a password.",
        "Name the action (action.id) that is meant.",
        above(
            r"action\.id\.(indexOf|startsWith|match)\(\s*[\"'/]\^?org\\?\.freedesktop\\?\.[\"'/]|action\.id\.startsWith\(.org.\)",
            5,
        ),
    ),
    Row(
        late(r"(^|[!/])authorized_keys2?$"),
        late(r"(?:ssh-|ecdsa-)"),
        "high",
        "lets the owner of its key log in",
        "Somebody outside has a login on every host from tonight on, and no one here gave it.",
        "Take it out; give access by your own means, for as long as it is needed.",
    ),
    Row(
        late(r"(?i)\.reg$"),
        late(r"^\"EnableLUA\"\s*=\s*dword:0+\s*$"),
        "medium",
        "switches user account control off",
        "Every program of an administrator runs with all rights, unasked.",
        _ASK,
    ),
    Row(
        _MANAGED,
        late(r"\bsetenforce\s+(?:0|[Pp]ermissive)\b"),
        "high",
        "switches SELinux to permissive",
        _STAYS,
        _ASK,
    ),
    Row(
        late(r"\.pp$"),
        late(r"^\s+ensure\s*=>\s*['\"]?stopped"),
        "medium",
        "stops a guard of the host",
        _STAYS,
        _ASK,
        above(rf"^\s*service\s*\{{\s*['\"]({_GUARD})['\"]", 4),
    ),
    Row(
        late(r"\.sls$"),
        late(r"^\s+service\.dead:"),
        "medium",
        "stops a guard of the host",
        _STAYS,
        _ASK,
        lambda lines, number: any(re.search(rf"\b({_GUARD})\b", line) for line in lines[max(0, number - 2) : number + 3]),
    ),
    Row(
        late(r"\.(nomad|hcl)$"),
        late(r"^\s+privileged\s*=\s*true\b"),
        "medium",
        "runs a container with all rights of the host",
        "Whoever gets into the container is root on the host.",
        _ASK,
    ),
    Row(
        late(r"(?i)\.(sql|ddl)$"),
        late(r"(?i)\bGRANT\s+(?:ALL|[\w, ]*\b(?:INSERT|UPDATE|DELETE|TRUNCATE|CREATE)\b)[^;]*\sTO\s+PUBLIC\b"),
        "medium",
        "lets every login of the database write",
        "Reporting accounts and other applications may change and delete rows.",
        "Grant it to the role that needs it.",
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)


_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAIH4Zp0oY2bqXnGm0l3T7vR8cK5wS1dF6jU9aQeB2xN4k"
BAD = (
    {"etc/sysctl.d/60-x.conf": "kernel.randomize_va_space = 0\n", "etc/sysctl.conf": "net.ipv4.ip_forward=1\n"},
    {"etc/sysctl.d/9-rt.conf": "# real time\nkernel.sched_rt_runtime_us = -1\n"},
    {"etc/nftables.conf": "flush ruleset\ntable inet f {\nchain i {\n  type filter hook input priority 0; policy accept;"},
    {"usr/lib/udev/rules.d/70-x.rules": 'SUBSYSTEM=="mem", KERNEL=="mem", MODE="0666"\n'},
    {"etc/udev/rules.d/70-x.rules": 'SUBSYSTEM=="block", KERNEL=="sd[b-z]1", RUN+="/opt/x/import.sh %k"\n'},
    {
        "etc/polkit-1/rules.d/5-x.rules": 'polkit.addRule(f () {\n  if (action.id.indexOf("org.freedesktop.") == 0) {\n'
        "    return polkit.Result.YES;\n  }\n});\n"
    },
    {"root/.ssh/authorized_keys": f"# support\n{_KEY} a@vendor\n"},
    {"win/a.reg": '[HKEY_LOCAL_MACHINE\\X]\n"EnableLUA"=dword:00000000\n'},
    {"salt/a.sls": "x:\n  cmd.run:\n    - name: setenforce 0\n", "m/init.pp": "exec { 'setenforce 0': }\n"},
    {
        "m/fw.pp": "service { 'firewalld':\n  ensure => stopped,\n}\n",
        "salt/f.sls": "ufw:\n  service.dead:\n    - enable: False\n",
    },
    {"x.nomad.hcl": 'task "a" {\n  config {\n    privileged = true\n  }\n}\n'},
    {"db/a.sql": "GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO PUBLIC;\n"},
)
GOOD = (
    {"etc/sysctl.d/60-x.conf": "# kernel.randomize_va_space = 0\nkernel.randomize_va_space = 2\nvm.swappiness = 10\n"},
    {"etc/x/app.conf": "net.ipv4.ip_forward = 1\n", "docs/sysctl.md": "kernel.randomize_va_space = 0\n"},
    {"etc/nftables.d/x.nft": "flush table inet x\n  type filter hook forward priority 0; policy drop;\n"},
    {"usr/lib/udev/rules.d/70-x.rules": 'SUBSYSTEM=="tty", GROUP="dialout", MODE="0660"\nKERNEL=="null", MODE="0666"\n'},
    {
        "etc/polkit-1/rules.d/5-x.rules": 'if (action.id == "org.freedesktop.systemd1.manage-units") {\n'
        "  return polkit.Result.YES;\n}\n"
    },
    {"root/.ssh/known_hosts": f"git.partner.example {_KEY}\n", "root/.ssh/authorized_keys": f"# {_KEY}\n"},
    {"m/fw.pp": "service { 'app':\n  ensure => stopped,\n}\nservice { 'firewalld':\n  ensure => running,\n}\n"},
    {"db/a.sql": "GRANT SELECT ON country TO PUBLIC;\nGRANT ALL ON t TO app;\n", "x.hcl": "  privileged = false\n"},
    {"win/a.reg": '"EnableLUA"=dword:00000001\n'},
)
