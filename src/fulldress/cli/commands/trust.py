"""Who signed the package, whom to ask, what they answered, and the two people who accept it.

Joins the verdict of intake, the vendor record and what the channels said; every act is written into ``01-package/``.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast, get_args

import click
import msgspec

from fulldress.adapters.openpgp import OpenPgp
from fulldress.cli import trustwork as work
from fulldress.cli.groups import WorkGroup
from fulldress.cli.stagework import JOURNAL, next_command
from fulldress.errors import UsageError
from fulldress.formats import localtime
from fulldress.intake import accept as accepting
from fulldress.intake import dossier as dossiers
from fulldress.intake import escalate as escalating
from fulldress.model.advisory import ChannelReport
from fulldress.model.package import Acceptance, PackageLock, TrustReport
from fulldress.model.vendor import Escalation, Outcome, Reason
from fulldress.report.columns import columns, shown
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import file_digest, read_json, read_toml, write_bytes, write_json
from fulldress.store.journal import Journal
from fulldress.store.state import state_dir

LETTER, REMINDER, DOSSIER = "01-package/escalation.md", "01-package/escalation.ics", "01-package/key-change.md"
MAX_KEY = 1 << 20
FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
BY = click.option("--by", required=True, help="Your name.")


P = ParamSpec("P")
R = TypeVar("R")


def in_folder(work: Callable[Concatenate[f.ReleaseFolder, P], R]) -> Callable[P, R]:
    """Hand a command the release folder, looked for only when the command runs: its help needs none."""

    @functools.wraps(work)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        start = click.get_current_context().find_object(Path) or Path()
        return work(f.ReleaseFolder.find(start), *args, **kwargs)

    return cast("Callable[P, R]", within)


@click.group(
    cls=WorkGroup,
    invoke_without_command=True,
    epilog='Example:  fulldress trust accept --by "Erika Muster" --reason "called ..."',
)
@FOLDER
@click.pass_context
def command(context: click.Context, folder: Path) -> None:
    """Who signed the package, whom to ask about it, and the two people who accept it.

    Alone it says the verdict, as `explain` does.
    """
    context.obj = folder
    if context.invoked_subcommand is None:
        context.invoke(explain)


@command.command(epilog="Example:  fulldress trust explain")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@in_folder
def explain(folder: f.ReleaseFolder, form: str = "text") -> None:
    """The verdict, what it means, what to do next."""
    trust = work.trust_of(folder)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(trust), indent=2))
        return
    click.echo(f"trust: {click.style(trust.verdict, bold=True)}\n{_wrapped(trust.explanation)}\n")
    click.echo(f"what to do\n{_wrapped(trust.next_action)}\n")
    asked = work.escalation(folder, trust.package_sha256)
    rows = [("asked", f"{asked.contact}, answer due {asked.due}")] if asked else []
    rows += (
        [("answer", f"{a.recorded}: {a.asked or 'nobody'}: {a.outcome}, {a.reason}") for a in asked.answers] if asked else []
    )
    rows += [("cannot be accepted", asked.refused)] if asked and asked.refused else []
    accepted = _acceptance(folder)
    if accepted is not None and accepted.package_sha256 == trust.package_sha256:
        state = "accepted" if accepted.covers(trust) else "one more person is needed"
        state = "VOID, for the vendor denied it" if asked and asked.refused else state
        rows.append(("accepted by", f"{', '.join(accepted.by)}: {state}"))
    if rows:
        click.echo(columns(("what", "state"), rows, widest=90))
    next_command(_next(trust, accepted, asked))


def _next(trust: TrustReport, accepted: Acceptance | None, asked: Escalation | None) -> str:
    if asked is not None and asked.refused:
        return "ask for a release that is theirs, then fulldress intake"
    if trust.verdict == "pinned-ok" or (accepted is not None and accepted.covers(trust)):
        return "fulldress inventory"
    return "fulldress trust dossier" if asked else "fulldress trust escalate --by NAME"


def _wrapped(text: str) -> str:
    return textwrap.fill(shown(text), 108, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


@command.command(epilog='Example:  fulldress trust escalate --by "Erika Muster"')
@BY
@click.option("--due", default="", help="By when, for example 2026-11-27T12:00 (default: two days before the window).")
@in_folder
def escalate(folder: f.ReleaseFolder, by: str, due: str) -> None:
    """Write what is asked of the recorded contact, and by when: a letter, a calendar entry, a line in `status`."""
    trust, record = work.trust_of(folder), work.required_record(folder)
    lock = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
    if (before := work.escalation(folder, trust.package_sha256)) is not None:
        raise UsageError(
            f"{before.asked_by} asked about this package already, on {before.opened}",
            why="what was asked, and what was answered, is evidence and is not begun anew",
            fix="fulldress trust answer records what came back",
        )
    now = datetime.now(UTC)
    case = escalating.open_case(
        trust, record, by, now, _time(folder, folder.release().window.start, localtime.START), _time(folder, due, "--due")
    )
    written = escalating.written(case, lock.name, record)
    with folder.locked("`fulldress trust escalate`"):
        write_json(folder.path(f.ESCALATION), case)
        write_bytes(folder.path(LETTER), written.letter.encode())
        write_bytes(folder.path(REMINDER), written.calendar.encode())
        Journal(folder.path(JOURNAL)).append("trust-asked", by=case.asked_by, due=case.due, contact=case.contact)
    click.echo(f"ask {shown(case.contact)}, answer due {case.due}")
    click.echo(f"the text: {LETTER}    the reminder: {REMINDER}")
    for fingerprint in case.signers:
        click.echo(f"to be read aloud by them, not by you: {fingerprint}")
    click.echo(f"and its digest: {case.package_sha256}")
    next_command(escalating.reply(case))


def _time(folder: f.ReleaseFolder, text: str, what: str) -> datetime | None:
    """A time of the estate's zone, when it has none of its own."""
    return localtime.moment(text, folder.release().estate.timezone, what) if text else None


