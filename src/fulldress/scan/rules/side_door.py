"""A script opens the host's defences.

## What it does
Finds commands that switch a protection off or leave a way in: SELinux, AppArmor, firewall rules flushed or firewalls and
audit stopped, kernel protections, a second user with uid 0, keys added to root's or others' `authorized_keys`, PAM,
passwords set, setuid bits, files that everyone may write, file capabilities. Also in the scriptlets of RPM specs and the
`RUN` of container files, and the like of it in batch files and PowerShell (virus scanner, firewall, script policy).

## Why it matters
Switched off "for the installation", it stays off: nobody remembers in the morning. The rehearsal and the release see a green
upgrade; the host is open.

## Example
```
setenforce 0
iptables -F
chmod -R 777 /opt/app
```

## Fix
Ask the vendor which single permission is needed, and give that one. `fulldress adapt` turns `chmod 777` on named paths into
`chmod 775`, for review; everything else is for people.

## References
- CWE-732 Incorrect Permission Assignment; CWE-693 Protection Mechanism Failure
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.jobs import embedded_shell
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.jobs.program_shell import TCL
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, edited, is_code, memo, script_at, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="side-door",
    family="privilege",
    title="Script opens the host's defences",
    severity="high",
    confidence="certain",
)
_GUARDS = late(
    r"^(firewalld|ufw|nftables|iptables|apparmor|auditd|fail2ban|rsyslog|clamav\S*|falcon\S*|wazuh\S*)(\.service)?$"
)
_KERNEL = late(
    r"(kernel\.randomize_va_space|kernel\.yama\.ptrace_scope|kernel\.kptr_restrict|kernel\.dmesg_restrict|fs\.protected_\w+|"
    r"net\.ipv4\.conf\.\w+\.rp_filter|kernel\.unprivileged_bpf_disabled|vm\.mmap_min_addr)\s*=\s*0"
)
_WINDOWS: tuple[tuple[re.Pattern[str], Severity, str], ...] = (
    (
        late(r"(?i)\bSet-ExecutionPolicy\s+(?:-ExecutionPolicy\s+)?(?:Bypass|Unrestricted)\b(?!.*-Scope\s+Process)"),
        "medium",
        "lets every script run (Set-ExecutionPolicy)",
    ),
    (late(r"(?i)\bSet-MpPreference\s.*-Disable\w+\s+(?:\$true|1)"), "high", "switches the virus scanner off"),
    (late(r"(?i)\bAdd-MpPreference\s.*-Exclusion\w+"), "medium", "hides a place from the virus scanner"),
    (
        late(r"(?i)\bnetsh\s+(?:advfirewall\s.*\bstate\s+off|firewall\s.*\bdisable)"),
        "high",
        "switches the firewall off",
    ),
    (late(r"(?i)\bSet-NetFirewallProfile\s.*-Enabled\s+(?:False|0)"), "high", "switches the firewall off"),
    (
        late(r"(?i)\bnet\s+localgroup\s+\"?Administrat\w+\"?\s.*/add|Add-LocalGroupMember\s.*Administrat"),
        "high",
        "makes an account an administrator",
    ),
    (
        late(r"(?i)\bicacls\s.*/grant(?::r)?\s+\"?(?:Everyone|Jeder|\*S-1-1-0|Users|Benutzer):(?:\([OC]I\))*\(?[FM]\b"),
        "medium",
        "lets everybody write there (icacls)",
    ),
    (
        late(r"(?i)\bImport-Certificate\s.*LocalMachine\\+Root|\bcertutil\s.*-addstore\s.*\broot\b"),
        "medium",
        "makes the host trust another authority for everything",
    ),
    (late(r"(?i)\breg\s+add\s.*EnableLUA.*/d\s+0"), "high", "switches user account control off"),
)
_ON_WINDOWS = Pattern(
    r"(?i)\b(Set-ExecutionPolicy|(Set|Add)-MpPreference|netsh\s{1,4}(adv)?firewall|Set-NetFirewallProfile|net\s{1,4}localgroup"
    r"|icacls|Import-Certificate|certutil|Add-LocalGroupMember|reg\s{1,4}add\s[^\n]{0,200}EnableLUA)\b"
)
LOOKS_FOR = (_ON_WINDOWS, *embedded_shell.LOOKS_FOR)
_REPLACED = late(r"^(/usr)?/bin/(sh|bash|env|python3?|perl|sudo|su|login|systemctl)$")
_DEFAULT_ROUTE = late(r"\b(?:route\s+)?(?:add|replace|change|del|delete)\s+(?:-net\s+)?(?:default|0\.0\.0\.0)\b")
_ROUTES = late(
    r"(net\.ipv[46]\.(?:ip_forward|conf\.\w+\.(?:forwarding|accept_redirects|send_redirects|accept_source_route)))\s*=\s*1"
)
_SHELL = late(r"/(\w*sh|python[\d.]*|perl|find|vim?|less|env|awk|tar|cp|nmap|node)$")
_SYSTEM_DIR = late(r"^/(etc|usr|bin|sbin|lib|opt|var|srv|home|root|tmp/?$|run)?(/|$)")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such command of the upgrade's scripts; for programs that are installed, at most medium."""
    yield from _on_windows(context)
    for script in (*scripts(context), *embedded(context)):
        what = role(context, script.entry.place)
        if what in ("library", "init"):
            continue
        for command in script.commands:
            hit = opened(command) if not _told(script.entry.place, command) else None
            if hit is None or _own_service(context, command, hit[1]):
                continue
            severity, title = hit
            yield Finding(
                rule=META.slug,
                severity=severity if what == "upgrade" else ("low" if severity == "medium" else "medium"),
                confidence=META.confidence,
                title=title,
                place=script.entry.place,
                line=command.line,
                excerpt=command.text[:200],
                consequence="What is switched off for the installation stays off; nobody looks after the window.",
                fix="Ask the vendor which single permission is needed, and give that one.",
                curable=_chmod_word(command) > 0 and script_at(context, script.entry.place) is not None,
            )


