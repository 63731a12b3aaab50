"""Tasks on ECS: they are given what the lakehouse asks for, and may do what they do and nothing else."""

import importlib
import json
import re

import dagster as dg
import pytest
import yaml

from fallrisk_assets.environments import resources_for
from fallrisk_assets.events.sinks import BUS_VARIABLE
from fallrisk_assets.lake.landing_queue import QUEUE_VARIABLE
from fallrisk_assets.secrets import is_reference
from fallrisk_assets.streams.__main__ import SPOOL_VARIABLE
from fallrisk_assets.streams.kafka import LANDING_GROUP, LIVE_GROUP, client_settings
from fallrisk_assets.streams.mqtt import CA, CERTIFICATE, HOST, KEY
from fallrisk_assets_tests.infra.conftest import ROOT
from fallrisk_assets_tests.infra.house import as_list, told

ALL = ("code", "run", "webserver", "daemon")
WITH_DATA = ("code", "run")
STREAMING = {"gateway": "mqtt", "kafka-landing": "kafka", "kafka-live": "kafka"}
REFERENCES = {"code": 4, "run": 4, "gateway": 6, "kafka-landing": 4, "kafka-live": 4}
"""How many secrets each task is told of by reference."""
DEPLOYED = ROOT / "deploy/aws"
LAKE = "arn:aws:s3:::fallrisk-lake-111111111111-eu-west-1"
LANDING = "arn:aws:s3:::fallrisk-landing-111111111111-eu-west-1"
GLUE = "arn:aws:glue:eu-west-1:111111111111"


def environment(house, task):
    return {pair["Name"]: told(pair["Value"]) for pair in house.tasks()[task]["Environment"]}


def secrets(house, task):
    return {pair["Name"]: told(pair["ValueFrom"]) for pair in house.tasks()[task]["Secrets"]}


def test_there_are_three_services_and_a_definition_for_runs(house):
    assert set(house.tasks()) == set(ALL)
    assert {s.properties["ServiceName"] for s in house.of("ECS::Service")} == set(ALL) - {"run"}


@pytest.mark.parametrize("task", ALL)
def test_a_task_is_given_every_variable_that_the_instance_reads(house, task):
    wanted = set()
    for file in ("dagster.yaml", "workspace.yaml"):
        wanted |= set(re.findall(r"env: (\w+)", (DEPLOYED / file).read_text()))
    assert len(wanted) >= 5
    assert wanted <= set(environment(house, task)) | set(secrets(house, task))


@pytest.mark.parametrize("task", WITH_DATA)
def test_a_task_with_data_is_given_every_variable_that_the_environment_aws_wants(house, task):
    given = set(environment(house, task)) | set(secrets(house, task))
    resources = resources_for(environment(house, task)["FALLRISK_ENV"])
    wanted = {
        value.env_var_name
        for resource in resources.values()
        for field in type(resource).model_fields
        if isinstance(value := getattr(resource, field), dg.EnvVar)
    }
    assert "FALLRISK_LAKE" in wanted
    assert wanted <= given


def test_runs_are_started_from_the_definition_that_the_launcher_asks_for(house):
    launcher = yaml.safe_load((DEPLOYED / "dagster.yaml").read_text())["run_launcher"]["config"]
    family = environment(house, "daemon")[launcher["task_definition"]["env"]]
    (definition,) = [d for d in house.of("ECS::TaskDefinition") if d.properties["Family"] == family]
    (container,) = definition.properties["ContainerDefinitions"]
    assert container["Name"] == launcher["container_name"] == "run"


def test_the_address_of_user_code_is_the_name_under_which_it_is_found(house):
    (namespace,) = house.of("ServiceDiscovery::PrivateDnsNamespace")
    names = {s.properties["Name"] for s in house.of("ServiceDiscovery::Service")}
    host = environment(house, "daemon")["FALLRISK_CODE_HOST"]
    assert host == f"code.{namespace.properties['Name']}"
    assert names == {"code", "webserver"}


@pytest.mark.parametrize("task", [*ALL, *STREAMING])
def test_no_password_and_no_token_is_in_a_template(chosen, task):
    told_openly = {
        n: v
        for n, v in environment(chosen, task).items()
        if re.search("PASSWORD|TOKEN|USERNAME|_CERT|_KEY", n)
    }
    assert [n for n, value in told_openly.items() if not is_reference(value)] == []
    assert ("FALLRISK_WEBHOOK_TOKEN" in told_openly) == (task in WITH_DATA or task in STREAMING)
    assert set(secrets(chosen, task)) == {"DAGSTER_PG_USERNAME", "DAGSTER_PG_PASSWORD"}


