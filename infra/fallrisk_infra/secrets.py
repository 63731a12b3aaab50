"""What nobody may read in a template: made by Secrets Manager, completed by a person, named to tasks."""

import json

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from fallrisk_infra.exceptions import except_for

OUTBOX, LOADER, GATEWAY = "fallrisk/outbox", "fallrisk/warehouse", "fallrisk/gateway"
WAREHOUSE_USER = "fallrisk_loader"


class Secrets(cdk.Stack):
    """The mail server's login and the token of webhooks; the warehouse's user; the gateway's certificate."""

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        self._key = key
        self.outbox = self._secret(
            OUTBOX,
            "Login at the mail server, and the token that webhooks are called with",
            {"smtp_username": "", "smtp_password": ""},
            generated="webhook_token",
        )
        self.loader = self._secret(
            LOADER,
            "The user by which runs write to Redshift",
            {"username": WAREHOUSE_USER},
            generated="password",
        )
        # What is generated is no key: a person puts the gateway's own in its place.
        self.gateway = self._secret(
            GATEWAY,
            "Certificate and private key by which the gateway is known to IoT Core, as PEM",
            {"certificate": ""},
            generated="key",
        )

    def _secret(
        self, name: str, description: str, known: dict[str, str], *, generated: str
    ) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            name.rpartition("/")[2],
            secret_name=name,
            description=description,
            encryption_key=self._key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(known),
                generate_string_key=generated,
                password_length=40,
                exclude_punctuation=True,
                require_each_included_type=True,
            ),
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        except_for(
            secret,
            {
                "SecretsManagerRotationEnabled": "The other side (mail server, receiver, Redshift) has to "
                "learn the new value at the same moment; tasks find it without a restart. docs/deploy.md "
                "tells how a person rotates it."
            },
        )
        return secret
