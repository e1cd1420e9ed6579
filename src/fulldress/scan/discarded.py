"""What a command throws away that no variable, no ``rm -r`` and no SQL tells: files by age, mirrors, volumes, buckets,
queues.

Pure. Whether a script may do so, and how bad it is, is the rule's part.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command

Words = tuple[str, ...]

_KEPT = late(
    r"(?i)(?:^|/)(?:var/lib|srv|data|databases?|spool|archives?|attachments?|uploads?|backups?|exports?|records?|documents?"
    r"|media|storage|releases|queues?|outbox|inbox|incoming|outgoing)(?:/|$)"
)
"""Folders in which things lie that somebody may still want."""
_PASSING = late(
    r"(?i)(?:^|[/._-])(?:te?mp|cache\w*|build|dist|run|sess(?:ions?)?|locks?|logs?|__pycache__|proc)(?:[/._-]|$)"
)
"""Folders whose content is there for the moment."""
_DATABASE_FILES = late(
    r"^/var/(?:lib|opt|db)/[\w.-]+/(?:\S*/)?\S*(?:\*|\.(?:db|mdb|bdb|ldif|sqlite3?|ibd|frm|dbf|rdb|aof)$)"
)
_CLUSTER = late(
    r"(?i)^(?:pvc?|persistentvolume(?:claim)?s?|ns|namespaces?|projects?|crds?|customresourcedefinitions?|statefulsets?|sts)"
    r"(?:/.*)?$"
)
_INDEX = late(r"(?i)^['\"]?https?://[^/\s]+:(?:9200|9243|8983|5984|15672)/.|/(?:_all|_data_stream/.|api/queues/.)")
_SHELLS = ("mongo", "mongosh", "cqlsh", "influx", "clickhouse-client", "clickhouse", "couchdb", "neo4j", "cypher-shell")
_DROPS = late(
    r"(?i)\b(?:drop\s+(?:keyspace|table|database|measurement|series|materialized)|truncate\s|dropDatabase\(|\.drop\(|"
    r"deleteMany\(\s*\{\s*\}|remove\(\s*\{\s*\}|detach\s+delete)"
)


def discarded(command: Command) -> tuple[str, str]:
    """(what is thrown away, in words that follow the program's name; how it is kept instead); empty when nothing is."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            if (found := discarded(inner))[0]:
                return found
    argv = shell.unwrapped(command)
    if not argv:
        return "", ""
    name, words = argv[0].rpartition("/")[2], argv[1:]
    judge = _PROGRAMS.get(name)
    what = judge(words) if judge is not None else ""
    if not what and command.pipes_to == "xargs" and name in ("ls", "find"):
        what = _handed_on(name, words, command.pipes_args)
    return what, _INSTEAD.get(name, "Copy it first, and let a person decide on the night.") if what else ""


def _find(words: Words) -> str:
    """Files by age or name below a folder in which things are kept."""
    acts = "-delete" in words or any(w in ("-exec", "-execdir") and _removes(words[i + 1 :]) for i, w in enumerate(words))
    where = [w for w in words[: next((i for i, w in enumerate(words) if w.startswith("-") and i), len(words))] if w]
    kept = next((w for w in where if _KEPT.search(w) and not _PASSING.search(w)), "")
    return f"deletes files below {kept} for good" if acts and kept else ""


def _removes(words: Words) -> bool:
    return bool(words) and words[0].rpartition("/")[2] in ("rm", "shred", "unlink")


def _handed_on(name: str, words: Words, args: Words) -> str:
    """``ls | xargs rm``, ``find | xargs rm``: names with blanks are other names."""
    safe = {"-print0", "-0", "--null"} & {*words, *args} or any(
        w in ("-d", "--delimiter") or w.startswith("-d") for w in args
    )
    removes = any(w.rpartition("/")[2] in ("rm", "shred") for w in args)
    return (
        f"hands names on to rm without -0 ({name} | xargs rm): a blank in one makes it another"
        if removes and not safe
        else ""
    )


def _rsync(words: Words) -> str:
    target = words[-1] if words else ""
    mirrors = any(re.match(r"--delete(?!d-)(?:-\w+)*$|--del$", w) for w in words)
    if not mirrors or not (target.startswith("/") or ":" in target):
        return ""
    kept = _KEPT.search(target) or re.match(r"/(?:etc|home|var/www)?/?$", target)
    return f"deletes in {target} what is not at its source" if kept and not _PASSING.search(target) else ""


def _rm(words: Words) -> str:
    lost = next((w for w in words if _DATABASE_FILES.match(w) and not _PASSING.search(w)), "")
    return f"deletes {lost}, the data of a service" if lost else ""


def _tar(words: Words) -> str:
    """An archive that is unpacked over the root: whatever lies there under the same name is gone."""
    first = words[0] if words else ""
    extracts = any(w in ("--extract", "--get") for w in words) or re.match(r"-?[a-zA-Z]*x", first) or "-x" in words
    packed = [w for w in words if re.match(r"-[a-zA-Z]*x[a-zA-Z]*$", w)]
    root = any(
        w in ("-C/", "--directory=/") or (w in ("-C", "--directory") and words[i + 1 : i + 2] == ("/",))
        for i, w in enumerate(words)
    )
    return "unpacks an archive over the root of the host" if root and (extracts or packed) else ""


def _dd(words: Words) -> str:
    target = next((w[3:] for w in words if w.startswith("of=")), "")
    return f"writes on whatever {target} is" if re.fullmatch(r"[\"']?\$\{?\w+\}?[\"']?", target) else ""


def _kubectl(words: Words) -> str:
    if "delete" not in words or "--dry-run=client" in words or "--dry-run=server" in words:
        return ""
    kinds = [part for w in words[words.index("delete") + 1 :] if not w.startswith("-") for part in w.split(",")]
    kind = next((k for k in kinds if _CLUSTER.match(k)), "")
    if kind:
        return f"deletes {kind} of a cluster, and what hangs on it"
    return "deletes every object of a kind in a cluster" if "--all" in words else ""


def _cloud(words: Words) -> str:
    said = " ".join(words)
    if re.match(r"s3\s+rb\b.*--force|s3\s+rm\b.*--recursive|s3\s+sync\b.*--delete", said) and "--dryrun" not in words:
        return "deletes objects of a bucket"
    return (
        "deletes something of the cloud's for good"
        if re.match(r"[\w-]+\s+delete-(?!tags?\b)[\w-]+|group\s+delete", said)
        else ""
    )


def _storage(words: Words) -> str:
    said = " ".join(words)
    return (
        "deletes objects of a bucket"
        if re.search(r"(?:^|\s)(?:-m\s+)?(?:storage\s+)?(?:rm|rb)\s.*(?:-r\b|-R\b|--recursive|--force)|delete-batch", said)
        else ""
    )


def _containers(words: Words) -> str:
    said = " ".join(words)
    if re.match(r"volume\s+(?:rm|prune)\b|system\s+prune\b.*(?:-\w*a|--all|--volumes)|image\s+prune\b.*-\w*a", said):
        return "deletes volumes or images of containers, the former version's too"
    return "deletes the volumes with the containers" if re.search(r"\bdown\b.*\s(?:-v|--volumes)\b", said) else ""


def _starting(*starts: str) -> Callable[[Words], str]:
    """What these first words do for good."""

    def judge(words: Words) -> str:
        said = " ".join(w for w in words if not w.startswith("-"))
        return next((f"does `{start}`: what is there is gone" for start in starts if said.startswith(start)), "")

    return judge


def _option(*options: str) -> Callable[[Words], str]:
    return lambda words: next((f"does `{o}`: what is there is gone" for o in options if o in words), "")


def _curl(words: Words) -> str:
    deletes = any(
        w in ("-XDELETE", "--request=DELETE") or (w in ("-X", "--request") and words[i + 1 : i + 2] == ("DELETE",))
        for i, w in enumerate(words)
    )
    return "deletes an index or a queue" if deletes and any(_INDEX.search(w) for w in words) else ""


def _query(words: Words) -> str:
    return "drops or empties what a database holds" if any(_DROPS.search(w) for w in words) else ""


def _git(words: Words) -> str:
    """``git clean -fdx`` where the product is installed: configuration that nobody checked in goes."""
    if words[:1] == ("clean",):
        return (
            "deletes whatever is not checked in"
            if any(re.match(r"-\w*f", w) and "x" in "".join(words) for w in words)
            else ""
        )
    return ""


_ALWAYS: Callable[[Words], str] = lambda words: "removes it with all that is in it" if words else ""  # noqa: E731
_PROGRAMS: dict[str, Callable[[Words], str]] = {
    "find": _find,
    "rsync": _rsync,
    "rm": _rm,
    **dict.fromkeys(("tar", "bsdtar", "gtar"), _tar),
    "dd": _dd,
    **dict.fromkeys(("kubectl", "oc", "k3s"), _kubectl),
    **dict.fromkeys(("aws", "az"), _cloud),
    **dict.fromkeys(("gsutil", "gcloud", "mc", "rclone"), _storage),
    **dict.fromkeys(("docker", "podman", "docker-compose", "podman-compose"), _containers),
    **dict.fromkeys(("terraform", "tofu", "terragrunt", "pulumi"), _starting("destroy")),
    **dict.fromkeys(("lvremove", "vgremove", "pvremove"), _ALWAYS),
    **dict.fromkeys(("zfs", "zpool"), _starting("destroy")),
    "btrfs": _starting("subvolume delete"),
    "rabbitmqctl": _starting("reset", "force_reset", "purge_queue", "delete_queue", "delete_vhost"),
    "rabbitmqadmin": _starting("purge", "delete queue", "delete vhost"),
    **dict.fromkeys(("kafka-topics", "kafka-topics.sh"), _option("--delete")),
    "nats": _starting("stream purge", "stream rm", "stream delete"),
    "etcdctl": lambda words: "deletes every key" if words[:1] == ("del",) and {"--prefix",
        "--from-key"} & set(words) else "",
    **dict.fromkeys(("curl", "http"), _curl),
    **dict.fromkeys(_SHELLS, _query),
    "git": _git,
    "userdel": lambda words: "deletes an account with its home" if {"-r", "-rf", "--remove"} & set(words) else "",
    "crontab": lambda words: "deletes every job of the account" if words[:1] == ("-r",) or words[-1:] == ("-r",) else "",
}  # fmt: skip
_INSTEAD = {
    "tar": "Unpack it into the product's own folder, after a look at `tar t`.",
    "rsync": "Leave --delete away, or mirror into a new folder and switch.",
    "xargs": "Use find -print0 and xargs -0.",
    "find": "Agree on how long it is kept with whoever owns the data; take the removal out of the upgrade.",
    "dd": "Check the device by its identity before anything is written.",
}
