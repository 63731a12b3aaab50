"""`python -m fallrisk_assets.fhir.validate DIR`: two independent validators over everything that was written.

Here: finding the files, setting the validators up (`--install`), driving them, and saying what they found.
Not here: the validators (`validators/validate.mjs`, `validators/google_validate.py`). Both share no code
with this project nor with each other. The HL7 `validator_cli.jar` is not one of them.

Every bundle is judged whole. An NDJSON line or a provenance file is judged too; one whose bytes a bundle
already holds is counted and not judged twice.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fallrisk_assets.fhir.bundle import to_json

VALIDATORS = Path(__file__).parent / "validators"
NODE_MODULES = VALIDATORS / "node_modules"
GOOGLE_VENV = Path(".venv-fhir")
GOOGLE_PINS = VALIDATORS / "requirements-google.txt"


class ValidatorMissing(RuntimeError):
    """A validator is not set up; the message says how to set it up."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing to judge: a resource or a bundle, and the file and line that it stands in."""

    source: str
    resource: dict[str, Any]

    def line(self) -> bytes:
        """Return the unit as the validators read it."""
        return orjson.dumps({"source": self.source, "resource": self.resource}) + b"\n"


@dataclass(slots=True)
class Gathered:
    """What lies in a folder of bundles."""

    units: list[Unit] = field(default_factory=list)
    bundles: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one validator says.

    Attributes:
        validator: Its name and version.
        judged: Resources that it looked at, bundles included.
        errors: One mapping an error: source, resource, path, check, message.
    """

    validator: str
    judged: int
    errors: list[dict[str, str]]


def gather(folder: Path) -> Gathered:
    """Collect what is to be judged: bundles and single resources, then NDJSON lines that no bundle holds.

    Raises:
        ValueError: a file is not JSON; the message names file and line.
    """
    found = Gathered()
    seen: set[bytes] = set()
    for path in _files(folder, "*.json"):
        resource = _parsed(path.read_bytes(), str(path.relative_to(folder)))
        if resource.get("resourceType") == "Bundle":
            found.bundles += 1
            for entry in resource.get("entry", ()):
                seen.add(to_json(entry.get("resource", {})))
                found.resources[entry.get("resource", {}).get("resourceType", "?")] += 1
        else:
            found.resources[resource.get("resourceType", "?")] += 1
        found.units.append(Unit(str(path.relative_to(folder)), resource))
    for path in _files(folder, "*.ndjson"):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            source = f"{path.relative_to(folder)}:{number}"
            resource = _parsed(line, source)
            if to_json(resource) in seen:
                found.repeated += 1
                continue
            found.resources[resource.get("resourceType", "?")] += 1
            found.units.append(Unit(source, resource))
    return found


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.rglob(pattern)):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _parsed(content: bytes, source: str) -> dict[str, Any]:
    try:
        resource = orjson.loads(content)
    except orjson.JSONDecodeError as broken:
        raise ValueError(f"{source}: not JSON ({broken}); make the day again") from broken
    if not isinstance(resource, dict):
        raise ValueError(f"{source}: not a FHIR resource; make the day again")
    return resource


def node_command() -> list[str]:
    """Return the command of the node validator.

    Raises:
        ValidatorMissing: node or its packages are not there.
    """
    node = shutil.which("node")
    if node is None:
        raise ValidatorMissing("node is not installed; install Node.js 20 or newer")
    if not (NODE_MODULES / "@medplum" / "core").is_dir():
        raise ValidatorMissing(f"{NODE_MODULES} is missing; run make fhir-validate")
    return [node, str(VALIDATORS / "validate.mjs")]


def google_command(environment: Path = GOOGLE_VENV) -> list[str]:
    """Return the command of the google-fhir validator.

    Raises:
        ValidatorMissing: its virtual environment is not there.
    """
    python = environment / "bin" / "python"
    if not (environment / ".installed").exists():
        raise ValidatorMissing(f"{environment} is missing; run make fhir-validate")
    return [str(python), str(VALIDATORS / "google_validate.py")]


def install(environment: Path = GOOGLE_VENV) -> None:
    """Set both validators up from their locks: node packages by `npm ci`, google-fhir in a venv of its own.

    Raises:
        ValidatorMissing: node or npm is not installed.
        subprocess.CalledProcessError: an installation failed; its own output says why.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise ValidatorMissing("node and npm are not installed; install Node.js 20 or newer")
    lock = VALIDATORS / "package-lock.json"
    installed = NODE_MODULES / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        print("Installing the node validator …", flush=True)
        subprocess.run([npm, "ci", "--ignore-scripts", "--silent"], cwd=VALIDATORS, check=True)
    mark = environment / ".installed"
    if not mark.exists() or mark.stat().st_mtime < GOOGLE_PINS.stat().st_mtime:
        print(f"Installing google-fhir into {environment} …", flush=True)
        venv.create(environment, with_pip=True, symlinks=os.name != "nt", clear=environment.exists())
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "-qq"]
        pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(GOOGLE_PINS)]
        subprocess.run(pip, check=True)
        mark.touch()


def run_validator(name: str, command: Sequence[str], units: Iterable[Unit]) -> Verdict:
    """Run one validator over units and return its verdict.

    Raises:
        RuntimeError: it ended without a summary, that is, it could not judge; its last words are in the
        message.
    """
    ended = subprocess.run(
        list(command),
        input=b"".join(unit.line() for unit in units),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith(b"{")]
    if ended.returncode not in (0, 1) or not lines or "summary" not in lines[-1]:
        raise RuntimeError(
            f"{name} could not judge (exit {ended.returncode}): {ended.stderr.decode()[-2000:]}"
        )
    return Verdict(name, lines[-1]["summary"]["resources"], lines[:-1])


def validators() -> dict[str, list[str]]:
    """Return the commands of both validators by name.

    Raises:
        ValidatorMissing: one of them is not set up.
    """
    return {
        "node: @medplum/core 4.5.2, fhirpath 4.11.0, ucum-lhc": node_command(),
        "python: google-fhir-r4 0.11.0": google_command(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a folder; print counts per validator and each error; return 0 only when there is none."""
    parser = argparse.ArgumentParser(
        prog="fallrisk_assets.fhir.validate", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "folder", type=Path, help="folder with bundles and NDJSON, for instance data/reports/fhir"
    )
    parser.add_argument("--install", action="store_true", help="set the validators up first")
    parser.add_argument(
        "--show", type=int, default=50, help="errors shown per validator (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        print(f"{options.folder} does not exist; run make demo, or make run DAY=…, first", file=sys.stderr)
        return 2
    try:
        if options.install:
            install()
        commands = validators()
        found = gather(options.folder)
    except (ValidatorMissing, ValueError) as missing:
        print(missing, file=sys.stderr)
        return 2
    if not found.units:
        print(f"{options.folder} holds no bundle; run make demo, or make run DAY=…, first", file=sys.stderr)
        return 2
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(found.resources.items()))
    print(f"{found.bundles:,} bundles; resources: {kinds}")
    print(f"{found.repeated:,} NDJSON lines equal a bundle's entry byte for byte and are judged there")
    errors = 0
    for name, command in commands.items():
        verdict = run_validator(name, command, found.units)
        errors += len(verdict.errors)
        print(f"{name}: {verdict.judged:,} resources judged, {len(verdict.errors):,} errors")
        for error in verdict.errors[: options.show]:
            print("  {source}: {resource} {path}: {check}: {message}".format(**error))
        if len(verdict.errors) > options.show:
            print(f"  … and {len(verdict.errors) - options.show:,} more")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
