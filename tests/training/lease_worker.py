"""One process that runs runs. Arguments: stage folder, its limit, the runs as JSON.

Writes each trial's record as a line of JSON.
"""

import sys

from raysearch.run import RunSpec
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run


def main() -> None:
    stages, limit, *specs = sys.argv[1:]
    for text in specs:
        spec = RunSpec.from_json(text)
        trial = execute_run(spec, NullListener(), data_dir="", stages=stages, limit=int(limit))
        assert trial is not None
        sys.stdout.write(trial.to_json() + "\n")


if __name__ == "__main__":
    main()
