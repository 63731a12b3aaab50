"""The R4B models of `fhir.resources` on a stratified sample of what is written.

The models cost about a hundred times as much as the mapping, so they see a sample that is chosen, not drawn:
each kind of resource, its first, its smallest and its largest, and each that says why a value is absent.
Always `fhir.resources.R4B`: the bare import is R5. R4B's field set equals 4.0.1 for every type here.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from fallrisk_assets.fhir.bundle import to_json


def stratum(resource: Mapping[str, Any]) -> str:
    """Return which kind a resource is: type, code, status, and its set of elements."""
    code = resource.get("code", {}).get("coding", [{}])[0].get("code", "")
    return "|".join(
        (resource["resourceType"], code, str(resource.get("status", "")), ",".join(sorted(resource)))
    )


def sample(resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the stratified sample: of each stratum the first, the least and the greatest.

    A resource that has a null in its row has fewer elements, or `dataAbsentReason`, and so is a stratum of
    its own.
    """
    first: dict[str, Mapping[str, Any]] = {}
    least: dict[str, tuple[float, Mapping[str, Any]]] = {}
    greatest: dict[str, tuple[float, Mapping[str, Any]]] = {}
    for resource in resources:
        kind = stratum(resource)
        first.setdefault(kind, resource)
        number = _number(resource)
        if number is not None:
            if kind not in least or number < least[kind][0]:
                least[kind] = (number, resource)
            if kind not in greatest or number > greatest[kind][0]:
                greatest[kind] = (number, resource)
    chosen = [*first.values(), *(r for _, r in least.values()), *(r for _, r in greatest.values())]
    return list({f"{r['resourceType']}/{r['id']}": r for r in chosen}.values())


def _number(resource: Mapping[str, Any]) -> float | None:
    if "valueQuantity" in resource:
        return float(resource["valueQuantity"]["value"])
    for prediction in resource.get("prediction", ()):
        return float(prediction["probabilityDecimal"])
    return None


def model_errors(resource: Mapping[str, Any]) -> list[str]:
    """Return what the R4B model refuses in a resource, one line each; empty when it accepts it."""
    kind = resource["resourceType"]
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    try:
        model.model_validate_json(to_json(resource))
    except ValidationError as refused:
        return [
            f"{kind}/{resource.get('id')} {'.'.join(map(str, e['loc']))}: {e['msg']}"
            for e in refused.errors()
        ]
    return []
