"""Says whether the name of an encoder leads to one, before anything starts; loads nothing."""

from __future__ import annotations

import re

from huggingface_hub import try_to_load_from_cache

from raysearch.encoders.packaged import PACKAGED, find_weights
from raysearch.errors import EncoderError, one_line
from raysearch.storage.uri import expanded

__all__ = ["ask_hub", "check_hub_id", "check_name"]

_FORMS = (
    "an encoder is "
    + ", ".join(f"`package:{name}`" for name in sorted(PACKAGED))
    + ", `tiny`, a folder that `from_pretrained` opens, or a hub id such as `roberta-base`"
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_HUB_SECONDS = 10.0


def check_name(name: str, *, ask: bool = True) -> None:
    """See that there is an encoder of this name; whether it can be read, loading says.

    Args:
        name: As `encoders.load` takes it.
        ask: Whether the hub is asked for an id that is not in the cache.

    Raises:
        EncoderError: There is none: no such package, no such folder, nor a hub id that is in the
            cache or reachable.
    """
    if name.startswith("package:"):
        find_weights(name.removeprefix("package:"))
    elif name != "tiny" and not expanded(name).is_dir():
        check_hub_id(name)
        if ask and not isinstance(try_to_load_from_cache(name, "config.json"), str):
            ask_hub(name)


def check_hub_id(name: str) -> None:
    """See that a name which is no folder can be a hub id.

    Raises:
        EncoderError: It cannot.
    """
    if not _HUB_ID.fullmatch(name):
        raise EncoderError(f"there is no encoder {name!r}: no such folder; {_FORMS}")


def ask_hub(name: str) -> None:
    """One quick request before the download, whose own retries take half a minute offline.

    Raises:
        EncoderError: The hub has no such model, or is not reachable.
    """
    from huggingface_hub import HfApi  # every sweep checks a name, and few ask the hub

    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)
    except Exception as error:  # the client's network errors have no common public base
        said = one_line(f"{type(error).__name__}: {error}", 240).rstrip(":. ")
        raise EncoderError(
            f"there is no encoder {name!r}: no such folder, and as a hub id it is neither in the "
            f"cache nor reachable ({said}); {_FORMS}"
        ) from error
