"""Writes docs/commands.md: the help of every command, as the terminal shows it.

    python docs/commands.py

A test compares the file with the commands.
"""

import os
from pathlib import Path

from raysearch.cli import parser
from raysearch.cli.parsing import leaves

FILE = Path(__file__).with_suffix(".md")
COLUMNS = 100

HEAD = """\
# Commands

The help of every command, written by `python docs/commands.py`. `raysearch` and `python -m
raysearch` are the same.

Results go to standard output; progress and errors go to standard error. `--quiet` leaves out the
progress, and `--format json` writes strict JSON for a program: a number that is not finite is
`null`. Colours are off when `NO_COLOR` is set or the output is not a terminal. Invisible characters
in a text from outside (escape sequences, controls of its direction) are shown as escapes such as
`\\x1b`, and characters that the terminal's encoding lacks as a similar one.

| exit code | means |
|---|---|
| 0 | success |
| 1 | `replay` or `verify` found other numbers |
| 2 | a mistake, explained in a sentence, or no trial could be completed |
| 130 | interrupted; the same command continues |
"""


def text() -> str:
    """The whole file."""
    os.environ["COLUMNS"] = str(COLUMNS)
    parts = [HEAD]
    root = parser()
    for command in (root, *leaves(root)):
        parts.append(f"## `{command.prog}`\n\n```text\n{command.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
