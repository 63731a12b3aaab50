"""Run by CDK's Python, not by pytest: what the HIPAA pack says of the templates without any exception.

Prints JSON: `findings` as [rule, path], `exceptions` as [rule, path, reason].
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import aws_cdk as cdk
import cdk_nag
from fallrisk_infra import exceptions
from fallrisk_infra.house import build
from fallrisk_infra.settings import Settings

written = []


def _noted(construct):
    return SimpleNamespace(
        acknowledge=lambda *given: written.extend([a.id, construct.node.path, a.reason] for a in given)
    )


app = cdk.App()
cdk.Validations.of(app).add_plugins(cdk_nag.HIPAASecurityChecks(app))
exceptions.cdk = SimpleNamespace(
    Validations=SimpleNamespace(of=_noted),
    Acknowledgment=lambda id, reason: SimpleNamespace(id=id, reason=reason),
)
build(app, Settings.of_context(app.node.try_get_context))
try:
    app.synth()
except RuntimeError as refused:
    if "ValidationFailed" not in str(refused):
        raise
report = json.loads((Path(os.environ["CDK_OUTDIR"]) / "validation-report.json").read_text())
findings = [
    [violation["ruleName"], construct["constructPath"]]
    for plugin in report["pluginReports"]
    if plugin["pluginName"] == "HIPAA.Security"
    for violation in plugin["violations"]
    for construct in violation["violatingConstructs"]
]
print(json.dumps({"findings": findings, "exceptions": written}))
