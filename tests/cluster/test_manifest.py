"""cluster.yaml: ours passes, and what is wrong is said at once with its line."""

import copy
from pathlib import Path

import pytest
import yaml

from raysearch.cluster.manifest import check_manifest
from raysearch.errors import ConfigError

OURS = Path(__file__).parents[2] / "cluster.yaml"


def test_ours_passes() -> None:
    check_manifest(OURS)


def test_ours_passes_rays_own_checks() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load(OURS.read_text())
    validate_config(prepare_config(copy.deepcopy(config)))


def test_everything_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    text = OURS.read_text().replace("region: us-west-2 ", "region: SET-ME ")
    text = text.replace("max_workers: 4  ", "max_worker: 4  ").replace(
        "head_node_type: head", "head_node_type: top"
    )
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        check_manifest(path)
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "`provider.region` must be set to yours" in said
    assert "'max_worker' was unexpected" in said
    assert "`head_node_type` must be one of the node types, but got 'top'" in said
    assert f"({path}:8)" in said


def test_more_workers_wanted_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(
        OURS.read_text().replace(
            "min_workers: 0\n    max_workers: 4", "min_workers: 9\n    max_workers: 9"
        )
    )
    with pytest.raises(ConfigError, match="at least the sum of min_workers, 9, but got 4"):
        check_manifest(path)
