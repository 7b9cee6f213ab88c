"""docs/kuberay.yaml: are its fields those of a RayCluster, and does it say what it must?

No package has KubeRay's published schema (a custom resource definition of 0.7 MB), so `FACTS`
holds what it says of the fields that the file uses, as read in the Go types that it is made
from (`ray-operator/apis/ray/v1/raycluster_types.go`, with `authOptions`, so 1.5.1 or newer).
Every other field counts as wrong. Not checked: what the schema says of other fields, the
Kubernetes schema of pods beyond the fields used here, and a real API server or operator.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "docs" / "kuberay.yaml"


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these fields and no other."""
    return {
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": False,
    }  # fmt: skip


TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
WORDS = {"type": "object", "additionalProperties": TEXT}
"""Values that look like numbers must be quoted."""
QUANTITY = {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$"}
AMOUNTS = {"type": "object", "additionalProperties": QUANTITY}
VARIABLES = {"type": "array", "items": closed(["name"], name=TEXT, value=TEXT)}
CONTAINER = closed(
    ["name"],
    name=TEXT,
    image=TEXT,
    env=VARIABLES,
    resources=closed([], requests=AMOUNTS, limits=AMOUNTS),
    volumeMounts={
        "type": "array",
        "items": closed(["name", "mountPath"], name=TEXT, mountPath=TEXT),
    },
)
VOLUME = closed(
    ["name"], name=TEXT, persistentVolumeClaim=closed(["claimName"], claimName=TEXT)
)  # fmt: skip
TEMPLATE = closed(
    ["spec"],
    spec=closed(
        ["containers"],
        containers={"type": "array", "items": CONTAINER, "minItems": 1},
        volumes={"type": "array", "items": VOLUME},
    ),
)
FACTS = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayCluster"},
    metadata=closed(["name"], name=TEXT),
    spec=closed(
        ["headGroupSpec"],
        rayVersion=TEXT,
        authOptions=closed([], mode={"enum": ["disabled", "token"]}),
        enableInTreeAutoscaling={"type": "boolean"},
        autoscalerOptions=closed(
            [],
            idleTimeoutSeconds=COUNT,
            upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
            version={"enum": ["v1", "v2"]},
            env=VARIABLES,
        ),
        headGroupSpec=closed(["template"], rayStartParams=WORDS, template=TEMPLATE),
        workerGroupSpecs={
            "type": "array",
            "items": closed(
                ["groupName", "minReplicas", "maxReplicas", "template"],
                groupName=TEXT,
                replicas=COUNT,
                minReplicas=COUNT,
                maxReplicas=COUNT,
                rayStartParams=WORDS,
                template=TEMPLATE,
            ),
        },
    ),
)


@pytest.fixture
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(MANIFEST.read_text()))
    return found


def test_its_fields_are_those_of_a_ray_cluster(manifest: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(FACTS)
    jsonschema.validate(manifest, FACTS)


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
def test_the_facts_find_mistakes(manifest: dict[str, Any], where: str, value: object) -> None:
    *path, last = (int(part) if part.isdigit() else part for part in where.split("."))
    node: Any = manifest
    for part in path:
        node = node[part]
    node[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, FACTS)


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


def test_the_image_has_ray_of_the_pinned_version_and_python_where_jobs_look_for_it() -> None:
    docker = (ROOT / "docs" / "Dockerfile").read_text()
    version = re.search(r"rayproject/ray:([\d.]+)-", docker)
    assert version and f"ray[tune,train]=={version[1]}" in (ROOT / "pyproject.toml").read_text()
    assert f'rayVersion: "{version[1]}"' in MANIFEST.read_text()
    assert "/home/ray/venv" in docker and "/home/ray/raysearch" in docker
