"""One faulty S3 for all tests of storage, without faults at the start of each."""

from collections.abc import Iterator

import pytest
from storage.s3_server import ENVIRONMENT, S3Server, s3_server


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    server.fail()
    yield server
    server.fail()
