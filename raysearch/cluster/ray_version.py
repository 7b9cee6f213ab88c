"""Checks that the installed Ray is the one that this version works with.

Slots, channels and the stop of a worker rest on parts of Ray that change between its versions,
so that another one fails anywhere. Ray itself is not imported here: that may fail already.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from raysearch.errors import ConfigError

__all__ = ["RAY", "check_ray"]

RAY = "2.60.0"
"""As pyproject.toml has it."""


def check_ray() -> None:
    """See that the right Ray is installed.

    Raises:
        ConfigError: There is another, or none.
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
