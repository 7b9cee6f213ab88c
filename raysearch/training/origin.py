"""What is a trial made from, here and now: its data, its encoder, its method, the versions.

Needs no torch: a sweep asks before it starts anything, a worker when it has built its trial.
"""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from raysearch.encoders.files import note_encoder
from raysearch.methods import get_method
from raysearch.sources import NUMERIC, SOURCES, digests, recorded, sources_of, to_text
from raysearch.training.stages.keys import code_version, method_code
from raysearch.version import __version__

__all__ = ["method_source", "sources_now", "versions"]

_PACKAGES = (*NUMERIC, "safetensors", "ray", "optuna")


def versions(method: str = "") -> dict[str, str]:
    """Versions of Python, of this package and of those that it uses, and the digest of the code.

    Args:
        method: Whose code counts beside this package's own, where another package adds it.
    """
    found = {
        "python": platform.python_version(),
        "raysearch": __version__,
        "code": code_version(method),
    }
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def method_source(method: str) -> dict[str, str]:
    """The name and digest of a method's own code, as a row keeps it; none where it is unknown."""
    digest = method_code(method)
    return {f"method {method}": digest} if digest else {}


def sources_now(method: str, config: Any, data_dir: str, *encoders: str) -> dict[str, str]:
    """Name to SHA-256 of what a trial of a config reads, read now.

    Args:
        method: The method's name.
        config: An instance of its config class.
        data_dir: Folder of the corpora.
        encoders: Other encoders that count, beside the config's.

    Raises:
        RaysearchError: Data that cannot be read, or an encoder's package that is not there.
    """
    with recorded() as found:
        get_method(method).check(config, data_dir=data_dir)
        for name in dict.fromkeys((config.encoder, *encoders)):
            note_encoder(name)
    return sources_of({SOURCES: to_text({**digests(found), **method_source(method)})})
