"""Small files in the real formats, in a data folder of their own."""

import pytest


@pytest.fixture
def put(tmp_path):
    """Write a file below an empty data folder; returns the folder."""

    def write(path, content, encoding="utf-8"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return tmp_path

    return write
