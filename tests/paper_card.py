"""The table of settings in a method's paper card, read back."""

from __future__ import annotations

from types import ModuleType

from raysearch.config import flatten


def card_rows(card: ModuleType) -> dict[str, str]:
    """Field name to the default that the card states."""
    assert card.__doc__
    lines = card.__doc__.split("\n")
    rules_at = [i for i, line in enumerate(lines) if line.startswith("=" * 20)]
    spans, start = [], 0
    for bar in lines[rules_at[-1]].split(" "):
        spans.append((start, start + len(bar)))
        start += len(bar) + 1
    (a, b), _, (c, d), _ = spans
    return {line[a:b].strip(): line[c:d].strip() for line in lines[rules_at[-2] + 1 : rules_at[-1]]}


def real_defaults(config_type: type) -> dict[str, str]:
    """Field name to its default as a card writes it."""
    words = {"True": "true", "False": "false", "None": "null", "": "-"}
    values = {name: str(value) for name, value in flatten(config_type()).items()}
    return {name: words.get(value, value) for name, value in values.items()}
