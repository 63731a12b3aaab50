"""Buckets: the landing zone, the lake, reports, logs. Each refuses what is not encrypted on its way."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from fallrisk_infra import rights
from fallrisk_infra.exceptions import except_for

_DAY = cdk.Duration.days


class Storage(cdk.Stack):
    """Every bucket outlives the stack: what is in it cannot be made again, or only at length."""

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, places: rights.Places, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        self.key = key
        # Server access logs can be delivered to a bucket with S3's own keys only.
        self.access_logs = self._bucket("access-logs", key=None, rules=[_expires_after(365)], logged=False)
        self.landing = self._bucket(
            "landing",
            key=key,
            events=True,
            # Drops are what everything else is made from: they get cheaper, they are never deleted.
            rules=[_gets_cheaper("drops", "", seldom_read_days=90, archived_days=365)],
        )
        # The catalog and the ledger name files: only the lake's own maintenance may delete any. What it
        # deleted, and what a lock's object said before, can be fetched back for a month.
        self.lake = self._bucket(
            "lake",
            key=key,
            rules=[
                _forgets_old_versions(30),
                _gets_cheaper("raw", f"{rights.LAKE_PREFIX}/raw/", seldom_read_days=180),
                _gets_cheaper(
                    "clean", f"{rights.LAKE_PREFIX}/clean/", seldom_read_days=60, archived_days=365
                ),
            ],
        )
        self.reports = self._bucket("reports", key=key, rules=[_forgets_old_versions(90)])
        # For people: attach it to whoever works with results and need not see a single sample.
        iam.ManagedPolicy(
            self,
            "curated-readers",
            managed_policy_name=f"fallrisk-curated-readers-{self.region}",
            statements=rights.of_reading_curated(places),
        )
        self.logs = self._bucket("logs", key=key, rules=[_expires_after(90)])

    def _bucket(
        self, name: str, *, key: kms.IKey | None, rules: list = (), logged: bool = True, events: bool = False
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            name,
            bucket_name=f"fallrisk-{name}-{self.account}-{self.region}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=self.access_logs if logged else None,
            server_access_logs_prefix=f"{name}/" if logged else None,
            lifecycle_rules=[
                s3.LifecycleRule(id="unfinished", abort_incomplete_multipart_upload_after=_DAY(7)),
                *rules,
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        if events:
            # CDK's own switch brings a function with rights on every bucket; the resource has one of its own.
            bucket.node.default_child.notification_configuration = (
                s3.CfnBucket.NotificationConfigurationProperty(
                    event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                        event_bridge_enabled=True
                    )
                )
            )
        except_for(
            bucket,
            {
                "S3BucketReplicationEnabled": "A copy in another region is the clinic's decision, "
                "since it moves patients' data; here versions protect from deletion (docs/deploy.md)."
            },
        )
        if not logged:
            except_for(
                bucket,
                {
                    "S3DefaultEncryptionKMS": "S3 delivers access logs only with its own keys.",
                },
            )
        return bucket


def _gets_cheaper(
    name: str, prefix: str, *, seldom_read_days: int, archived_days: int | None = None
) -> s3.LifecycleRule:
    """Move what is old to classes from which it can still be read at once."""
    transitions = [
        s3.Transition(
            storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=_DAY(seldom_read_days)
        )
    ]
    if archived_days:
        transitions.append(
            s3.Transition(
                storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=_DAY(archived_days)
            )
        )
    return s3.LifecycleRule(id=f"cheaper-{name}", prefix=prefix or None, transitions=transitions)


def _expires_after(days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(id="expire", expiration=_DAY(days), noncurrent_version_expiration=_DAY(7))


def _forgets_old_versions(days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(id="old-versions", noncurrent_version_expiration=_DAY(days))
