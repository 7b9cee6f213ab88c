"""A faulty S3 for a test: its URI, its faults, and the requests that it got."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("faulty_s3.py")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Of whoever asks the server; no URI names a key."""


@dataclass(frozen=True)
class S3Server:
    """The server's other end."""

    port: int

    def uri(self, path: str, *, user: str = "") -> str:
        query = f"scheme=http&endpoint_override=127.0.0.1:{self.port}&region=us-east-1"
        return f"s3://{user}{path}?{query}&allow_bucket_creation=true"

    def fail(self, *faults: dict[str, Any]) -> None:
        """From now on these faults and no others; forget what was asked so far."""
        urllib.request.urlopen(self._control, json.dumps(faults).encode()).close()

    def asked(self, what: str = "") -> list[str]:
        """Requests so far, "OUTCOME METHOD /path?query", those with `what` in them."""
        with urllib.request.urlopen(self._control) as answer:
            return [line for line in json.loads(answer.read()) if what in line]

    @property
    def _control(self) -> str:
        return f"http://127.0.0.1:{self.port}/_faults"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """The server, up inside the block."""
    with subprocess.Popen(
        [sys.executable, str(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield S3Server(int(process.stdout.readline()))
        process.terminate()
