"""A stranger with no token at each door of a host: ``knock.py ADDRESS PORT...``.

Prints one JSON object: port to what a call of each kind was answered, ``refused`` or
``answered``, so far as anybody spoke that language there. Not asked are the health checks, which
tell everybody that the node lives and no more.
"""

import http.client
import json
import sys

import grpc

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
PAGES = ("/", "/metrics", "/api/version", "/api/jobs/", "/nodes")


def called(address: str, port: int) -> set[str]:
    found = set()
    with grpc.insecure_channel(f"{address}:{port}") as channel:
        for call in CALLS:
            try:
                channel.unary_unary(f"/ray.rpc.{call}")(b"", timeout=5)
                found.add(f"{call} answered")
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                    found.add(f"{call} refused")
                elif error.code() is grpc.StatusCode.UNAVAILABLE:
                    break  # no gRPC is spoken here
                elif error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    found.add(f"{call} answered")  # by an error of its own
    return found


def browsed(address: str, port: int) -> set[str]:
    found = set()
    for page in PAGES:
        connection = http.client.HTTPConnection(address, port, timeout=5)
        try:
            connection.request("GET", page)
            status = connection.getresponse().status
            found.add(f"{page} {'refused' if status in (401, 403) else 'answered'}")
        except (http.client.HTTPException, OSError):
            break  # no HTTP is spoken here
        finally:
            connection.close()
    return found


if __name__ == "__main__":
    address, ports = sys.argv[1], [int(word) for word in sys.argv[2:]]
    answers = {port: sorted(called(address, port) | browsed(address, port)) for port in ports}
    json.dump(answers, sys.stdout)
