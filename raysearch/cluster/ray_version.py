"""Checks that the installed Ray is the one that this version works with.

Slots, channels and stopping a worker rely on Ray's internals, so another version fails anywhere.
Ray itself is not imported here, since that may fail already.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from raysearch.errors import ConfigError

__all__ = ["RAY", "check_ray"]

RAY = "2.60.0"
"""As in pyproject.toml."""


def check_ray() -> None:
    """Check that the required Ray is installed.

    Raises:
        ConfigError: It is another version, or missing.
    """
    try:
        found = version("ray")
    except PackageNotFoundError:
        found = "none"
    if found != RAY:
        raise ConfigError(
            f"Ray must be {RAY}, but {found} is installed; "
            f"pip install 'ray[tune,train]=={RAY}' in the environment of raysearch"
        )
