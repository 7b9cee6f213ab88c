"""`raysearch completion bash|zsh`: the script with which a shell completes raysearch's words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from raysearch.cli.parsing import examples

__all__ = ["add_parser"]

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

    from raysearch.methods import METHODS
    from raysearch.methods.outside import outside_methods

    methods = " ".join([*METHODS, *outside_methods()])
    _mark(root)
    preamble = {
        "bash": f'_raysearch_methods() {{ compgen -W "{methods}" -- "$1"; }}',
        "zsh": f"_raysearch_methods() {{ compadd {methods}; }}",
    }
    sys.stdout.write(shtab.complete(root, shell=shell, preamble=preamble) + "\n")
    return 0


def _mark(parser: argparse.ArgumentParser) -> None:
    """Say of every argument that names a file, a folder or a method that it does."""
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
