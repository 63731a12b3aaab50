"""The registry: which versions of a model are kept, which one scores from now on, and who decided that.

Belongs here: keeping artefacts, the append-only record of decisions, and what follows from it. Does not
belong here: whether a version is good enough (`gates`), and which version scores which hour (`pinning`).

Plain files beside the lake's ledger: `_models/<name>/versions/<version>.json`, never replaced, and
`_models/<name>/decisions/000001.json` …, never changed. Nothing else says what is in use: the decisions are
folded, a roll back takes the newest promotion that still holds off. With no decision the version that ships
with the package scores.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import pyarrow.fs as pafs

from fallrisk_assets.lake import Lake, objects
from fallrisk_assets.models.kinds import KINDS, ArtefactDamaged, Kind, text_hash, version_of

NOT_EVALUATED = "no evaluation on record"


class PromotionRefused(ValueError):
    """A version may not be put in use, or taken back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """That somebody put a version in use, or took it back.

    Attributes:
        sequence: 1, 2, …
        action: What was done.
        version: In use from then on.
        artefact_sha256: Of the artefact that was decided on.
        replaced: In use before.
        by: Who decided (staff id).
        at: When, ISO 8601 UTC.
        why: In the decider's words.
        gates: What each gate said, a line each.
    """

    sequence: int
    action: Literal["promote", "rollback"]
    version: str
    artefact_sha256: str
    replaced: str
    by: str
    at: str
    why: str
    gates: tuple[str, ...] = ()


