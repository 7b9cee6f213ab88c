"""cluster.yaml on AWS as far as a stand-in for EC2 and IAM goes: from the file to instances."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_ours_is_bootstrapped_and_starts_spot_and_on_demand_nodes(tmp_path: Path) -> None:
    script = Path(__file__).with_name("aws_bootstrap.py")
    command = [sys.executable, "-W", "ignore", str(script), str(ROOT / "cluster.yaml")]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        command, env={**environment, "HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    config, nodes, image = answer["config"], answer["nodes"], answer["image"]

    assert {name: (node["type"], node["spot"]) for name, node in nodes.items()} == {
        "head": ("m5.large", False),
        "gpu_spot": ("g5.xlarge", True),
        "gpu_on_demand": ("g5.xlarge", False),
    }
    assert {node["image"] for node in nodes.values()} == {image}
    profiles = {name: node["profile"].rpartition("/")[2] for name, node in nodes.items()}
    assert profiles.pop("head") == "raysearch-head"
    assert set(profiles.values()) == {"raysearch-worker"}, "none may start or end instances"
    assert all(node["groups"] == [answer["group"]] for node in nodes.values()), "SSH as they say"
    assert all(node["metadata"]["HttpTokens"] == "required" for node in nodes.values())

    types = config["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0, "GPU": 0}
    assert types["gpu_spot"]["resources"]["accelerator_type:A10G"] == 1
    key = Path(config["auth"]["ssh_private_key"])
    assert key.is_relative_to(tmp_path) and stat.S_IMODE(key.stat().st_mode) == 0o600
