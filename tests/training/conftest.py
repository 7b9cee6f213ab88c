"""Where a stage cache may lie: a folder, a file:// URI, and S3 as a server on this machine."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # ends with the test that holds the other end
"""


@pytest.fixture(scope="session")
def s3_query() -> Iterator[str]:
    """Query of an ``s3://`` URI that leads to a server of this test run."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield f"scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
        server.terminate()


@pytest.fixture
def s3_uri(s3_query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket and a prefix of its own; the credentials are in the environment only."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket = "sweeps-" + tmp_path.name.replace("_", "-").lower()[:50].strip("-")
    return f"s3://{bucket}/stages?{s3_query}&allow_bucket_creation=true"


@pytest.fixture(params=["folder", "file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root of a cache, of every kind."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_uri"))
    folder = str(tmp_path / "stages")
    return f"file://{folder}" if request.param == "file" else folder
