"""S3 on this machine with faults on demand, in a process of its own; prints its port.

``POST /_faults`` with a JSON list replaces the faults; ``GET /_faults`` gives the requests so
far and what became of each. A fault has `when` (a pattern of "METHOD /bucket/key?query"), `what`
and `times` (how many requests it meets; none for all). Requests of refused keys are answered as
S3 answers those of a token that has expired.
"""

import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Answer = Iterable[bytes]
Start = Callable[..., Any]

ERRORS = {
    "slow_down": (503, "Service Unavailable", "SlowDown", "Please reduce your request rate."),
    "internal": (
        500,
        "Internal Server Error",
        "InternalError",
        "We encountered an internal error.",
    ),
    "expired": (400, "Bad Request", "ExpiredToken", "The provided token has expired."),
    "denied": (403, "Forbidden", "AccessDenied", "Access Denied"),
}


class Faulty:
    """The S3 server behind a layer that fails when told to."""

    def __init__(self, server: Callable[[dict[str, Any], Start], Answer]) -> None:
        self.server = server
        self.faults: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Start) -> Answer:
        if environ["PATH_INFO"] == "/_faults":
            return self.control(environ, start)
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        fault = self.fault(request, environ.get("HTTP_AUTHORIZATION", ""))
        with self.lock:
            self.told.append(f"{fault.get('what', 'served')} {request}")
        match fault.get("what"):
            case None:
                return self.server(environ, start)
            case "cut":
                return cut(environ)
            case "cut_answer" | "stall":
                return self.stutter(environ, start, fault)
            case name:
                return error(environ, start, *ERRORS[name])

    def fault(self, request: str, authorization: str) -> dict[str, Any]:
        with self.lock:
            for fault in self.faults:
                if fault.get("key") and f"Credential={fault['key']}/" not in authorization:
                    continue
                if re.search(fault.get("when", ""), request) and fault.get("times", 1) > 0:
                    if "times" in fault:
                        fault["times"] -= 1
                    return fault
        return {}

    def control(self, environ: dict[str, Any], start: Start) -> Answer:
        with self.lock:
            if environ["REQUEST_METHOD"] == "POST":
                length = int(environ["CONTENT_LENGTH"])
                self.faults = json.loads(environ["wsgi.input"].read(length))
                self.told.clear()
            body = json.dumps(self.told).encode()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def stutter(self, environ: dict[str, Any], start: Start, fault: dict[str, Any]) -> Answer:
        """Half of the answer, then a long silence or the end of the connection."""
        body = b"".join(self.server(environ, start))

        def parts() -> Iterator[bytes]:
            yield body[: len(body) // 2]
            if fault["what"] == "cut_answer":
                hang_up(environ)
                return
            time.sleep(fault["seconds"])
            yield body[len(body) // 2 :]

        return parts()


def error(
    environ: dict[str, Any], start: Start, status: int, phrase: str, code: str, message: str
) -> Answer:
    drain(environ)
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
        f"<Message>{message}</Message><RequestId>1</RequestId></Error>"
    ).encode()
    if environ["REQUEST_METHOD"] == "HEAD":
        body = b""
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    start(f"{status} {phrase}", headers)
    return [body]


def cut(environ: dict[str, Any]) -> Answer:
    """Read half of what is sent, then hang up."""
    drain(environ, share=0.5)
    hang_up(environ)
    return []


def drain(environ: dict[str, Any], share: float = 1.0) -> None:
    left = int(int(environ.get("CONTENT_LENGTH") or 0) * share)
    while left > 0 and (part := environ["wsgi.input"].read(min(left, 1 << 16))):
        left -= len(part)


def hang_up(environ: dict[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


def main() -> None:
    app = Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends with the test that holds the other end


if __name__ == "__main__":
    main()
