"""Hypothesis strategies and a hand-made document for the file tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Size
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Label,
    Layer,
    LayerProps,
    Lock,
    LoraUse,
    Mask,
    Part,
    PixelLayer,
    Recipe,
    Role,
)
from psdstudio.core.scene import Light, Scene
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.psd_pixels import trimmed
from tests.adjustments import ADJUSTMENTS

FLOATS = st.floats(-2, 2, allow_nan=False)
NAMES = st.one_of(
    st.sampled_from(["swan", "Ombre é", "日本の白鳥", "🦢 swan", "a/b", "x" * 255]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)


def noise(seed: int, width: int, height: int, channels: int = 4) -> U8Array:
    """Return (height, width, channels) random bytes with runs, so that RLE has something to do."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, channels), np.uint8)
    pixels[:, : width // 3] = pixels[:, :1]
    if channels == 4:
        pixels[rng.random((height, width)) < 0.3, 3] = 0
    return pixels


def _grids(channels: int) -> st.SearchStrategy[TileGrid]:
    def build(seed: int, width: int, height: int, x: int, y: int, fill: int) -> TileGrid:
        if width == 0:
            return TileGrid(channels=channels, fill=fill)
        return TileGrid.from_array(noise(seed, width, height, channels), Point(x, y), fill=fill)

    fills = st.just(0) if channels == 4 else st.sampled_from([0, 255])
    return st.builds(
        build, st.integers(0, 99), st.integers(0, 40), st.integers(1, 40), st.integers(-300, 300),
        st.integers(-300, 300), fills,
    )  # fmt: skip


POINTS = st.builds(Point, st.integers(-200, 200), st.integers(-200, 200))
MASKS = st.none() | st.builds(
    Mask, pixels=_grids(1), offset=POINTS, enabled=st.booleans(), linked=st.booleans()
)
RECIPES = st.builds(
    Recipe, engine=NAMES, weights_sha256=st.just("ab" * 32), seed=st.integers(0, 2**63),
    steps=st.integers(1, 99), guidance=FLOATS, words=NAMES, run_id=NAMES, library_item=st.none() | NAMES,
)  # fmt: skip
PARTS = st.none() | st.builds(
    Part, role=st.sampled_from(Role), words=NAMES, keep=st.booleans(),
    box=st.none() | st.builds(BoxF, FLOATS, FLOATS, FLOATS, FLOATS), box_is_users=st.booleans(),
    native_size=st.none() | st.builds(Size, st.integers(1, 999), st.integers(1, 999)),
    recipe=st.none() | RECIPES, stale_contacts=st.booleans(), is_new=st.booleans(), negative=NAMES | st.just(""),
    loras=st.lists(st.builds(LoraUse, title=NAMES, weight=FLOATS), max_size=2).map(tuple),
)  # fmt: skip


def _props(*, group: bool) -> st.SearchStrategy[LayerProps]:
    modes = list(BlendMode) if group else [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH]
    return st.builds(
        LayerProps, name=NAMES, visible=st.booleans(), opacity=st.integers(0, 255), fill=st.integers(0, 255),
        blend_mode=st.sampled_from(modes), clipping=st.just(value=False) if group else st.booleans(),
        locks=st.frozensets(st.sampled_from(Lock)), label=st.sampled_from(Label), expanded=st.booleans(),
    )  # fmt: skip


PIXEL_LAYERS = st.builds(
    PixelLayer, props=_props(group=False), pixels=_grids(4), offset=POINTS, mask=MASKS, part=PARTS
)


ADJUSTMENT_LAYERS = st.builds(
    AdjustmentLayer, props=_props(group=False), adjustment=ADJUSTMENTS, mask=MASKS, part=st.none()
)


def _groups(children: st.SearchStrategy[Layer]) -> st.SearchStrategy[Layer]:
    members = st.lists(children, max_size=3).map(tuple)
    return st.builds(GroupLayer, props=_props(group=True), children=members, mask=MASKS, part=PARTS)


LAYERS: st.SearchStrategy[Layer] = st.recursive(PIXEL_LAYERS | ADJUSTMENT_LAYERS, _groups, max_leaves=4)
SCENES = st.builds(
    Scene, prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=30), seed=st.integers(0, 2**40),
    use_library=st.booleans(),
    light=st.none()
    | st.builds(Light, azimuth_deg=FLOATS, elevation_deg=FLOATS, softness=FLOATS, horizon=FLOATS),
)  # fmt: skip
DOCUMENTS = st.builds(
    Document, size=st.builds(Size, st.integers(1, 80), st.integers(1, 80)),
    layers=st.lists(LAYERS, max_size=3).map(tuple),
    scene=SCENES, resolution_dpi=st.sampled_from([72.0, 300.0]),
)  # fmt: skip


def solid(width: int, height: int, rgba: tuple[int, int, int, int]) -> U8Array:
    """Return (height, width, 4) of one colour."""
    return np.full((height, width, 4), rgba, np.uint8)


def disc(radius: int, rgb: tuple[int, int, int]) -> U8Array:
    """Return a soft-edged disc, (2r+1, 2r+1, 4), with black hidden colour."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    alpha = np.clip((radius - np.hypot(x, y)) * 64, 0, 255).astype(np.uint8)
    return np.where(
        alpha[..., None] > 0, np.dstack([np.full((*alpha.shape, 3), rgb, np.uint8), alpha]), np.uint8(0)
    )


def scene_document() -> Document:
    """Return what a generated scene looks like: background, and two objects with their effects."""
    recipe = Recipe(
        engine="embedded", weights_sha256="cd" * 32, seed=7, steps=16, guidance=2.0, words="a white swan",
        run_id="run-1", library_item="swan",
    )  # fmt: skip
    background = PixelLayer(
        props=LayerProps(name="calm water at sunset"),
        pixels=TileGrid.from_array(solid(300, 200, (90, 120, 200, 255))),
        part=Part(role=Role.BACKGROUND, words="calm water at sunset", recipe=recipe),
    )
    return Document(
        size=Size(300, 200),
        layers=(background, _object("swan 🦢", 60, 90, recipe), _object("Flamingo rosé", 190, 110, recipe)),
        scene=Scene(prompt="a swan and a flamingo on calm water at sunset", seed=7),
    )


def interleaved(layer: PixelLayer) -> U8Array:
    """Return (h, w, 4) of what an export writes for a layer."""
    return np.ascontiguousarray(np.moveaxis(trimmed(layer), 0, 2))


def _object(name: str, x: int, y: int, recipe: Recipe) -> GroupLayer:
    black = disc(30, (0, 0, 0))
    black[..., 3] //= 2
    children = (
        PixelLayer(
            props=LayerProps(name="Shadow", blend_mode=BlendMode.MULTIPLY, opacity=200),
            pixels=TileGrid.from_array(black), offset=Point(x - 20, y + 10), part=Part(role=Role.SHADOW),
        ),
        PixelLayer(
            props=LayerProps(name=name, locks=frozenset({Lock.POSITION}), label=Label.GREEN),
            pixels=TileGrid.from_array(disc(36, (230, 60, 90))), offset=Point(x - 36, y - 36),
            part=Part(role=Role.OBJECT, words=name, recipe=recipe),
        ),
    )  # fmt: skip
    return GroupLayer(
        props=LayerProps(name=name, blend_mode=BlendMode.PASS_THROUGH),
        children=children,
        part=Part(role=Role.OBJECT_GROUP, words=name, box=BoxF(0.1, 0.2, 0.3, 0.4)),
    )
