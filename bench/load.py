"""What the load generator costs, how punctual it is, and whether it tells the truth of a stalled server and a bursty log.

``python bench/load.py [--rounds 3] [--short] [--locust PROGRAM]`` prints medians. It needs nginx; wrk and Locust stand
beside it when they are there (``apt install wrk``; ``python3 -m venv L && L/bin/pip install locust``, then ``--locust
L/bin/locust``).

Requests per CPU second: answered requests, divided by the user and system time of the *client's* process
(``getrusage``), while it sends as fast as it can over 64 connections to an nginx on loopback, all at ordinary priority,
every answer's status and body checked (wrk checks neither). Ours is an open loop in which far more is due than can be
sent; its time counts from the schedule's zero to the last answer, "all told" also the start, the schedule's rendering
and the packing of the samples. Of wrk all of its time counts, of Locust what a longer run costs more than a shorter
one. The rounds take turns, so that the machine's mood is the same for all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import selectors
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Process, Queue
from pathlib import Path
from typing import NamedTuple

from fulldress.formats.accesslog import Request
from fulldress.measure.compare import shifts
from fulldress.measure.load import Outcome, nearest_rank
from fulldress.measure.twosample import dispersion
from fulldress.model.rehearsal import LoadReport
from fulldress.rehearse.fitting import fit
from fulldress.rehearse.likeness import figures
from fulldress.rehearse.link import Tls
from fulldress.rehearse.model_traffic import Expect, InSession, Planned, Take
from fulldress.rehearse.samples import Sample
from fulldress.rehearse.schedule import schedule
from fulldress.rehearse.traffic import start_load

PORT, TLS_PORT = 18_080, 18_443
CONNECTIONS = 64
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
 server {{ listen 127.0.0.1:{port} reuseport; listen 127.0.0.1:{tls} ssl reuseport;
  ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
  location / {{ default_type application/json; return 200 '{{"id": 7, "state": "ok"}}'; }} }} }}
"""
OPENSSL = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench"
LOCUST = """
from locust import FastHttpUser, constant, task
class User(FastHttpUser):
    wait_time = constant(0)
    @task
    def ask(self):
        with self.client.get("/r/1", catch_response=True) as answer:
            if not 200 <= answer.status_code < 300 or b'"ok"' not in answer.content:
                answer.failure("unexpected")
"""


class Played(NamedTuple):
    """A load that was played."""

    report: LoadReport
    samples: list[Sample]
    cpu_all: float
    """CPU seconds of the generator's processes from their start to their end."""

    @property
    def per_cpu(self) -> float:
        """Requests per CPU second while sending."""
        return (self.report.completed - self.report.failed) / sum(one.cpu_seconds for one in self.report.shards)


@contextmanager
def nginx() -> Iterator[tuple[str, str, Tls]]:
    """A small nginx on loopback: its addresses without and with TLS, and how to trust it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [*OPENSSL.split(), "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
            check=True,
            capture_output=True,
        )
        pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())).hexdigest()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=PORT, tls=TLS_PORT))
        process = subprocess.Popen(["nginx", "-p", name, "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            yield f"http://127.0.0.1:{PORT}", f"https://127.0.0.1:{TLS_PORT}", Tls(pin_sha256=pin)
        finally:
            process.terminate()
            process.wait(10)


def children_cpu() -> float:
    """CPU seconds of ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def steady(rate: int, count: int) -> list[Planned]:
    """An even schedule; every answer is checked."""
    expect = Expect(200, 300, b'"ok"')
    return [Planned(n / rate, "GET", f"/r/{n % 50}", None, "GET /r/{id}", (), expect) for n in range(count)]


def play(
    target: str, planned: list[Planned], *, tls: Tls | None = None, shards: int | None = None, flood: bool = False
) -> Played:
    """Play a schedule; a ``flood`` as the others are played: over so many connections, at ordinary priority."""
    with tempfile.TemporaryDirectory() as folder:
        before = children_cpu()
        load = start_load(
            target,
            planned,
            directory=Path(folder),
            tls=tls,
            max_connections=CONNECTIONS if flood else 2000,
            timeout_s=60,
            shards=shards,
            real_time=not flood,
        )
        report = load.wait()
        return Played(report, list(load.samples()), children_cpu() - before)


# ---- cost ---------------------------------------------------------------------------------------------------------------