def _told(place: str, command: Command) -> bool:
    """What another rule says of programs."""
    return (
        is_code(place)
        and not place.endswith(TCL)
        and command.name in ("chmod", "setenforce", "ufw", "iptables", "ip6tables")
    )


def _on_windows(context: Context) -> Iterator[Finding]:
    """The same in batch files and PowerShell, line by line."""
    for entry, number, line in acting_lines(context, _ON_WINDOWS, among=lambda e: e.place.endswith(_WINDOWS_SCRIPTS)):
        what = role(context, entry.place)
        hit = next(((severity, title) for form, severity, title in _WINDOWS if form.search(line)), None)
        if hit is None or what in ("library", "init") or standing(entry.place) != "acting":
            continue
        yield Finding(
            rule=META.slug,
            severity=hit[0],
            confidence=META.confidence,
            title=hit[1],
            place=entry.place,
            line=number,
            excerpt=hidden(line.strip())[:200],
            consequence="What is switched off for the installation stays off; nobody looks after the window.",
            fix="Ask the vendor which single permission is needed, and give that one.",
        )


_WINDOWS_SCRIPTS = (".ps1", ".psm1", ".bat", ".cmd", ".vbs")


def _own_service(context: Context, command: Command, title: str) -> bool:
    """True when a script stops a guard that its package brings itself: a firewall's own removal, for example."""
    name = title.rpartition(" ")[2]
    if not title.startswith(("stops ", "disables ", "masks ")) or name not in command.text:
        return False
    own = memo(context, "own services", lambda: {e.place.rpartition("/")[2] for e in context.package.entries})
    return f"{name}.service" in own


def opened(command: Command) -> tuple[Severity, str] | None:
    """(severity, in words) when the command opens something."""
    argv = shell.unwrapped(command)
    for text in shell.nested(command):
        for inner in shell.commands(text):
            hit = opened(inner)
            if hit is not None:
                return hit
    if not argv:
        return None
    name, words = argv[0].rpartition("/")[2], argv[1:]
    return (
        _protection(name, words) or _accounts(name, words) or _modes(name, words) or _kernel(command, name, words)
        or _files(command, name, words)
    )  # fmt: skip


def _protection(name: str, words: tuple[str, ...]) -> tuple[Severity, str] | None:
    first = words[0] if words else ""
    if name == "setenforce" and first.lower() in ("0", "permissive"):
        return "high", "switches SELinux to permissive"
    if name == "sed" and any(re.search(r"SELINUX=(disabled|permissive)", w) for w in words):
        return "high", "switches SELinux off for good"
    if name == "semanage" and first == "permissive" and {"-a", "--add"} & set(words):
        return "high", f"switches SELinux to permissive for {words[-1]}"
    if name in ("aa-teardown", "aa-disable", "aa-complain"):
        return "high", f"takes AppArmor's protection away ({name})"
    if (name == "ufw" and first in ("disable", "reset")) or (name == "ufw" and words[:2] == ("--force", "reset")):
        return "high", "switches the firewall off"
    if name in ("iptables", "ip6tables") and (
        "-F" in words or "--flush" in words or ("-P" in words and "ACCEPT" in words and "INPUT" in words)
    ):
        return "high", "flushes the firewall's rules or lets everything in"
    if name == "nft" and words[:2] == ("flush", "ruleset"):
        return "high", "flushes the firewall's rules"
    if (
        name == "update-alternatives"
        and words[:1] == ("--set",)
        and words[1:2] in (("java",), ("python3",), ("python",), ("php",))
    ):
        return "medium", f"switches {words[1]} for every program of the host"
    acts = {"stop", "disable", "mask"} & set(words)
    unit = next((w for w in words if _GUARDS.match(w)), "")
    if name in ("systemctl", "service", "invoke-rc.d") and acts and unit:
        return ("medium" if unit.startswith("rsyslog") else "high"), f"{min(acts)}s {unit.removesuffix('.service')}"
    return None


