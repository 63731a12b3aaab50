"""Dagster on ECS: user code, webserver and daemon as services, each run a task of one definition."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from fallrisk_infra import rights
from fallrisk_infra.database import NAME
from fallrisk_infra.exceptions import except_for
from fallrisk_infra.messaging import Messaging
from fallrisk_infra.network import Network
from fallrisk_infra.secrets import GATEWAY, LOADER, OUTBOX, WAREHOUSE_USER, Secrets
from fallrisk_infra.settings import Settings
from fallrisk_infra.streaming import CLUSTER as KAFKA
from fallrisk_infra.warehouse import DATABASE, Warehouse

CLUSTER = "fallrisk"
RUN_FAMILY = "fallrisk-run"
_DOMAIN = "fallrisk.internal"
_HOME = "/opt/fallrisk/deploy/aws"
_USER = "10001"
_LOG_GROUP = "/fallrisk/dagster"
#: Amazon's own authorities, which sign for Redshift, are in the bundle of certifi; RDS has others.
_TRUSTED = "/opt/venv/lib/python3.11/site-packages/certifi/cacert.pem"
_WORKSPACE = ["--workspace", f"{_HOME}/workspace.yaml"]


class Services(cdk.Stack):
    """The cluster, the volume that outlives its tasks, a definition of runs, the services.

    Three services always; the gateway where devices speak to IoT Core, two consumers where there is Kafka.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        network: Network,
        database: rds.DatabaseInstance,
        warehouse: Warehouse,
        secrets: Secrets,
        messaging: Messaging,
        repository: ecr.IRepository,
        data_key: kms.IKey,
        message_key: kms.IKey,
        places: rights.Places,
        catalog_uri: str,
        **kwargs,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self._network, self._database, self._places = network, database, places
        # By reference: else CDK would add rights by itself, on the key and the repository.
        self._image = ecs.ContainerImage.from_ecr_repository(
            ecr.Repository.from_repository_attributes(
                self,
                "image",
                repository_arn=repository.repository_arn,
                repository_name=repository.repository_name,
            ),
            settings.image_tag,
        )
        self._login = secretsmanager.Secret.from_secret_complete_arn(
            self, "database-secret", database.secret.secret_arn
        )
        self.cluster = ecs.Cluster(
            self,
            "cluster",
            cluster_name=CLUSTER,
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            default_cloud_map_namespace=ecs.CloudMapNamespaceOptions(
                name=_DOMAIN, type=discovery.NamespaceType.DNS_PRIVATE, vpc=network.vpc
            ),
        )
        self.log_group = logs.LogGroup(
            self,
            "log",
            log_group_name=_LOG_GROUP,
            encryption_key=message_key,
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self._log = logs.LogGroup.from_log_group_name(self, "log-by-name", _LOG_GROUP)
        self.volume = self._data_volume(data_key)
        self._starter = self._execution_role(repository, message_key)
        self._environment = {
            "DAGSTER_HOME": _HOME,
            "DAGSTER_PG_HOST": database.db_instance_endpoint_address,
            "DAGSTER_PG_DB": NAME,
            "FALLRISK_CODE_HOST": f"code.{_DOMAIN}",
            "FALLRISK_LOG_BUCKET": places.logs,
            "FALLRISK_RUN_TASK": RUN_FAMILY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }
        data = {
            "FALLRISK_ENV": "aws",
            "FALLRISK_DATA": "/data",
            "FALLRISK_LAKE": f"s3://{places.lake}/{rights.LAKE_PREFIX}",
            "FALLRISK_LANDING": f"s3://{places.landing}/landing",
            "FALLRISK_REPORTS": f"s3://{places.reports}/reports",
            "FALLRISK_CATALOG": catalog_uri,
            "FALLRISK_CATALOG_WAREHOUSE": self.account,
            "FALLRISK_CATALOG_SIGNING": "glue",
            "FALLRISK_REDSHIFT": f"redshift://{WAREHOUSE_USER}@{warehouse.host}:5439/{DATABASE}/public"
            f"?sslmode=verify-full&sslrootcert={_TRUSTED}",
            "FALLRISK_REDSHIFT_ROLE": warehouse.mover_arn,
            "FALLRISK_REDSHIFT_STAGING": f"s3://{places.lake}/warehouse",
            "FALLRISK_ALERT_LINK": settings.alert_link,
            # By reference: asked for when they are used, so that a rotated one is found without a restart.
            "FALLRISK_REDSHIFT_PASSWORD": f"secretsmanager:{LOADER}#password",
            "FALLRISK_WEBHOOK_TOKEN": f"secretsmanager:{OUTBOX}#webhook_token",
            "FALLRISK_EVENT_BUS": messaging.bus.event_bus_name,
            **({"FALLRISK_LANDING_QUEUE": messaging.drops.queue_url} if settings.landing_events else {}),
            **_mail(settings),
        }
        reading = [
            *rights.of_data(places),
            *rights.of_secrets(
                places, [secrets.outbox.secret_arn, secrets.loader.secret_arn], message_key.key_arn
            ),
        ]
        bus_and_queue = rights.of_telling_stages(messaging.bus.event_bus_arn, message_key.key_arn, places)
        if settings.landing_events:
            bus_and_queue += rights.of_new_drops(messaging.drops.queue_arn, message_key.key_arn, places)
        watching = rights.of_watching_runs(places, CLUSTER, self.log_group.log_group_arn)
        code = self._definition("code", [*reading, *bus_and_queue], data, cpu=512, memory=2048, volume=True)
        run = self._definition(
            "run",
            [*reading, *bus_and_queue],
            data,
            cpu=settings.runs_vcpu_units,
            memory=settings.runs_memory_mib,
            volume=True,
        )
        web = self._definition(
            "webserver",
            [*rights.of_logs(places), *watching],
            command=["dagster-webserver", "--host", "0.0.0.0", "--port", "3000", *_WORKSPACE],
        )
        launching = rights.of_launching(
            places, CLUSTER, RUN_FAMILY, [run.task_role.role_arn, self._starter.role_arn]
        )
        daemon = self._definition(
            "daemon",
            [*rights.of_logs(places), *watching, *launching],
            command=["dagster-daemon", "run", *_WORKSPACE],
        )
        streaming = self._streaming(
            settings, [*reading, *rights.of_landing(places)], data, secrets, message_key
        )
        self.services = {
            name: self._service(name, definition)
            for name, definition in {"code": code, "webserver": web, "daemon": daemon, **streaming}.items()
        }
        for name in ("webserver", "daemon"):
            self.services[name].node.add_dependency(self.services["code"])
        for definition in (code, run, web, daemon, *streaming.values()):
            definition.node.add_dependency(self.log_group)

    def _streaming(
        self,
        settings: Settings,
        statements: list[iam.PolicyStatement],
        data: dict[str, str],
        secrets: Secrets,
        message_key: kms.IKey,
    ) -> dict[str, ecs.FargateTaskDefinition]:
        """Define what lands and looks at what comes by streams, where there is anything to come."""
        found = {}
        if settings.iot_endpoint:
            certified = rights.of_secrets(self._places, [secrets.gateway.secret_arn], message_key.key_arn)
            found["gateway"] = self._definition(
                "gateway",
                [*statements, *certified],
                {
                    **data,
                    "FALLRISK_SPOOL": "/data/spool",
                    "FALLRISK_MQTT_HOST": settings.iot_endpoint,
                    "FALLRISK_MQTT_CA": _TRUSTED,
                    "FALLRISK_MQTT_CERT": f"secretsmanager:{GATEWAY}#certificate",
                    "FALLRISK_MQTT_KEY": f"secretsmanager:{GATEWAY}#key",
                },
                command=["python", "-m", "fallrisk_assets.stream", "mqtt"],
                cpu=1024,
                memory=2048,
                volume=True,
            )
        consumers = {
            "kafka-landing": ("fallrisk-landing", ["fallrisk_assets.streams", "kafka"]),
            "kafka-live": ("fallrisk-live", ["fallrisk_assets.stream", "kafka"]),
        }
        for name, (group, command) in consumers.items() if settings.kafka_servers else ():
            found[name] = self._definition(
                name,
                [*statements, *rights.of_consuming(self._places, KAFKA, group)],
                {
                    **data,
                    "FALLRISK_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_servers,
                    "FALLRISK_MSK_REGION": settings.region,
                },
                command=["python", "-m", *command],
                cpu=1024,
                memory=2048,
                volume=True,
            )
        return found

    def _data_volume(self, key: kms.IKey) -> efs.FileSystem:
        volume = efs.FileSystem(
            self,
            "data",
            vpc=self._network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_group=self._network.storage,
            encrypted=True,
            kms_key=key,
            enable_automatic_backups=True,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            allow_anonymous_access=False,
        )
        self._mount = volume.add_access_point(
            "data-of-the-user",
            path="/data",
            create_acl=efs.Acl(owner_uid=_USER, owner_gid=_USER, permissions="750"),
            posix_user=efs.PosixUser(uid=_USER, gid=_USER),
        )
        except_for(
            volume,
            {"EFSInBackupPlan": "EFS's automatic back-ups are on: AWS Backup, every day."},
        )
        return volume

    def _role(self, name: str, statements: list[iam.PolicyStatement]) -> iam.Role:
        role = iam.Role(
            self,
            f"{name}-role",
            assumed_by=iam.ServicePrincipal(
                "ecs-tasks.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": self.account}}
            ),
        )
        iam.ManagedPolicy(self, f"{name}-rights", roles=[role], statements=statements)
        return role

    def _execution_role(self, repository: ecr.IRepository, key: kms.IKey) -> iam.Role:
        """Who starts a task: fetches the image, reads the password, opens the log."""
        allow = iam.PolicyStatement
        return self._role(
            "starter",
            [
                allow(actions=["ecr:GetAuthorizationToken"], resources=["*"]),  # cannot be narrowed
                allow(
                    actions=[
                        "ecr:BatchCheckLayerAvailability",
                        "ecr:GetDownloadUrlForLayer",
                        "ecr:BatchGetImage",
                    ],
                    resources=[repository.repository_arn],
                ),
                allow(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[f"{self.log_group.log_group_arn}:*"],
                ),
                *rights.of_secrets(self._places, [self._database.secret.secret_arn], key.key_arn),
            ],
        )

    def _definition(
        self,
        name: str,
        statements: list[iam.PolicyStatement],
        environment: dict[str, str] | None = None,
        *,
        command: list[str] | None = None,
        cpu: int = 512,
        memory: int = 1024,
        volume: bool = False,
    ) -> ecs.FargateTaskDefinition:
        if volume:
            mounting = iam.PolicyStatement(
                actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                resources=[self.volume.file_system_arn],
                conditions={
                    "StringEquals": {"elasticfilesystem:AccessPointArn": self._mount.access_point_arn}
                },
            )
            statements = [*statements, mounting]
        role = self._role(name, statements)
        definition = ecs.FargateTaskDefinition(
            self,
            name,
            family=f"fallrisk-{name}",
            cpu=cpu,
            memory_limit_mib=memory,
            task_role=role.without_policy_updates(),
            execution_role=self._starter.without_policy_updates(),
        )
        definition.add_volume(name="tmp")
        container = definition.add_container(
            name,
            image=self._image,
            command=command,
            environment={**self._environment, **(environment or {})},
            secrets={
                f"DAGSTER_PG_{field.upper()}": ecs.Secret.from_secrets_manager(self._login, field)
                for field in ("username", "password")
            },
            readonly_root_filesystem=True,
            stop_timeout=cdk.Duration.seconds(120),
            logging=ecs.LogDrivers.aws_logs(log_group=self._log, stream_prefix=name),
            port_mappings=[ecs.PortMapping(container_port=_PORTS[name])] if name in _PORTS else None,
            health_check=_healthy(_CHECKS[name]) if name in _CHECKS else None,
        )
        container.add_mount_points(
            ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False)
        )
        if volume:
            definition.add_volume(
                name="data",
                efs_volume_configuration=ecs.EfsVolumeConfiguration(
                    file_system_id=self.volume.file_system_id,
                    transit_encryption="ENABLED",
                    authorization_config=ecs.AuthorizationConfig(
                        access_point_id=self._mount.access_point_id, iam="ENABLED"
                    ),
                ),
            )
            container.add_mount_points(
                ecs.MountPoint(container_path="/data", source_volume="data", read_only=False)
            )
        return definition

    def _service(self, name: str, definition: ecs.FargateTaskDefinition) -> ecs.FargateService:
        return ecs.FargateService(
            self,
            f"{name}-service",
            service_name=name,
            cluster=self.cluster,
            task_definition=definition,
            desired_count=1,
            # Two daemons would both start what is due, two gateways share a spool: the old one ends first.
            min_healthy_percent=0 if name in _ALONE else 100,
            max_healthy_percent=100 if name in _ALONE else 200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[self._network.tasks],
            assign_public_ip=False,
            propagate_tags=ecs.PropagatedTagSource.TASK_DEFINITION,
            cloud_map_options=ecs.CloudMapOptions(name=name) if name in _PORTS else None,
        )


