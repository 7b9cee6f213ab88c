"""A user at the laptop: ``laptop_sweep.py MANIFEST RESULTS_AT_HEAD RESULTS ARGUMENTS...``."""

import sys
from pathlib import Path

from raysearch.cluster import launch

manifest = Path(sys.argv[1])
with launch.connect(manifest) as client:
    job = launch.submit(client, "hosts", sys.argv[4:])
ended = launch.follow(manifest, job, sys.stdout.write)
launch.fetch(manifest, sys.argv[2], Path(sys.argv[3]))
sys.exit(ended != "SUCCEEDED")
