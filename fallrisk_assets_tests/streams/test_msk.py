"""The token by which MSK knows a consumer is AWS's own signature of our role, and librdkafka asks for it."""

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.credentials import ReadOnlyCredentials

from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.streams.kafka import client_settings, consumer
from fallrisk_assets.streams.msk import LASTS, signer, token

REGION = "eu-west-1"
ROLE = ReadOnlyCredentials("AKIDEXAMPLE", "secret-of-the-role", "session-of-the-role")


def request_of(text: str) -> tuple[str, dict[str, str]]:
    url = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    return url.netloc, dict(parse_qsl(url.query))


def signature_of(host: str, query: dict[str, str]) -> str:
    """Sign by the published rules of Signature Version 4, without botocore."""
    asked = {n: v for n, v in query.items() if n not in ("X-Amz-Signature", "User-Agent")}
    canonical = "&".join(f"{quote(n, safe='-_.~')}={quote(asked[n], safe='-_.~')}" for n in sorted(asked))
    empty = hashlib.sha256(b"").hexdigest()
    request = f"GET\n/\n{canonical}\nhost:{host}\n\nhost\n{empty}"
    _, day, region, service, end = query["X-Amz-Credential"].split("/")
    scope = "/".join((day, region, service, end))
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashed}"
    key = f"AWS4{ROLE.secret_key}".encode()
    for part in (day, region, service, end, text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def test_a_token_is_a_presigned_request_to_connect_that_the_role_signed():
    text, _ = token(REGION, ROLE)
    assert "=" not in text
    host, query = request_of(text)
    assert host == f"kafka.{REGION}.amazonaws.com"
    assert (query["Action"], query["X-Amz-Expires"]) == ("kafka-cluster:Connect", "900")
    assert query["X-Amz-Security-Token"] == ROLE.token
    assert query["X-Amz-Credential"].split("/")[2:] == [REGION, "kafka-cluster", "aws4_request"]
    assert query["X-Amz-Signature"] == signature_of(host, query)
    assert "secret-of-the-role" not in base64.urlsafe_b64decode(text + "===").decode()


def test_a_token_ends_when_its_request_does():
    first, ends = token(REGION, ROLE)
    _, again = token(REGION, ROLE)
    signed_at = request_of(first)[1]["X-Amz-Date"]
    assert 0 <= again - ends < LASTS.total_seconds()
    assert len(signed_at) == len("20261127T030000Z")


def test_a_region_of_msk_makes_clients_that_are_known_by_their_role(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROLE.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROLE.secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    servers = {"FALLRISK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    assert "oauth_cb" not in client_settings(servers)
    found = client_settings({**servers, "FALLRISK_MSK_REGION": REGION})
    assert (found["security.protocol"], found["sasl.mechanisms"]) == ("SASL_SSL", "OAUTHBEARER")
    assert request_of(found["oauth_cb"]("")[0])[0] == f"kafka.{REGION}.amazonaws.com"


def test_the_client_asks_for_a_token_before_it_speaks_to_a_broker(monkeypatch):
    asked: list[str] = []
    settings = client_settings(
        {"FALLRISK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "FALLRISK_MSK_REGION": REGION}
    )
    real = token(REGION, ROLE)
    settings["oauth_cb"] = lambda said: asked.append(said) or real
    client = consumer("fallrisk-live", settings)
    client.subscribe(["telemetry"])
    for _ in range(50):
        client.poll(0.1)
        if asked:
            break
    client.close()
    assert asked


def test_without_credentials_nothing_is_signed(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Misconfigured, match=r"FALLRISK_MSK_REGION.*no AWS credentials"):
        signer(REGION)("")
