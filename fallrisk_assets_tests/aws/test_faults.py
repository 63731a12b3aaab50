"""What networks and services do to a run: it ends right or fails clean, and the rerun makes it right.

Between our code and the real server stands a proxy that disturbs chosen requests. "Clean" means that readers
see the old version whole, that the error counts as one that passes by itself (so the step is tried again),
and that the next undisturbed publication leaves lake and Iceberg as if nothing had happened.
"""

import dagster as dg
import pytest

from fallrisk_assets.environments import opened
from fallrisk_assets.publishing import is_transient, retried_when_transient
from fallrisk_assets_tests.aws.proxy import faulty_proxy
from fallrisk_assets_tests.samples import Readings, readings

pytestmark = pytest.mark.slow

H7, H8 = "2026-01-05-07:00", "2026-01-05-08:00"
OLD, NEW = 3, 5


@pytest.fixture
def disturbed(aws, monkeypatch):
    """The environment `aws`, with a proxy before S3 and one before the catalog."""
    with faulty_proxy(aws["AWS_ENDPOINT_URL_S3"]) as s3, faulty_proxy(aws["FALLRISK_CATALOG"]) as catalog:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.address)
        monkeypatch.setenv("FALLRISK_CATALOG", catalog.address)
        publish(OLD)
        s3.count = catalog.count = 0
        yield s3, catalog


def publish(rows):
    """Publish two hours of two buckets from a process that knows nothing yet; returns content hashes."""
    lake = opened("lake")
    with lake.publication(Readings, [H7, H8], "run") as p:
        for key in (H7, H8):
            for bucket in (1, 2):
                p.add(key, readings(key, bucket, rows=rows), bucket)
        p.commit()
    return {key: lake.ledger.get(Readings, key).content_hash for key in (H7, H8)}


def outcome(work, *arguments):
    """Return what some work raised; None where it raised nothing."""
    try:
        work(*arguments)
    except Exception as error:
        return error
    return None


def rows_seen():
    """Return how many rows each of the two hours has for readers."""
    lake = opened("lake")
    return [lake.read(Readings, [key]).num_rows for key in (H7, H8)]


def in_iceberg():
    return opened("lake").table(Readings).scan().to_arrow().num_rows


def disturb(proxies):
    """Publish under faults, look at what readers see, publish again without; returns whether it failed."""
    failure = outcome(publish, NEW)
    assert failure is None or is_transient(failure), f"{type(failure)}: {failure}"
    failed = failure is not None
    for proxy in proxies:
        assert proxy.count, "nothing went through the proxy"
        proxy.plan = lambda request: None
    seen = rows_seen()
    allowed = [[2 * NEW] * 2, [2 * OLD] * 2] if failed else [[2 * NEW] * 2]
    assert seen in allowed, "readers see the old version whole, or the new one"
    hashes = publish(NEW)
    assert rows_seen() == [2 * NEW] * 2
    assert in_iceberg() == 4 * NEW
    assert hashes == publish(NEW)
    return failed


@pytest.mark.parametrize("fault", ["500", "503", "reset", "cut", "lost", "half"])
def test_s3_that_fails_every_twentieth_request_disturbs_nobody(disturbed, fault):
    s3, _ = disturbed
    s3.plan = lambda request: fault if request.number % 20 == 0 else None
    assert not disturb(disturbed)
    assert [f for _, f in s3.done][:2] == [fault] * 2


@pytest.mark.parametrize("fault", ["lost"])
def test_s3_that_fails_every_put_of_an_entry_fails_the_run_clean(disturbed, monkeypatch, fault):
    """Without its first entry a publication has not happened; with it, it has, whatever follows."""
    monkeypatch.setattr("fallrisk_assets.lake.s3.ATTEMPTS", 2)
    s3, _ = disturbed
    s3.plan = lambda r: fault if r.method == "PUT" and "/_ledger/_unfinished/" in r.path else None
    assert disturb(disturbed)
    assert s3.done


@pytest.mark.parametrize("fault", ["500", "503", "reset", "cut", "half", "lost"])
def test_a_catalog_that_fails_at_the_commit_fails_the_run_clean_or_not_at_all(disturbed, fault):
    """`cut`, `half` and `lost`: the catalog has committed, and we are not told."""
    _, catalog = disturbed
    left = [1]

    def at_the_commit(request):
        if request.method == "POST" and request.path.endswith("/tables/readings") and left[0]:
            left[0] -= 1
            return fault
        return None

    catalog.plan = at_the_commit
    disturb(disturbed)
    assert [f for _, f in catalog.done] == [fault]


def test_a_catalog_that_reports_a_conflict_at_every_commit_for_a_while_is_asked_until_it_agrees(disturbed):
    _, catalog = disturbed
    left = [2]

    def conflict(request):
        if request.method == "POST" and request.path.endswith("/tables/readings") and left[0]:
            left[0] -= 1
            return "409"
        return None

    catalog.plan = conflict
    assert not disturb(disturbed)
    assert len(catalog.done) == 2


def test_a_catalog_that_reports_a_conflict_for_ever_is_given_up_and_the_run_fails_clean(disturbed):
    _, catalog = disturbed

    def conflict(request):
        return "409" if request.method == "POST" and request.path.endswith("/tables/readings") else None

    catalog.plan = conflict
    assert disturb(disturbed)
    assert 2 <= len(catalog.done) <= 20


def test_credentials_that_expire_meanwhile_fail_the_run_clean(disturbed, monkeypatch, aws):
    good = aws["AWS_SECRET_ACCESS_KEY"]

    def expire_halfway():
        with opened("lake").publication(Readings, [H7, H8], "run") as p:
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "expired")
            p.add(H7, readings(H7, rows=NEW), 1)
            p.commit()

    with pytest.raises(Exception, match=r"(?i)denied|signature"):
        expire_halfway()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", good)
    assert rows_seen() == [2 * OLD] * 2
    publish(NEW)
    assert (rows_seen(), in_iceberg()) == ([2 * NEW] * 2, 4 * NEW)


def test_a_step_is_tried_again_after_an_outage(disturbed):
    _, catalog = disturbed
    with opened("lake").publication(Readings, [H7, H8], "run") as p:
        p.add(H7, readings(H7, rows=NEW), 1)
        catalog.plan = lambda request: "cut"
        with pytest.raises(dg.RetryRequested), retried_when_transient():
            p.commit()
