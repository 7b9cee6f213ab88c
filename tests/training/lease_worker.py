"""One process that runs leases. Arguments: stage folder, its limit, the leases as JSON.

Writes each trial's record as a line of JSON.
"""

import sys

from raysearch.run import RunSpec
from raysearch.training.progress import NullListener
from raysearch.training.run import run_lease


def main() -> None:
    stages, limit, *leases = sys.argv[1:]
    for text in leases:
        lease = RunSpec.from_json(text)
        trial = run_lease(lease, NullListener(), data_dir="", stages=stages, limit=int(limit))
        assert trial is not None
        sys.stdout.write(trial.to_json() + "\n")


if __name__ == "__main__":
    main()
