"""The third parties of the demo, as one small HTTP server: reference data, webhooks, feature flags.

``ip netns exec dten-world python -m demo.world --address 10.77.0.1 --state FILE``. What the third parties remember is
in the state file, so that a test can look. ``GET /_state`` shows it too; ``PUT /_state/settings`` changes how the
reference service behaves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGEST_BODY = 64 * 1024
_FRESH: dict[str, Any] = {
    "webhooks": {
        "wh_1f00aa01": {"id": "wh_1f00aa01", "url": "http://dten-prod/api/hooks/archive", "events": ["result.approved"]}
    },
    "flags": {"hybrid-approval": False, "new-dashboard": True},
    "events": 0,
    "reference_calls": 0,
    "reference_failures": 0,
    "settings": {"latency_ms": 8, "fail_every": 12},
}
Answer = tuple[int, Any]


class World:
    """What the third parties remember, and how they answer. Safe for threads; every change is written at once."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else json.loads(json.dumps(_FRESH))
        self._save()

    def _save(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.state, indent=1, sort_keys=True))
        temporary.replace(self._path)

    def answer(self, host: str, method: str, path: str, body: Any) -> Answer:
        """(status, JSON) of a request; ``host`` chooses the third party."""
        name = host.split(":")[0].lower()
        if path.startswith("/_state"):
            return self._inspect(method, path, body)
        service = {
            "api.instrument-cloud.example": self._reference,
            "hooks.lab-partner.example": self._hooks,
            "flags.dten-cloud.example": self._flags,
        }.get(name)
        return service(method, path, body) if service else (421, {"error": f"nobody here is called {name}"})

    def _inspect(self, method: str, path: str, body: Any) -> Answer:
        with self._lock:
            if method == "PUT" and path == "/_state/settings" and isinstance(body, dict):
                self.state["settings"].update({k: int(v) for k, v in body.items() if k in self.state["settings"]})
                self._save()
            return 200, json.loads(json.dumps(self.state))

    def _reference(self, method: str, path: str, body: Any) -> Answer:
        found = re.fullmatch(r"/v2/reference/([a-z]{1,32})", path)
        if method != "GET" or not found:
            return 404, {"error": "not found"}
        with self._lock:
            settings = self.state["settings"]
            self.state["reference_calls"] += 1
            number, every = self.state["reference_calls"], settings["fail_every"]
            failed = every > 0 and number % every == 0
            self.state["reference_failures"] += failed
            self._save()
        time.sleep(settings["latency_ms"] / 1000)
        if failed:
            return 503, {"error": "busy, try again"}
        digest = hashlib.sha256(found[1].encode()).digest()
        return 200, {"method": found[1], "certified": round(digest[0] / 25.6, 3), "uncertainty": round(digest[1] / 2560, 4)}

    def _hooks(self, method: str, path: str, body: Any) -> Answer:
        with self._lock:
            hooks = self.state["webhooks"]
            found = re.fullmatch(r"/v1/webhooks/(wh_[0-9a-f]{8})", path)
            answer: Answer = (404, {"error": "not found"})
            if path == "/v1/webhooks" and method == "GET":
                return 200, {"webhooks": list(hooks.values())}
            if path == "/v1/webhooks" and method == "POST" and isinstance(body, dict) and "url" in body:
                identity = f"wh_{hashlib.sha256(f'{len(hooks)} {time.time_ns()}'.encode()).hexdigest()[:8]}"
                hooks[identity] = {"id": identity, "url": str(body["url"]), "events": body.get("events", [])}
                answer = (201, hooks[identity])
            elif found and found[1] in hooks and method in ("GET", "DELETE"):
                answer = (200, hooks[found[1]]) if method == "GET" else (204, None)
                if method == "DELETE":
                    del hooks[found[1]]
            elif path == "/v1/events" and method == "POST":
                self.state["events"] += 1
                answer = (202, {"accepted": True})
            self._save()
            return answer

    def _flags(self, method: str, path: str, body: Any) -> Answer:
        found = re.fullmatch(r"/v1/flags/([a-z0-9-]{1,64})", path)
        with self._lock:
            flags = self.state["flags"]
            if not found or (method == "GET" and found[1] not in flags):
                return 404, {"error": "not found"}
            if method == "PUT":
                if not isinstance(body, dict) or not isinstance(body.get("enabled"), bool):
                    return 400, {"error": "enabled must be true or false"}
                flags[found[1]] = body["enabled"]
                self._save()
            return 200, {"name": found[1], "enabled": flags[found[1]]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.send_error(413)
            return
        try:
            body = json.loads(self.rfile.read(length) or b"null")
        except ValueError:
            body = None
        status, answer = self.world.answer(self.headers.get("Host", ""), self.command, self.path.partition("?")[0], body)
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what happened is in the state."""


def server(address: str, port: int, state: Path) -> ThreadingHTTPServer:
    """The server, bound and not yet serving. Port 0 takes a free one."""
    handler = type("Handler", (_Handler,), {"world": World(state)})
    bound = ThreadingHTTPServer((address, port), handler)
    bound.daemon_threads = True
    return bound


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="demo.world", description="the demo's third parties")
    parser.add_argument("--address", default="10.77.0.1")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--state", type=Path, required=True)
    given = parser.parse_args()
    server(given.address, given.port, given.state).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
