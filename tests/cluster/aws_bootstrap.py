"""`ray up`'s own steps on AWS, against an EC2 and IAM on this machine, in a process of its own.

Called as ``aws_bootstrap.py MANIFEST``, with HOME at an empty folder. Prints as JSON what the
bootstrap made of the file and what instances then were started, one of each node type.
"""

import json
import os
import sys
from typing import Any

from moto.server import ThreadedMotoServer

REGION = "us-west-2"
PROFILES = {"SET-ME-profile": "raysearch-head", "SET-ME-worker-profile": "raysearch-worker"}
TAGS = {"ray-node-type": "worker", "ray-cluster-name": "raysearch", "ray-node-status": "setting-up"}


def main(path: str) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    image, group = prepare_account()
    config = bootstrapped(path, {"SET-ME-image": image, "SET-ME-group": group, **PROFILES})
    answer = json.dumps(
        {"config": config, "nodes": started(config), "image": image, "group": group}
    )
    sys.stdout.write(f"\n{answer}\n")
    server.stop()


def prepare_account() -> tuple[str, str]:
    """What docs/cluster.md has the user make, profiles and group. And an image to name."""
    import boto3

    iam = boto3.client("iam")
    trust = {"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **trust}]}
    for name in PROFILES.values():
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    ec2 = boto3.client("ec2")
    group = ec2.create_security_group(GroupName="raysearch", Description="raysearch")["GroupId"]
    images = ec2.describe_images(Owners=["amazon"])["Images"]
    return str(images[0]["ImageId"]), str(group)


def bootstrapped(path: str, mine: dict[str, str]) -> dict[str, Any]:
    import yaml
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config, validate_config

    with open(path) as file:
        text = file.read()
    for unset, value in mine.items():
        text = text.replace(unset, value)
    config = prepare_config(yaml.safe_load(text))
    config = AWSNodeProvider.fillout_available_node_types_resources(config)
    validate_config(config)
    made: dict[str, Any] = bootstrap_aws(config)
    return made


def started(config: dict[str, Any]) -> dict[str, Any]:
    """Start one node of each type with Ray's provider, look at it, and end it."""
    import boto3
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    client = boto3.client("ec2")
    nodes = {}
    for name, node in config["available_node_types"].items():
        tags = {**TAGS, "ray-user-node-type": name}
        (made,) = provider.create_node(dict(node["node_config"]), tags, 1).values()
        found = client.describe_instances(InstanceIds=[made.id])["Reservations"][0]["Instances"][0]
        provider.terminate_node(made.id)
        nodes[name] = {
            "type": found["InstanceType"],
            "spot": found.get("InstanceLifecycle") == "spot",
            "image": found["ImageId"],
            "profile": found.get("IamInstanceProfile", {}).get("Arn", ""),
            "groups": [group["GroupId"] for group in found["SecurityGroups"]],
            "metadata": node["node_config"]["MetadataOptions"],
        }
    assert not provider.non_terminated_nodes({}), "every node was ended"
    return nodes


if __name__ == "__main__":
    main(sys.argv[1])
