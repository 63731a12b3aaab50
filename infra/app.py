"""What `cdk` reads: settings from the context (`-c account=… -c region=… -c contact=…`), then every stack.

A finding of the HIPAA pack that nobody has written an exception for ends it: such a template is not deployed.
"""

import aws_cdk as cdk
import cdk_nag
from fallrisk_infra.house import build
from fallrisk_infra.settings import Settings

app = cdk.App()
cdk.Validations.of(app).add_plugins(cdk_nag.HIPAASecurityChecks(app))
build(app, Settings.of_context(app.node.try_get_context))
app.synth()
