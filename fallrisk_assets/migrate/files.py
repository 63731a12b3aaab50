"""Folders of files that move byte for byte: landing zone, models, lineage, reports.

Belongs here: copying and comparing files on any two file systems. Does not belong here: what is in them.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.reports import content_type
from fallrisk_assets.migrate.components import Proof, State

_PIECE_BYTES = 4 << 20
_AT_ONCE = 8
_Listing = dict[str, dict[str, pafs.FileInfo]]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a file system, local or S3."""

    filesystem: pafs.FileSystem
    base: str

    @property
    def address(self) -> str:
        """The folder, for people."""
        return f"s3://{self.base}" if isinstance(self.filesystem, pafs.S3FileSystem) else self.base

    def path(self, name: str) -> str:
        """Return where a file is in `filesystem`."""
        return f"{self.base}/{name}"

    def list(self) -> dict[str, pafs.FileInfo]:
        """Return the files below the folder by name; hidden ones (locks, unfinished) do not count."""
        selector = pafs.FileSelector(self.base, recursive=True, allow_not_found=True)
        found = {}
        for info in self.filesystem.get_file_info(selector):
            name = info.path.removeprefix(self.base).lstrip("/")
            if info.type == pafs.FileType.File and not any(p.startswith(".") for p in name.split("/")):
                found[name] = info
        return found

    def sha256(self, name: str) -> str:
        """Return the hash of a file's bytes."""
        digest = hashlib.sha256()
        for piece in _pieces(self, name):
            digest.update(piece)
        return digest.hexdigest()

    def sha256_or_none(self, name: str) -> str:
        """Return the hash of a file's bytes, empty where there is no such file."""
        try:
            return self.sha256(name)
        except FileNotFoundError:
            return ""


def copy_file(source: Place, target: Place, name: str, to: str | None = None) -> None:
    """Copy a file so that the target has all of it or nothing, in pieces of constant size."""
    path = target.path(to or name)
    if isinstance(target.filesystem, pafs.S3FileSystem):  # an object appears whole when its upload ends
        kind = content_type(name)
        with target.filesystem.open_output_stream(path, None, metadata={"Content-Type": kind}) as stream:
            for piece in _pieces(source, name):
                stream.write(piece)
        return
    folder, _, last = path.rpartition("/")
    target.filesystem.create_dir(folder, recursive=True)
    temporary = f"{folder}/.{last}.{uuid.uuid4().hex}"
    with target.filesystem.open_output_stream(temporary, compression=None) as stream:
        for piece in _pieces(source, name):
            stream.write(piece)
    target.filesystem.move(temporary, path)


def _pieces(place: Place, name: str) -> Iterator[bytes]:
    with place.filesystem.open_input_stream(place.path(name), compression=None) as stream:
        while piece := stream.read(_PIECE_BYTES):
            yield piece


@dataclass(slots=True)
class Folders:
    """A tree of files; its partitions are its folders.

    Attributes:
        name: Of the component.
        source: Where the files are.
        target: Where they go.
        replaceable: Whether a file may take the place of another of its name: of what is made anew from other
            tables. A received file or a model's version never changes.
        exact: Whether a file that only the target has is a difference.
        folder_of: Which partition a file belongs to, of its name.
        chunk: Partitions copied at a time.
    """

    name: str
    source: Place
    target: Place
    replaceable: bool = False
    exact: bool = False
    folder_of: Callable[[str], str] = lambda name: name.rpartition("/")[0]
    chunk: int = 16
    _listed: tuple[_Listing, _Listing] | None = field(default=None, init=False)

    @property
    def places(self) -> tuple[str, str]:
        """Addresses of source and target."""
        return self.source.address, self.target.address

    def groups(self) -> list[str]:
        """Return the one group that a tree is."""
        return [self.name]

    def states(self, group: str) -> Mapping[str, State]:
        """Compare the lists of files: names, sizes and when they changed."""
        here, there = self._look()
        return {key: self._state(key, here.get(key, {}), there.get(key, {})) for key in self._keys()}

    def copy(self, group: str, keys: Sequence[str]) -> None:
        """Copy the files that the target lacks or has in another size."""
        here, there = self._look()
        wanted = [
            name
            for key in keys
            for name, info in here[key].items()
            if (other := there.get(key, {}).get(name)) is None
            or (self.replaceable and other.size != info.size)
        ]
        self._copy(wanted)

    def prove(self, group: str, keys: Sequence[str]) -> Mapping[str, Proof]:
        """Hash every file on both sides; of replaceable ones those that differ are copied once more first."""
        here, there = self._look()
        proofs = {}
        for key in keys:
            names = sorted({*here.get(key, {}), *(there.get(key, {}) if self.exact else ())})
            differing = [n for n, one, other in self._hashed(names) if one != other]
            if differing and self.replaceable:
                self._copy([n for n in differing if n in here.get(key, {})])
            hashed = self._hashed(names)
            proofs[key] = Proof(
                len(names),
                combined_hash([f"{name}={one}" for name, one, _ in hashed]),
                combined_hash([f"{name}={other}" for name, _, other in hashed]),
                ", ".join(f"{name} differs" for name, one, other in hashed if one != other),
            )
        return proofs

    def finish(self) -> None:
        """Nothing more is needed."""

    def _look(self) -> tuple[_Listing, _Listing]:
        if self._listed is None:
            self._listed = self._by_folder(self.source), self._by_folder(self.target)
        return self._listed

    def _by_folder(self, place: Place) -> _Listing:
        found: _Listing = defaultdict(dict)
        for name, info in place.list().items():
            found[self.folder_of(name)][name] = info
        return dict(found)

    def _keys(self) -> list[str]:
        here, there = self._look()
        return sorted({*here, *(there if self.exact else ())})

    def _state(
        self, key: str, here: Mapping[str, pafs.FileInfo], there: Mapping[str, pafs.FileInfo]
    ) -> State:
        found = there if self.exact else {name: info for name, info in there.items() if name in here}
        differing = [
            n for n in {*here, *found} if n not in here or n not in found or here[n].size != found[n].size
        ]
        return State(
            source=_fingerprint(here) if here else None,
            target=_fingerprint(found) if found else None,
            alike=not differing,
            conflict=not self.replaceable and any(name in found for name in differing),
        )

    def _copy(self, names: Sequence[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda name: copy_file(self.source, self.target, name), names))
        self._listed = None

    def _hashed(self, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return each name with the hashes of both sides, empty where there is no such file."""

        def both(name: str) -> tuple[str, str, str]:
            return name, self.source.sha256_or_none(name), self.target.sha256_or_none(name)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(both, names))


def _fingerprint(files: Mapping[str, pafs.FileInfo]) -> str:
    return combined_hash([f"{name}={info.size}@{info.mtime_ns}" for name, info in sorted(files.items())])
