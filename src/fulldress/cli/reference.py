"""The reference pages, written from the code: commands, errors, settings, step kinds.

``python -m fulldress.cli.reference docs/reference`` writes them; a test fails when they are not current. Reads code only.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import fulldress
from fulldress.cli import overview
from fulldress.cli.app import cli
from fulldress.errors import FulldressError
from fulldress.model import release
from fulldress.steps import kinds
from fulldress.store.codec import write_bytes

NOTE = "<!-- Written by `make docs` from the code; do not edit. -->\n\n"


def commands() -> str:
    """Every command's help, as it is printed."""
    root = click.Context(cli, info_name="fulldress")
    parts = [f"# Commands\n\n```\n{overview.text()}\n```\n"]
    for name in overview.names():
        command = cli.get_command(root, name)
        assert command is not None
        parts.extend(_help(command, click.Context(command, info_name=name, parent=root, max_content_width=100)))
    return NOTE + "\n".join(parts)


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _help(inner, click.Context(inner, info_name=name, parent=context, max_content_width=100))


def every_error() -> list[type[FulldressError]]:
    """The whole tree of errors, by slug; imports every module once."""
    for module in pkgutil.walk_packages(fulldress.__path__, "fulldress."):
        if not module.name.rpartition(".")[2].startswith("__"):
            importlib.import_module(module.name)
    found: dict[str, type[FulldressError]] = {}
    waiting = [FulldressError]
    while waiting:
        kind = waiting.pop()
        found[kind.slug] = kind
        waiting.extend(kind.__subclasses__())
    return [found[slug] for slug in sorted(found)]


def errors() -> str:
    """Every error: slug, exit code, what it means."""
    parts = ["# Errors\n\n`fulldress explain SLUG` prints the same.\n"]
    for kind in every_error():
        parts.append(f"## {kind.slug}\n\nExit code {kind.exit_code}. {inspect.cleandoc(kind.__doc__ or '')}\n")
    return NOTE + "\n".join(parts)


def settings() -> str:
    """Every key of ``release.toml``."""
    tables = (
        ("", release.Release),
        ("estate", release.Declared),
        ("objectives", release.Objectives),
        ("window", release.Window),
        ("mirror", release.Mirroring),
        ("[mirror.mask]", release.MaskRule),
    )
    parts = ["# release.toml\n"]
    for name, kind in tables:
        parts.append(f"## {f'[{name}]' if name else 'the head'}\n\n| key | default | meaning |\n|---|---|---|")
        explained = _explained(kind)
        fields = zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True)
        for key, field in fields:
            if field in ("estate", "objectives", "window"):
                continue
            default = _default(kind, field)
            parts.append(f"| `{key}` | {f'`{default}`' if default else ''} | {explained.get(field, '')} |")
        parts.append("")
    return NOTE + "\n".join(parts)


def _default(kind: type[object], field: str) -> str:
    default = inspect.signature(kind).parameters[field].default
    return "" if default in (inspect.Parameter.empty, "", (), {}) else str(default)


def _explained(kind: type[object]) -> dict[str, str]:
    """Field -> the string that follows it in the source."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found


def step_kinds() -> str:
    """Every step kind with its parameters."""
    parts = ["# Step kinds\n\nA `[[step]]` of `05-plan/plan.toml` names one of these as its `kind`.\n"]
    for slug, module in sorted(kinds().items()):
        info = module.KIND
        parts.append(
            f"## {slug}\n\n{info.summary[:1].upper()}{info.summary[1:]}.\n\n| parameter | | meaning |\n|---|---|---|"
        )
        parts.extend(f"| `{name}` | required | {meaning} |" for name, meaning in info.required.items())
        parts.extend(f"| `{name}` | | {meaning} |" for name, meaning in info.optional.items())
        parts.append("")
    return NOTE + "\n".join(parts)


PAGES = {"commands.md": commands, "errors.md": errors, "settings.md": settings, "steps.md": step_kinds}


def main() -> None:
    """Write all pages below the directory given."""
    for name, page in PAGES.items():
        write_bytes(Path(sys.argv[1]) / name, page().encode())


if __name__ == "__main__":
    main()
