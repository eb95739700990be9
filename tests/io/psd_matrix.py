"""The documents of the export matrix: every kind of thing a layer can be, numbered, the same on every run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import BlendMode, GroupLayer, Label, Layer, LayerProps, Lock, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from tests.io.documents import noise, solid

MODES = tuple(BlendMode)
LAYER_MODES = tuple(mode for mode in MODES if mode is not BlendMode.PASS_THROUGH)
NAMES = (
    "layer", "Ombre é", "日本の白鳥", "🦢 swan", "a/b", "x" * 255, "عربى", "Ω≈ç√", "e\u0301 combining",
    "two  spaces",    "שלום", "👩‍👩‍👧 family", "\u202eright to left", "<b>&amp;</b>", "ü" * 127,
)  # fmt: skip
_LOCKS = tuple(lock for lock in Lock if lock is not Lock.ALL)


def matrix(count: int) -> Iterator[tuple[str, Document]]:
    """Yield `count` documents with a name each: the fixed ones first, then as many mixed ones as are missing."""
    fixed = [*_modes(), *_sizes(), *_masks()]
    yield from fixed[:count]
    for number in range(len(fixed), count):
        yield f"mixed {number}", _Mixer(number).document()


def _layer(
    name: str, pixels: U8Array | None, at: Point = Point(0, 0), mask: Mask | None = None
) -> PixelLayer:
    grid = TileGrid() if pixels is None else TileGrid.from_array(pixels)
    return PixelLayer(props=LayerProps(name=name), pixels=grid, offset=at, mask=mask)


def _modes() -> Iterator[tuple[str, Document]]:
    """All 28 keys, on a layer (27) and on a group."""
    for number, mode in enumerate(MODES):
        inner = _layer("inner", noise(number, 20, 16), Point(3, 4))
        group = GroupLayer(props=LayerProps(name="group", blend_mode=mode), children=(inner,))
        layers: tuple[Layer, ...] = (_layer("ground", solid(40, 30, (90, 140, 30, 255))), group)
        if mode is not BlendMode.PASS_THROUGH:
            top = _layer("top", noise(number + 50, 30, 20), Point(5, 5)).with_props(blend_mode=mode, fill=200)
            layers = (*layers, top)
        yield f"mode {mode.name}", Document(size=Size(40, 30), layers=layers)


def _sizes() -> Iterator[tuple[str, Document]]:
    for width, height in ((1, 1), (1, 300), (300, 1), (257, 255), (12_000, 3), (3, 12_000)):
        pixels = noise(width, width, height)
        mask = Mask(pixels=TileGrid.from_array(noise(height, width, height, 1)))
        layers = (_layer("plain", pixels), _layer("masked", pixels, Point(-1, -1), mask))
        yield f"size {width}x{height}", Document(size=Size(width, height), layers=layers)
    yield "one opaque pixel", Document(size=Size(1, 1), layers=(_layer("dot", solid(1, 1, (1, 2, 3, 255))),))
    yield "no layers", Document(size=Size(9, 9))


def _masks() -> Iterator[tuple[str, Document]]:
    """Both default colours, offsets inside, across and outside of the canvas, on layers and groups, on and off."""
    for number in range(24):
        fill, is_on, on_group = (0, 255)[number % 2], number % 4 < 2, number % 8 < 4
        at = Point((-7, 3, 60, -90)[number % 4 - 1], (5, -11, 33)[number % 3])
        grid = TileGrid.from_array(noise(number, 3 + number, 9, 1), fill=fill)
        if number >= 20:
            grid = TileGrid(channels=1, fill=fill)
        mask = Mask(pixels=grid, offset=at, enabled=is_on)
        inner = _layer("inner", noise(number, 30, 30), Point(2, 2), None if on_group else mask)
        group = GroupLayer(props=LayerProps(name="group"), children=(inner,), mask=mask if on_group else None)
        yield f"mask {number}", Document(size=Size(48, 40), layers=(group,))


class _Mixer:
    """Documents of chance, each from its number alone."""

    def __init__(self, number: int) -> None:
        self._rng = np.random.default_rng(number)
        self._number = number

    def document(self) -> Document:
        """Up to a dozen layers in groups up to five deep."""
        size = Size(self._whole(1, 130), self._whole(1, 130))
        layers = self._layers(depth=0)
        if self._chance(0.4):
            layers = (_layer("ground", solid(*size, (self._whole(0, 255), 80, 90, 255))), *layers)
        return Document(size=size, layers=layers, resolution_dpi=float(self._whole(30, 600)))

    def _layers(self, depth: int) -> tuple[Layer, ...]:
        out: list[Layer] = []
        for _ in range(self._whole(0 if depth else 1, 4)):
            if depth < 5 and self._chance(0.35):
                out.append(
                    GroupLayer(
                        props=self._props(MODES, clips=False),
                        children=self._layers(depth + 1),
                        mask=self._mask(),
                    )
                )
            else:
                out.append(
                    PixelLayer(
                        props=self._props(LAYER_MODES, clips=True),
                        pixels=self._pixels(),
                        offset=self._point(),
                        mask=self._mask(),
                    )
                )
        return tuple(out)

    def _props(self, modes: tuple[BlendMode, ...], *, clips: bool) -> LayerProps:
        rng = self._rng
        locks = frozenset(lock for lock in _LOCKS if self._chance(0.2))
        return LayerProps(
            name=NAMES[self._whole(0, len(NAMES) - 1)].strip(),
            visible=self._chance(0.85),
            opacity=255 if self._chance(0.5) else self._whole(0, 255),
            fill=255 if self._chance(0.5) else self._whole(0, 255),
            blend_mode=modes[rng.integers(len(modes))],
            clipping=clips and self._chance(0.25),
            locks=locks,
            label=tuple(Label)[rng.integers(len(Label))],
            expanded=self._chance(0.5),
        )

    def _pixels(self) -> TileGrid:
        if self._chance(0.1):
            return TileGrid()
        pixels = noise(self._whole(0, 9999), self._whole(1, 90), self._whole(1, 90))
        return TileGrid.from_array(pixels, self._point())

    def _mask(self) -> Mask | None:
        if self._chance(0.6):
            return None
        fill = 255 if self._chance(0.5) else 0
        pixels = noise(self._whole(0, 9999), self._whole(1, 60), self._whole(1, 60), 1)
        grid = TileGrid.from_array(pixels, self._point(), fill=fill)
        return Mask(pixels=grid, offset=self._point(), enabled=self._chance(0.8))

    def _point(self) -> Point:
        reach = 400 if self._chance(0.15) else 60
        return Point(self._whole(-reach, reach), self._whole(-reach, reach))

    def _whole(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)
