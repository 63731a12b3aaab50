"""What holds patients' data: encrypted, shut, and not deleted by anybody but its owner."""

import pytest

from fallrisk_assets_tests.infra.house import told

OURS = "<fallrisk-keys:Exports"


@pytest.mark.parametrize(
    ("type", "where"),
    [
        ("SQS::Queue", ["KmsMasterKeyId"]),
        ("SNS::Topic", ["KmsMasterKeyId"]),
        ("Events::EventBus", ["KmsKeyIdentifier"]),
        ("Logs::LogGroup", ["KmsKeyId"]),
        ("SecretsManager::Secret", ["KmsKeyId"]),
        ("RDS::DBInstance", ["KmsKeyId"]),
        ("EFS::FileSystem", ["KmsKeyId"]),
        ("ECR::Repository", ["EncryptionConfiguration", "KmsKey"]),
        ("RedshiftServerless::Namespace", ["KmsKeyId"]),
        ("S3Tables::TableBucket", ["EncryptionConfiguration", "KMSKeyArn"]),
    ],
)
def test_everything_at_rest_is_encrypted_with_a_key_of_ours(house, type, where):
    for resource in house.of(type):
        value = resource.properties
        for step in where:
            value = value[step]
        assert told(value).startswith(OURS), f"{resource}: {told(value)}"


def test_every_bucket_has_a_key_of_ours_but_the_one_that_s3_writes_its_access_logs_to(house):
    without = set()
    for bucket in house.of("S3::Bucket"):
        (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        if not told(default.get("KMSMasterKeyID", "")).startswith(OURS):
            without.add(told(bucket.properties["BucketName"]))
        else:
            assert rule["BucketKeyEnabled"] is True, f"{bucket}: each object would be a request to KMS"
    assert without == {"fallrisk-access-logs-111111111111-eu-west-1"}


def test_no_bucket_is_public_and_none_answers_without_tls(house):
    policies = {told(p.properties["Bucket"]): p for p in house.of("S3::BucketPolicy")}
    for bucket in house.of("S3::Bucket"):
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}, bucket
        statements = policies[f"<{bucket.name}>"].properties["PolicyDocument"]["Statement"]
        denied = [s for s in statements if s["Effect"] == "Deny" and s["Principal"] == {"AWS": "*"}]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [s["Condition"] for s in denied], bucket


@pytest.mark.parametrize(
    "type",
    ["S3::Bucket", "KMS::Key", "EFS::FileSystem", "S3Tables::TableBucket", "RedshiftServerless::Namespace"],
)
def test_what_cannot_be_made_again_outlives_its_stack(house, type):
    for resource in house.of(type):
        assert resource.body["DeletionPolicy"] == resource.body["UpdateReplacePolicy"] == "Retain", resource


def test_the_database_of_runs_is_kept_as_a_snapshot_and_has_a_stand_by(house):
    (database,) = house.of("RDS::DBInstance")
    assert database.body["DeletionPolicy"] == "Snapshot"
    assert database.properties["DeletionProtection"] is True
    assert database.properties["MultiAZ"] is True


def lifecycle(house, name):
    (bucket,) = [
        b for b in house.of("S3::Bucket") if told(b.properties["BucketName"]).startswith(f"fallrisk-{name}-1")
    ]
    return bucket.properties["LifecycleConfiguration"]["Rules"]


@pytest.mark.parametrize("name", ["landing", "lake", "reports"])
def test_no_rule_deletes_a_file_that_a_table_or_a_page_names(house, name):
    rules = lifecycle(house, name)
    assert rules
    assert not [r for r in rules if {"ExpirationInDays", "ExpirationDate"} & set(r)]


def test_zones_of_the_lake_get_cheaper_with_age_and_curated_tables_stay_where_they_are_fast(house):
    moved = {r["Prefix"]: r["Transitions"] for r in lifecycle(house, "lake") if "Transitions" in r}
    assert {prefix: [t["TransitionInDays"] for t in steps] for prefix, steps in moved.items()} == {
        "lake/raw/": [180],
        "lake/clean/": [60, 365],
    }
    readable_at_once = {"STANDARD_IA", "GLACIER_IR"}
    assert {t["StorageClass"] for steps in moved.values() for t in steps} <= readable_at_once


