"""The network: tasks and databases in private subnets, one way out, nothing that comes in."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from fallrisk_infra.exceptions import except_for


class Network(cdk.Stack):
    """A VPC over three zones, its flow logs, and S3 without going through the NAT gateway."""

    def __init__(self, scope: Construct, id: str, *, zones: list[str], key: kms.IKey, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        self.vpc = ec2.Vpc(
            self,
            "vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.20.0.0/16"),
            availability_zones=zones,
            nat_gateways=1,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=26,
                    map_public_ip_on_launch=False,
                ),
                ec2.SubnetConfiguration(
                    name="tasks", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22
                ),
                ec2.SubnetConfiguration(
                    name="databases", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                ),
            ],
            gateway_endpoints={
                "s3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        group = logs.LogGroup(
            self,
            "flows",
            encryption_key=key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        writer = iam.Role(self, "flow-writer", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"))
        iam.ManagedPolicy(
            self,
            "flow-rights",
            roles=[writer],
            statements=[
                iam.PolicyStatement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                    resources=[group.log_group_arn],
                )
            ],
        )
        ec2.FlowLog(
            self,
            "flow-log",
            resource_type=ec2.FlowLogResourceType.from_vpc(self.vpc),
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, writer.without_policy_updates()),
        )
        self.tasks = self._group("tasks", "Tasks of Dagster", talks=True)
        self.tasks.connections.allow_internally(ec2.Port.tcp(4000), "user code")
        self.entry = self._group("entry", "Where people come in", talks=True)
        self.tasks.connections.allow_from(self.entry, ec2.Port.tcp(3000), "webserver")
        self.storage = self._group("storage", "PostgreSQL of Dagster, and the data volume")
        self.storage.connections.allow_from(self.tasks, ec2.Port.tcp(5432), "PostgreSQL")
        self.storage.connections.allow_from(self.tasks, ec2.Port.tcp(2049), "the volume")
        self.warehouse = self._group("warehouse", "Redshift")
        self.warehouse.connections.allow_from(self.tasks, ec2.Port.tcp(5439), "Redshift")
        # COPY and UNLOAD go through the VPC; from its subnets there is no way but the endpoint of S3.
        self.warehouse.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3")
        self.brokers = self._group("brokers", "Kafka")
        self.brokers.connections.allow_from(self.tasks, ec2.Port.tcp(9098), "Kafka, IAM over TLS")
        for subnet in (*self.vpc.public_subnets, *self.vpc.private_subnets, *self.vpc.isolated_subnets):
            # Zones are settings: which of them Redshift Serverless is in differs from account to account.
            subnet.node.default_child.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W3010"]}})
        except_for(
            self.vpc,
            {
                "VPCDefaultSecurityGroupClosed": "CloudFormation cannot empty it without a "
                "function with rights on EC2; nothing uses it, and docs/deploy.md does it by hand.",
                "VPCNoUnrestrictedRouteToIGW": "Only the NAT gateway stands in these subnets: "
                "tasks reach AWS and the mail server through it, and nothing else there has an address.",
            },
        )

    def _group(self, name: str, description: str, *, talks: bool = False) -> ec2.SecurityGroup:
        # Some go out by themselves (AWS, mail); what is asked only answers.
        return ec2.SecurityGroup(
            self,
            f"{name}-group",
            vpc=self.vpc,
            description=description,
            allow_all_outbound=talks,
        )
