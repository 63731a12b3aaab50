"""The templates are made, and what others know about good templates finds nothing in them."""

import json
import re
import subprocess

import pytest

from fallrisk_assets_tests.infra.conftest import INFRA, ROOT, SETTINGS, run_python, tool


@pytest.fixture(scope="module")
def without_exceptions(tmp_path_factory):
    out = tmp_path_factory.mktemp("findings")
    done = run_python(ROOT / "fallrisk_assets_tests/infra/findings.py", out, SETTINGS)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_templates_are_made_and_neither_cdk_nor_the_hipaa_pack_finds_anything(synthesised):
    report = synthesised / "validation-report.json"
    found = json.loads(report.read_text())["pluginReports"] if report.exists() else []
    assert [(p["pluginName"], v["ruleName"]) for p in found for v in p["violations"]] == []


def test_cfn_lint_finds_nothing_in_any_template(synthesised):
    templates = sorted(str(path) for path in synthesised.glob("*.template.json"))
    done = subprocess.run([tool("cfn-lint"), *templates], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_cfn_lint_would_find_a_mistake(synthesised, tmp_path):
    template = json.loads((synthesised / "fallrisk-messaging.template.json").read_text())
    queue = next(r for r in template["Resources"].values() if r["Type"] == "AWS::SQS::Queue")
    queue["Properties"]["VisibilityTimeout"] = "long"
    wrong = tmp_path / "wrong.template.json"
    wrong.write_text(json.dumps(template))
    done = subprocess.run([tool("cfn-lint"), str(wrong)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "VisibilityTimeout" in done.stdout or "long" in done.stdout


def test_without_its_exceptions_the_house_would_be_refused(without_exceptions):
    rules = {rule for rule, _ in without_exceptions["findings"]}
    assert "HIPAA.Security-SecretsManagerRotationEnabled" in rules


def test_every_exception_answers_a_finding_on_its_own_resource(without_exceptions):
    idle = [
        (rule, path)
        for rule, path, _ in without_exceptions["exceptions"]
        if not any(r == rule and p.startswith(f"{path}/") for r, p in without_exceptions["findings"])
    ]
    assert idle == []


def test_every_exception_says_what_is_done_instead_and_names_documents_that_exist(without_exceptions):
    for rule, path, reason in without_exceptions["exceptions"]:
        assert len(reason.split()) >= 6, (rule, path)
        for document in re.findall(r"docs/\w+\.md", reason):
            assert (ROOT / document).exists(), (rule, path, document)


def test_a_missing_setting_ends_it_before_any_template_is_made(tmp_path):
    done = run_python(INFRA / "app.py", tmp_path, {"account": SETTINGS["account"]})
    assert done.returncode != 0
    assert "give -c region=…, -c contact=…" in done.stderr
    assert not list(tmp_path.glob("*.template.json"))


def test_a_stack_is_small_enough_to_be_deployed_without_a_bucket_for_templates(synthesised):
    for path in synthesised.glob("*.template.json"):
        assert path.stat().st_size < 51_200, path.name


def test_nothing_but_templates_is_deployed_by_the_rights_of_who_deploys(synthesised):
    manifest = json.loads((synthesised / "manifest.json").read_text())["artifacts"]
    stacks = [a for a in manifest.values() if a["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == len(list(synthesised.glob("*.template.json"))) == 14
    for stack in stacks:
        assert stack["properties"]["terminationProtection"] is True
        assert not {"assumeRoleArn", "cloudFormationExecutionRoleArn"} & set(stack["properties"])
    assert not [a for a in manifest.values() if a["type"] == "cdk:asset-manifest"]


def test_the_documentation_names_every_stack_and_every_setting_and_nothing_that_is_not(synthesised):
    told = (ROOT / "docs/deploy.md").read_text()
    stacks = {path.name.removesuffix(".template.json") for path in synthesised.glob("*.template.json")}
    assert set(re.findall(r"^\| `(fallrisk-\w+)` \|", told, re.M)) == stacks
    settings = re.findall(
        r"^    (\w+): (?:str|int|bool)", (INFRA / "fallrisk_infra/settings.py").read_text(), re.M
    )
    assert len(settings) == 14
    for name in settings:
        assert f"`{name}`" in told or f"-c {name}=" in told, name
    made = "".join(path.read_text() for path in synthesised.glob("*.template.json"))
    for name in (
        "fallrisk-code-runs",
        "fallrisk/outbox",
        "fallrisk/warehouse",
        "fallrisk_loader",
        "fallrisk-device",
    ):
        assert name in told
        assert name in made, name
