"""A settings file of the package takes a protection of the host away.

## What it does
Reads files that work without any command: `sysctl.d` (kernel protections, forwarding, real-time limits), nftables rules that
flush the host's own, accept everything or let anybody at a port, `sshd_config` with logins of root or old ciphers, PAM
modules
that say yes, search paths of every login with the current folder in them, core dumps for all, udev rules that let
everybody at a device or run something from a stick, polkit
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
        r"|sched_rt_runtime_us|core_pattern)|fs\.suid_dumpable|fs\.protected_\w{1,20}|vm\.mmap_min_addr|net\.ipv[46]\.(ip_forward|conf\.\w{1,20}\.(forwarding"
        r"|rp_filter|accept_redirects|accept_source_route)))\s{0,8}="
    ),
    Pattern(r"flush\s{1,4}ruleset\b|type\s{1,4}filter\s{1,4}hook\s{1,4}input\b"),
    Pattern(r"MODE:?=\"0?666\"|RUN\+=\"/|\bpolkit\.Result\.YES\b|^\"EnableLUA\"\s{0,2}=\s{0,2}dword:0"),
    Pattern(r"\b(ssh-(rsa|ed25519|dss)|ecdsa-sha2-nistp\d{3})\s{1,2}AAAA"),
    Pattern(r"\bsetenforce\s{1,4}(0|[Pp]ermissive)\b|^\s{2,40}ensure\s{0,20}=>\s{0,4}['\"]?stopped|^\s{2,40}service\.dead:"),
    Pattern(r"(soft|hard|[ \t]-)[ \t]\s{0,19}(nofile|nproc|memlock)\s{1,20}(unlimited|-1|\d{6,12})"),
    Pattern(
        r"^[RD]!?\s{1,8}/(var/(lib|spool|www|log|opt|cache)|srv|home|opt|etc)/|(?i:Unattended-Upgrade::Automatic-Reboot\s)"
    ),
    Pattern(r"(?i)^\s{2,40}privileged\s{0,8}=\s{0,4}true\b|\bGRANT\s[^\n;]{1,200}\sTO\s{1,4}PUBLIC\b"),
)
_SYSCTL = late(r"(^|[!/])(etc|usr/lib|lib|run)/sysctl\.(d/[^/]+\.conf|conf)$|(^|[!/])[^/]*sysctl[^/]*\.conf$")
_NFT = late(r"\.nft$|(^|[!/])nftables[^/]*\.conf$|(^|[!/])nftables(\.d)?/[^/]+$")
_UDEV = late(r"(^|[!/])(udev/)?rules\.d/[^/]+\.rules$|udev[^!]*\.rules$")
_SSHD = late(r"(^|[!/])sshd_config(\.d/[^/]+)?$")
_PROFILE = late(r"(^|[!/])(etc/)?(profile\.d/[^/]+|profile|bash\.bashrc|environment|zsh/\w+)$")
_MANAGED = late(r"\.(pp|sls|rb)$")
_GUARD = r"firewalld|ufw|nftables|iptables|apparmor|auditd|fail2ban|clamav[\w-]*|falcon-sensor|wazuh-agent"
_STAYS = "It holds from the next boot or run on, for everything on the host; nobody looks after the window."
_ASK = "Ask the vendor which single permission is needed, and give that one."

_NAMES = (
    "sshd_config",
    "pam.d/",
    "profile.d/",
    "etc/profile",
    "bash.bashrc",
    "etc/environment",
    ".nft",
    "nftables",
)

ROWS = (
    Row(
        late(r"(^|[!/])limits\.(conf|d/[^/]+)$"),
        late(r"^\s*\*\s+(?:soft|hard|-)\s+(?:nofile|nproc|memlock)\s+(?:unlimited|-1|\d{6,})"),
        "low",
        "lifts a limit for every account of the host",
        "What keeps one program from taking files, processes or memory of all others is gone for everybody.",
        "Give it to the product's own account, or write it into its unit (LimitNOFILE=).",
    ),
    Row(
        late(r"(^|[!/])tmpfiles\.d/[^/]+\.conf$"),
        late(r"^[RD]!?\s+/(?:var/(?:lib|spool|www|log|opt|cache)|srv|home|opt|etc)/"),
        "medium",
        "removes what lies in a folder of data, at each boot",
        "Nobody connects it with the reboot: what was there the day before is gone, silently.",
        "Let tmpfiles make folders (d), and clean only what is temporary, by age.",
    ),
    Row(
        late(r"(^|[!/])apt\.conf(\.d/[^/]+)?$"),
        late(r"(?i)Unattended-Upgrade::Automatic-Reboot\s+\"?true"),
        "medium",
        "lets the host reboot by itself at night",
        "It goes down outside every window, with whatever is running.",
        "Leave reboots to the owner of the host.",
    ),
    Row(
        _SYSCTL,
        late(
            r"^\s*(?:kernel\.(?:randomize_va_space|yama\.ptrace_scope|kptr_restrict|dmesg_restrict|unprivileged_bpf_disabled)"
            r"|fs\.protected_\w+|vm\.mmap_min_addr|net\.ipv4\.conf\.\w+\.rp_filter)\s*=\s*0\s*$|^\s*fs\.suid_dumpable\s*=\s*[12]\s*$"
            r"|^\s*kernel\.core_pattern\s*=\s*/(?:var/)?tmp/"
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
        late(r"SUBSYSTEM==\"(?:block|usb|tty|net|hidraw|input)\".*RUN\+=\"/(?!(?:usr/)?(?:lib|bin|sbin)/)"),
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
BY_NAME = (
    Row(
        _NFT,
        late(r"^(?!.*\b(?:saddr|iif|iifname)\b)\s+(?:tcp|udp)\s+dport\s.*\baccept\b"),
        "low",
        "lets anybody at a port",
        "Every network that reaches the host reaches it, too.",
        "Name the networks that need it (ip saddr ...).",
    ),
    Row(
        _SSHD,
        late(r"(?i)^\s*Permit(?:RootLogin|EmptyPasswords)\s+yes"),
        "medium",
        "lets root, or who has no password, log in over SSH",
        _STAYS,
        _ASK,
    ),
    Row(
        _SSHD,
        late(
            r"(?i)^\s*(?:KexAlgorithms|Ciphers|MACs|HostKeyAlgorithms)\s+(?!-).*(?:group1-sha1|3des|arcfour|hmac-md5|-cbc|ssh-dss)"
        ),
        "medium",
        "allows old ciphers of SSH",
        "Who is on the way can break them; auditors report it on the day after.",
        "Ask which partner needs them, and allow them for that one (Match).",
    ),
    Row(
        late(r"(^|[!/])pam\.d/[^/]+$"),
        late(r"^\s*auth\s+(?:sufficient|required|requisite)\s+pam_permit\.so"),
        "high",
        "takes any password for right",
        "Whoever names an account is let in as it.",
        "Use pam_unix.so or the host's own stack (@include common-auth).",
        lambda lines, number: (
            not any(re.match(r"\s*auth\s+.*pam_deny\.so", one) for one in lines[max(0, number - 6) : number])
        ),
    ),
    Row(
        _PROFILE,
        late(r"^\s*(?:export\s+)?PATH=(?:[\"']?(?:\.?:)|.*(?:::|:\.(?::|[\"']|\s|$)))"),
        "medium",
        "puts the current folder into everybody's search path",
        "Whoever can write a file where root works has it run by root.",
        "Leave the dot, and empty parts, away.",
    ),
    Row(
        _PROFILE,
        late(r"^\s*(?:export\s+)?LD_(?:LIBRARY_PATH|PRELOAD)="),
        "low",
        "gives every login the vendor's libraries",
        "Programs of the system load another OpenSSL or libstdc++ than they were built with, root's among them.",
        "Set it in the product's own units and wrappers.",
    ),
)
"""Of files that are read whole: they are few, and known by their names."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    yield from settings_table.findings(context, META, LOOKS_FOR, ROWS)
    yield from settings_table.named(context, META, _NAMES, BY_NAME)


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
    {"etc/ssh/sshd_config.d/x.conf": "PermitRootLogin yes\nKexAlgorithms +diffie-hellman-group1-sha1\n"},
    {"etc/security/limits.d/x.conf": "*  hard  core  unlimited\n", "etc/sysctl.d/7.conf": "fs.suid_dumpable = 2\n"},
    {"etc/pam.d/x": "auth sufficient pam_permit.so\n"},
    {"etc/profile.d/x.sh": "export PATH=.:/opt/x/bin:$PATH\n"},
    {"etc/profile.d/y.sh": "export LD_LIBRARY_PATH=/opt/x/lib:$LD_LIBRARY_PATH\n"},
    {"etc/nftables.conf": "chain input {\n    tcp dport { 22, 5432 } accept\n}\n"},
    {"etc/udev/9.rules": 'SUBSYSTEM=="tty", RUN+="/opt/x/y.sh"\n'},
    {"win/a.reg": '[HKEY_LOCAL_MACHINE\\X]\n"EnableLUA"=dword:00000000\n'},
    {"salt/a.sls": "x:\n  cmd.run:\n    - name: setenforce 0\n", "m/init.pp": "exec { 'setenforce 0': }\n"},
    {
        "m/fw.pp": "service { 'firewalld':\n  ensure => stopped,\n}\n",
        "salt/f.sls": "ufw:\n  service.dead:\n    - enable: False\n",
    },
    {"x.nomad.hcl": 'task "a" {\n  config {\n    privileged = true\n  }\n}\n'},
    {"etc/security/limits.d/x.conf": "* soft nofile unlimited\n"},
    {"usr/lib/tmpfiles.d/x.conf": "R /var/lib/x/*\n"},
    {"etc/apt/apt.conf.d/99x": 'Unattended-Upgrade::Automatic-Reboot "true";\n'},
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
    {
        "etc/ssh/sshd_config": "#PermitRootLogin yes\nPermitRootLogin no\nCiphers -3des-cbc\n",
    },
    {"etc/pam.d/x": "auth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_permit.so\n"},
    {
        "etc/profile.d/x.sh": "export PATH=/opt/x/bin:$PATH\n",
        "opt/x/run.sh": "#!/bin/sh\nset -e\nexport LD_LIBRARY_PATH=/opt/x\n",
    },
    {"etc/nftables.conf": "chain input {\n    ip saddr 10.0.0.0/8 tcp dport 5432 accept\n}\n"},
    {"root/.ssh/known_hosts": f"git.partner.example {_KEY}\n", "root/.ssh/authorized_keys": f"# {_KEY}\n"},
    {"m/fw.pp": "service { 'app':\n  ensure => stopped,\n}\nservice { 'firewalld':\n  ensure => running,\n}\n"},
    {"db/a.sql": "GRANT SELECT ON country TO PUBLIC;\nGRANT ALL ON t TO app;\n", "x.hcl": "  privileged = false\n"},
    {"win/a.reg": '"EnableLUA"=dword:00000001\n'},
    {
        "etc/security/limits.d/x.conf": "app soft nofile 1000000\n* soft core 0\n",
        "usr/lib/tmpfiles.d/x.conf": "d /var/lib/x 0755\nD /run/x 0755\nR /tmp/x\n",
        "etc/apt/apt.conf.d/99x": 'Unattended-Upgrade::Automatic-Reboot "false";\n',
    },
)
