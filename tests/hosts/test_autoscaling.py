"""Ray's own autoscaler on a fake cloud: four slots bring four nodes; none is left at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import fake_environment, written
from hosts.lab import lab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.hosts,
]

SCRIPT = Path(__file__).with_name("autoscaled.py")
IDLE = 6.0
"""Seconds of the cluster's idle time-out."""


def autoscaled(folder: Path, **settings: Any) -> dict[str, Any]:
    """Run the sweep of `autoscaled.py` on a host of its own."""
    with lab(folder, ["cloud"]) as made:
        host = made.hosts[0]
        host.run("ln", "-s", sys.prefix, "/root/venv")
        environment = fake_environment(
            written(folder / "gpus.json"), PATH=f"/root/venv/bin:{host.environment()['PATH']}"
        )
        words = ["/root/venv/bin/python", str(SCRIPT), str(folder / "out.json")]
        try:
            host.run(*words, json.dumps(settings), timeout=500, environment=environment)
        finally:
            logs = host.command("sh", "-c", "tail -n 20 /tmp/ray/session_latest/logs/monitor.*")
            subprocess.run(logs, check=False)  # shown where the test fails
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def test_from_no_worker_to_four_and_to_none_after_the_last_trial(tmp_path: Path) -> None:
    found = autoscaled(
        tmp_path, slots=4, trials=9, reports=3, step_seconds=0.7, idle_minutes=IDLE / 60,
        max_cost=5.0,
    )  # fmt: skip
    assert (found["ending"], found["trials"], found["unfinished"]) == ("done", 9, 0)
    counts = [count for _, count in found["changes"]]
    top = counts.index(4)
    assert counts[: top + 1] == sorted(counts[: top + 1]) and counts[0] == 0
    assert counts[top:] == sorted(counts[top:], reverse=True) and counts[-1] == 0
    types = {item["type"]: item for item in found["types"]}
    assert set(types) == {"ray.head.default", "gpu_spot"}
    spot, head, cost = types["gpu_spot"], types["ray.head.default"], found["cost"]
    assert (spot["nodes"], head["nodes"]) == (4, 1)
    assert cost["spent"] == pytest.approx((spot["up"] * 0.5 + head["up"] * 0.1) / 3600)
    assert cost["unpriced"] == []
    idle = spot["before"] + spot["between"] + spot["after"]
    assert idle + spot["leased"] == pytest.approx(spot["up"])
    assert spot["leased"] >= 9 * 3 * 0.7
    assert spot["between"] < spot["before"], "a warm slot takes run after lease"
    left = found["changes"][-1][0] - found["last_trial"]
    assert left <= IDLE + 20, "slots let their nodes go at once"
