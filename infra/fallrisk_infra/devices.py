"""Devices at IoT Core: each has a certificate, and may speak for itself alone."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

_THING = "${iot:Connection.Thing.ThingName}"


class Devices(cdk.Stack):
    """The policies of a device and of the gateway, the type of things, and a log of what was refused."""

    def __init__(self, scope: Construct, id: str, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        base = f"arn:aws:iot:{self.region}:{self.account}"
        iot.CfnThingType(self, "wearable", thing_type_name="fallrisk-wearable")
        own = f"devices/{_THING}"
        # A certificate counts only while it is attached to the thing in whose name it connects.
        attached = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
        self._policy(
            "device",
            [
                _allow("iot:Connect", f"{base}:client/{_THING}", attached),
                _allow("iot:Publish", [f"{base}:topic/{own}/telemetry", f"{base}:topic/{own}/status"]),
                _allow("iot:Subscribe", f"{base}:topicfilter/{own}/config"),
                _allow("iot:Receive", f"{base}:topic/{own}/config"),
            ],
        )
        self._policy(
            "gateway",
            [
                _allow("iot:Connect", f"{base}:client/fallrisk-gateway*"),
                _allow(
                    "iot:Subscribe",
                    [f"{base}:topicfilter/devices/+/{kind}" for kind in ("telemetry", "status")],
                ),
                _allow("iot:Receive", f"{base}:topic/devices/*"),
                _allow(["iot:Publish", "iot:RetainPublish"], f"{base}:topic/devices/*/config"),
            ],
        )
        writer = iam.Role(self, "log-writer", assumed_by=iam.ServicePrincipal("iot.amazonaws.com"))
        iam.ManagedPolicy(
            self,
            "log-rights",
            roles=[writer],
            statements=[
                iam.PolicyStatement(
                    actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[f"arn:aws:logs:{self.region}:{self.account}:log-group:AWSIotLogsV2*"],
                )
            ],
        )
        iot.CfnLogging(
            self, "log", account_id=self.account, default_log_level="WARN", role_arn=writer.role_arn
        )

    def _policy(self, name: str, statements: list[dict]) -> None:
        iot.CfnPolicy(
            self,
            name,
            policy_name=f"fallrisk-{name}",
            policy_document={"Version": "2012-10-17", "Statement": statements},
        )


def _allow(action: str | list[str], resource: str | list[str], condition: dict | None = None) -> dict:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement
