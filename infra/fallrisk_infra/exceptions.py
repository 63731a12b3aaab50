"""How an exception from a rule is written down: beside the resource, with its reason, or not at all."""

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def except_for(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accept findings of the HIPAA pack on a construct and what is in it.

    Args:
        construct: The resource; as narrow as can be.
        reasons: Name of the rule, without `HIPAA.Security-` → why it does not hold here, and what is done
            instead.
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=f"HIPAA.Security-{rule}", reason=reason) for rule, reason in reasons.items())
    )
