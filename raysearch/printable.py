"""How is text from outside shown, so that it commands neither the terminal nor the reader's eye?

Rows, file names and messages of other programs may hold escape sequences, which set titles,
clear screens and hide words, and controls of the direction of text, which show other words than
are there. Wherever text leaves this program for a person, it goes through here.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

__all__ = ["READABLE", "printable", "printable_signs", "without_colour"]

READABLE = "raysearch.readable"
"""The codec error handler that writes what an encoding lacks as signs that are alike."""

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
"""What makes the sign before it one in colour."""
_VIRAMA = 9
"""Combining class of the mark that takes a letter's vowel away."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printable(text: str, *, lines: bool = True) -> str:
    r"""The text with every sign that is not seen as an escape: ``\x1b``, ``\u202e``.

    That is controls (C0, DEL, C1), format signs (of direction, zero width, tags), surrogates,
    separators of lines and paragraphs, and what is private or not assigned. Joiners stay where
    they shape what is written: in Persian, Hindi and emoji. Twice is as once.

    Args:
        text: Any.
        lines: Whether line ends and tabs stay.
    """
    kept = "\n\t" if lines else ""
    if text.replace("\n", "").isprintable() and ("\n" in kept or "\n" not in text):
        return text
    return "".join(printable_signs(text, kept))


def printable_signs(text: str, kept: str = "\n\t") -> list[str]:
    """What `printable` makes of each sign.

    Args:
        text: Any.
        kept: Signs that stay, seen or not.
    """
    around = zip(("", *text), text, (*text[1:], ""), strict=False)
    return [
        sign if sign in kept or _is_seen(sign) or _joins(before, sign, after) else _escape(sign)
        for before, sign, after in around
    ]


def without_colour(text: str) -> str:
    """The text of a program that coloured it."""
    return _COLOUR.sub("", text)


def _is_seen(sign: str) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _joins(before: str, sign: str, after: str) -> bool:
    """Whether a joiner stands where scripts need one, and where it hides nothing."""
    if sign not in _JOINERS or not before or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if sign == _ZWJ and unicodedata.category(after) == "So":
        return before == _EMOJI or unicodedata.category(before) in ("So", "Sk")
    return {unicodedata.bidirectional(before), unicodedata.bidirectional(after)} == {"AL"}


def _escape(sign: str) -> str:
    # In four digits JSON that holds it stays JSON, which escapes everything else by itself.
    return r"\u007f" if sign == "\x7f" else sign.encode("unicode_escape").decode("ascii")


def _readable(error: UnicodeError) -> tuple[str, int]:
    """What the encoding lacks: a sign that is alike, the letter without its mark, or an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(_in_ascii, signs)), error.end


def _in_ascii(sign: str) -> str:
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode("ascii")
    return _ALIKE.get(sign) or bare or _escape(sign)


codecs.register_error(READABLE, _readable)
