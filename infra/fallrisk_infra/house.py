"""The whole: which stack needs which. Names of stacks are what `cdk deploy` takes."""

import aws_cdk as cdk

from fallrisk_infra.catalog import Catalog
from fallrisk_infra.database import Database
from fallrisk_infra.devices import Devices
from fallrisk_infra.entry import Entry
from fallrisk_infra.keys import Keys
from fallrisk_infra.messaging import Messaging
from fallrisk_infra.network import Network
from fallrisk_infra.registry import Registry
from fallrisk_infra.rights import Places
from fallrisk_infra.secrets import Secrets
from fallrisk_infra.services import CLUSTER, Services
from fallrisk_infra.settings import Settings
from fallrisk_infra.storage import Storage
from fallrisk_infra.streaming import Streaming
from fallrisk_infra.warehouse import Warehouse
from fallrisk_infra.watch import Watch


def build(app: cdk.App, settings: Settings) -> dict[str, cdk.Stack]:
    """Return every stack by its name, each after those that it needs."""
    cdk.Tags.of(app).add("application", "fallrisk")

    def stack(kind: type[cdk.Stack], **needs) -> cdk.Stack:
        return kind(
            app,
            f"fallrisk-{kind.__name__.lower()}",
            env=cdk.Environment(account=settings.account, region=settings.region),
            termination_protection=True,
            # Nothing but templates is deployed: by the rights of who deploys, without roles made for CDK.
            synthesizer=cdk.LegacyStackSynthesizer(),
            **needs,
        )

    keys = stack(Keys)
    places = Places(
        account=settings.account,
        region=settings.region,
        key_arn=keys.data.key_arn,
        **{
            part: f"fallrisk-{part}-{settings.account}-{settings.region}"
            for part in ("landing", "lake", "reports", "logs")
        },
    )
    network = stack(Network, zones=settings.availability_zones, key=keys.messages)
    storage = stack(Storage, key=keys.data, places=places)
    catalog = stack(Catalog, key=keys.data)
    registry = stack(Registry, key=keys.data)
    secrets = stack(Secrets, key=keys.messages)
    database = stack(
        Database, vpc=network.vpc, group=network.storage, data_key=keys.data, message_key=keys.messages
    )
    warehouse = stack(
        Warehouse,
        vpc=network.vpc,
        group=network.warehouse,
        data_key=keys.data,
        message_key=keys.messages,
        lake=places.lake,
    )
    messaging = stack(
        Messaging, key=keys.messages, landing=places.landing, landing_events=settings.landing_events
    )
    services = stack(
        Services,
        settings=settings,
        network=network,
        database=database.instance,
        warehouse=warehouse,
        secrets=secrets,
        messaging=messaging,
        repository=registry.repository,
        data_key=keys.data,
        message_key=keys.messages,
        places=places,
        catalog_uri=catalog.uri,
    )
    # They are named, not referred to: what is in them outlives any deployment of the services.
    services.add_stack_dependency(storage)
    services.add_stack_dependency(catalog)
    watch = stack(
        Watch,
        contact=settings.contact,
        monthly_budget_usd=settings.monthly_budget_usd,
        operators=messaging.operators,
        queues=[messaging.drops, messaging.urgent],
        dead_letters=messaging.dead_letters,
        database=database.instance,
        cluster=CLUSTER,
        services=list(services.services),
    )
    entry = stack(Entry, vpc=network.vpc, group=network.entry, key=keys.data)
    streaming = stack(Streaming, vpc=network.vpc, group=network.brokers)
    devices = stack(Devices)
    stacks = (
        keys, network, storage, catalog, registry, secrets, database, warehouse, messaging, services, watch,
        entry, streaming, devices,
    )  # fmt: skip
    return {one.stack_name: one for one in stacks}
