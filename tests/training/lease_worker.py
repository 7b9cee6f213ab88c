"""One process that runs leases. Arguments: stage folder, its limit, the leases as JSON.

Writes each trial's record as a line of JSON.
"""

import sys

from raysearch.training.run import run_lease
from raysearch.trial import Lease, Report


class Silence:
    """A listener that never stops a trial."""

    def started(self, device: str, provenance: object) -> None: ...
    def progress(self, step: int, total: int) -> None: ...
    def report(self, report: Report) -> None: ...

    def stopped(self) -> bool:
        return False

    def preempted(self) -> bool:
        return False

    def owns(self) -> bool:
        return True


def main() -> None:
    stages, limit, *leases = sys.argv[1:]
    for text in leases:
        lease = Lease.from_json(text)
        trial = run_lease(lease, Silence(), data_dir="", stages=stages, limit=int(limit))
        assert trial is not None
        sys.stdout.write(trial.to_json() + "\n")


if __name__ == "__main__":
    main()
