"""Keys that everything at rest is encrypted with."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct


class Keys(cdk.Stack):
    """One key for what is stored, one for what is said: who may read a message need not read a table."""

    def __init__(self, scope: Construct, id: str, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        self.data = self._key("data", "Tables, drops, reports, databases, volumes")
        self.messages = self._key("messages", "Logs, queues, topics, secrets")
        logs = iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")
        self.messages.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogGroupsOfThisAccount",
                principals=[logs],
                actions=[
                    "kms:Encrypt*",
                    "kms:Decrypt*",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:Describe*",
                ],
                resources=["*"],
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{self.region}:{self.account}:*"
                    }
                },
            )
        )
        for service in ("events", "cloudwatch", "sns"):
            self.messages.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"Publish{service.title()}",
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
                    resources=["*"],
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                )
            )

        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-kms-permissions.html
        self.data.add_to_resource_policy(
            iam.PolicyStatement(
                sid="MaintenanceOfTableBuckets",
                principals=[iam.ServicePrincipal("maintenance.s3tables.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={
                    "StringLike": {
                        "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3tables:{self.region}:{self.account}"
                        ":bucket/*"
                    }
                },
            )
        )

    def _key(self, name: str, description: str) -> kms.Key:
        return kms.Key(
            self,
            name,
            alias=f"alias/fallrisk/{name}",
            description=description,
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            pending_window=cdk.Duration.days(30),
        )