def _accounts(name: str, words: tuple[str, ...]) -> tuple[Severity, str] | None:
    if name in ("useradd", "usermod") and any(
        w in ("-u", "--uid") and words[i + 1 : i + 2] == ("0",) for i, w in enumerate(words)
    ):
        return "high", "makes a second user with uid 0"
    if name == "passwd" and "-d" in words:
        return "high", "takes a password away"
    if name == "chpasswd":
        return "medium", "sets passwords from its input"
    named = [part for w in words for part in w.split(",")]
    if name in ("useradd", "usermod", "gpasswd", "adduser") and any(
        w in ("sudo", "wheel", "docker", "root", "disk", "shadow") for w in named
    ):
        group = next(w for w in named if w in ("sudo", "wheel", "docker", "root", "disk", "shadow"))
        return ("medium", f"puts an account into the group {group}") if group != "root" or name != "adduser" else None
    return None


def _modes(name: str, words: tuple[str, ...]) -> tuple[Severity, str] | None:
    if name == "chmod":
        mode = next((w for w in words if not w.startswith("-") or re.match(r"-[rwx]", w)), "")
        paths = words[words.index(mode) + 1 :] if mode in words else ()
        where = " ".join(paths)[:80]
        if re.fullmatch(r"0?[0-7]?[0-7][0-7][2367]", mode) and not mode.lstrip("0").startswith("1"):
            return "high" if any(_SYSTEM_DIR.match(p) for p in paths) else "medium", f"lets everyone write to {where}"
        if re.fullmatch(r"0?[0-7][0-7][4-7]|[ao]\+r\w*", mode) and any(
            re.search(r"\.key$|(?:priv|_)key\.pem$|/id_\w+$", p) for p in paths
        ):
            return "medium", f"lets everyone read the key {where}"
        if re.fullmatch(r"(a|o|ugo)?\+[rwxX]+", mode) and "w" in mode and mode[0] in "aou":
            return "medium", f"lets everyone write to {where}"
        if re.fullmatch(r"0?[4-7][0-7]{3}|[ugoa]*\+[rwx]*s[rwx]*", mode) and not mode.lstrip("0").startswith(("2", "g+")):
            own = all(re.match(r"/usr/(lib\w*|libexec|s?bin)/", p) and not _SHELL.search(p) for p in paths)
            return "medium" if own else "high", f"makes {where} run with its owner's rights (setuid)"
    if name == "setfacl" and any(re.search(r"(?:^|,)(?:d:)?o(?:ther)?::?[r-]*w", w) for w in words):
        return "medium", f"lets everyone write to {words[-1]}"
    if name == "mount" and any(
        re.search(r"\bremount\b", w) and re.search(r"(?:^|,)(?:exec|suid|dev)(?:,|$)", w) for w in words
    ):
        return "medium", f"takes a protection of {words[-1]} away (mount -o remount)"
    mode = next((b for a, b in pairwise(words) if a in ("-m", "--mode")), "") if name == "install" else ""
    if re.fullmatch(r"0?[4-7][0-7]{3}", mode) and not mode.lstrip("0").startswith("2"):
        return "high", f"makes {words[-1]} run with its owner's rights (setuid)"
    if name == "setcap" and words and not words[0].startswith("-"):
        harmless = re.match(r"['\"]?cap_net_bind_service\b", words[0]) and "," not in words[0]
        return ("low" if harmless else "medium"), f"gives {words[-1]} the capability {words[0]}"
    return None


