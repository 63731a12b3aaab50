"""Settings of a deployment: read from text, refused by name. Needs no CDK."""

import importlib.util
import sys

import pytest

from fallrisk_assets_tests.infra.conftest import INFRA, SETTINGS


@pytest.fixture(scope="module")
def read():
    spec = importlib.util.spec_from_file_location("infra_settings", INFRA / "fallrisk_infra/settings.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield lambda given: module.Settings.of_context(given.get)
    del sys.modules[spec.name]


def test_three_settings_are_enough(read):
    assert read(SETTINGS).availability_zones == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def test_settings_are_read_as_what_they_are(read):
    chosen = read({**SETTINGS, "landing_events": "true", "monthly_budget_usd": "900", "zones": "acd"})
    assert (chosen.landing_events, chosen.monthly_budget_usd) == (True, 900)
    assert chosen.availability_zones[1] == "eu-west-1c"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"contact": None}, "give -c contact=…"),
        ({"account": "12"}, "account='12' is not the twelve digits"),
        ({"region": "Ireland"}, "region='Ireland' is not the name of a region"),
        ({"contact": "nobody"}, "contact='nobody' is not a mail address"),
        ({"zones": "ab"}, "zones='ab': three different letters"),
        ({"zones": "aab"}, "zones='aab': three different letters"),
        ({"landing_events": "perhaps"}, "landing_events='perhaps': say true or false"),
        ({"monthly_budget_usd": "much"}, "monthly_budget_usd='much' is no whole number"),
        ({"smtp_host": "mail.example"}, "smtp_sender='' is no mail address"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(read, wrong, said):
    with pytest.raises(ValueError) as refused:
        read({**SETTINGS, **wrong})
    assert said in str(refused.value)
