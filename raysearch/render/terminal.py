"""The console that boards are drawn on: rich's, in which no text is a command.

Neither to the terminal (`raysearch.printable`) nor to rich, whose markup in brackets may stand
in any name. It is never too narrow to show something.
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
"""Columns of a board that goes to a file or a program."""
_WIDTH = 80
_NARROWEST, _WIDEST = 20, 10_000
"""COLUMNS outside of these is a mistake of whoever set it."""


class Terminal(Console):
    """A console for text from anywhere; `print` takes strings as they are.

    Args:
        stderr: Whether it is standard error instead of standard output.
        piped: Columns where the stream is no terminal and COLUMNS does not say; None as rich does.
        quiet: Whether nothing is written.
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
        """Render, with every text printable before it is wrapped."""
        if isinstance(renderable, str):
            renderable = printable(renderable)
        elif isinstance(renderable, Text):
            renderable = _printable(renderable)
        return super().render(renderable, options)


def _printable(text: Text) -> Text:
    """The text with every sign of it seen, and its styles where they were."""
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
