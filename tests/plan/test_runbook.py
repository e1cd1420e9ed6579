"""The runbook: what a person without the product would type; it runs as printed."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from fulldress.model.package import Entry, PackageLock
from fulldress.model.plan import Plan, PlanLock, Step
from fulldress.plan import runbook as module
from fulldress.plan.lock import compile_plan
from fulldress.plan.runbook import runbook


def made(*steps: Step) -> str:
    contents: dict[str, bytes] = {}

    def put(data: bytes) -> str:
        sha = hashlib.sha256(data).hexdigest()
        contents[sha] = data
        return sha

    entry = Entry(place="conf/it's.conf", kind="file", size=2, sha256=put(b"x\n"))
    package = PackageLock(name="p", sha256="", size=0, format="zip", entries=(entry,), bytes_inspected=0)
    plan = Plan(release="r_1", host="machine:m", step=steps)
    scripts = compile_plan(plan, package, put)
    lock = PlanLock(digest="d" * 64, plan=plan, scripts=scripts, inputs={}, package_sha256="", adapted_sha256="")
    return runbook(lock, {entry.sha256: entry.place}, contents.__getitem__)


def test_as_people_read_it(snapshot: SnapshotAssertion) -> None:
    text = made(
        Step(id="a", kind="check", title="It answers", params={"command": "true"}),
        Step(id="b", kind="unit", title="Stop it", breaks="it is down", params={"action": "stop", "unit": "app"}),
        Step(
            id="c",
            kind="script",
            title="```\n# not a heading",
            params={"content": "echo '```'\n", "package": []},
            irreversible_because="only a message",
        ),
    )
    assert text == snapshot


def test_no_fence_can_be_closed_from_inside() -> None:
    text = made(Step(id="a", kind="check", title="t", params={"command": "true\n````\n# x"}))
    fences = [line for line in text.splitlines() if re.fullmatch(r"`{3,}(bash)?", line)]
    assert [len(f.rstrip("bash")) for f in fences if f.endswith("bash")][-1] == 5


def test_it_runs_as_printed(tmp_path: Path, monkeypatch: object) -> None:
    package, home = tmp_path / "package", tmp_path / "home"
    (package / "conf").mkdir(parents=True)
    (package / "conf/it's.conf").write_text("x\n")
    target = tmp_path / "etc" / "app.conf"
    steps = (
        Step(id="a", kind="files", title="t", params={"path": str(target), "place": "conf/it's.conf", "owner": "root:root"}),
        Step(id="b", kind="files", title="t", params={"path": f"{target}2", "content": "no newline", "owner": "root:root"}),
    )
    if __import__("os").geteuid() != 0:
        steps = ()
    text = made(*(steps or (Step(id="a", kind="check", title="t", params={"command": "true"}),)))
    blocks = re.findall(r"^(`{3,})bash\n(.*?)\n\1$", text, re.DOTALL | re.MULTILINE)
    undo = text.split("Undo:")[1:]
    forward = "\n".join(code for _, code in blocks if not any(code in part.split("##")[0] for part in undo))
    backward = "\n".join(code for _, code in reversed(blocks) if any(code in part.split("##")[0] for part in undo))
    script = (forward + "\n").replace(module.HOME, str(home)).replace("/root/adapted-package", str(package))
    head = script.split("mkdir", 1)[0]
    done = subprocess.run(["bash", "-e"], input=script.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    if steps:
        assert (target.read_text(), Path(f"{target}2").read_text()) == ("x\n", "no newline")
        step = f'step() {{ export FD_STEP=$1 FD_UNDO={home}/undo/$FD_RUN/$1; mkdir -p "$FD_UNDO"; }}\n'
        subprocess.run(["bash", "-e"], input=(head + step + backward).encode(), check=True)
        assert not target.parent.exists()
