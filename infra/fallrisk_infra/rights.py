"""Who may do what: the rights of each task, each as narrow as the requests that it makes.

What belongs here: policies, following docs/aws.md ("Rights") and the calls of Dagster's ECS launcher. What
does not: tasks.
"""

from dataclasses import dataclass

from aws_cdk import aws_iam as iam

from fallrisk_infra.catalog import NAMESPACES

#: Below it in the lake's bucket is a folder for each zone: raw, clean, curated.
LAKE_PREFIX = "lake"


def _allow(actions: list[str], resources: list[str], conditions: dict | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)


@dataclass(frozen=True)
class Places:
    """Where things are, by name: statements name what they allow, never a star of a service."""

    account: str
    region: str
    landing: str
    lake: str
    reports: str
    logs: str
    key_arn: str

    def arn(self, service: str, resource: str) -> str:
        """Return the name of a resource of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def of_data(at: Places) -> list[iam.PolicyStatement]:
    """User code and runs: read drops, write lake and reports, keep the catalog."""
    written = [f"arn:aws:s3:::{bucket}" for bucket in (at.lake, at.reports)]
    return [
        _allow(["s3:ListBucket"], [*written, f"arn:aws:s3:::{at.landing}"]),
        _allow(["s3:GetObject"], [f"arn:aws:s3:::{at.landing}/*"]),
        _allow(
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            [f"{bucket}/*" for bucket in written],
        ),
        _allow(
            [
                "glue:GetCatalog",
                "glue:GetDatabase",
                "glue:GetDatabases",
                "glue:CreateDatabase",
                "glue:GetTable",
                "glue:GetTables",
                "glue:CreateTable",
                "glue:UpdateTable",
            ],
            [
                at.arn("glue", "catalog"),
                *(at.arn("glue", f"database/{name}") for name in NAMESPACES),
                *(at.arn("glue", f"table/{name}/*") for name in NAMESPACES),
            ],
        ),
        _allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [at.key_arn],
            {"StringEquals": {"kms:ViaService": [f"{s}.{at.region}.amazonaws.com" for s in ("s3", "glue")]}},
        ),
        _writes_logs(at),
    ]


def _writes_logs(at: Places) -> iam.PolicyStatement:
    return _allow(["s3:PutObject"], [f"arn:aws:s3:::{at.logs}/compute-logs/*"])


def of_secrets(at: Places, secret_arns: list[str], key_arn: str) -> list[iam.PolicyStatement]:
    """Whoever is told a reference: read these secrets, and decrypt them there."""
    return [
        _allow(["secretsmanager:GetSecretValue"], secret_arns),
        _allow(
            ["kms:Decrypt"],
            [key_arn],
            {"StringEquals": {"kms:ViaService": f"secretsmanager.{at.region}.amazonaws.com"}},
        ),
    ]


def of_reading_curated(at: Places) -> list[iam.PolicyStatement]:
    """People who work with results: tables of the curated zone, and no other file of the lake."""
    curated = f"{LAKE_PREFIX}/curated/*"
    return [
        _allow(["s3:ListBucket"], [f"arn:aws:s3:::{at.lake}"], {"StringLike": {"s3:prefix": curated}}),
        _allow(["s3:GetObject"], [f"arn:aws:s3:::{at.lake}/{curated}"]),
        _allow(
            ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"],
            [at.arn("glue", name) for name in ("catalog", "database/curated", "table/curated/*")],
        ),
        _allow(
            ["kms:Decrypt"],
            [at.key_arn],
            {"StringEquals": {"kms:ViaService": [f"{s}.{at.region}.amazonaws.com" for s in ("s3", "glue")]}},
        ),
    ]


def of_landing(at: Places) -> list[iam.PolicyStatement]:
    """Whoever lands what comes by streams: put drops, and never change or delete one."""
    return [_allow(["s3:PutObject"], [f"arn:aws:s3:::{at.landing}/landing/*"])]


def of_new_drops(queue_arn: str, key_arn: str, at: Places) -> list[iam.PolicyStatement]:
    """User code, whose sensors are told of new drops."""
    return [
        _allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queue_arn]),
        _allow(
            ["kms:Decrypt"], [key_arn], {"StringEquals": {"kms:ViaService": f"sqs.{at.region}.amazonaws.com"}}
        ),
    ]


def of_telling_stages(bus_arn: str, key_arn: str, at: Places) -> list[iam.PolicyStatement]:
    """User code, whose sensor tells the bus what became of a stage."""
    return [
        _allow(["events:PutEvents"], [bus_arn]),
        _allow(
            ["kms:GenerateDataKey", "kms:Decrypt"],
            [key_arn],
            {"StringEquals": {"kms:ViaService": f"events.{at.region}.amazonaws.com"}},
        ),
    ]


def of_consuming(at: Places, cluster: str, group: str) -> list[iam.PolicyStatement]:
    """A consumer of Kafka: its own group, topics to read, none to write."""
    return [
        _allow(["kafka-cluster:Connect"], [at.arn("kafka", f"cluster/{cluster}/*")]),
        _allow(
            ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"], [at.arn("kafka", f"topic/{cluster}/*")]
        ),
        _allow(
            ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"],
            [at.arn("kafka", f"group/{cluster}/*/{group}")],
        ),
    ]


def of_logs(at: Places) -> list[iam.PolicyStatement]:
    """Webserver and daemon: read and write what runs printed."""
    return [
        _allow(["s3:GetObject", "s3:PutObject"], [f"arn:aws:s3:::{at.logs}/compute-logs/*"]),
        _allow(
            ["s3:ListBucket"], [f"arn:aws:s3:::{at.logs}"], {"StringLike": {"s3:prefix": "compute-logs/*"}}
        ),
        _allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [at.key_arn],
            {"StringEquals": {"kms:ViaService": f"s3.{at.region}.amazonaws.com"}},
        ),
    ]


def of_watching_runs(at: Places, cluster: str, log_group_arn: str) -> list[iam.PolicyStatement]:
    """Whoever holds the launcher: look at run tasks of this cluster, and end them."""
    return [
        # Neither can be narrowed to a resource.
        _allow(["ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"], ["*"]),
        _allow(["ecs:DescribeTasks", "ecs:StopTask"], [at.arn("ecs", f"task/{cluster}/*")]),
        _allow(["logs:GetLogEvents"], [f"{log_group_arn}:*"]),
    ]


def of_launching(at: Places, cluster: str, family: str, roles: list[str]) -> list[iam.PolicyStatement]:
    """The daemon alone: start tasks of one definition in one cluster, with the roles of that definition."""
    inside = {"ArnEquals": {"ecs:cluster": at.arn("ecs", f"cluster/{cluster}")}}
    return [
        _allow(["ecs:RunTask"], [at.arn("ecs", f"task-definition/{family}:*")], inside),
        _allow(
            ["ecs:TagResource"],
            [at.arn("ecs", f"task/{cluster}/*")],
            {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        ),
        _allow(["iam:PassRole"], roles, {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}),
    ]
