"""The argument parser: one-line error messages, and examples in the help.

A mistake in the words is a `ConfigError` like any other, so that `main` says it as one
sentence that names the next command to try.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from raysearch.errors import ConfigError, unknown_name
from raysearch.scalars import read_scalar

__all__ = ["CommandParser", "add_parser", "examples", "leaves"]

_EXAMPLES = "examples:"


def examples(*lines: str) -> str:
    """The examples at the end of a command's help.

    Args:
        lines: Commands, each with ``# what it does`` after it where that is not plain.
    """
    return "\n  ".join((_EXAMPLES, *lines))


class CommandParser(argparse.ArgumentParser):
    """A parser that raises errors and keeps the lines of examples."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": _Formatter, **options})
        self.register("type", int, _integer)
        self.register("type", float, _number)
        self._wrong: list[str] = []
        """What is wrong with the values so far."""

    def error(self, message: str) -> NoReturn:
        """Raise this and what was wrong before it, with the command that helps.

        Raises:
            ConfigError: Always.
        """
        mark = "" if message.endswith("?") else ";"
        raise ConfigError([*self._wrong, f"{message}{mark} see `{self.prog} --help`"])

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End after the help, whose output can fail as any other: Python itself ends with 120."""
        sys.stdout.flush()
        super().exit(status, message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; an unknown word is an error of this sub-command, not of its parent."""
        self._wrong = []
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            options = [option for option in self._option_string_actions if option[:2] == "--"]
            if name.startswith("-") and not name.lstrip("-").isdecimal():
                self.error(unknown_name("option", name, options).partition("; known")[0])
            self.error(f"unknown argument `{name}`")
        if self._wrong:
            self.error(self._wrong.pop())
        return found, []

    def _get_values(self, action: argparse.Action, words: list[str]) -> Any:
        """The values of an argument; a wrong one is kept for the end, so that all are said."""
        try:
            return super()._get_values(action, words)
        except argparse.ArgumentError as error:
            if isinstance(action, argparse._SubParsersAction):
                raise
            self._wrong.append(str(error))
            return None


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command without sub-commands, in the order of the help."""
    below = [item for item in parser._actions if isinstance(item, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in dict.fromkeys(action.choices.values()):
            yield from leaves(command)


def _integer(text: str) -> int:
    """A whole number, written as in a file."""
    value = _value(text)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return int(value)


def _number(text: str) -> float:
    """A number, written as in a file."""
    try:
        return float(_value(text))
    except OverflowError as error:  # which argparse would let through
        raise ValueError from error


def _value(text: str) -> int | float:
    value = read_scalar(text.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return value


class _Formatter(argparse.HelpFormatter):
    """Wraps everything but examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_EXAMPLES):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


_FILES = {"FILE", "SPACE", "XML"}
_FOLDERS = {"DIR", "PATH", "SWEEP", "ROOT", "TRIAL"}
"""Metavars of what lies on disk; what they name is completed as such."""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    root: Callable[[], argparse.ArgumentParser],
) -> None:
    """Register ``completion``.

    Args:
        commands: Where to.
        root: Makes the parser whose words are completed.
    """
    parser = commands.add_parser(
        "completion",
        help="print what makes bash or zsh complete commands",
        description="Print a script that completes commands, options, methods and files.",
        epilog=examples(
            'eval "$(raysearch completion bash)"                  # in ~/.bashrc',
            "raysearch completion zsh > ~/.zfunc/_raysearch       # a folder of $fpath",
        ),
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="whose script is printed")
    parser.set_defaults(run=lambda args: _run(args.shell, root()))


def _run(shell: str, root: argparse.ArgumentParser) -> int:
    import shtab

    from raysearch.methods import METHODS, outside_methods

    methods = " ".join([*METHODS, *outside_methods()])
    _mark(root)
    preamble = {
        "bash": f'_raysearch_methods() {{ compgen -W "{methods}" -- "$1"; }}',
        "zsh": f"_raysearch_methods() {{ compadd {methods}; }}",
    }
    sys.stdout.write(shtab.complete(root, shell=shell, preamble=preamble) + "\n")
    return 0


def _mark(parser: argparse.ArgumentParser) -> None:
    """Mark every argument that names a file, a folder or a method, for completion."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command)
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.metavar == "METHOD":
            own = {"bash": "_raysearch_methods", "zsh": "_raysearch_methods"}
            action.complete = own  # type: ignore[attr-defined]