_ALONE = ("daemon", "gateway", "kafka-live")
_PORTS = {"code": 4000, "webserver": 3000}
_CHECKS = {
    "code": ["dagster", "api", "grpc-health-check", "--port", "4000"],
    "webserver": [
        "python",
        "-c",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/server_info', timeout=5)",
    ],
    "daemon": ["dagster-daemon", "liveness-check"],
}


def _mail(settings: Settings) -> dict[str, str]:
    if not settings.smtp_host:
        return {}
    return {
        "FALLRISK_SMTP_HOST": settings.smtp_host,
        "FALLRISK_SMTP_PORT": "587",
        "FALLRISK_SMTP_STARTTLS": "true",
        "FALLRISK_SMTP_SENDER": settings.smtp_sender,
        "FALLRISK_SMTP_USERNAME": f"secretsmanager:{OUTBOX}#smtp_username",
        "FALLRISK_SMTP_PASSWORD": f"secretsmanager:{OUTBOX}#smtp_password",
        "FALLRISK_OPS_CHANNEL": "email",
        "FALLRISK_OPS_ADDRESS": settings.contact,
    }


def _healthy(command: list[str]) -> ecs.HealthCheck:
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=cdk.Duration.seconds(30),
        timeout=cdk.Duration.seconds(20),
        start_period=cdk.Duration.seconds(120),
    )
