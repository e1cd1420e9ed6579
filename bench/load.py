"""How much the load generator can send, how late it is, and whether it tells the truth about a stalled server.

``python -m bench.load [--short]`` prints medians. It needs nginx; wrk, when it is there, stands beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Process, Queue
from pathlib import Path
from typing import Any

import uvloop

from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.samples import Sample
from fulldress.rehearse.traffic import start_load

PORT = 18_080
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
 server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 "ok"; }} }} }}
"""


@contextmanager
def nginx() -> Iterator[str]:
    """A small nginx on loopback."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=PORT))
        process = subprocess.Popen(["nginx", "-p", folder, "-c", str(config)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()
            process.wait(10)


def children_cpu() -> float:
    """CPU seconds of ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def steady(rate: int, seconds: float) -> list[Planned]:
    """An even schedule."""
    return [Planned(n / rate, "GET", f"/r/{n % 50}", None, "GET /r/{id}") for n in range(int(rate * seconds))]


def play(target: str, rate: int, seconds: float) -> tuple[Any, list[Sample], float]:
    """Report, samples and the generator's CPU seconds, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        before = children_cpu()
        load = start_load(target, steady(rate, seconds), directory=Path(folder))
        report = load.wait()
        return report, list(load.samples()), children_cpu() - before


def quantile(values: list[float], fraction: float) -> float:
    """Nearest rank."""
    return sorted(values)[min(len(values) - 1, int(fraction * len(values)))]


def lag(target: str, rate: int, seconds: float, rounds: int) -> None:
    """Send lag at a rate."""
    rows = []
    for _ in range(rounds):
        report, samples, _ = play(target, rate, seconds)
        lags = [one.lag * 1000 for one in samples]
        rows.append((quantile(lags, 0.5), quantile(lags, 0.99), report.failed))
    p50, p99 = (statistics.median(row[column] for row in rows) for column in (0, 1))
    failed = sum(row[2] for row in rows)
    print(f"lag at {rate} rps: p50 {p50:.3f} ms, p99 {p99:.3f} ms (median of {rounds}); failed {failed}")


def cost(target: str, seconds: float, rounds: int) -> float:
    """Requests per CPU second of the generator: what a longer schedule costs more than a shorter one."""
    found = []
    rate = 8000
    for _ in range(rounds):
        short = play(target, rate, seconds / 4)
        long = play(target, rate, seconds)
        found.append((len(long[1]) - len(short[1])) / (long[2] - short[2]))
    figure = statistics.median(found)
    print(
        f"requests per client CPU second, open loop, all told (schedule, samples, report): {figure:.0f} (median of {rounds})"
    )
    return figure


def wrk(target: str, seconds: float) -> float | None:
    """The same of wrk, closed loop."""
    if not shutil.which("wrk"):
        print("wrk is not installed: no ratio")
        return None
    before = children_cpu()
    done = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{seconds:g}s", f"{target}/r/1"], capture_output=True, text=True, check=True
    )
    total = next(int(line.split()[0]) for line in done.stdout.splitlines() if "requests in" in line)
    return total / (children_cpu() - before)


def stalling(ready: Queue[int], after: float, stall: float) -> None:
    """A server process that does nothing at all for a while."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
        ready.put(server.sockets[0].getsockname()[1])
        asyncio.get_running_loop().call_later(after, time.sleep, stall)
        await asyncio.sleep(120)

    uvloop.run(serve())


def truth(rate: int = 500, seconds: float = 20.0, stall: float = 2.0) -> None:
    """The p99 that users of a server stalled for 2 s see; by arithmetic (stall share of the time) it is known."""
    ready: Queue[int] = Queue()
    server = Process(target=stalling, args=(ready, 6.0, stall), daemon=True)
    server.start()
    try:
        report, _, _ = play(f"http://127.0.0.1:{ready.get(timeout=10)}", rate, seconds)
    finally:
        server.kill()
        server.join()
    expected = stall - 0.01 * seconds
    print(
        f"{stall:g} s stall at {rate} rps: p99 {report.p99 / 1000:.3f} s (true {expected:.2f}), "
        f"worst {report.worst / 1000:.3f} s, outage {report.outage_seconds:.2f} s, failed {report.failed}"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one round of each")
    rounds, seconds = (1, 5.0) if parser.parse_args().short else (3, 10.0)
    with nginx() as target:
        ours = cost(target, seconds, rounds)
        theirs = wrk(target, seconds)
        if theirs:
            print(f"wrk: {theirs:.0f}; ours is {ours / theirs:.2f} of it")
        for rate in (1000, 5000):
            lag(target, rate, seconds, rounds)
    truth()


if __name__ == "__main__":
    main()
