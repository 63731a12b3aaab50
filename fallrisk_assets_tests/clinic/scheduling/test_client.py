"""How the scheduling API is asked: again where that helps, not too fast, never in clear to strangers."""

import socket

import pytest

from fallrisk_assets.clinic.scheduling.client import Politeness, Refused, SchedulingApi, Unavailable
from simulator.scheduling_server import CUT_OFF, MOVED, NO_ANSWER, TOO_MANY, TROUBLES, UNAVAILABLE


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_question_that_met_trouble_is_asked_again_until_it_is_answered(trouble, system, ask):
    system.troubles = {1: trouble, 2: trouble}
    api = ask()
    assert api.get("providers") == system.answer("providers", {})
    assert (api.requests, api.asked_again) == (3, 2)


def test_waits_double_spread_by_a_half_and_end_at_the_longest(system, ask, waits):
    system.troubles = dict.fromkeys(range(1, 20), UNAVAILABLE)
    api = ask(retries=5, first_wait_s=1.0, longest_wait_s=6.0)
    with pytest.raises(Unavailable, match=r"6 attempts .*503"):
        api.get("providers")
    assert len(system.requests) == 6
    for number, wait_s in enumerate(waits.waits_s):
        assert min(0.5 * 2**number, 6.0) <= wait_s <= min(1.5 * 2**number, 6.0)
    assert len(set(waits.waits_s)) > 3


def test_who_asks_for_a_longer_wait_gets_it_within_the_longest(system, ask, waits):
    system.troubles = {1: TOO_MANY}
    ask(first_wait_s=0.1).get("providers")
    assert waits.waits_s == [7.0]


def test_requests_are_no_more_a_second_than_allowed(ask, waits):
    api = ask(requests_per_s=4.0)
    for _ in range(9):
        api.get("providers")
    assert waits.now_s == pytest.approx(2.0)


def test_a_no_is_taken_at_once_and_says_the_way_out(system, ask):
    system.token = "right"
    with pytest.raises(Refused, match="401; look at the token"):
        ask("wrong").get("providers")
    assert len(system.requests) == 1
    assert ask("right").get("providers") is not None
    with pytest.raises(Refused, match="400"):
        ask("right").get("appointments", limit=0)


def test_a_redirection_is_not_followed_with_the_token(system, ask):
    system.token, system.troubles = "right", {1: MOVED}
    with pytest.raises(Refused, match="302; redirections are not followed"):
        ask("right").get("appointments")
    assert system.requests == ["/v1/appointments"]


def test_what_is_not_there_is_none_and_no_error(ask):
    assert ask().get("appointments/APT9999999") is None
    assert ask().get("appointments/..%2Fproviders") is None


def test_a_cut_answer_is_never_taken_for_a_whole_one(system, ask):
    system.troubles = dict.fromkeys(range(1, 10), CUT_OFF)
    with pytest.raises(Unavailable, match="IncompleteRead"):
        ask(retries=1).get("appointments")


def test_a_server_that_accepts_and_says_nothing_costs_the_timeout_only(waits):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        api = SchedulingApi(
            f"http://127.0.0.1:{silent.getsockname()[1]}/v1",
            politeness=Politeness(timeout_s=0.05, retries=1),
            sleep=waits.sleep,
            clock=waits.clock,
        )
        with pytest.raises(Unavailable, match="TimeoutError"):
            api.get("providers")
        assert api.requests == 2


def test_a_server_that_goes_away_is_unavailable(system, ask):
    system.troubles = dict.fromkeys(range(1, 10), NO_ANSWER)
    with pytest.raises(Unavailable, match="RemoteDisconnected"):
        ask(retries=1).get("providers")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://scheduling.example/v1", "in clear"),
        ("https://me:secret@scheduling.example/v1", "give a token"),
        ("scheduling.example/v1", "no address"),
        ("ftp://scheduling.example/v1", "no address"),
        ("https://scheduling.example/v1?key=1", "no address"),
    ],
)
def test_an_address_that_would_show_what_it_should_not_is_refused(url, said):
    with pytest.raises(ValueError, match=said) as refused:
        SchedulingApi(url)
    assert "secret" not in str(refused.value)


def test_a_token_is_not_in_what_a_client_prints():
    assert "hush" not in repr(SchedulingApi("https://scheduling.example/v1", "hush"))


@pytest.mark.parametrize("settings", [{"timeout_s": 0}, {"requests_per_s": -1}, {"retries": -1}])
def test_manners_with_which_nobody_can_ask_are_refused(settings):
    with pytest.raises(ValueError, match="scheduling API"):
        Politeness(**settings)
