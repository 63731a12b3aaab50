"""Where people come in: the webserver knows no passwords, so it is reached through IAM or not at all."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct


class Entry(cdk.Stack):
    """A small machine without any open port: Session Manager forwards one through it to the webserver.

    Who may start a session is a matter of IAM (`ssm:StartSession` on it), and CloudTrail keeps who did.
    """

    def __init__(
        self, scope: Construct, id: str, *, vpc: ec2.IVpc, group: ec2.ISecurityGroup, key: kms.IKey, **kwargs
    ) -> None:
        super().__init__(scope, id, **kwargs)
        role = iam.Role(
            self,
            "role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")],
        )
        machine = ec2.Instance(
            self,
            "machine",
            instance_name="fallrisk-entry",
            instance_type=ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.NANO),
            machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_group=group,
            role=role.without_policy_updates(),
            require_imdsv2=True,
            detailed_monitoring=True,
            ebs_optimized=True,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        8, encrypted=True, kms_key=key, volume_type=ec2.EbsDeviceVolumeType.GP3
                    ),
                )
            ],
        )
        machine.instance.add_property_deletion_override("AvailabilityZone")  # its subnet says so already
        cdk.CfnOutput(
            self, "machine-id", value=machine.instance_id, description="Target of ssm start-session"
        )
