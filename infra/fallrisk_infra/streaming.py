"""Kafka on MSK Serverless: clients are known by their IAM role, everything is TLS."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_msk as msk
from constructs import Construct

CLUSTER = "fallrisk"


class Streaming(cdk.Stack):
    """One cluster in the private subnets."""

    def __init__(
        self, scope: Construct, id: str, *, vpc: ec2.IVpc, group: ec2.ISecurityGroup, **kwargs
    ) -> None:
        super().__init__(scope, id, **kwargs)
        subnets = vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids
        cluster = msk.CfnServerlessCluster(
            self,
            "cluster",
            cluster_name=CLUSTER,
            client_authentication=msk.CfnServerlessCluster.ClientAuthenticationProperty(
                sasl=msk.CfnServerlessCluster.SaslProperty(
                    iam=msk.CfnServerlessCluster.IamProperty(enabled=True)
                )
            ),
            vpc_configs=[
                msk.CfnServerlessCluster.VpcConfigProperty(
                    subnet_ids=subnets, security_groups=[group.security_group_id]
                )
            ],
        )
        self.cluster_arn = cluster.attr_arn
