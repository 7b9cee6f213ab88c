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

What a command finds goes to standard output; progress and errors go to standard error. `--quiet`
leaves the progress out, `--format json` writes for a program. Colours stay away when `NO_COLOR`
is set or the output is no terminal. What is not seen in a text from outside (escape sequences,
controls of its direction) is shown as an escape such as `\\x1b`, and what a terminal's encoding
lacks as something alike. Exit code 0: all went well; 1: `replay` or `verify` found
other numbers; 2: a mistake, said in a sentence, or no trial that could be completed; 130:
interrupted, and the same command goes on.
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
