"""The lock on S3, against conditional puts of a real server; only the clock is ours."""

import pytest
from botocore.exceptions import ClientError

from fallrisk_assets.lake import s3
from fallrisk_assets.lake.lease import Lease, LeaseLost


class Clock:
    """Seconds that pass only when somebody waits, or when the test says so."""

    def __init__(self):
        self.now = 0.0
        self.waited = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        self.waited.append(seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def place(aws):
    bucket, _, prefix = aws["FALLRISK_LAKE"].removeprefix("s3://").partition("/")
    return bucket, f"{prefix}/.lock"


@pytest.fixture
def lease(place, clock):
    client = s3.client()
    return lambda pause=clock.pause: Lease(client, *place, lease_s=10, clock=clock, pause=pause)


def test_a_free_lock_is_taken_at_once_and_again_after_it_was_given_back(lease, clock):
    for _ in range(2):
        one = lease()
        one.acquire()
        one.keep()
        one.release()
    assert clock.waited == []


def test_who_comes_second_waits_until_the_first_gives_it_back(lease, clock):
    first = lease()
    first.acquire()

    def give_back_after_a_while(seconds):
        clock.pause(seconds)
        if clock.now > 3:
            first.release()

    second = lease(give_back_after_a_while)
    second.acquire()
    assert 3 < clock.now < 4
    second.keep()


def test_a_silent_holder_loses_the_lock_after_a_whole_lease_and_notices(lease, clock):
    first, second = lease(), lease()
    first.acquire()
    second.acquire()
    assert clock.now >= 10
    with pytest.raises(LeaseLost):
        first.keep()
    first.release()
    second.keep()


def test_a_holder_that_keeps_the_lock_has_it_for_as_long_as_it_wants(lease, clock):
    first = lease()
    first.acquire()

    def go_on(seconds):
        clock.pause(seconds)
        if clock.now < 60:
            first.keep()

    lease(go_on).acquire()
    assert clock.now >= 60


def test_a_holder_that_was_away_for_nearly_a_lease_stops_though_nobody_took_the_lock(lease, clock):
    first = lease()
    first.acquire()
    clock.now += 9
    with pytest.raises(LeaseLost, match="not renewed for 9 s"):
        first.keep()


def test_of_two_that_see_the_same_free_lock_one_gets_it(place, clock):
    first_client, client = s3.client(), s3.client()
    winner = Lease(client, *place, lease_s=10, clock=clock, pause=clock.pause)

    class Beaten:
        exceptions = first_client.exceptions
        get_object = first_client.get_object

        def put_object(self, **arguments):
            if winner._etag is None:
                winner.acquire()  # between the other's look and its put
            return first_client.put_object(**arguments)

    loser = Lease(Beaten(), *place, lease_s=10, clock=clock, pause=clock.pause)
    loser.acquire()
    assert clock.now >= 10, "it had to wait for the winner's lease to pass"


def test_a_put_whose_answer_got_lost_is_recognised_as_our_own(place, clock):
    client = s3.client()

    class AnswersGetLost:
        exceptions = client.exceptions
        get_object = client.get_object

        def put_object(self, **arguments):
            client.put_object(**arguments)
            return client.put_object(**arguments)  # what the client does when no answer came

    lease = Lease(AnswersGetLost(), *place, lease_s=10, clock=clock, pause=clock.pause)
    lease.acquire()
    lease.keep()
    assert clock.waited == []


def test_a_refusal_that_is_no_lost_race_is_an_error(aws, clock):
    with pytest.raises(ClientError, match="NoSuchBucket"):
        Lease(s3.client(), "no-such-bucket", "x", clock=clock, pause=clock.pause).acquire()
