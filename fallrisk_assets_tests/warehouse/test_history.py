"""Type 2 history is a function of the set of observations, not of the order in which they came."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.warehouse.history import Observation, as_of, by_member, fold, natural_key, version_key

START = datetime(2026, 1, 1, tzinfo=UTC)

observations = st.lists(
    st.builds(
        lambda member, day, colour, rank: Observation(
            member, START + timedelta(days=day), {"colour": colour}, (rank,)
        ),
        st.sampled_from("abc"),
        st.integers(0, 8),
        st.sampled_from(["red", "blue", None]),
        st.integers(0, 1),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=100)
@given(observations, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_history(seen, random):
    shuffled = list(seen) + seen[:3]
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(seen)


@settings(deadline=None, max_examples=100)
@given(observations)
def test_versions_of_a_member_follow_each_other_and_only_the_newest_is_open(seen):
    versions = by_member(fold(seen))
    assert set(versions) == {one.member for one in seen}
    for history in versions.values():
        assert [one.valid_to for one in history] == [*(one.valid_from for one in history[1:]), None]
        assert all(one.valid_to is None or one.valid_from < one.valid_to for one in history)


@settings(deadline=None, max_examples=100)
@given(observations)
def test_neighbouring_versions_differ(seen):
    for history in by_member(fold(seen)).values():
        for before, after in itertools.pairwise(history):
            assert before.attributes != after.attributes


@settings(deadline=None, max_examples=100)
@given(observations, st.integers(-1, 9))
def test_the_version_of_an_instant_says_what_was_observed_last_before_it(seen, day):
    instant = START + timedelta(days=day, hours=6)
    versions = by_member(fold(seen))
    for member, history in versions.items():
        known = [one for one in seen if one.member == member and one.valid_from <= instant]
        found = as_of(history, instant)
        if not known:
            assert found is None
            continue
        newest = max(one.valid_from for one in known)
        ranked = [one for one in known if one.valid_from == newest]
        best = max(one.rank for one in ranked)
        assert found is not None
        assert found.attributes in [one.attributes for one in ranked if one.rank == best]


def test_an_earlier_observation_that_arrives_late_changes_only_what_came_before():
    first = Observation("a", START + timedelta(days=5), {"colour": "red"})
    late = Observation("a", START, {"colour": "blue"})
    before, after = fold([first]), fold([first, late])
    assert after[-1] == before[-1]
    assert after[0].valid_to == START + timedelta(days=5)


def test_keys_never_change():
    assert natural_key("PAT000001") == 4026917811383721254
    assert version_key("PAT000001", START) == -2353627046605364330
    assert natural_key("a", "bc") != natural_key("ab", "c")
    east = timezone(timedelta(hours=5))
    assert version_key("a", START) == version_key("a", START.astimezone(east))
    assert version_key("a", START) != version_key("a", START + timedelta(microseconds=1))
    assert -(2**63) <= natural_key("x") < 2**63
