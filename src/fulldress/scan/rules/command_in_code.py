"""A program runs a shell command that destroys, opens or downloads without a check.

## What it does
Reads the recipes of Makefiles, and the literals that programs hand to a shell (`system`, `exec`, `shell_exec`, `os.system`,
`subprocess` with a string, `execSync`, `popen`, `passthru`): recursive removal of a path that begins with a variable or is
the system's (also by `rmtree`), or ends with one that a Makefile never sets, `chmod` for everybody, `chown -R` of the
system, `mkfs`, `dd` to a device, firewalls and SELinux switched off, and `curl` or `wget` that do not check the certificate.
A list of words (`["chmod", "-R", "777", x]`) counts as the command that it is. Comments, tests and third-party libraries do
not count.

## Why it matters
It is the same command as in a shell script, but no linter of shell scripts ever sees it; an empty variable is as empty here.

## Example
```
system("rm -rf $base/spool/*");
```

## Fix
Ask the vendor to use the language's own functions, with a check that the path is what it should be.

## References
- CWE-78; CWE-732; CWE-295
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.jobs.program_shell import TCL
from fulldress.scan.places import standing
from fulldress.scan.reading import MAX_PARSED, acting_lines, is_code, is_comment
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="command-in-code",
    family="privilege",
    title="Program runs a dangerous shell command",
    severity="high",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(
        r"\t[@+-]{0,2}\s{0,4}(sudo\s{1,4})?(rm[ \t]\s{0,3}-\w{0,8}[rR]|chmod\s|chown\s|mkfs|dd[ \t]\s{0,3}if=|curl\s|wget\s)"
    ),
    Pattern(
        r"\b(rm_rf|rm_r|rmtree|remove_tree|RemoveAll|rimraf|rmSync|rmdirSync|deleteDirectory|deltree|Directory\.Delete)\b\s{0,2}\(?"
        r"[^\n]{0,80}(\bENV\b|environ|getenv|Getenv|process\.env|GetEnvironmentVariable)"
    ),
    Pattern(r"[\"'`]\s{0,4}(sudo\s{1,4})?rm[ \t]\s{0,3}-\w{0,8}[rR][^\n]{0,80}(\bENV\b|environ|getenv|Getenv|process\.env)"),
    Pattern(
        r"\b(chmod_R|chmodSync|os\.chmod|os\.Chmod|chmod)\s{0,2}\(?[^\n]{0,60}\b0?o?0?777\b|\bumask\s?\(\s?0{1,4}\s?\)|permissions\s{0,2}=\s{0,2}0777\b"
    ),
    Pattern(r"[\"'`]\s{0,4}(sudo\s{1,4})?find\s{1,4}/[^\n\"'`]{1,120}\s(-delete\b|-exec\s{1,4}rm\b)"),
    Pattern(r"\brmtree\(\s{0,4}[\"']/|\bremove_tree\(\s{0,4}[\"']/"),
    Pattern(
        r"[\"'`](\s{0,4}sudo)?\s{0,4}(rm[ \t]\s{0,3}-\w{0,8}[rR]|chmod\s|chown\s|mkfs|dd[ \t]\s{0,3}if=|curl\s|wget\s|"
        r"setenforce\s{1,4}0|ufw\s{1,4}disable|ip6?tables\s{1,4}-F)"
    ),
    Pattern(r"[\"'](rm|chmod|mkfs[.\w]*|setenforce|ufw|ip6?tables)[\"']\s*,\s*[\"']"),
)
_FROM_ENVIRONMENT = late(
    r"\b(?:rm_rf|rm_r|rmtree|remove_tree|RemoveAll|rimraf|rmSync|rmdirSync|deleteDirectory|deltree|Directory\.Delete)\b\s*\(?\s*"
    r"[\"'`f]{0,2}\W{0,4}(?:[\w.]*\()?\s*(?:ENV\b|os\.environ|os\.getenv|getenv|os\.Getenv|process\.env|(?:System|Environment)\.[gG]etenv"
    r"|Environment\.GetEnvironmentVariable)"
    r"|[\"'`]\s*(?:sudo\s+)?rm\s+-\w*[rR]\w*\s+[^\"'`\n]*/?[\"'`]?\s*[+.,]?\s*(?:\$\{|#\{)?\s*(?:ENV\b|os\.environ|os\.getenv|getenv|os\.Getenv|process\.env)"
)
"""A removal whose path, or the end of it, is a variable of the environment."""
_ALL_MAY_WRITE = late(
    r"\b(?:chmod_R|chmodSync|os\.chmod|os\.Chmod|chmod)\s*\(?[^\n]*\b0?o?0?777\b|\bumask\s?\(\s?0{1,4}\s?\)|permissions\s*=\s*0777\b"
)
_BY_AGE = late(
    r"(?:\b(?:system|exec|shell_exec|sh|run|execSync|check_call|popen|Popen)\s*\(?\s*[rf]?|^\s*(?:sh|system)\s+)[\"'`]\s*(?:sudo\s+)?"
    r"find\s+(/(?!tmp\b|var/tmp\b|var/cache\b)\S+)\s[^\"'`]*(?:-delete\b|-exec\s+rm\b)"
)
_CALL = late(
    r"\b(?:system|exec|shell_exec|passthru|popen2?|proc_open|execSync|spawnSync|check_call|check_output|run|call|Popen|getoutput|exec\w*)"
    r"\s*\(\s*[rf]?([\"'`])\s*(?P<command>.*)"
    r"|^\s*(?:command|code)\s+[\"'](?P<resource>.*)"
    r"|(?:=|^|;|\()\s*`\s*(?P<tick>(?:sudo\s+)?(?:rm|chmod|mkfs)\b[^`]*)`"
)
_WORDS = late(r"""\[\s*(?:(?:"[^"\\]*"|'[^'\\]*')\s*,?\s*){2,40}\]""")
_WORD = late(r""""([^"\\]*)"|'([^'\\]*)'""")
_DEFENCES = late(r"^(?:sudo\s+)?(?:setenforce\s+0|ufw\s+disable|ip6?tables\s+-F)\b")
_REMOVES = late(r"^(?:sudo\s+)?rm\s+(?:-\w+\s+)*-\w*[rR]\w*\s+(?:-\w+\s+)*\\*(.+)")
_WHOLE = late(r"^/(?:\*|(?:bin|boot|etc|home|lib|opt|root|srv|usr|var)(?:/\*?)?)?(?=[\s\"'`;)]|$)")
_BEGINS = late(r"^[\"']?(?:\$\{?\w|\{\w|%s|[\"'`]\s*[.+]|#\{)")
_TREE = late(r"\b(?:rmtree|remove_tree)\(\s*[\"'](/(?:etc|usr|var|home|opt|srv|root|boot|var/log|var/lib|usr/lib)?/?)[\"']")
_ENDS = late(r"^(?:sudo\s+)?rm\s+(?:-\w+\s+)*-\w*[rR]\w*\s+(?:-\w+\s+)*/\S*/\$\{?(\w+)\}?/?\*?\s*$")
_GIVEN = frozenset(("DESTDIR", "HOME", "PWD", "CURDIR", "TMPDIR", "USER", "MAKE"))
_TAKES = late(r"^(?:sudo\s+)?chown\s+(?:-\w+\s+)*(?:-\w*R\w*|--recursive)\s+(?:-\w+\s+)*\S+\s+(.+)")
_OPENS = late(r"^(?:sudo\s+)?chmod\s+(?:-\w+\s+)*(?:0?777|[0-7]?[0-7][0-7][2367]|(?:a|o|ugo)\+\w*w\w*)\b")
_WRECKS = late(r"^(?:sudo\s+)?(?:mkfs(?:\.\w+)?\s|dd\s.*\bof=/dev/(?!null|zero|stdout))")
_BLIND = late(r"^(?:curl\s(?:.*\s)?(?:-[a-zA-Z]*k[a-zA-Z]*|--insecure)\s|wget\s(?:.*\s)?--no-check-certificate\b)")


class _Bad(NamedTuple):
    severity: Severity
    title: str
    consequence: str


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a file."""
    told: set[tuple[str, str]] = set()
    yield from _in_tcl(context)
    yield from _by_call(context)
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=lambda e: _program(context, e.place)):
        bad = _recipe(context, entry, line) if _MAKEFILE.search(entry.place) else _called(line)
        if bad is None or (entry.place, bad.title) in told:
            continue
        told.add((entry.place, bad.title))
        acts = role(context, entry.place) == "upgrade"
        lesser: Severity = "medium" if bad.severity in ("critical", "high") else "low"
        yield Finding(
            rule=META.slug,
            severity=bad.severity if acts else lesser,
            confidence=META.confidence,
            title=f"{entry.place.rpartition('/')[2]} {bad.title}",
            place=entry.place,
            line=number,
            excerpt=secrets.hidden(line.strip())[:200],
            consequence=bad.consequence,
            fix="Have the vendor use the language's own functions, with a check of the path or of the certificate.",
        )


_DELETES = late(
    r"""\b(?:shutil\.rmtree|remove_tree|rmtree|FileUtils\.(?:rm_rf?|deleteDirectory)|rm_rf|deleteDirectory|(?:fs|fse)\.(?:rmSync|rmdirSync|removeSync|rm)"""
    r"""|rimraf(?:\.sync)?|os\.RemoveAll|Directory\.Delete|File\.rm_rf!?|deltree)\s*\(?\s*(?P<arg>[^,);]+)"""
    r"""|\bnew\s+File\(\s*(?P<file>[^)]+)\)\.deleteDir\(|\bunlink\s+glob\s*\(?\s*(?P<glob>[\"'][^)]+)"""
)
_NAMED_AT_RUN_TIME = late(r"[$#]\{|\$\w|^\s*[A-Za-z_][\w.]*\s*(?:[+./]|$)|\{\w")
_OWN_SCRATCH = late(r"(?i)te?mp|cache|scratch|build|dist\b|staging|unpack|extract|work")
_BY_CALL = (".py", ".pl", ".rb", ".groovy", ".js", ".ts", ".go", ".cs", ".ex", ".exs", ".java", ".php")


def _by_call(context: Context) -> Iterator[Finding]:
    """A folder that a program of the upgrade deletes by its language's own call, and whose name is put together there."""
    for entry in context.ending(*_BY_CALL):
        place = entry.place
        if not _OF_THE_UPGRADE.search(place) or entry.kind != "file" or entry.size > MAX_PARSED or "usr/" in place:
            continue
        if not _program(context, place) or role(context, place) != "upgrade":
            continue
        for number, line in enumerate((context.text(entry) or "").split("\n"), 1):
            found = _DELETES.search(line) if len(line) < 1000 and not is_comment(line) else None
            name = (found["arg"] or found["file"] or found["glob"] or "").strip() if found is not None else ""
            if name and _NAMED_AT_RUN_TIME.search(name.strip("\"'")) and not _OWN_SCRATCH.search(name):
                yield Finding(
                    rule=META.slug,
                    severity="medium",
                    confidence=META.confidence,
                    title=f"{place.rpartition('/')[2]} deletes {name[:80]} with all that is in it",
                    place=place,
                    line=number,
                    excerpt=secrets.hidden(line.strip())[:200],
                    consequence="What others keep there goes too; when a part of the name is empty, it is another folder.",
                    fix="Check each part of the name, delete what the product knows, and keep a copy.",
                )


_OF_THE_UPGRADE = late(
    r"(?i)(?:^|[/!])(?:[^/!]*[-_.\d])?(?:upgrade|migrate|install|setup|update|convert|patch|hotfix|deploy|post|pre)s?(?:[-_.\d][^/!]*)?"
    r"(?:/[^/!]+)?\.\w+$"
)


def _in_tcl(context: Context) -> Iterator[Finding]:
    """What Tcl and Expect delete, by their own words."""
    for script in embedded(context):
        place = script.entry.place
        if not place.endswith(TCL) or role(context, place) == "library":
            continue
        for command in script.commands:
            removes = _REMOVES.match(command.text)
            if removes is not None and (_BEGINS.match(removes[1]) or _WHOLE.match(removes[1])):
                yield Finding(
                    rule=META.slug,
                    severity="high" if role(context, place) == "upgrade" else "medium",
                    confidence=META.confidence,
                    title=f"{place.rpartition('/')[2]} removes {removes[1][:80]}",
                    place=place,
                    line=command.line,
                    excerpt=command.text[:200],
                    consequence="When a variable in it is empty, the path is another one.",
                    fix="Check that each part is set and that the path lies in the product's own folder.",
                )


_MAKEFILE = late(r"(^|[!/])(GNU)?[Mm]akefile$|\.mk$")


def _called(line: str) -> _Bad | None:
    line = line[:1000]
    tree = _TREE.search(line)
    if tree is not None:
        return _Bad("high", f"removes {tree[1]} of the system", "What every other program keeps there is gone.")
    if _FROM_ENVIRONMENT.search(line) and not re.search(r"(?i)\b(?:or|\|\|)\s+(?:raise|die|exit|abort)", line):
        return _Bad(
            "high", "removes a path that comes from the environment", "When the variable is not set, the folder above goes."
        )
    if _ALL_MAY_WRITE.search(line):
        return _Bad("medium", "lets everybody write", "Any user of the host may change what runs.")
    by_age = _BY_AGE.search(line)
    if by_age is not None:
        return _Bad(
            "medium", f"deletes what lies in {by_age[1]}, by a pattern", "What somebody still needs is gone without a word."
        )
    words = _WORDS.search(line)
    if words is not None:  # a list of words is what a shell would have made of the line
        line = line[: words.start()] + '"' + " ".join(a or b for a, b in _WORD.findall(words[0])) + '"' + line[words.end() :]
    call = _CALL.search(line)
    return _judged(call["command"] or call["tick"] or call["resource"]) if call is not None else None


def _recipe(context: Context, entry: Entry, line: str) -> _Bad | None:
    """A command of a Makefile; variables that it sets itself are not empty."""
    command = line.strip().lstrip("@+-").strip()
    for name in re.findall(r"\$[({](\w+)[)}]", command):
        if re.search(rf"(?m)^[^\S\n]*(?:export[^\S\n]+)?{name}[^\S\n]*[:?+]?=[^\S\n]*\S", context.text(entry) or ""):
            command = re.sub(rf"\$[({{]{name}[)}}]", "/set", command)
    command = re.sub(r"\$\((\w+)\)", r"$\1", command)
    ends = _ENDS.match(command)
    if ends is not None and ends[1] not in _GIVEN:
        return _Bad(
            "medium",
            f"removes a path that ends with $({ends[1]}), which nothing sets",
            "When it is empty, the folder above goes.",
        )
    return _judged(command)


def _program(context: Context, place: str) -> bool:
    return (
        (is_code(place) or _MAKEFILE.search(place) is not None)
        and standing(place) == "acting"
        and role(context, place) != "library"
    )


def _judged(command: str) -> _Bad | None:
    removes = _REMOVES.match(command)
    whole = _WHOLE.match(removes[1]) if removes is not None else None
    if whole is not None:
        return _Bad("critical", f"removes {whole[0] or '/'} through a shell", "The host does not survive it.")
    if removes is not None and _BEGINS.match(removes[1]):
        return _Bad(
            "high", "removes a path that begins with a variable, through a shell", "When it is empty, the path begins at /."
        )
    takes = _TAKES.match(command)
    everything = _WHOLE.match(takes[1]) if takes is not None else None
    if everything is not None:
        return _Bad("high", f"gives {everything[0] or '/'} to another owner", "sudo, ssh and cron stop working.")
    if _WRECKS.match(command):
        return _Bad("high", "overwrites a device through a shell", "What was there is gone.")
    if _DEFENCES.match(command):
        return _Bad("high", "switches the host's defences off through a shell", "What is off stays off after the upgrade.")
    if _OPENS.match(command):
        return _Bad("medium", "lets everybody write, through chmod in a shell", "Any user of the host may change what runs.")
    if _BLIND.match(command + " "):
        return _Bad("medium", "downloads through a shell without checking the certificate", "Anyone on the way changes it.")
    return None


BAD = (
    {
        "update.groovy": 'new File("${ziel}/deployments").deleteDir()\n',
        "upgrade/move.py": 'shutil.rmtree(target + "/files")\n',
    },
    {"setup.tcl": "proc wipe {dir} {\n    file delete -force $::prefix/$dir\n}\n"},
    {"setup/keys.exp": 'send "rm -rf $dir/*\\r"\n'},
    {"recipes/default.rb": "execute 'clean' do\n  command \"rm -rf #{node['x']['home']}/*\"\nend\n"},
    {"up.py": 'subprocess.run(\'iptables -F\', shell=True)\nsubprocess.check_call(["chmod", "-R", "777", "/opt/lab"])\n'},
    {"install.pl": 'my $b = shift;\nsystem("rm -rf $b/spool/*");\nsystem("chmod -R 777 $b");\n'},
    {"setup.py": 'import os\nos.system(f"rm -rf {base}/cache")\n'},
    {"app/cleanup.php": "<?php\nshell_exec('rm -rf ' . $dir . '/*');\n"},
    {"install.pl": 'system("chown -R www-data /");\n', "a.py": 'import shutil\nshutil.rmtree("/var/log")\n'},
    {"Makefile": "PREFIX ?= /opt/x\ninstall:\n\trm -rf $(PREFIX)/$(OLD)/*\n"},
    {"tools/up.js": "execSync(`rm -rf ${dir}/x`);\n"},
    {"Makefile": "install:\n\trm -rf $(OUT)/*\n\tchmod -R 777 /var/www/x\n"},
    {"src/x.c": 'int main(void) { system("curl -k https://lic.vendor.example/"); }\n'},
    {"lib/x.rb": "FileUtils.rm_rf(\"#{ENV['EXPORT_DIR']}/\")\n"},
    {"tools/r.py": 'os.system("rm -rf /var/spool/x/" + os.getenv("SUB", ""))\n'},
    {"api/c.go": '\texec.Command("sh", "-c", "rm -rf "+os.Getenv("SPOOL_DIR")+"/*").Run()\n'},
    {"api/d.go": '\tos.RemoveAll(os.Getenv("SPOOL_DIR"))\n'},
    {"lib/x.rb": "FileUtils.chmod_R 0777, '/srv/x/shared'\n"},
    {"web/config.php": "<?php\n$CFG->directorypermissions = 0777;\n"},
    {"lib/tasks/c.rb": 'sh "find /srv/uploads -mtime +365 -delete"\n'},
)
GOOD = (
    {
        "upgrade/move.py": "shutil.rmtree(tmp)\nshutil.rmtree('/opt/x/old')\n",
        "app/a.py": 'shutil.rmtree(target + "/files")\n',
    },
    {"lib/x.rb": "FileUtils.rm_rf(Rails.root.join('tmp', 'x'))\nFileUtils.chmod_R 0755, '/srv/x'\n"},
    {"api/d.go": "\tos.RemoveAll(tmp)\n\tos.Chmod(p, 0755)\n", "lib/t.rb": 'sh "find /tmp/x -mtime +1 -delete"\n'},
    {"setup.tcl": "# file delete -force $x\nfile delete -force /opt/x/cache\nfile copy -force a $dir\n"},
    {"recipes/default.rb": "execute 'clean' do\n  command 'rm -rf /opt/x/cache'\nend\n"},
    {"up.py": "subprocess.run(['chmod', '755', '/opt/lab'])\nprint('ufw disable')\nrun(['rm', '-rf', '/opt/lab/x'])\n"},
    {"install.pl": '# system("rm -rf /");\nsystem("rm -rf /opt/vendor/cache");\nsystem("rm", "-rf", $x);\n'},
    {"setup.py": 'import os\nos.system("chmod 755 bin/x")\nprint("curl -k is wrong")\n'},
    {"tests/clean.py": 'os.system(f"rm -rf {tmp}")\n', "node_modules/x/a.js": "execSync(`rm -rf ${d}`)\n"},
    {"Makefile": "OUT ?= build\nclean:\n\trm -rf $(OUT)/x\n\t@echo 'rm -rf $(Y)'\n"},
    {"README.md": 'system("rm -rf $base")\n', "a.py": 'shutil.rmtree("/opt/x/cache")\nshutil.rmtree(tmp)\n'},
    {"Makefile": "P ?= /opt/x\nV = 1\nclean:\n\trm -rf $(P)/$(V)/* $(P)/build\n", "b.pl": 'system("chown -R x /srv/x");\n'},
)
