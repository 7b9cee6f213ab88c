"""How is text put into LaTeX so that it compiles, and a table with nothing but the kernel?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raysearch.printable import printable

__all__ = ["escape", "tabular"]

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "ε": r"$\varepsilon$",
    "β": r"$\beta$",
    "ρ": r"$\rho$",
    "…": r"\ldots{}",
    "×": r"$\times$",
}
"""Signs that LaTeX reads as commands, or that its default font lacks."""


def escape(text: str) -> str:
    """Text as LaTeX sets it, sign by sign; line ends become blanks, what is not seen an escape."""
    shown = printable(text.replace("\n", " "), lines=False)
    return "".join(_SIGNS.get(sign, sign) for sign in shown)


def tabular(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    rules_before: Sequence[int] = (),
) -> str:
    """A ``tabular`` of escaped cells, its first `left` columns flush left, the others right.

    Args:
        heads: Heads of the columns.
        rows: Cells, as many a row as there are heads.
        left: How many columns hold words.
        rules_before: Numbers of rows that a line is drawn above.
    """
    form = "l" * left + "r" * (len(heads) - left)
    lines = [rf"\begin{{tabular}}{{{form}}}", r"\hline", _row(heads), r"\hline"]
    for index, row in enumerate(rows):
        if index in rules_before:
            lines.append(r"\hline")
        lines.append(_row(row))
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def _row(cells: Sequence[str]) -> str:
    # A hyphen before a digit is a minus sign.
    signed = (re.sub(r"(?<![\w.])-(?=\d)", "−", cell) for cell in cells)
    return " & ".join(map(escape, signed)) + r" \\"