def _kernel(command: Command, name: str, words: tuple[str, ...]) -> tuple[Severity, str] | None:
    text = " ".join(words) + command.heredoc
    into = any("/etc/sysctl" in r for r in command.redirects) or any("/etc/sysctl" in w for w in command.pipes_args)
    if name == "sysctl" or into:
        found = _KERNEL.search(text)
        if found is not None:
            return "high", f"switches a protection of the kernel off ({found[1]})"
    if name in ("ip", "route") and _DEFAULT_ROUTE.search(" ".join(words)):
        return "high", "changes where the host sends what is not for its own network (default route)"
    if name == "swapoff" and {"-a", "--all"} & set(words):
        return "medium", "takes the host's swap away: where memory is short, programs are ended"
    if any(re.search(r">\s*/proc/sys/vm/drop_caches", r) for r in command.redirects) or any(
        w == "/proc/sys/vm/drop_caches" for w in command.pipes_args
    ):
        return "low", "Caches of the whole host are dropped: every database on it is slow for a while"
    if name == "sysctl" and "-p" not in words and (found := _ROUTES.search(text)) is not None:
        return "low", f"makes the host pass on packets of others ({found[1]})"
    return None


def _files(command: Command, name: str, words: tuple[str, ...]) -> tuple[Severity, str] | None:
    """Writes into files that decide who gets in."""
    if name == "umask" and words[:1] in (("0",), ("00",), ("000",), ("0000",)):
        return "medium", "makes every file that follows writable by everyone (umask 0)"
    written = [r for r in command.redirects if r.lstrip("0123456789&").startswith(">")]
    written += list(command.pipes_args) if command.pipes_to == "tee" else []
    if name in ("cp", "install", "mv", "tee") or (name == "sed" and any(w.startswith("-i") for w in words)):
        written.append(words[-1] if words else "")
    replaced = next((w for w in (*words[-1:],) if name in ("ln", "cp", "install", "mv") and _REPLACED.match(w)), "")
    if replaced:
        return "high", f"replaces {replaced} of the system"
    for target in written:
        if "authorized_keys" in target:
            return "high", "adds a key to authorized_keys: someone else can log in"
        if re.search(r"/etc/pam\.d/|/etc/(shadow|gshadow|passwd)\b", target):
            return "high", f"rewrites {target.lstrip('>& ')}"
        if re.search(r"/etc/ssh/sshd_config", target):
            opens = re.search(
                r"(?i)PermitRootLogin\s+yes|PermitEmptyPasswords\s+yes", command.text.rpartition("/")[0] or command.text
            )
            return ("high", "lets root log in over SSH") if opens else ("medium", "changes the settings of the SSH server")
        if re.search(r"/etc/sysctl(\.conf|\.d/)", target) and name in ("echo", "printf", "tee", "cat", "sed"):
            return "low", "changes the kernel's settings for good"
        if re.search(r"/etc/resolv\.conf$", target):
            return "medium", "changes who answers the host's questions for names (resolv.conf)"
        if re.search(r"/etc/hosts$", target):
            return "medium", "writes an address into /etc/hosts, where nobody looks when it moves"
        if re.search(r"/etc/(fstab|crypttab)\b", target):
            return "medium", f"changes what is mounted at the next boot ({target.lstrip('>& ')})"
        if re.search(r"/etc/ld\.so\.conf", target):
            return "low", "changes where every program looks for libraries"
        if re.search(r"/etc/ld\.so\.preload", target):
            return "high", "loads a library into every program (ld.so.preload)"
    return None


def _chmod_word(command: Command) -> int:
    """Index of a plain mode 777 or 666 of a chmod; 0 when there is none."""
    index = shell.wrapped_by(command)
    if command.argv[index].rpartition("/")[2] != "chmod":
        return 0
    return next((i for i, w in enumerate(command.argv) if i > index and re.fullmatch(r"0?(777|666)", w)), 0)


def cure(context: Context, finding: Finding) -> Cure | None:
    """777 becomes 775, 666 becomes 664."""
    script = script_at(context, finding.place)
    command = next((c for c in script.commands if c.line == finding.line and _chmod_word(c)), None) if script else None
    if script is None or command is None:
        return None
    at = _chmod_word(command)
    start, end = command.spans[at]
    new = "775" if command.argv[at].endswith("777") else "664"
    return edited(finding.place, shell.splice(script.text, [Edit(start, end, new)]), "not everyone may write there")