def flooded(target: str, count: int, tls: Tls | None = None) -> Played:
    """Far more is due than one process can send: it works without a pause."""
    found = play(target, steady(1_000_000, count), tls=tls, shards=1, flood=True)
    assert found.report.failed == 0, found.report.failures
    return found


def in_sessions(target: str, count: int) -> Played:
    """The same in sessions of five: each request is rendered when it is due, with a value of the first answer."""
    expect, take = Expect(200, 300, b'"ok"'), (Take("id", "json", "/id"),)
    planned = [
        Planned(
            n / 1e6, "GET", "/r/{{id}}" if n % 5 else "/r/1", None, "GET /r/{id}", (), expect, InSession(n // 5, 0, take)
        )
        for n in range(count)
    ]
    found = play(target, planned, shards=1, flood=True)
    assert found.report.failed == 0, found.report.failures
    return found


def wrk(target: str, seconds: float) -> float:
    """Requests per CPU second of wrk."""
    before = children_cpu()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", f"{target}/r/1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    total = next(int(line.split()[0]) for line in done.stdout.splitlines() if "requests in" in line)
    return total / (children_cpu() - before)


def locust(program: str, target: str, seconds: float) -> float:
    """Requests per CPU second of Locust's FastHttpUser."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "locustfile.py"
        script.write_text(LOCUST)
        found = []
        for length in (2.0, 2.0 + seconds):
            before = children_cpu()
            command = [
                program,
                "--headless",
                "-f",
                str(script),
                "-H",
                target,
                "-u",
                str(CONNECTIONS),
                "-r",
                str(CONNECTIONS),
            ]
            done = subprocess.run(
                [*command, "-t", f"{length:g}s", "--json"], capture_output=True, text=True, check=True, cwd=folder
            )
            (row,) = json.loads(done.stdout)
            assert not row["num_failures"]
            found.append((row["num_requests"], children_cpu() - before))
    return float((found[1][0] - found[0][0]) / (found[1][1] - found[0][1]))


def cost(plain: str, secure: str, tls: Tls, arguments: argparse.Namespace) -> None:
    """Requests per CPU second, in turns."""
    rows: dict[str, list[float]] = {}
    count, seconds = (100_000, 2.0) if arguments.short else (400_000, 5.0)
    beside_wrk, beside_locust = bool(shutil.which("wrk")), bool(arguments.locust)
    for _ in range(arguments.rounds):
        ours = flooded(plain, count)
        rows.setdefault("ours, checks on", []).append(ours.per_cpu)
        rows.setdefault("ours, all told", []).append(ours.report.completed / ours.cpu_all)
        if beside_wrk:
            rows.setdefault("wrk, no checks", []).append(wrk(plain, seconds))
        if beside_locust:
            rows.setdefault("Locust FastHttpUser", []).append(locust(arguments.locust, plain, seconds))
        rows.setdefault("ours, sessions", []).append(in_sessions(plain, count // 4).per_cpu)
        rows.setdefault("ours, TLS", []).append(flooded(secure, count // 2, tls).per_cpu)
    print(f"requests per client CPU second (median of {arguments.rounds}; all rounds):")
    for name, values in rows.items():
        print(f"  {name:20} {statistics.median(values):9,.0f}   ({', '.join(f'{one:,.0f}' for one in values)})")
    for name, target in (("wrk, no checks", ">= 0.5"), ("Locust FastHttpUser", ">= 10")):
        if name in rows:
            ratios = [a / b for a, b in zip(rows["ours, checks on"], rows[name], strict=True)]
            print(f"  ours is {statistics.median(ratios):.2f} x {name} (target {target})")
        else:
            print(f"  {name}: not installed, not compared")


# ---- punctuality --------------------------------------------------------------------------------------------------------


def lag(target: str, rate: int, arguments: argparse.Namespace, shards: int = 1) -> None:
    """How late requests leave at a rate."""
    rows = []
    for _ in range(arguments.rounds):
        found = play(target, steady(rate, int(rate * (3 if arguments.short else 10))), shards=shards)
        lags = sorted(one.lag * 1000 for one in found.samples)
        rows.append((nearest_rank(lags, 0.5), nearest_rank(lags, 0.99), found.report.generator_limited, found.per_cpu))
    p50, p99, limited, per_cpu = (statistics.median(row[column] for row in rows) for column in range(4))
    worst = ", ".join(f"{row[1]:.3f}" for row in rows)
    print(
        f"lag at {rate} rps, {shards} process(es): p50 {p50 * 1000:.0f} us, p99 {p99:.3f} ms (rounds: {worst}); "
        f"later than 1 ms: {limited:.3%}; {per_cpu:,.0f} requests per CPU second at this rate"
    )


# ---- truth --------------------------------------------------------------------------------------------------------------


def recording(answers: Queue[object], after: float, stall: float) -> None:
    """A server that does nothing at all for a while, and notes when it answered which request (monotonic clock)."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    answers.put(listener.getsockname()[1])
    noted: dict[int, float] = {}
    begun: float | None = None
    while True:
        events = ready.select(0.05)
        if begun is not None and time.monotonic() > begun + after:
            begun, after = begun, float("inf")
            time.sleep(stall)
        for key, _ in events:
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(connection, selectors.EVENT_READ)
                continue
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(65536)
            if not data:
                ready.unregister(key.fileobj)
                key.fileobj.close()
            elif data.startswith(b"GET /end "):
                answers.put(noted)
                return
            else:
                begun = begun or time.monotonic()
                number = int(data[len(b"GET /r/") : data.index(b" ", 7)])
                key.fileobj.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                noted[number] = time.monotonic()


def truth(arguments: argparse.Namespace, rate: int = 500, seconds: float = 20.0, stall: float = 2.0) -> None:
    """p99 under a stall beside what the server itself noted, each request counted from when it was due."""
    errors = []
    for _ in range(arguments.rounds):
        answers: Queue[object] = Queue()
        server = Process(target=recording, args=(answers, 6.0, stall), daemon=True)
        server.start()
        try:
            port = answers.get(timeout=10)
            planned = [Planned(n / rate, "GET", f"/r/{n}", None, "x") for n in range(int(rate * seconds))]
            found = play(f"http://127.0.0.1:{port}", planned)
            with socket.create_connection(("127.0.0.1", int(str(port)))) as end:
                end.sendall(b"GET /end HTTP/1.1\r\n\r\n")
                noted = answers.get(timeout=10)
        finally:
            server.kill()
            server.join()
        assert isinstance(noted, dict)
        zero = found.report.started - (time.time() - time.monotonic())
        real = sorted((noted[number] - zero - one.at_s) * 1000 for number, one in enumerate(planned))
        true99 = nearest_rank(real, 0.99)
        errors.append(abs(found.report.p99 / true99 - 1))
        print(
            f"{stall:g} s stall at {rate} rps: p99 {found.report.p99:.1f} ms, the server's own record {true99:.1f} ms: "
            f"{errors[-1]:.3%} off; worst {found.report.worst:.0f} ms, failed {found.report.failed}"
        )
    print(f"  median {statistics.median(errors):.3%} off (target <= 1 %)")


# ---- bursts -------------------------------------------------------------------------------------------------------------


def bursty(minutes: int, seed: int) -> list[Request]:
    """A log whose seconds come in waves of a quarter of a minute, as real ones do: far from Poisson."""
    draw = random.Random(seed)
    found = []
    for start in range(0, minutes * 60, 15):
        rate = 8 * draw.lognormvariate(0, 0.5)
        at = start + draw.expovariate(rate)
        while at < start + 15:
            found.append(Request(at=at, seconds=0.01, method="GET", path=f"/r/{draw.randrange(50)}", status=200, size=1))
            at += draw.expovariate(rate)
    return found


def visited(minutes: int, seed: int) -> list[Request]:
    """The same waves of visits: each client asks for some of five pages, with a pause of 4 s on the average."""
    draw = random.Random(seed)
    found = []
    for who, first in enumerate(bursty(minutes, seed)[::5], 1):
        at = first.at
        for _ in range(draw.randint(1, 9)):
            page, took = draw.randrange(5), draw.expovariate(20)
            found.append(Request(at=at, seconds=took, method="GET", path=f"/p{page}/r", status=200, size=900, client=who))
            at += took + draw.expovariate(0.25)
    return sorted((one for one in found if one.at < minutes * 60), key=lambda one: one.at)


def bursts(target: str, arguments: argparse.Namespace) -> None:
    """Index of dispersion at 1, 10 and 60 s: of the log, of what is planned from it, and of what really left."""
    seconds = 60 if arguments.short else 120
    for name, log in (("single requests", bursty(60, 7)), ("sessions", visited(60, 7))):
        planned = schedule(fit(log), seconds=58 * 60, hour="busiest", seed=3)
        inside = [one.at - 60 for one in log if one.at >= 60]  # a model leaves out the first and the last minute
        print(f"index of dispersion, {name}:")
        for width in (1, 10, 60):
            logged = dispersion(inside, 3480, width)
            made = dispersion([one.at_s for one in planned], 3480, width)
            assert logged and made
            print(
                f"  at {width:2} s: log {logged:5.2f}, schedule {made:5.2f} ({abs(made / logged - 1):.1%} off; at most 10 %)"
            )
        part = [one for one in planned if one.at_s < seconds]
        found = play(target, part)
        due = dispersion([one.at_s for one in part], seconds, 10)
        left = dispersion([one.due + one.lag - found.report.started for one in found.samples], seconds, 10)
        assert due and left
        print(
            f"  of {seconds} s played, at 10 s: scheduled {due:.3f}, as it left {left:.3f} ({abs(left / due - 1):.2%} off)"
        )


def likeness() -> None:
    """All figures of fidelity, each beside the same between two halves of the log."""
    model = fit(visited(60, 7))
    planned = schedule(model, seconds=58 * 60, hour="busiest", seed=3)
    print("fidelity of a schedule with sessions, as long as the log (measured; two halves of the log):")
    for one in figures(model, planned, seconds=58 * 60, hour="busiest"):
        noise = "-" if one.noise is None else f"{one.noise:.3f}"
        print(f"  {one.name:28} {one.measured:7.3f} {noise:>7}   {one.meaning}")


# ---- old and new --------------------------------------------------------------------------------------------------------


def simulated(draw: random.Random, count: int, name: str, *, slow: float = 1.0, moods: float = 0.0) -> list[Outcome]:
    """Requests of a minute, 3 % slow; ``slow`` multiplies the slowest twentieth, ``moods`` whole stretches of 5 s."""
    mood = [draw.lognormvariate(0, moods) for _ in range(13)]
    found = []
    for n in range(count):
        took = draw.lognormvariate(5.075, 0.5) if draw.random() < 0.03 else draw.lognormvariate(3.689, 0.35)
        took *= (slow if took >= 88 else 1.0) * mood[n * 60 // count // 5]
        found.append(Outcome(n * 60 / count, took / 1000, 200, name))
    return found


def judged(arguments: argparse.Namespace) -> None:
    """How often old and new are called different when they are not, and when the new one is slower."""
    draw, rounds = random.Random(11), 100 if arguments.short else 600
    for moods in (0.0, 0.1):
        alarms = 0
        for _ in range(rounds):
            old, new = ([one for k in range(4) for one in simulated(draw, 500, f"e{k}", moods=moods)] for _ in range(2))
            alarms += any(one.judgement == "regressed" for one in shifts(old, new))
        print(f"no change, moods of {moods:g}: {alarms} of {rounds} comparisons of 4 endpoints cry wolf (target <= 1 %)")
    rounds = 10 if arguments.short else 40
    for slow in (1.2, 1.3):
        rows = [shifts(simulated(draw, 30_000, "e"), simulated(draw, 30_000, "e", slow=slow))[0] for _ in range(rounds)]
        hits = sum(row.judgement == "regressed" for row in rows)
        print(f"p99 {slow - 1:+.0%}, 30,000 requests each: found in {hits} of {rounds}")


def main() -> int:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="shorter loads")
    parser.add_argument("--only", choices=["cost", "lag", "truth", "bursts", "likeness", "compare"], help="one part")
    parser.add_argument("--locust", default=shutil.which("locust") or "", help="Locust's program, for the comparison")
    arguments = parser.parse_args()
    if arguments.only in (None, "likeness"):
        likeness()
    if arguments.only in (None, "compare"):
        judged(arguments)
    if arguments.only in ("likeness", "compare"):
        return 0
    with nginx() as (plain, secure, tls):
        if arguments.only in (None, "cost"):
            cost(plain, secure, tls, arguments)
        if arguments.only in (None, "lag"):
            lag(plain, 1000, arguments)
            lag(plain, 5000, arguments)
            lag(plain, 5000, arguments, shards=2)
        if arguments.only in (None, "bursts"):
            bursts(plain, arguments)
    if arguments.only in (None, "truth"):
        truth(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
