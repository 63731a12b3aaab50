"""Templates into ministack: what it knows of them is made, in the order that CDK gave.

Types that it does not know are refused by it, by name; they are left out with all that depends on them. It is
not AWS: rights, networks, encryption and databases in it are records at most.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

#: Types of ours that ministack 1.5.33 does not know.
UNKNOWN = {
    "AWS::Budgets::Budget",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::Events::Archive",
    "AWS::Glue::DataCatalogEncryptionSettings",
    "AWS::IoT::Logging",
    "AWS::MSK::ServerlessCluster",
    "AWS::RedshiftServerless::Namespace",
    "AWS::RedshiftServerless::Workgroup",
}
#: Its machine image is looked up in a public parameter of AWS.
NOT_TRIED = {"fallrisk-entry"}


def stacks_in_order(folder: Path) -> list[str]:
    """Return the names of stacks, each after those that it needs."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    return [name for name, a in artifacts.items() if a["type"] == "aws:cloudformation:stack"]


def _asked(value: Any) -> Iterator[tuple[str, str]]:
    """Yield what a part of a template refers to: ("here", resource) or ("elsewhere", export)."""
    if isinstance(value, list):
        for one in value:
            yield from _asked(one)
    elif isinstance(value, dict):
        for word, what in value.items():
            if word == "Ref":
                yield "here", what
            elif word == "Fn::GetAtt":
                yield "here", what[0]
            elif word == "Fn::ImportValue":
                yield "elsewhere", what
            elif word == "DependsOn":
                yield from (("here", one) for one in ([what] if isinstance(what, str) else what))
            else:
                yield from _asked(what)


def known_part(template: dict[str, Any], exports: set[str]) -> dict[str, Any]:
    """Return a template without unknown types and without what depends on them or on exports not made."""
    left_out = {name for name, r in template["Resources"].items() if r["Type"] in UNKNOWN}

    def hangs(part: Any) -> bool:
        return any(
            (where == "here" and what in left_out) or (where == "elsewhere" and what not in exports)
            for where, what in _asked(part)
        )

    while more := {n for n, r in template["Resources"].items() if n not in left_out and hangs(r)}:
        left_out |= more
    kept = {n: r for n, r in template["Resources"].items() if n not in left_out}
    outputs = {n: o for n, o in template.get("Outputs", {}).items() if not hangs(o)}
    return {**template, "Resources": kept, "Outputs": outputs}


def deploy(cloudformation: BaseClient, folder: Path) -> dict[str, tuple[set[str], set[str]]]:
    """Make every stack; return its resources: (those that are known, those that were made)."""
    exports: set[str] = set()
    result = {}
    for stack in stacks_in_order(folder):
        whole = json.loads((folder / f"{stack}.template.json").read_text())
        template = known_part(whole, exports)
        if stack in NOT_TRIED or not template["Resources"]:
            continue
        cloudformation.create_stack(
            StackName=stack, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        deadline = time.monotonic() + 60
        while (state := cloudformation.describe_stacks(StackName=stack)["Stacks"][0])["StackStatus"].endswith(
            "IN_PROGRESS"
        ):
            assert time.monotonic() < deadline, stack
            time.sleep(0.05)
        assert state["StackStatus"] == "CREATE_COMPLETE", (stack, state)
        exports |= {o["ExportName"] for o in state.get("Outputs", []) if "ExportName" in o}
        made = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        result[stack] = (set(template["Resources"]), {r["LogicalResourceId"] for r in made})
    return result
