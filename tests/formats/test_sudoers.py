"""sudoers as its manual page writes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.sudoers import rules

TEXT = """\
# comment
Defaults env_reset, requiretty
Defaults:deploy !requiretty
User_Alias ADMINS = alice, bob : OPS = %ops
Cmnd_Alias SERVICES = /usr/bin/systemctl restart lims, \\
    /usr/bin/systemctl status lims
root ALL=(ALL:ALL) ALL
ADMINS ALL = (root) NOPASSWD: SERVICES, PASSWD: /usr/bin/apt
deploy web1,web2 = (postgres) NOPASSWD:SETENV: /usr/bin/psql -c SELECT\\,1
%wheel ALL=(ALL) ALL   # trailing
#1000 ALL = /bin/ls
@includedir /etc/sudoers.d
nonsense
"""


def test_users_runas_commands_and_tags() -> None:
    found = {(r.line, r.nopasswd): r for r in rules({"/etc/sudoers": TEXT})}
    assert [r.users for r in found.values()] == [
        ("root",), ("alice", "bob"), ("alice", "bob"), ("deploy",), ("%wheel",), ("#1000",),
    ]  # fmt: skip
    free, asked = found[(8, True)], found[(8, False)]
    assert free.commands == ("/usr/bin/systemctl restart lims", "/usr/bin/systemctl status lims")
    assert (asked.commands, asked.runas, free.runas) == (("/usr/bin/apt",), ("root",), ("root",))
    deploy = found[(9, True)]
    assert (deploy.runas, deploy.hosts, deploy.commands) == (
        ("postgres",),
        ("web1", "web2"),
        ("/usr/bin/psql -c SELECT\\,1",),
    )


def test_requiretty_holds_unless_it_is_taken_back() -> None:
    assert {r.users[0]: r.requiretty for r in rules({"/etc/sudoers": TEXT})} == {
        "root": True, "alice": True, "deploy": False, "%wheel": True, "#1000": True,
    }  # fmt: skip


def test_an_alias_of_one_file_holds_in_the_next() -> None:
    (rule,) = rules({"/etc/sudoers": "User_Alias A = x\n", "/etc/sudoers.d/a": "A ALL=(ALL) NOPASSWD: ALL\n"})
    assert (rule.file, rule.users, rule.nopasswd) == ("/etc/sudoers.d/a", ("x",), True)


def test_aliases_in_a_circle_end() -> None:
    assert len(rules({"f": "User_Alias A = B\nUser_Alias B = A\nA ALL = ALL\n"})) == 1


@given(st.text("AaL=(:)!,\\ \n#%/NOPASSWD", max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(rules({"f": text}), list)
