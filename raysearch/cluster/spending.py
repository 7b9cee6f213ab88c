"""How much has a sweep cost so far, over all its runs: one small file in its folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

from raysearch.errors import StoreError
from raysearch.json_text import read_json
from raysearch.seal import seal, unseal
from raysearch.storage.whole import unwritten, whole_file

__all__ = ["read_spent", "write_spent"]

_NAME = "cost.json"


def read_spent(folder: Path, currency: str) -> float:
    """What earlier runs have cost; 0 where there was none.

    Raises:
        StoreError: The file cannot be read, is damaged, or counts in another currency.
    """
    path = folder / _NAME
    try:
        raw = unseal(read_json(path.read_text()))
        spent, counted = float(raw["spent"]), str(raw["currency"])
        if not (math.isfinite(spent) and spent >= 0):
            raise ValueError(f"spent {spent}")
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"`{path}` must say what the sweep has cost so far, but: {error!r}; write it anew, for "
            f'example {{"spent": 1.5, "currency": "{currency}"}}'
        ) from error
    if counted != currency:
        raise StoreError(
            f"a sweep must be paid in one currency, but earlier runs counted {spent:g} "
            f"{counted or 'without a currency'} and the prices are now in {currency or 'none'}; "
            f"convert {path}"
        )
    return spent


def write_spent(folder: Path, spent: float, currency: str) -> None:
    """Keep what the sweep has cost; whenever the process is killed, the file is whole.

    Raises:
        StoreError: The folder cannot be written.
    """
    text = json.dumps(seal({"spent": spent, "currency": currency})) + "\n"
    try:
        with whole_file(folder / _NAME) as file:
            file.write(text.encode())
    except OSError as error:
        raise StoreError(
            f"what the sweep costs must be kept in {folder}, but it cannot be written: "
            f"{unwritten(error)}"
        ) from error
