"""Is this spot node about to be taken away: watch what AWS says, and let Ray drain the node then.

``python -m raysearch.cluster.spot_notice HEAD:6379``, as `cluster.yaml` starts it beside Ray on
its spot nodes. AWS gives two minutes' notice, on a page that only the instance can read; Ray
does not look there. A drained node gets no new work, and its trials write their checkpoints
(`raysearch.cluster.notice`). Where there is no such page, or it tells of nothing, nothing is done.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

__all__ = ["seconds_left", "watch"]

METADATA = "http://169.254.169.254/latest"
"""Instance Metadata Service version 2 (AWS, *Spot Instance interruption notices*)."""
LOOK_SECONDS = 5.0
"""How often it is looked; AWS recommends so."""
ANSWER_SECONDS = 2.0


def watch(head: str, *, base: str = METADATA, look: float = LOOK_SECONDS) -> int:
    """Wait for the notice, then drain this node.

    Args:
        head: ``HOST:PORT`` of the cluster's head.
        base: Where the metadata service is.
        look: Seconds between two looks.

    Returns:
        The exit status of ``ray drain-node``.
    """
    while (left := seconds_left(base)) is None:
        time.sleep(look)
    words = ["drain-node", "--address", head, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    words += ["--reason-message", "spot", "--deadline-remaining-seconds", str(int(left))]
    return subprocess.run([sys.executable, "-m", "ray.scripts.scripts", *words]).returncode


def seconds_left(base: str = METADATA) -> float | None:
    """Seconds until the instance is stopped or ended, at least 0; None where nobody says so."""
    try:
        token = _ask(f"{base}/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        told = _ask(
            f"{base}/meta-data/spot/instance-action", "GET", {"X-aws-ec2-metadata-token": token}
        )
        when = datetime.fromisoformat(json.loads(told)["time"])
    except (OSError, ValueError, KeyError, TypeError):  # no notice is a 404
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _ask(url: str, method: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        text: str = answer.read().decode()
    return text


if __name__ == "__main__":
    sys.exit(watch(sys.argv[1]))
