"""Resources of all templates together, as tests ask for them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    stack: str
    name: str
    type: str
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        return self.body.get("Properties", {})

    def __str__(self) -> str:
        return f"{self.stack}/{self.name}"


def told(value: Any) -> str:
    """Return a value of a template as text: what is only known later by the name that it has."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((word, what),) = value.items()
        if word == "Fn::Join":
            return what[0].join(told(part) for part in what[1])
        if word == "Ref":
            return f"<{what}>"
        if word == "Fn::GetAtt":
            return f"<{'.'.join(what)}>"
        if word == "Fn::ImportValue":
            return f"<{told(what)}>"
    return json.dumps(value)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class House:
    """Every resource of every template."""

    resources: tuple[Resource, ...]

    @classmethod
    def read(cls, folder: Path) -> "House":
        found = []
        for path in sorted(folder.glob("*.template.json")):
            stack = path.name.removesuffix(".template.json")
            for name, body in json.loads(path.read_text())["Resources"].items():
                found.append(Resource(stack, name, body["Type"], body))
        return cls(tuple(found))

    def of(self, type: str) -> list[Resource]:
        """Return resources of a type; there must be some."""
        found = [r for r in self.resources if r.type == f"AWS::{type}"]
        assert found, f"no AWS::{type}"
        return found

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the container of each task definition, by the name of the container."""
        return {
            container["Name"]: container
            for definition in self.of("ECS::TaskDefinition")
            for container in definition.properties["ContainerDefinitions"]
        }

    def statements(self, policy: str) -> Iterator[dict[str, Any]]:
        """Yield the statements of managed policies whose name in the template begins with `policy`."""
        found = [r for r in self.of("IAM::ManagedPolicy") if r.name.startswith(policy.replace("-", ""))]
        assert found, f"no policy {policy}"
        for resource in found:
            yield from resource.properties["PolicyDocument"]["Statement"]

    def allows(self, policy: str, action: str, resource: str) -> bool:
        """Return whether a policy allows an action on a resource, conditions left out."""
        return any(
            any(fnmatchcase(action, given) for given in as_list(statement["Action"]))
            and any(fnmatchcase(resource, told(given)) for given in as_list(statement["Resource"]))
            for statement in self.statements(policy)
            if statement["Effect"] == "Allow"
        )
