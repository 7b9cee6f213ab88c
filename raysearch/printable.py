"""Makes external text safe to show: it can control neither the terminal nor what the reader sees.

Rows, file names and messages of other programs may hold escape sequences, which set titles, clear
screens and hide words, and bidirectional controls, which show other words than are there. All
text for a person goes through here. So does every count with its noun.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

__all__ = ["READABLE", "counted", "plural", "printable", "printable_signs", "without_colour"]

READABLE = "raysearch.readable"
"""Codec error handler that replaces what an encoding lacks by similar characters."""

_ALIKE = {
    **{"±": "+-", "·": "|", "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "→": "->"},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "“": '"', "”": '"', "‘": "'", "’": "'"},
    **{"β": "beta", "γ": "gamma", "ε": "epsilon", "λ": "lambda", "ρ": "rho", "σ": "sigma"},
    **{"τ": "tau", "α": "alpha", "Δ": "Delta", "μ": "mu", "✓": "yes", "✗": "no"},
    **{"━": "#", "─": "-", "│": "|", "•": "*", "\xa0": " ", "\u202f": " ", "\u2009": " "},
}

_JOINERS = "\u200c\u200d"
_ZWJ = "\u200d"
_EMOJI = "\ufe0f"
"""Variation selector that makes the character before it an emoji."""
_VIRAMA = 9
"""Combining class of a virama, the mark that suppresses a letter's vowel."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printable(text: str, *, lines: bool = True) -> str:
    r"""The text with every invisible character as an escape: ``\x1b``, ``\u202e``.

    These are controls (C0, DEL, C1), format characters (direction, zero width, tags), surrogates,
    line and paragraph separators, and private or unassigned ones. Joiners stay where they affect
    the script: in Persian, Hindi and emoji. The function is idempotent.

    Args:
        text: Any text.
        lines: Whether to keep line ends and tabs.
    """
    kept = "\n\t" if lines else ""
    if text.replace("\n", "").isprintable() and ("\n" in kept or "\n" not in text):
        return text
    return "".join(printable_signs(text, kept))


def printable_signs(text: str, kept: str = "\n\t") -> list[str]:
    """The result of `printable` for each character.

    Args:
        text: Any text.
        kept: Characters that are kept in any case.
    """
    around = zip(("", *text), text, (*text[1:], ""), strict=False)
    return [
        sign if sign in kept or _is_seen(sign) or _joins(before, sign, after) else _escape(sign)
        for before, sign, after in around
    ]


def without_colour(text: str) -> str:
    """A program's output without colour codes."""
    return _COLOUR.sub("", text)


def _is_seen(sign: str) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _joins(before: str, sign: str, after: str) -> bool:
    """Whether a joiner is required by the script and hides nothing."""
    if sign not in _JOINERS or not before or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if sign == _ZWJ and unicodedata.category(after) == "So":
        return before == _EMOJI or unicodedata.category(before) in ("So", "Sk")
    return {unicodedata.bidirectional(before), unicodedata.bidirectional(after)} == {"AL"}


def _escape(sign: str) -> str:
    # Four digits keep JSON valid, whose other characters JSON escapes itself.
    return r"\u007f" if sign == "\x7f" else sign.encode("unicode_escape").decode("ascii")


def _readable(error: UnicodeError) -> tuple[str, int]:
    """A replacement: a similar character, the letter without its mark, or an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(_in_ascii, signs)), error.end


def _in_ascii(sign: str) -> str:
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode("ascii")
    return _ALIKE.get(sign) or bare or _escape(sign)


codecs.register_error(READABLE, _readable)


def plural(count: float, noun: str, several: str = "") -> str:
    """The noun for so many.

    Args:
        count: How many.
        noun: The singular.
        several: The plural, where it is not the singular and an s.
    """
    return noun if count == 1 else several or f"{noun}s"


def counted(count: int, noun: str, several: str = "") -> str:
    """A count, with commas, and its noun; see `plural`."""
    return f"{count:,} {plural(count, noun, several)}"