@command.command(
    epilog='Example:  fulldress trust answer --by "E. M." --asked "Ms A" --outcome confirmed --why lost --fingerprint 4A…'
)
@BY
@click.option("--asked", default="", help="The person you spoke to.")
@click.option("--outcome", type=click.Choice(get_args(Outcome)), required=True, help="What they said.")
@click.option("--why", "reason", type=click.Choice(get_args(Reason)), default="unknown", help="Why the key changed.")
@click.option("--fingerprint", default="", help="As they read it aloud.")
@click.option("--sha256", default="", help="The package's digest, as they read it aloud.")
@click.option("--text", default="", help="The rest, in your words.")
@in_folder
def answer(
    folder: f.ReleaseFolder, by: str, asked: str, outcome: str, reason: str, fingerprint: str, sha256: str, text: str
) -> None:
    """Record what the contact said; after a compromise the old key's word is void, and the verdict is judged anew."""
    case = escalating.answered(
        work.required_escalation(folder),
        by=by,
        asked=asked,
        outcome=cast("Outcome", outcome),
        reason=cast("Reason", reason),
        fingerprint=fingerprint,
        text=text,
        now=datetime.now(UTC),
        sha256=sha256,
    )
    with folder.locked("`fulldress trust answer`"):
        write_json(folder.path(f.ESCALATION), case)
        Journal(folder.path(JOURNAL)).append("trust-answered", by=by, asked=asked, outcome=outcome, reason=reason)
    trust = work.judged_again(folder)
    if case.refused:
        click.echo(f"do not run this package: {shown(case.refused)}")
        next_command("fulldress trust explain")
        return
    if case.compromised:
        click.echo(f"the word of {len(case.compromised)} keys on record is void now")
    click.echo(f"trust: {click.style(trust.verdict, bold=True)}")
    next_command('fulldress trust accept --by NAME --reason "..." (each of two people)')