def test_what_the_lake_deleted_can_be_fetched_back_for_a_month_and_then_costs_nothing(house):
    (kept,) = [r for r in lifecycle(house, "lake") if "NoncurrentVersionExpiration" in r]
    assert kept["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert "Prefix" not in kept


def test_nothing_is_reached_from_outside(house):
    groups = house.of("EC2::SecurityGroup")
    assert not [g for g in groups if g.properties.get("SecurityGroupIngress")]
    for rule in house.of("EC2::SecurityGroupIngress"):
        assert "SourceSecurityGroupId" in rule.properties, rule
        assert not {"CidrIp", "CidrIpv6"} & set(rule.properties), rule
    assert [r.properties["PubliclyAccessible"] for r in house.of("RDS::DBInstance")] == [False]
    assert [r.properties["PubliclyAccessible"] for r in house.of("RedshiftServerless::Workgroup")] == [False]
    for service in house.of("ECS::Service"):
        network = service.properties["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED", service
    assert not [r for r in house.resources if r.type.startswith("AWS::ElasticLoadBalancing")]


def test_ports_are_open_to_those_who_ask_there_and_to_nobody_else(house):
    def short(value):
        return told(value).split("GetAtt")[-1].split("group")[0].strip("<")

    open_ports = {
        (short(r.properties["SourceSecurityGroupId"]), short(r.properties["GroupId"]), r.properties["ToPort"])
        for r in house.of("EC2::SecurityGroupIngress")
    }
    assert open_ports == {
        ("tasks", "tasks", 4000),
        ("entry", "tasks", 3000),
        ("tasks", "storage", 5432),
        ("tasks", "storage", 2049),
        ("tasks", "warehouse", 5439),
        ("tasks", "brokers", 9098),
    }
    for rule in house.of("EC2::SecurityGroupIngress"):
        assert rule.properties["FromPort"] == rule.properties["ToPort"], rule


def test_redshift_reaches_s3_through_the_vpc_and_nothing_else(house):
    (workgroup,) = house.of("RedshiftServerless::Workgroup")
    assert workgroup.properties["EnhancedVpcRouting"] is True
    (group,) = [g for g in house.of("EC2::SecurityGroup") if g.name.startswith("warehousegroup")]
    out = [(r["FromPort"], r["ToPort"], r["CidrIp"]) for r in group.properties["SecurityGroupEgress"]]
    assert out == [(443, 443, "0.0.0.0/0")]
    # "Anywhere" is S3: its subnets have a route to the endpoint and none to the NAT gateway.
    tables = {
        told(a.properties["RouteTableId"])
        for a in house.of("EC2::SubnetRouteTableAssociation")
        if any(
            told(a.properties["SubnetId"]).strip("<>") in told(s) for s in workgroup.properties["SubnetIds"]
        )
    }
    assert len(tables) == 3
    assert not [r for r in house.of("EC2::Route") if told(r.properties["RouteTableId"]) in tables]
    (endpoint,) = house.of("EC2::VPCEndpoint")
    assert tables <= {told(t) for t in endpoint.properties["RouteTableIds"]}


def test_redshift_has_three_zones_a_ceiling_and_takes_no_open_connection(house):
    (workgroup,) = house.of("RedshiftServerless::Workgroup")
    assert len(workgroup.properties["SubnetIds"]) == 3
    assert workgroup.properties["BaseCapacity"] <= workgroup.properties["MaxCapacity"] <= 32
    settings = {p["ParameterKey"]: p["ParameterValue"] for p in workgroup.properties["ConfigParameters"]}
    assert settings["require_ssl"] == "true"


def test_kafka_knows_its_clients_by_their_role(house):
    (cluster,) = house.of("MSK::ServerlessCluster")
    assert cluster.properties["ClientAuthentication"] == {"Sasl": {"Iam": {"Enabled": True}}}
