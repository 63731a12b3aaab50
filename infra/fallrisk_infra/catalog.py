"""The Iceberg catalog: Glue's, with its metadata encrypted, and a table bucket beside it for S3 Tables.

Data files of the lake lie in a bucket of ours and are added to tables by name, which Glue's catalog allows. A
table bucket holds tables that S3 itself lays out; it is here for those that are moved there.
"""

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3tables as s3tables
from constructs import Construct

#: Databases that the lake makes by itself: the namespaces of its contracts.
NAMESPACES = ("raw", "clean", "curated")


class Catalog(cdk.Stack):
    """Settings of Glue's catalog, and an encrypted table bucket."""

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        glue.CfnDataCatalogEncryptionSettings(
            self,
            "encryption",
            catalog_id=self.account,
            data_catalog_encryption_settings=glue.CfnDataCatalogEncryptionSettings.DataCatalogEncryptionSettingsProperty(
                encryption_at_rest=glue.CfnDataCatalogEncryptionSettings.EncryptionAtRestProperty(
                    catalog_encryption_mode="SSE-KMS", sse_aws_kms_key_id=key.key_id
                )
            ),
        )
        tables = s3tables.CfnTableBucket(
            self,
            "tables",
            table_bucket_name=f"fallrisk-tables-{self.account}",
            encryption_configuration=s3tables.CfnTableBucket.EncryptionConfigurationProperty(
                sse_algorithm="aws:kms", kms_key_arn=key.key_arn
            ),
            # A snapshot that lineage names must keep its files: the lake's maintenance says when they go.
            unreferenced_file_removal=s3tables.CfnTableBucket.UnreferencedFileRemovalProperty(
                status="Disabled"
            ),
        )
        tables.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.uri = f"https://glue.{self.region}.amazonaws.com/iceberg"