def test_every_field_of_a_secret_that_a_task_asks_for_is_in_the_secret(chosen):
    made, names = {}, {}
    for secret in chosen.of("SecretsManager::Secret"):
        rule = secret.properties["GenerateSecretString"]
        made[secret.name] = {rule["GenerateStringKey"], *json.loads(rule["SecretStringTemplate"])}
        names[secret.properties.get("Name")] = secret.name
    for attached in chosen.of("SecretsManager::SecretTargetAttachment"):
        made[attached.name] = made[told(attached.properties["SecretId"]).strip("<>")]
    asked = 0
    for task in (*ALL, *STREAMING):
        for variable, source in secrets(chosen, task).items():
            name, field = re.fullmatch(r"<fallrisk-\w+:ExportsOutputRef(\w+)>:(\w+)::", source).groups()
            (fields,) = [fields for secret, fields in made.items() if name.startswith(secret)]
            assert field in fields, (task, variable)
        for variable, value in environment(chosen, task).items():
            if is_reference(value):
                name, field = re.fullmatch(r"secretsmanager:([\w/]+)#(\w+)", value).groups()
                assert field in made[names[name]], (task, variable)
                asked += 1
    assert asked == sum(REFERENCES.values())


@pytest.mark.parametrize("task", [*ALL, *STREAMING])
def test_a_task_may_read_the_secrets_that_it_is_told_of_and_no_other(chosen, task):
    told_of = {
        re.fullmatch(r"secretsmanager:fallrisk/(\w+)#\w+", value).group(1)
        for value in environment(chosen, task).values()
        if is_reference(value)
    }
    readable = {
        told(resource)
        for statement in chosen.statements(f"{task}-rights")
        if statement["Action"] == "secretsmanager:GetSecretValue"
        for resource in as_list(statement["Resource"])
    }
    assert {re.search(r"ExportsOutputRef([a-z]+)", arn).group(1) for arn in readable} == told_of


@pytest.mark.parametrize("task", ALL)
def test_a_task_cannot_change_its_image(house, task):
    container = house.tasks()[task]
    assert container["ReadonlyRootFilesystem"] is True
    assert container.get("Privileged") is not True
    writable = {m["ContainerPath"] for m in container["MountPoints"] if not m["ReadOnly"]}
    assert writable == ({"/tmp", "/data"} if task in WITH_DATA else {"/tmp"})


def test_the_volume_is_mounted_encrypted_through_an_access_point_of_the_images_user(house):
    (point,) = house.of("EFS::AccessPoint")
    user = re.search(r"^USER (\d+):(\d+)", (ROOT / "Dockerfile").read_text(), re.M).groups()
    assert (point.properties["PosixUser"]["Uid"], point.properties["PosixUser"]["Gid"]) == user
    for definition in house.of("ECS::TaskDefinition"):
        for volume in definition.properties["Volumes"]:
            if efs := volume.get("EFSVolumeConfiguration"):
                assert efs["TransitEncryption"] == "ENABLED"
                assert efs["AuthorizationConfig"]["IAM"] == "ENABLED"


def test_health_is_asked_for_as_in_compose(house):
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for task in ("code", "webserver", "daemon"):
        assert house.tasks()[task]["HealthCheck"]["Command"] == compose[task]["healthcheck"]["test"]


def test_two_daemons_never_run_at_once(house):
    (daemon,) = [s for s in house.of("ECS::Service") if s.properties["ServiceName"] == "daemon"]
    assert daemon.properties["DesiredCount"] == 1
    assert daemon.properties["DeploymentConfiguration"]["MaximumPercent"] == 100


#: Actions that AWS lets nobody narrow to a resource (service authorization reference).
UNNARROWABLE = {
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "ec2:DescribeNetworkInterfaces",
}


