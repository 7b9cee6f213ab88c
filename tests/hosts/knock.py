"""A stranger at each door of a host, with no token and with a wrong one.

Called as ``knock.py ADDRESS PORT...``.

Prints one JSON object: port to what a call of each kind was answered, ``refused`` or
``answered``, so far as anybody spoke that language there. Not asked are the health checks, which
tell everybody that the node lives and no more. A job that is taken leaves ``OWNED``.
"""

import http.client
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

OWNED = "/tmp/a-stranger-was-here"
TOKENS = {"no token": {}, "wrong token": {"authorization": f"Bearer {'ab' * 32}"}}
CALLS = (
    "NodeInfoGcsService/GetAllNodeInfo",
    "InternalKVGcsService/InternalKVKeys",
    "JobInfoGcsService/GetAllJobInfo",
    "NodeManagerService/GetNodeStats",
    "ObjectManagerService/Pull",
    "CoreWorkerService/GetCoreWorkerStats",
    "CoreWorkerService/PushTask",
    "ReporterService/GetTraceback",
    "LogService/ListLogs",
    "RayletDriver/ClusterInfo",
)
"""One harmless call at least of each service that Ray serves."""
JOB = json.dumps({"entrypoint": f"touch {OWNED}"})
PAGES = (
    ("GET", "/"),
    ("GET", "/metrics"),
    ("GET", "/api/version"),
    ("GET", "/api/jobs/"),
    ("GET", "/nodes"),
    ("POST", "/api/jobs/"),
    ("POST", "/api/job_agent/jobs/"),
    ("POST", "/get_or_create_runtime_env"),
)


def called(address: str, port: int, token: str) -> set[str]:
    found = set()
    with grpc.insecure_channel(f"{address}:{port}") as channel:
        for call in CALLS:
            try:
                ask = channel.unary_unary(f"/ray.rpc.{call}")
                ask(b"", timeout=5, metadata=tuple(TOKENS[token].items()))
                found.add(f"{call} with {token}: answered")
            except grpc.RpcError as error:
                code = error.code()
                if code is grpc.StatusCode.UNAUTHENTICATED:
                    found.add(f"{call} with {token}: refused")
                elif code is grpc.StatusCode.UNAVAILABLE:
                    break  # no gRPC is spoken here
                elif code is grpc.StatusCode.DEADLINE_EXCEEDED and not found:
                    break  # nor here
                elif code is not grpc.StatusCode.UNIMPLEMENTED:
                    found.add(f"{call} with {token}: answered")  # by an error of its own
    return found


def browsed(address: str, port: int, token: str) -> set[str]:
    found = set()
    for method, page in PAGES:
        connection = http.client.HTTPConnection(address, port, timeout=5)
        headers = {"Content-Type": "application/json", **TOKENS[token]}
        try:
            connection.request(method, page, JOB if method == "POST" else None, headers)
            status = connection.getresponse().status
            known = "refused" if status in (401, 403) else "answered"
            found.add(f"{method} {page} with {token}: {known}")
        except (http.client.HTTPException, OSError):
            break  # no HTTP is spoken here
        finally:
            connection.close()
    return found


def knocked(address: str, port: int, token: str) -> set[str]:
    return called(address, port, token) | browsed(address, port, token)


if __name__ == "__main__":
    address, ports = sys.argv[1], [int(word) for word in sys.argv[2:]]
    answers: dict[int, list[str]] = {}
    with ThreadPoolExecutor(16) as pool:
        tries = [
            (port, pool.submit(knocked, address, port, token)) for token in TOKENS for port in ports
        ]
        for port, found in tries:
            answers.setdefault(port, []).extend(sorted(found.result()))
    json.dump(answers, sys.stdout)