class Registry:
    """Versions and decisions of one model."""

    def __init__(self, filesystem: pafs.FileSystem, root: str, kind: Kind) -> None:
        """Look at the registry below a folder of a file system."""
        self.kind = kind
        self._fs = filesystem
        self._root = f"{root}/{kind.name}"

    def keep(self, text: str) -> str:
        """Keep an artefact for ever and return its version; one that is kept already stays as it is.

        Raises:
            ArtefactDamaged: its hash is wrong, or another artefact of this version is kept.
        """
        version = version_of(text)
        known = self._read(self._artefact_path(version))
        if known is None:
            self._write(self._artefact_path(version), text)
        elif known != text:
            raise ArtefactDamaged(
                f"{version}: another artefact of this version is kept in {self._artefact_path(version)}; "
                "the same inputs must give the same artefact, or the version another name"
            )
        return version

    def versions(self) -> list[str]:
        """All versions that can score: kept ones and those that ship with the package, sorted."""
        kept = {
            info.base_name.removesuffix(".json")
            for info in objects.list_folder(self._fs, f"{self._root}/versions")
            if not info.base_name.startswith(".")
        }
        return sorted(kept | set(self.kind.shipped()))

    def artefact(self, version: str) -> str:
        """Return a version's artefact, verified.

        Raises:
            LookupError: nobody has it.
            ArtefactDamaged: it is not what its name and its hashes say.
        """
        text = self._read(self._artefact_path(version))
        if text is None:
            shipped = self.kind.shipped()
            if version not in shipped:
                raise LookupError(
                    f"{self.kind.name}: no version {version}; there are {', '.join(self.versions())}"
                )
            text = shipped[version]
        if self.kind.trainable and version_of(text) != version:
            raise ArtefactDamaged(
                f"{self._artefact_path(version)} holds {version_of(text)}: it was renamed or replaced"
            )
        return text

    def decisions(self) -> list[Decision]:
        """All decisions, oldest first."""
        infos = objects.list_folder(self._fs, f"{self._root}/decisions")
        names = sorted(i.path for i in infos if not i.base_name.startswith("."))
        found = []
        for path in names:
            raw = json.loads(self._read(path) or "null")
            found.append(Decision(**{**raw, "gates": tuple(raw["gates"])}))
        return found

    def in_use(self) -> str:
        """The version that scores from now on.

        Raises:
            ArtefactDamaged: the promoted artefact is no longer the one that was decided on.
        """
        holding = _holding(self.decisions())
        if not holding:
            return self.kind.released()
        decision = holding[-1]
        if text_hash(self.artefact(decision.version)) != decision.artefact_sha256:
            raise ArtefactDamaged(
                f"{decision.version}: the artefact is not the one that {decision.by} promoted on "
                f"{decision.at}; put the original back, or roll back"
            )
        return decision.version

    def promote(self, version: str, *, by: str, at: datetime, why: str, gates: Sequence[str]) -> Decision:
        """Put a version in use; whoever calls has asked the gates.

        Args:
            version: A version that can score.
            by: Who decides.
            at: When, aware.
            why: The reason.
            gates: What the gates said.

        Raises:
            PromotionRefused: it is in use, or versions of this model are releases of the package.
            LookupError, ArtefactDamaged: as `artefact`.
        """
        if not self.kind.trainable:
            raise PromotionRefused(
                f"{self.kind.name}: its numbers are constants of the package ({self.kind.released()}); "
                "another version is another release of the package"
            )
        with self._locked():
            replaced = self._in_use_unverified()
            if version == replaced:
                raise PromotionRefused(f"{version} is in use already")
            digest = text_hash(self.artefact(version))
            return self._append("promote", version, digest, replaced, by, at, why, gates)

    def rollback(self, *, by: str, at: datetime, why: str) -> Decision:
        """Take the newest promotion that still holds back; what was in use before it is in use again.

        Args:
            by: Who decides.
            at: When, aware.
            why: The reason.

        Raises:
            PromotionRefused: there is no promotion to take back.
            LookupError, ArtefactDamaged: what was in use before cannot score any more.
        """
        with self._locked():
            holding = _holding(self.decisions())
            if not holding:
                raise PromotionRefused(
                    f"{self.kind.name}: {self.kind.released()} of the package is in use; there is nothing to "
                    "take back"
                )
            before = holding[-2] if len(holding) > 1 else None
            version = before.version if before else self.kind.released()
            digest = text_hash(self.artefact(version))
            if before and digest != before.artefact_sha256:
                raise ArtefactDamaged(f"{version}: the artefact is not the one that was promoted before")
            return self._append("rollback", version, digest, holding[-1].version, by, at, why, ())

    def _in_use_unverified(self) -> str:
        holding = _holding(self.decisions())
        return holding[-1].version if holding else self.kind.released()

    def _append(
        self,
        action: Literal["promote", "rollback"],
        version: str,
        digest: str,
        replaced: str,
        by: str,
        at: datetime,
        why: str,
        gates: Sequence[str],
    ) -> Decision:
        if not by.strip() or not why.strip():
            raise PromotionRefused("say who decides and why: the next reader will want to know")
        if at.tzinfo is None:
            raise PromotionRefused(f"{at} needs a time zone")
        sequence = len(self.decisions()) + 1
        decision = Decision(
            sequence, action, version, digest, replaced, by, at.isoformat(), why, tuple(gates)
        )
        path = f"{self._root}/decisions/{sequence:06d}.json"
        self._write(path, json.dumps(asdict(decision), indent=1, ensure_ascii=False) + "\n")
        return decision

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the registry against other processes."""
        with objects.locked(self._fs, f"{self._root}/.lock"):
            yield

    def _artefact_path(self, version: str) -> str:
        if "/" in version or version.startswith("."):
            raise LookupError(f"{self.kind.name}: {version!r} is no version")
        return f"{self._root}/versions/{version}.json"

    def _read(self, path: str) -> str | None:
        raw = objects.read_whole(self._fs, path)
        return None if raw is None else raw.decode()

    def _write(self, path: str, text: str) -> None:
        """Write a file in one step: a reader sees all of it or nothing."""
        objects.write_whole(self._fs, path, text.encode())


def _holding(decisions: Sequence[Decision]) -> list[Decision]:
    """Promotions that still hold, oldest first: each roll back takes the newest of them off."""
    holding: list[Decision] = []
    for decision in decisions:
        if decision.action == "promote":
            holding.append(decision)
        else:
            holding.pop()
    return holding


def registry_of(lake: Lake, name: str) -> Registry:
    """Return the registry of a model beside a lake.

    Raises:
        LookupError: there is no such model.
    """
    if name not in KINDS:
        raise LookupError(f"no model {name!r}: {', '.join(KINDS)}")
    return Registry(lake.filesystem, f"{lake.base}/_models", KINDS[name])