BAD = (
    {"setup.tcl": "exec chmod -R 777 $::prefix/spool\nfile attributes $::prefix/bin/x -permissions 04755\n"},
    {"upgrade.d/x.py": 'subprocess.run(["useradd", "-o", "-u", "0", "x"])\n'},
    {"up.sh": "#!/bin/sh\nset -e\numask 000\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho net.ipv4.ip_forward=1 >> /etc/sysctl.conf\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsed -i 's/^PermitRootLogin.*/PermitRootLogin yes/' /etc/ssh/sshd_config\n"},
    {"up.sh": "#!/bin/sh\nset -e\nchmod -R a+rwX /opt/app/storage\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsetenforce 0\n"},
    {"up.sh": "#!/bin/sh\nset -e\nufw disable\niptables -F\nsystemctl disable --now firewalld\n"},
    {"up.sh": "#!/bin/sh\nset -e\nchmod -R 777 /opt/app\nchmod 4755 /opt/app/bin/helper\n"},
    {"up.sh": "#!/bin/sh\nset -e\nuseradd -o -u 0 vendor\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho 'ssh-ed25519 AAAA v' >> /root/.ssh/authorized_keys\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsysctl -w kernel.randomize_va_space=0\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsemanage permissive -a httpd_t\n"},
    {"up.sh": "#!/bin/sh\nset -e\ninstall -m 4755 h /usr/local/bin/h\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsysctl -w net.ipv4.ip_forward=1\n"},
    {"up.sh": "#!/bin/sh\nset -e\nln -sf /bin/bash /bin/sh\n"},
    {"x.spec": "Name: x\n%post\nsetenforce 0\n%files\n/opt/x\n"},
    {"Dockerfile": "FROM x:1\nRUN mkdir /a \\\n && chmod 777 /a\n"},
    {"win/a.ps1": "Set-ExecutionPolicy Bypass -Scope LocalMachine\nSet-MpPreference -DisableRealtimeMonitoring $true\n"},
    {"win/a.bat": "netsh advfirewall set allprofiles state off\r\nnet localgroup Administrators svc /add\r\n"},
    {"postinst": "#!/bin/sh\nset -e\nsu -c 'sed -i s/x/y/ /etc/pam.d/common-auth'\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho 'nameserver 8.8.8.8' > /etc/resolv.conf\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho 10.1.1.9 db1.lab.internal >> /etc/hosts\n"},
    {"up.sh": "#!/bin/sh\nset -e\nip route add default via 10.1.0.1\n"},
    {"up.sh": "#!/bin/sh\nset -e\nswapoff -a\n"},
    {"up.sh": "#!/bin/sh\nset -e\nmount -o remount,exec /tmp\n"},
    {"up.sh": "#!/bin/sh\nset -e\nchmod 644 /etc/x/tls.key\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsetfacl -R -m o::rwx /srv/x\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho 3 > /proc/sys/vm/drop_caches\n"},
    {"roles/a/tasks/main.yml": "- name: x\n  shell: setenforce 0\n"},
    {"w/a.ps1": "icacls C:\\App /grant Everyone:F /T\n"},
    {"w/a.ps1": "Import-Certificate -FilePath .\\v.cer -CertStoreLocation Cert:\\LocalMachine\\Root\n"},
)
GOOD = (
    {"up.sh": "#!/bin/sh\nset -e\ngrep -q db1 /etc/hosts\nip route show default\nip route add 10.9.0.0/16 via 10.1.0.1\n"},
    {"roles/a/tasks/main.yml": "- name: x\n  shell: getenforce\n"},
    {"w/a.ps1": "icacls C:\\App /grant Users:R /T\nImport-Certificate -CertStoreLocation Cert:\\CurrentUser\\My a\n"},
    {"up.sh": "#!/bin/sh\nset -e\numask 022\numask 077\ncat /etc/sysctl.conf /etc/ssh/sshd_config\n"},
    {"up.sh": "#!/bin/sh\nset -e\n# setenforce 0\nchmod 755 /opt/app/bin/x\nchmod 1777 /var/app/tmp\nchmod g+s /srv/app\n"},
    {"win/a.ps1": "# netsh advfirewall set allprofiles state off\nSet-ExecutionPolicy Bypass -Scope Process\n"},
    {"x.spec": "Name: x\n%build\nchmod 777 /a\n%install\ninstall -m 0755 h /usr/bin/h\n%files\n"},
    {"Dockerfile": "FROM x:1\n# RUN chmod 777 /a\nCOPY chmod 777 /b\n"},
    {"up.sh": "#!/bin/sh\nset -e\ninstall -m 0755 x /usr/local/bin/x\nln -sf /opt/x/bin/sh /usr/local/bin/xsh\n"},
    {"up.sh": "#!/bin/sh\nset -e\nufw allow 8080/tcp\nsysctl -w vm.swappiness=10\nuseradd -r -u 980 app\n"},
    {"x.deb!/usr/share/doc/x/examples/a.sh": "#!/bin/sh\nchmod -R 777 /opt/app\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsystemctl stop app\ncat /etc/pam.d/common-auth\n"},
)
