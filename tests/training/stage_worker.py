"""One process that asks for a stage: computes it when it is its turn, else takes it over.

Arguments: root, key, a file that gets one line per computation, seconds that a computation
takes, seconds after which a silent holder counts as dead. Says ``computing`` when it begins
to compute, and at its end what it got: ``computed``, ``took 7`` or ``abandoned``.
"""

import sys
import time
from pathlib import Path

import torch

from raysearch.training.stages.cache import ClaimAbandoned, HeartbeatInterval, StageCache


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main() -> None:
    root, key, log, seconds, stale, retry = sys.argv[1:]
    cache = StageCache(root, pace=HeartbeatInterval(beat=0.1, stale=float(stale), look=0.1))
    end = time.monotonic() + float(retry)
    try:
        with cache.claimed(key, lambda: time.monotonic() > end) as state:
            if state is not None:
                say(f"took {int(state['x'].sum())}")
                return
            with Path(log).open("a") as file:
                file.write("computed\n")
            say("computing")
            time.sleep(float(seconds))
            cache.put(key, {"x": torch.full((7,), 1.0)})
            say("computed")
    except ClaimAbandoned:
        say("abandoned")


if __name__ == "__main__":
    main()
