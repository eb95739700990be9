"""Documents between processes: JSON for the structure, one file for pixels and blocks of bytes. No pickle.

What may be built is what the type of the expected value can hold: the reader follows the annotations of the
dataclasses, so a new field or kind of layer needs no line here. Everything is checked against them; what does not
fit is a `WireError`, never an object of another class.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from enum import Enum
from functools import cache
from io import FileIO
from typing import Any, TypeVar

import numpy as np

from psdstudio.core.tiles import TILE, TileGrid, TileKey, U8Array

T = TypeVar("T")
_CLASS = "_"
_FARTHEST_TILE = 1 << 20
_MAX_DEPTH = 400


class WireError(ValueError):
    """A message that does not hold what it should."""


def write_value(value: object, blobs: FileIO) -> bytes:
    """Return the JSON of a value made of dataclasses, tuples, enums and plain values; bytes and tiles go to `blobs`.

    Raises:
        OSError: `blobs` could not be written.
    """
    return json.dumps(_Writer(blobs).plain(value), ensure_ascii=False).encode("utf-8", "surrogatepass")


def read_value(kind: type[T], message: bytes, blobs: FileIO) -> T:
    """Return the value of a message that must be a `kind`.

    Raises:
        WireError: The message or `blobs` does not hold one.
        OSError: `blobs` could not be read.
    """
    try:
        raw = json.loads(message.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as exc:
        raise WireError("not JSON") from exc
    value = _Reader(blobs).value(kind, raw, 0)
    return typing.cast(T, value)


class _Writer:
    def __init__(self, blobs: FileIO) -> None:
        self._blobs, self._at = blobs, blobs.tell()
        self._tiles: dict[int, int] = {}
        self._held: list[U8Array] = []

    def plain(self, value: object) -> Any:
        """Return a value as JSON holds it."""
        match value:
            case None | bool() | int() | float() | str():
                return value
            case Enum():
                return value.name
            case bytes():
                return [self._stored(value), len(value)]
            case TileGrid():
                tiles = [[x, y, self._tile(tile)] for (x, y), tile in value.tiles.items()]
                return {"channels": value.channels, "fill": value.fill, "tiles": tiles}
            case frozenset():
                return sorted((self.plain(item) for item in value), key=str)
            case tuple() | list():
                return [self.plain(item) for item in value]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {
                field.name: self.plain(getattr(value, field.name)) for field in dataclasses.fields(value)
            }
            return {_CLASS: type(value).__name__, **fields}
        raise TypeError(f"{type(value).__name__} has no place in a message")

    def _tile(self, tile: U8Array) -> int:
        """Return where a tile stands; one that several places share is stored once."""
        at = self._tiles.get(id(tile))
        if at is None:
            at = self._tiles[id(tile)] = self._stored(tile)
            self._held.append(tile)  # keeps the identity from being given to another array
        return at

    def _stored(self, data: bytes | U8Array) -> int:
        at = self._at
        view = memoryview(data) if isinstance(data, bytes) else data.data.cast("B")
        while len(view):
            written = self._blobs.write(view)
            view = view[written:]
            self._at += written
        return at


class _Reader:
    def __init__(self, blobs: FileIO) -> None:
        self._blobs = blobs
        self._size = blobs.seek(0, 2)
        self._tiles: dict[tuple[int, int], U8Array] = {}

    def value(self, kind: Any, raw: Any, depth: int) -> Any:
        """Return `raw` as a value of the annotation `kind`."""
        if depth > _MAX_DEPTH:
            raise WireError("nested too deep")
        kind = getattr(kind, "__supertype__", kind)  # a NewType is what it stands for
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in {typing.Union, types.UnionType}:
            return self._one_of(arguments, raw, depth)
        if origin is tuple:
            return self._tuple(arguments, _list(raw), depth)
        if origin is frozenset:
            return frozenset(self.value(arguments[0], item, depth + 1) for item in _list(raw))
        if not isinstance(kind, type):
            raise WireError(f"{kind} cannot be read")
        if kind is TileGrid:
            return self._grid(raw)
        if kind is bytes:
            at, count = (_int(number) for number in _pair(raw))
            return bytes(self._bytes(at, count))
        if issubclass(kind, Enum):
            if not isinstance(raw, str) or raw not in kind.__members__:
                raise WireError(f"{raw!r} is no {kind.__name__}")
            return kind[raw]
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, raw, depth)
        if issubclass(kind, tuple):  # a NamedTuple
            hints, items = _hints(kind), _list(raw)
            if len(items) != len(hints):
                raise WireError(f"{len(items)} numbers for {kind.__name__}")
            return kind(
                *(self.value(hint, item, depth + 1) for hint, item in zip(hints.values(), items, strict=True))
            )
        return _plain(kind, raw)

    def _one_of(self, kinds: tuple[Any, ...], raw: Any, depth: int) -> Any:
        if raw is None and type(None) in kinds:
            return None
        name = raw.get(_CLASS) if isinstance(raw, dict) else None
        for kind in kinds:
            if kind is type(None) or (name is not None and getattr(kind, "__name__", "") != name):
                continue
            try:
                return self.value(kind, raw, depth + 1)
            except WireError:
                if name is not None or kind is kinds[-1]:
                    raise
        raise WireError(f"none of {kinds} fits")

    def _tuple(self, kinds: tuple[Any, ...], items: list[Any], depth: int) -> tuple[Any, ...]:
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            return tuple(self.value(kinds[0], item, depth + 1) for item in items)
        if len(kinds) != len(items):
            raise WireError(f"{len(items)} items instead of {len(kinds)}")
        return tuple(self.value(kind, item, depth + 1) for kind, item in zip(kinds, items, strict=True))

    def _dataclass(self, kind: type, raw: Any, depth: int) -> Any:
        if not isinstance(raw, dict) or raw.get(_CLASS) != kind.__name__:
            raise WireError(f"no {kind.__name__}")
        hints = _hints(kind)
        if set(raw) != {*hints, _CLASS}:
            raise WireError(f"other fields than those of {kind.__name__}")
        return kind(**{name: self.value(hint, raw[name], depth + 1) for name, hint in hints.items()})

    def _grid(self, raw: Any) -> TileGrid:
        if not isinstance(raw, dict) or set(raw) != {"channels", "fill", "tiles"}:
            raise WireError("no tiles")
        channels, fill = _int(raw["channels"]), _int(raw["fill"])
        if channels not in {1, 4} or not 0 <= fill <= 255:
            raise WireError(f"tiles of {channels} channels filled with {fill}")
        tiles: dict[TileKey, U8Array] = {}
        for item in _list(raw["tiles"]):
            if not isinstance(item, list) or len(item) != 3:
                raise WireError("no tile")
            x, y, at = (_int(number) for number in item)
            if max(abs(x), abs(y)) > _FARTHEST_TILE:
                raise WireError("a tile that is too far away")
            tiles[x, y] = self._tile(at, channels)
        return TileGrid(tiles, channels=channels, fill=fill)

    def _tile(self, at: int, channels: int) -> U8Array:
        known = self._tiles.get((at, channels))
        if known is None:
            known = np.frombuffer(self._bytes(at, TILE * TILE * channels), np.uint8)
            known = self._tiles[at, channels] = known.reshape(TILE, TILE, channels)
        return known

    def _bytes(self, at: int, count: int) -> bytearray:
        """Read bytes of the file; it may have been cut short since its length was asked for."""
        if not 0 <= at <= at + count <= self._size:
            raise WireError("bytes beyond the end")
        out = bytearray(count)
        view = memoryview(out)
        self._blobs.seek(at)
        while len(view):
            got = self._blobs.readinto(view)
            if not got:
                raise WireError("bytes beyond the end")
            view = view[got:]
        return out


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _plain(kind: type, raw: Any) -> Any:
    if kind is float and type(raw) is int:
        return float(raw)
    if kind not in {bool, int, float, str} or type(raw) is not kind:
        raise WireError(f"{type(raw).__name__} instead of {kind.__name__}")
    return raw


def _int(raw: Any) -> int:
    if type(raw) is not int:
        raise WireError("no whole number")
    return raw


def _list(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise WireError("no list")
    return raw


def _pair(raw: Any) -> list[Any]:
    if len(_list(raw)) != 2:
        raise WireError("no pair")
    return _list(raw)
