"""Dagster's own state: runs, events, schedules, in PostgreSQL. No patient's data is in it."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from fallrisk_infra.exceptions import except_for

NAME = "dagster"


class Database(cdk.Stack):
    """One PostgreSQL with a stand-by in another zone; its password is made and kept by Secrets Manager."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        group: ec2.ISecurityGroup,
        data_key: kms.IKey,
        message_key: kms.IKey,
        **kwargs,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self.instance = rds.DatabaseInstance(
            self,
            "postgres",
            engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_16_13),
            instance_type=ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.SMALL),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[group],
            database_name=NAME,
            credentials=rds.Credentials.from_generated_secret(NAME, encryption_key=message_key),
            parameters={"rds.force_ssl": "1"},
            allocated_storage=20,
            max_allocated_storage=200,
            storage_encrypted=True,
            storage_encryption_key=data_key,
            multi_az=True,
            backup_retention=cdk.Duration.days(14),
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            auto_minor_version_upgrade=True,
            publicly_accessible=False,
            enable_performance_insights=True,
            performance_insight_encryption_key=data_key,
            monitoring_interval=cdk.Duration.seconds(60),
            cloudwatch_logs_exports=["postgresql", "upgrade"],
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
        )
        except_for(
            self.instance,
            {
                "SecretsManagerRotationEnabled": "Tasks read the password when they start: a "
                "rotation by the clock would cut off those that run; docs/deploy.md tells how it is done.",
                "RDSInBackupPlan": "RDS keeps fourteen days of back-ups by itself, to any second; "
                "it holds the history of runs, and no table of the lake or the warehouse.",
            },
        )