def test_no_policy_allows_a_whole_service_or_everything_of_an_action(house):
    for policy in house.of("IAM::ManagedPolicy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            actions = set(as_list(statement["Action"]))
            assert not [a for a in actions if a == "*" or a.endswith(":*")], policy
            if "*" in [told(r) for r in as_list(statement["Resource"])]:
                assert actions <= UNNARROWABLE, policy


def test_rights_are_in_managed_policies_that_one_file_tells(house):
    assert not [r for r in house.resources if r.type == "AWS::IAM::Policy"]
    for role in house.of("IAM::Role"):
        assert "Policies" not in role.properties, role


@pytest.mark.parametrize("task", WITH_DATA)
def test_a_task_with_data_writes_the_lake_and_cannot_touch_what_landed(house, task):
    rights = f"{task}-rights"
    assert house.allows(rights, "s3:PutObject", f"{LAKE}/lake/clean/x.parquet")
    assert house.allows(rights, "s3:DeleteObject", f"{LAKE}/lake/clean/x.parquet")
    assert house.allows(rights, "s3:GetObject", f"{LANDING}/landing/telemetry/x")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not house.allows(rights, action, f"{LANDING}/landing/telemetry/x")
    assert not house.allows(rights, "s3:GetObject", "arn:aws:s3:::somebody-elses/x")
    for namespace in ("raw", "clean", "curated"):
        assert house.allows(rights, "glue:UpdateTable", f"{GLUE}:table/{namespace}/samples")
    assert not house.allows(rights, "glue:GetTable", f"{GLUE}:table/somebody_elses/table")
    assert not house.allows(rights, "glue:DeleteTable", f"{GLUE}:table/raw/samples")


@pytest.mark.parametrize("task", ["webserver", "daemon"])
def test_who_shows_and_schedules_runs_reads_no_data(house, task):
    assert house.allows(
        f"{task}-rights", "s3:GetObject", "arn:aws:s3:::fallrisk-logs-111111111111-eu-west-1/compute-logs/x"
    )
    for place in (LAKE, LANDING, "arn:aws:s3:::fallrisk-reports-111111111111-eu-west-1"):
        assert not house.allows(f"{task}-rights", "s3:GetObject", f"{place}/x")


def test_the_daemon_alone_starts_tasks_of_one_definition_in_one_cluster(house):
    run = "arn:aws:ecs:eu-west-1:111111111111:task-definition/fallrisk-run:7"
    assert house.allows("daemon-rights", "ecs:RunTask", run)
    assert not house.allows("daemon-rights", "ecs:RunTask", run.replace("-run", "-code"))
    assert not house.allows("daemon-rights", "ecs:RegisterTaskDefinition", run)
    for task in ("code", "run", "webserver", "starter"):
        assert not house.allows(f"{task}-rights", "ecs:RunTask", run)
    (start,) = [s for s in house.statements("daemon-rights") if s["Action"] == "ecs:RunTask"]
    assert start["Condition"] == {
        "ArnEquals": {"ecs:cluster": "arn:aws:ecs:eu-west-1:111111111111:cluster/fallrisk"}
    }


def test_the_daemon_hands_on_the_roles_of_a_run_and_no_other(house):
    (handing,) = [s for s in house.statements("daemon-rights") if s["Action"] == "iam:PassRole"]
    assert handing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    (definition,) = [d for d in house.of("ECS::TaskDefinition") if d.properties["Family"] == "fallrisk-run"]
    own = {told(definition.properties[role]) for role in ("TaskRoleArn", "ExecutionRoleArn")}
    assert {told(r) for r in handing["Resource"]} == own


def test_readers_of_curated_tables_are_refused_on_raw_and_clean_ones(house):
    def may(action, resource):
        return house.allows("curated-readers", action, resource)

    assert may("s3:GetObject", f"{LAKE}/lake/curated/risk_index/2026-01-05/x.parquet")
    assert may("glue:GetTable", f"{GLUE}:table/curated/risk_index")
    for zone in ("raw", "clean"):
        assert not may("s3:GetObject", f"{LAKE}/lake/{zone}/samples/2026-01-05/x.parquet")
        assert not may("glue:GetTable", f"{GLUE}:table/{zone}/samples")
    assert not may("s3:GetObject", f"{LAKE}/warehouse/exports/x.parquet")
    assert not may("s3:PutObject", f"{LAKE}/lake/curated/risk_index/x.parquet")
    (listing,) = [s for s in house.statements("curated-readers") if s["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "lake/curated/*"}}


def test_redshift_reaches_what_is_staged_for_it_and_no_table_of_the_lake(house):
    assert house.allows("mover-rights", "s3:GetObject", f"{LAKE}/warehouse/x.parquet")
    assert not house.allows("mover-rights", "s3:GetObject", f"{LAKE}/lake/clean/x.parquet")
    staging = environment(house, "run")["FALLRISK_REDSHIFT_STAGING"]
    assert staging == f"s3://{LAKE.rpartition(':')[2]}/warehouse"


def test_the_authorities_that_redshift_is_checked_against_are_in_the_image(house):
    bundle = re.search(r"sslrootcert=(\S+)", environment(house, "run")["FALLRISK_REDSHIFT"]).group(1)
    dockerfile = (ROOT / "Dockerfile").read_text()
    version = re.search(r"^ARG PYTHON_IMAGE=python:(3\.\d+)", dockerfile, re.M).group(1)
    assert bundle == f"/opt/venv/lib/python{version}/site-packages/certifi/cacert.pem"
    assert re.search(r"^certifi==", (ROOT / "deploy/requirements.lock").read_text(), re.M)


def test_what_comes_by_streams_is_taken_where_it_is_said_where_from(house, chosen):
    assert not set(STREAMING) & set(house.tasks())
    assert set(STREAMING) <= set(chosen.tasks())
    for task, source in STREAMING.items():
        command = chosen.tasks()[task]["Command"]
        assert command[:2] == ["python", "-m"]
        assert command[-1] == source
        module = importlib.import_module(
            command[2] if command[2].endswith(".stream") else f"{command[2]}.__main__"
        )
        assert callable(module.main)
    services = {s.properties["ServiceName"]: s.properties for s in chosen.of("ECS::Service")}
    for task in ("gateway", "kafka-live"):  # one spool, and one that tells of falls
        assert services[task]["DeploymentConfiguration"]["MaximumPercent"] == 100


def test_the_settings_of_a_stream_are_those_that_its_process_reads(chosen):
    gateway = environment(chosen, "gateway")
    assert gateway["FALLRISK_MQTT_HOST"] == "a1b2c3-ats.iot.eu-west-1.amazonaws.com"
    assert {HOST, CA, CERTIFICATE, KEY, SPOOL_VARIABLE} <= set(gateway)
    for task in ("kafka-landing", "kafka-live"):
        told_of = environment(chosen, task)
        found = client_settings(
            {n: v for n, v in told_of.items() if n.startswith(("FALLRISK_KAFKA", "FALLRISK_MSK"))}
        )
        assert (found["sasl.mechanisms"], found["security.protocol"]) == ("OAUTHBEARER", "SASL_SSL")
        assert found["bootstrap.servers"].endswith(":9098")


@pytest.mark.parametrize("task", STREAMING)
def test_who_lands_drops_puts_new_ones_and_deletes_none(chosen, task):
    rights = f"{task}-rights"
    assert chosen.allows(rights, "s3:PutObject", f"{LANDING}/landing/telemetry/x")
    assert not chosen.allows(rights, "s3:DeleteObject", f"{LANDING}/landing/telemetry/x")


@pytest.mark.parametrize(("task", "group"), [("kafka-landing", LANDING_GROUP), ("kafka-live", LIVE_GROUP)])
def test_a_consumer_reads_topics_by_its_own_group_and_writes_none(chosen, task, group):
    rights, kafka = f"{task}-rights", "arn:aws:kafka:eu-west-1:111111111111"
    assert chosen.allows(rights, "kafka-cluster:Connect", f"{kafka}:cluster/fallrisk/1")
    assert chosen.allows(rights, "kafka-cluster:ReadData", f"{kafka}:topic/fallrisk/1/telemetry")
    assert chosen.allows(rights, "kafka-cluster:AlterGroup", f"{kafka}:group/fallrisk/1/{group}")
    assert not chosen.allows(rights, "kafka-cluster:WriteData", f"{kafka}:topic/fallrisk/1/telemetry")
    other = {LANDING_GROUP, LIVE_GROUP} - {group}
    assert not chosen.allows(rights, "kafka-cluster:AlterGroup", f"{kafka}:group/fallrisk/1/{other.pop()}")
    assert not chosen.allows("run-rights", "kafka-cluster:Connect", f"{kafka}:cluster/fallrisk/1")


@pytest.mark.parametrize("task", WITH_DATA)
def test_user_code_tells_the_bus_and_reads_the_queue_of_drops_where_it_is_fed(house, chosen, task):
    for of, has_queue in ((house, False), (chosen, True)):
        told_of = environment(of, task)
        assert BUS_VARIABLE in told_of
        assert (QUEUE_VARIABLE in told_of) == has_queue
        actions = {a for s in of.statements(f"{task}-rights") for a in as_list(s["Action"])}
        assert "events:PutEvents" in actions
        assert ({"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} <= actions) == has_queue
