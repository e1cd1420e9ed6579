"""The commands in playbooks, pipelines and cloud-init, on the lines on which they stand."""

from __future__ import annotations

import pytest

from fulldress.formats.yamlshell import shell_lines


def commands(text: str) -> dict[int, str]:
    lines = text.split("\n")
    found = shell_lines(lines)
    assert len(found) == len(lines)
    return {number: line for number, line in enumerate(found, 1) if line}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- shell: rm -rf /x | tee a   # gone", {1: "rm -rf /x | tee a  "}),
        ("  - ansible.builtin.command: ls -l", {1: "ls -l"}),
        ("- ansible.legacy.raw: ls", {1: "ls"}),
        ("- script: files/setup.sh --force", {1: "files/setup.sh --force"}),
        ('- shell: "echo \\"a b\\" && ls"', {1: 'echo "a b" && ls'}),
        ("- shell: 'echo ''a'''", {1: "echo 'a'"}),
        ('- shell: "ls # no remark"', {1: "ls # no remark"}),
        ("- local_action: command ls -l", {1: "ls -l"}),
        ("- action: ansible.builtin.shell rm -r /x", {1: "rm -r /x"}),
        ("- shell: |\n    a\n\n    b\n  args:\n    chdir: /", {2: "a", 4: "b"}),
        ("- shell: |-\n    if x; then\n      y\n    fi\n- name: z", {2: "if x; then", 3: "  y", 4: "fi"}),
        ("- shell: >\n    curl -k\n    https://x\n\n    ls", {2: "curl -k \\", 3: "https://x", 5: "ls"}),
        ("- shell: curl -k\n    https://x", {1: "curl -k \\", 2: "https://x"}),
        ('- shell: "curl -k\n    https://x"\n  when: a', {1: "curl -k \\", 2: "https://x"}),
        ("- shell:\n    chdir: /x\n    cmd: ls -l\n    creates: y", {3: "ls -l"}),
        ("- shell:\n    cmd: |\n      ls\n      id\n    chdir: /", {3: "ls", 4: "id"}),
        ("- command:\n    argv:\n      - rm\n      - -rf\n      - /a b\n- name: x", {3: "rm \\", 4: "-rf \\", 5: "'/a b'"}),
        ('- command:\n    argv: [rm, "-rf", \'/a b\']', {2: "rm -rf '/a b'"}),
        ('- command: { cmd: "ls -l", chdir: / }', {1: "ls -l"}),
        ("- command: [sh, -c,\n    'ls -l']\n- name: x", {1: "sh -c 'ls -l'"}),
        ("script:\n  - ls\n  - 'id -u'\n  - |\n    a\n    b\n", {2: "ls", 3: "id -u", 5: "a", 6: "b"}),
        ("after_script:\n  - !reference [x]\n  - c", {3: "c"}),
        ("runcmd:\n- [systemctl, restart, x]\n- echo hi\npackages:\n- nginx", {2: "systemctl restart x", 3: "echo hi"}),
        ("before_script: ['a b', c]", {1: "a b; c"}),
        ("- run: |\n    ls\n  shell: bash\n- run: id", {2: "ls", 4: "id"}),
        ("- name: x\n  run: |\n    Remove-Item x\n  shell: pwsh\n- run: ls", {5: "ls"}),
        ("- shell: python\n  run: import os", {1: "python"}),
        ("command:\n- rm\n- -rf\n- /x", {2: "rm \\", 3: "-rf \\", 4: "/x"}),
        ("command:\n- sh\n- -c\n- rm -rf /x", {2: "sh", 3: "-c", 4: "rm -rf /x"}),
    ],
)  # fmt: skip
def test_forms(text: str, expected: dict[int, str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "# shell: ls",
        "- user: name=x shell=/bin/bash",
        "  - name: shell",
        "- shell:",
        "- shell:   # nothing",
        "- shell:\n- name: x",
        "- ansible.windows.win_shell: Remove-Item x",
        "script:\nimage: x",
        "script:\n  - job: x\n    needs: y",
        "- cmd: ls",
    ],
)
def test_what_no_shell_gets(text: str) -> None:
    assert commands(text) == {}


def test_a_here_document_ends_where_its_word_stands() -> None:
    text = "- shell: |\n    cat <<EOF >/etc/x\n    a\n    EOF\n    ls"
    assert commands(text) == {2: "cat <<EOF >/etc/x", 3: "a", 4: "EOF", 5: "ls"}


def test_what_a_template_puts_in_is_a_variable() -> None:
    text = "- shell: rm -r {{ app_dir | default('x') }}/a {% if x %}b{% endif %} {{ 1 }}\n- run: echo ${{ github.ref }}"
    assert commands(text) == {1: "rm -r ${app_dir:?}/a b ${_:?}", 2: "echo ${github}"}


@pytest.mark.parametrize(
    "text", ["- shell: |", "script:\n-", "- shell: [", "- shell: '", "- command: {", "- shell: >\n\n\n"]
)
def test_what_is_cut_off_is_no_crash(text: str) -> None:
    commands(text)


def test_a_long_list_is_read_in_one_pass() -> None:
    assert len(commands("script:\n" + "- ls\n" * 20_000)) == 20_000
