"""`raysearch export TRIAL DIR`: an encoder that ``AutoModel.from_pretrained(DIR)`` opens."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raysearch.cli.arguments import add_data_dir, add_quiet
from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``export``."""
    parser = commands.add_parser(
        "export",
        help="write a trial's encoder for transformers",
        epilog=examples(
            "raysearch export results/carl:best my-encoder",
            "raysearch export results/msmo:3 my-encoder --task en-es",
        ),
    )
    parser.add_argument(
        "trial", metavar="TRIAL", help="SWEEP:N or SWEEP:best, for example results/carl:best"
    )
    parser.add_argument("dir", metavar="DIR", type=Path, help="folder to be made")
    parser.add_argument("--task", metavar="NAME", help="which pair (default: the only one)")
    parser.add_argument("--seed", type=int, help="which cell (default: the first)")
    add_data_dir(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Restore the trial, training it again if its weights were not kept, and write the folder."""
    from raysearch import corpora
    from raysearch.cli.trials import trials_of, with_weights
    from raysearch.training.run import restore_method

    folder, colon, number = args.trial.rpartition(":")
    if not colon or not folder:
        raise ConfigError(f"`TRIAL` must be SWEEP:N or SWEEP:best, but got {args.trial!r}")
    if args.dir.exists():
        raise ConfigError(f"`DIR` must not exist yet, but {args.dir} does; name another folder")
    cells = trials_of(folder, [number], task=args.task)
    tasks = list(dict.fromkeys(trial.cell.task for trial in cells))
    if len(tasks) > 1:
        raise ConfigError(
            f"`--task` must name one of {', '.join(tasks)}, because {args.trial} has an encoder "
            "for each"
        )
    trials = [trial for trial in cells if args.seed in (None, trial.cell.seed)]
    if not trials:
        known = ", ".join(str(trial.cell.seed) for trial in cells)
        raise ConfigError(f"`--seed` must be one of {known}, but got {args.seed}")
    data_dir = str(corpora.data_dir(args.data_dir))
    lease = with_weights(trials[0], folder, data_dir)
    restore_method(lease, roles=("train", "dev"), data_dir=data_dir).save_encoder(str(args.dir))
    sys.stdout.write(
        f"wrote the encoder of trial {lease.id} to {args.dir}\n"
        f"open it with: transformers.AutoModel.from_pretrained({str(args.dir)!r})\n"
    )
    return 0
