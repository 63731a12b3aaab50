"""Where the image is kept: before services that run it."""

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from constructs import Construct


class Registry(cdk.Stack):
    """One repository; a tag is never moved, so that a run's image can be told years later."""

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        self.repository = ecr.Repository(
            self,
            "image",
            repository_name="fallrisk-assets",
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="layers of failed pushes",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=cdk.Duration.days(14),
                )
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