@command.command(epilog='Example:  fulldress trust accept --by "Erika Muster" --reason "called the contact of 2024"')
@BY
@click.option("--reason", required=True, help="Whom you asked, over which contact, and what they said.")
@in_folder
def accept(folder: f.ReleaseFolder, by: str, reason: str) -> None:
    """One of two people accepts this digest, and nothing else. Run it once for each person; pinning is a separate act."""
    trust = work.trust_of(folder)
    asked = work.escalation(folder, trust.package_sha256)
    with folder.locked("`fulldress trust accept`"):
        accepted = accepting.accept(trust, _acceptance(folder), asked, by, reason, datetime.now(UTC))
        write_bytes(folder.path(f.ACCEPTANCE), accepting.toml(accepted).encode())
        Journal(folder.path(JOURNAL)).append("trust-accepted", by=by, package_sha256=trust.package_sha256)
    if accepted.covers(trust):
        click.echo(f"accepted by {shown(' and '.join(accepted.by))}: sha256 {trust.package_sha256}, and nothing else")
        next_command("fulldress inventory")
    else:
        click.echo(f"{shown(by)} accepts sha256 {trust.package_sha256}; another person is needed")
        next_command("fulldress trust accept --by NAME --reason TEXT (another person)")


def _acceptance(folder: f.ReleaseFolder) -> Acceptance | None:
    path = folder.path(f.ACCEPTANCE)
    return read_toml(path, Acceptance) if path.is_file() else None


@command.command(epilog="Example:  fulldress trust dossier --second other-download.zip --key old-key.asc")
@click.option("--second", type=click.Path(path_type=Path), help="The same package, downloaded over another path.")
@click.option("--previous", type=click.Path(path_type=Path), help="The last release's folder, or its package.lock.json.")
@click.option(
    "--key", "keys", type=click.Path(path_type=Path), multiple=True, help="A public key that you hold (repeatable)."
)
@in_folder
def dossier(folder: f.ReleaseFolder, second: Path | None, previous: Path | None, keys: tuple[Path, ...]) -> None:
    """Write everything about a change of keys, each question with its evidence or "not checked"."""
    trust, lock = work.trust_of(folder), read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
    channels = read_json(folder.path(f.CHANNELS), ChannelReport) if folder.path(f.CHANNELS).is_file() else None
    record = work.vendor_record(folder)
    held = [k.encode() for k in (record.keys if record else ())] + [_key(path) for path in keys]
    made = dossiers.dossier(
        dossiers.Material(
            trust=trust,
            lock=lock,
            record=record,
            channels=channels,
            asked=work.escalation(folder, trust.package_sha256),
            arrived=work.arrived(folder),
            facts=_facts(lock, held),
            second=file_digest(_there(second)) if second else "",
            second_from=second.name if second else "",
            previous=_previous(previous) if previous else None,
        ),
        datetime.now(UTC),
    )
    with folder.locked("`fulldress trust dossier`"):
        write_json(folder.path(f.KEY_CHANGE), made)
        write_bytes(folder.path(DOSSIER), dossiers.markdown(made).encode())
    rows = [(item.question, dossiers.MARKS[item.state], item.answer) for item in made.items]
    click.echo(columns(("question", "state", "answer"), rows, widest=60))
    click.echo(f"\nwith the evidence: {DOSSIER}")
    next_command("fulldress trust explain")


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix="name a file that exists")
    return path


def _key(path: Path) -> bytes:
    if _there(path).stat().st_size > MAX_KEY:
        raise UsageError(f"{path} is too large for a key", fix="name the public key alone")
    if not OpenPgp().certificates(data := path.read_bytes()):
        raise UsageError(f"{path} holds no OpenPGP public key", fix="name the file that `gpg --export` wrote")
    return data


def _previous(path: Path) -> PackageLock:
    lock = path / f.PACKAGE_LOCK if path.is_dir() else path
    return read_json(_there(lock), PackageLock)


def _facts(lock: PackageLock, held: list[bytes]) -> dict[str, str]:
    """What is known of every key at hand: those in the package, and those that people hold."""
    means, blobs = OpenPgp(), BlobStore(state_dir() / "blobs")
    found: dict[str, str] = {}
    for entry in lock.entries:
        if entry.kind == "file" and entry.size <= MAX_KEY and entry.place.endswith((".asc", ".gpg", ".pgp", ".key")):
            found.update(means.describe(blobs.read(entry.sha256)))
    for data in held:
        found.update(means.describe(data))
    return found
