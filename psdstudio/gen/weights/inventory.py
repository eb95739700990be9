"""The tensors of one model part, from one file or from several that belong together, as recognition asks for them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen.weights.header import WeightsHeader, read_header

Shape = tuple[int, ...]
MAX_INDEX_BYTES = 16 * 2**20
MAX_SHARDS = 64
INDEX_ENDINGS = (".safetensors.index.json", ".safetensors.index.fp16.json")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Names and shapes of the tensors of a part; `headers` are those of its files, in order."""

    headers: tuple[WeightsHeader, ...]

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every tensor by its name."""
        return {name: shape for header in self.headers for name, shape in header.shapes.items()}

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        """What the files say of themselves in words."""
        return {name: value for header in self.headers for name, value in header.metadata.items()}

    @property
    def size_bytes(self) -> int:
        """Size of the files."""
        return sum(header.size_bytes for header in self.headers)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files themselves."""
        return tuple(header.path for header in self.headers)

    def dtype(self) -> str:
        """Return the kind of number that most bytes of the tensors are, as safetensors names it."""
        count = Counter[str]()
        for header in self.headers:
            for entry in header.entries:
                count[entry.dtype] += entry.end - entry.begin
        return count.most_common(1)[0][0]

    def shape(self, name: str) -> Shape | None:
        """Return the shape of a tensor; None when there is none of this name."""
        return self.shapes.get(name)

    def ending(self, *endings: str) -> Iterator[tuple[str, Shape]]:
        """Yield names and shapes of the tensors whose names end in one of these."""
        return ((name, shape) for name, shape in self.shapes.items() if name.endswith(endings))

    def starts(self, *prefixes: str) -> bool:
        """Return whether some tensor's name begins with one of these."""
        return any(name.startswith(prefixes) for name in self.shapes)

    def holds(self, *parts: str) -> bool:
        """Return whether some tensor's name contains one of these."""
        return any(part in name for name in self.shapes for part in parts)


def read_inventory(path: Path) -> Inventory:
    """Read the header of one file, or those of all files that an index (`*.safetensors.index.json`) names.

    Raises:
        ModelNotFound: A file is missing.
        ModelLoadFailed: A file is damaged, or the files are not those that the index tells of.
    """
    if not path.name.endswith(INDEX_ENDINGS):
        return Inventory(headers=(read_header(path),))
    places = _index(path)
    names = sorted(set(places.values()))
    if len(names) > MAX_SHARDS:
        raise _bad_index(path, f"names {len(names)} files")
    headers = []
    for name in names:
        if Path(name).name != name or name in (".", ".."):
            raise _bad_index(path, "names files outside its folder")
        if not (path.parent / name).is_file():
            raise ModelNotFound(
                f"The model “{path.parent.name}” lacks the file “{name}”.",
                "It is one of several that belong together; nothing was changed. Download it too.",
            )
        headers.append(read_header(path.parent / name))
    found = {entry.name: header.path.name for header in headers for entry in header.entries}
    if found != places or sum(len(header.entries) for header in headers) != len(found):
        raise _bad_index(path, "does not fit the files beside it")
    return Inventory(headers=tuple(headers))


def _index(path: Path) -> dict[str, str]:
    text = read_small(path, MAX_INDEX_BYTES)
    try:
        places = json.loads(text)["weight_map"]
    except (ValueError, RecursionError, KeyError, TypeError) as exc:
        raise _bad_index(path, "cannot be read") from exc
    if not isinstance(places, dict) or not places or not _are_words(places.values()):
        raise _bad_index(path, "cannot be read")
    return places


def read_small(path: Path, limit: int) -> bytes:
    """Read a small file that describes a model whole.

    Raises:
        ModelNotFound: It is missing or may not be read.
        ModelLoadFailed: It is larger than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            text = file.read(limit + 1)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise ModelNotFound(f"“{path}” could not be read ({reason}).", "Nothing was changed.") from exc
    if len(text) > limit:
        raise ModelLoadFailed(
            f"“{path.name}” is far too large to describe a model.", "Use another copy of it."
        )
    return text


def _are_words(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _bad_index(path: Path, what: str) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"The list “{path.name}” in “{path.parent.name}” {what}.",
        "Nothing was changed. Download the folder again.",
    )
