"""Cluster files: ours pass, what is wrong is said at once with its line, and what is unset."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from raysearch.api.plan import check
from raysearch.cluster.remote.manifest import UNSET, check_manifest, is_manifest
from raysearch.errors import ConfigError

ROOT = Path(__file__).parents[3]
OURS = ROOT / "cluster.yaml"
LOCAL = ROOT / "docs" / "cluster-local.yaml"


def plain(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    return config


@pytest.mark.parametrize("path", [OURS, LOCAL], ids=["aws", "local"])
def test_ours_pass_rays_own_checks(path: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(copy.deepcopy(plain(path))))


def test_ours_say_what_only_the_user_can_set() -> None:
    def fields(path: Path) -> list[str]:
        return [sentence.split("`")[1] for sentence in check_manifest(path)]

    of_raysearch = ["image", "group", "profile", "worker_profile", "storage"]
    assert fields(OURS) == [f"provider.raysearch.{name}" for name in of_raysearch]
    assert fields(LOCAL) == [
        "provider.head_ip",
        "provider.worker_ips",
        "provider.raysearch.storage",
        "auth.ssh_user",
        "auth.ssh_private_key",
    ]
    assert check_manifest(OURS)[0].endswith("has SET-ME-image (" + f"{OURS}:13)")


def test_what_is_unset_stands_between_the_rules_at_the_top() -> None:
    for path in (OURS, LOCAL):
        _, top, rest = path.read_text().split("# ----", 2)
        assert UNSET in top
        assert UNSET not in rest.split("\n", 1)[1]


def test_nothing_is_unset_once_it_is_set(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(OURS.read_text().replace(f"{UNSET}-", "my-"))
    assert check_manifest(path) == ()


def test_the_head_does_no_trial_and_workers_start_from_none() -> None:
    types = plain(OURS)["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0, "GPU": 0}
    assert "InstanceMarketOptions" not in types["head"]["node_config"]
    assert types["gpu_spot"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert all(node["min_workers"] == 0 for node in types.values())


@pytest.mark.parametrize("path", [OURS, LOCAL], ids=["aws", "local"])
def test_the_token_is_on_and_the_dashboard_on_loopback(path: Path) -> None:
    config = plain(path)
    assert "~/.ray/auth_token" in config["file_mounts"]
    assert "RAY_AUTH_MODE=token" in config["setup_commands"][-1]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


@pytest.mark.parametrize("path", [OURS, LOCAL], ids=["aws", "local"])
def test_no_credential_is_in_the_file(path: Path) -> None:
    text = path.read_text().lower()
    words = ("aws_access", "aws_secret", "password", "aws_session")
    assert not [word for word in words if word in text]
    assert "/.aws" not in text, "the nodes have the role of their machine"


def test_everything_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    text = OURS.read_text().replace("max_workers: 4  ", "max_worker: 4  ")
    path.write_text(text.replace("head_node_type: head", "head_node_type: top"))
    with pytest.raises(ConfigError) as caught:
        check_manifest(path)
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 2
    assert "'max_worker' was unexpected" in said
    assert "`head_node_type` must be one of the node types, but got 'top'" in said
    line = text.split("head_node_type")[0].count("\n") + 1
    assert f"({path}:{line})" in said


def test_more_workers_wanted_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(
        OURS.read_text().replace(
            "min_workers: 0\n    max_workers: 4", "min_workers: 9\n    max_workers: 9"
        )
    )
    with pytest.raises(ConfigError, match="at least the sum of min_workers, 9, but got 4"):
        check_manifest(path)


def test_the_documents_name_files_and_options_that_exist() -> None:
    from raysearch.cli import parser

    text = (ROOT / "docs" / "cluster.md").read_text()
    for name in re.findall(r"`(?:docs/[\w.-]+|tests/[\w./]+|cluster\.yaml|\.ci/run)`", text):
        assert (ROOT / name.strip("`")).exists(), name
    commands = re.findall(
        r"python -m raysearch ((?:sweep|leaderboard|check|attach|stop)[^'`\n#]*)", text
    )
    assert len(commands) > 5
    for command in commands:
        parser().parse_args(command.split())


@pytest.mark.parametrize(
    ("old", "new", "field", "theirs"),
    [
        ("max_workers: ", "max_workers: 010 # ", "max_workers", "is 8 for it and 10 by YAML 1.2"),
        ("max_workers: ", "max_workers: 1_0 # ", "max_workers", "is 10 for it and '1_0' by"),
        ("cluster_name: ", "cluster_name: 1:30 # ", "cluster_name", "is 90 for it and '1:30' by"),
    ],
)
def test_what_ray_reads_otherwise_is_said(
    tmp_path: Path, old: str, new: str, field: str, theirs: str
) -> None:
    text = re.sub(f"^{old}", new, OURS.read_text(), count=1, flags=re.MULTILINE)
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        check_manifest(tmp_path / "cluster.yaml")
    sentence = f"`{field}` must be the same for Ray, which reads YAML 1.1, but {theirs}"
    assert any(sentence in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("slots: 4 ", "slots: 9 ", "`slots` must be at most 4, which the node types hold"),
        ("cpus_per_worker: 4", "cpus_per_worker: 8", "must have the 8 CPU, 1 GPU of a trial's"),
        ("gpus_per_worker: 1", "gpus_per_worker: 2", "must have the 4 CPU, 2 GPU of a trial's"),
        ("{CPU: 4, GPU: 1}", "{}", "`available_node_types.gpu_spot.resources` must say how many"),
        ("{CPU: 4, GPU: 1}", "{GPU: 8}", "gpu_on_demand.resources` must say how many CPUs"),
        ("slots: 4 ", "gpu_types: L4\n    slots: 4 ", "but none has L4; they have A10G; a node"),
        (
            "slots: 4 ",
            "gpu_types: A10G,A10G\n    slots: 4 ",
            "must be names of GPU types, each once",
        ),
    ],
)
def test_what_would_wait_for_ever(tmp_path: Path, ours: str, theirs: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    text = OURS.read_text()
    assert ours in text
    path.write_text(text.replace(ours, theirs))
    with pytest.raises(ConfigError) as caught:
        check_manifest(path)
    assert any(said in problem for problem in caught.value.problems)
    assert all(f"({path}:" in problem for problem in caught.value.problems)


def test_a_cluster_file_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    mine, space = tmp_path / "mine.yaml", tmp_path / "cluster-space.yaml"
    mine.write_text(OURS.read_text())
    space.write_text((ROOT / "search_spaces" / "carl.yaml").read_text())
    assert is_manifest(mine) and not is_manifest(space)
    found = {item.path: item for item in check([mine, space])}
    assert not found[mine].problems and not found[space].problems
    assert any("still to do" in note for note in found[mine].notes)
    assert not any("still to do" in note for note in found[space].notes)
