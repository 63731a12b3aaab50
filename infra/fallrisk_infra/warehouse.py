"""The warehouse on Redshift Serverless: paid by the second that a query runs, with a ceiling."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_redshiftserverless as redshift
from constructs import Construct

#: Redshift processing units: what a query gets at first, and at most.
BASE_RPU, MAX_RPU = 8, 32
DATABASE = "fallrisk"


class Warehouse(cdk.Stack):
    """A namespace, its workgroup, and the role with which COPY and UNLOAD reach the lake."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        group: ec2.ISecurityGroup,
        data_key: kms.IKey,
        message_key: kms.IKey,
        lake: str,
        **kwargs,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        mover = iam.Role(
            self,
            "mover",
            assumed_by=iam.CompositePrincipal(
                *(iam.ServicePrincipal(f"{s}.amazonaws.com") for s in ("redshift", "redshift-serverless"))
            ),
            description="COPY, UNLOAD",
        )
        iam.ManagedPolicy(
            self,
            "mover-rights",
            roles=[mover],
            statements=[
                iam.PolicyStatement(
                    actions=["s3:ListBucket", "s3:GetBucketLocation"], resources=[f"arn:aws:s3:::{lake}"]
                ),
                iam.PolicyStatement(
                    actions=["s3:GetObject", "s3:PutObject"], resources=[f"arn:aws:s3:::{lake}/warehouse/*"]
                ),
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[data_key.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"s3.{self.region}.amazonaws.com"}},
                ),
            ],
        )
        namespace = redshift.CfnNamespace(
            self,
            "namespace",
            namespace_name="fallrisk",
            db_name=DATABASE,
            kms_key_id=data_key.key_arn,
            manage_admin_password=True,
            admin_username="fallrisk_admin",
            admin_password_secret_kms_key_id=message_key.key_arn,
            default_iam_role_arn=mover.role_arn,
            iam_roles=[mover.role_arn],
            log_exports=["userlog", "connectionlog", "useractivitylog"],
        )
        namespace.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        workgroup = redshift.CfnWorkgroup(
            self,
            "workgroup",
            workgroup_name="fallrisk",
            namespace_name="fallrisk",
            base_capacity=BASE_RPU,
            max_capacity=MAX_RPU,
            enhanced_vpc_routing=True,
            publicly_accessible=False,
            security_group_ids=[group.security_group_id],
            subnet_ids=vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids,
            config_parameters=[
                redshift.CfnWorkgroup.ConfigParameterProperty(
                    parameter_key="require_ssl", parameter_value="true"
                ),
                redshift.CfnWorkgroup.ConfigParameterProperty(
                    parameter_key="max_query_execution_time", parameter_value="1800"
                ),
            ],
        )
        workgroup.add_resource_dependency(namespace)
        self.host = workgroup.attr_workgroup_endpoint_address
        self.mover_arn = mover.role_arn
