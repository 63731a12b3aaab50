"""Judge FHIR R4 resources by google-fhir-r4: primitives, dates, required fields and codes, reference types.

Runs in a venv of its own (`requirements-google.txt`), because google-fhir-r4 0.11 pins protobuf 3.20.3.
Input and output are those of `validate.mjs`: lines of `{"source", "resource"}` in; a line for each error and
a summary out. Exit 0 without error, 1 with errors.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from google.fhir.core.fhir_errors import InvalidFhirError
from google.fhir.r4 import json_format
from google.fhir.r4.proto.core.resources import bundle_and_contained_resource_pb2 as resources_pb2
from google.protobuf.json_format import ParseError


def fault(resource: Mapping[str, Any]) -> str:
    """Return why google-fhir refuses a resource; empty when it accepts it. It stops at the first fault."""
    if not isinstance(resource, dict) or "resourceType" not in resource:
        return "no resourceType"
    kind = resources_pb2.Bundle if resource["resourceType"] == "Bundle" else resources_pb2.ContainedResource
    try:
        json_format.json_fhir_string_to_proto(json.dumps(resource), kind)
    except (InvalidFhirError, ParseError, ValueError, KeyError, TypeError, AttributeError) as refused:
        return f"{type(refused).__name__}: {refused}"
    return ""


def main() -> int:
    """Read lines from stdin, write errors and a summary to stdout."""
    counts = {"resources": 0, "errors": 0}
    for line in sys.stdin:
        if not line.strip():
            continue
        unit = json.loads(line)
        resource = unit["resource"]
        counts["resources"] += 1 + len(resource.get("entry", ()))
        if message := fault(resource):
            counts["errors"] += 1
            name = f"{resource.get('resourceType', '?')}/{resource.get('id', '?')}"
            error = {
                "source": unit["source"],
                "resource": name,
                "path": "",
                "check": "google-fhir",
                "message": message,
            }
            print(json.dumps(error))
    print(json.dumps({"summary": counts}))
    return 1 if counts["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
