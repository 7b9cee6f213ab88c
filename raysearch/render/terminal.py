"""The console for boards: a rich console that interprets no text as a command.

Text can control neither the terminal (`raysearch.printable`) nor rich, whose markup in brackets
may occur in any name. The console has a minimum width.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from itertools import accumulate

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

from raysearch.printable import printable, printable_signs

__all__ = ["PIPED", "Terminal"]

PIPED = 160
"""Width of a board that is written to a file or a program."""
_WIDTH = 80
_NARROWEST, _WIDEST = 20, 10_000
"""Valid values of COLUMNS; others are ignored as mistakes."""


class Terminal(Console):
    """A console for external text; `print` takes strings literally.

    Args:
        stderr: Whether to use standard error instead of standard output.
        piped: Width if the stream is not a terminal and COLUMNS is unset; None for rich's.
        quiet: Whether to write nothing.
    """

    def __init__(
        self, *, stderr: bool = False, piped: int | None = None, quiet: bool = False
    ) -> None:
        stream = sys.stderr if stderr else sys.stdout
        file = getattr(stream, "rich_proxied_file", stream)  # for the colours of a console
        width, height = None, None
        if "COLUMNS" in os.environ:
            width, height = _columns(os.environ["COLUMNS"]), shutil.get_terminal_size().lines
        elif file is not None and not file.isatty():
            width = piped
        super().__init__(
            file=file,
            width=width,
            height=height,
            quiet=quiet,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render, with every text made printable before wrapping."""
        if isinstance(renderable, str):
            renderable = printable(renderable)
        elif isinstance(renderable, Text):
            renderable = _printable(renderable)
        return super().render(renderable, options)


def _printable(text: Text) -> Text:
    """The text with every character printable, and its styles at their places."""
    plain = text.plain
    if printable(plain) == plain:
        return text
    signs = printable_signs(plain)
    ends = [0, *accumulate(map(len, signs))]
    shown = text.blank_copy("".join(signs))
    shown.spans = [Span(ends[span.start], ends[span.end], span.style) for span in text.spans]
    return shown


def _columns(text: str) -> int:
    try:
        columns = int(text)
    except ValueError:
        return _WIDTH
    return columns if _NARROWEST <= columns <= _WIDEST else _WIDTH
