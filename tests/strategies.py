"""Hypothesis strategies for values of the core, and the small documents that many tests build by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from psdstudio.core import tree
from psdstudio.core.adjustment_commands import AddAdjustment, SetAdjustment
from psdstudio.core.commands import Command, SetBox, SetProps, SetScene, SetWords
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Rect, Size
from psdstudio.core.keep_commands import InvertKeep, ReleaseAllKeeps, SetKeep
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Label,
    Layer,
    LayerId,
    LayerProps,
    Lock,
    Mask,
    Part,
    PixelLayer,
    Recipe,
    Role,
    new_layer_id,
)
from psdstudio.core.pixel_commands import AddMask, ClearPixels, RemoveMask, SetMask, WriteMask, WritePixels
from psdstudio.core.placement_commands import ResizeCanvas, TranslateLayers
from psdstudio.core.scene import Light, Scene
from psdstudio.core.structure_commands import (
    AddLayer,
    DeleteLayers,
    DuplicateLayers,
    GroupLayers,
    InsertLayer,
    MoveLayers,
    ReplaceWithMerged,
    UngroupLayer,
)
from psdstudio.core.tiles import TileGrid
from tests.adjustments import ADJUSTMENTS

BYTES = st.integers(0, 255)
SHIFTS = st.integers(-400, 400)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=12)
PIXEL_MODES = [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH]


@st.composite
def blocks(draw: st.DrawFn, *, channels: int = 4, max_side: int = 300) -> np.ndarray:
    """(h, w, channels) uint8: a solid colour with one odd pixel, cheap to draw and never all alike."""
    width, height = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    pixels = np.empty((height, width, channels), np.uint8)
    pixels[:] = draw(st.tuples(*[BYTES] * channels))
    pixels[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = draw(
        st.tuples(*[BYTES] * channels)
    )
    return pixels


@st.composite
def points(draw: st.DrawFn) -> Point:
    """A place on or near a small canvas."""
    return Point(draw(SHIFTS), draw(SHIFTS))


@st.composite
def rects(draw: st.DrawFn, *, max_side: int = 600) -> Rect:
    """A rectangle on or near a small canvas."""
    return Rect(draw(SHIFTS), draw(SHIFTS), draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))


@st.composite
def grids(draw: st.DrawFn, *, channels: int = 4) -> TileGrid:
    """A raster of none to four tiles."""
    fill = draw(st.sampled_from([0, 255])) if channels == 1 else 0
    grid = TileGrid(channels=channels, fill=fill)
    for _ in range(draw(st.integers(0, 2))):
        grid = grid.write(draw(points()), draw(blocks(channels=channels, max_side=60)))
    return grid


@st.composite
def boxes(draw: st.DrawFn) -> BoxF:
    """A layout box, perhaps reaching outside."""
    place, side = st.floats(-0.5, 1.25), st.floats(0.015625, 1.0)
    return BoxF(draw(place), draw(place), draw(side), draw(side))


@st.composite
def props(draw: st.DrawFn, *, is_group: bool = False) -> LayerProps:
    """Properties that a pixel layer or a group may have; mostly unlocked, so that edits apply."""
    locks = st.just(frozenset[Lock]()) | st.frozensets(st.sampled_from(list(Lock)), max_size=2)
    return LayerProps(
        name=draw(NAMES),
        visible=draw(st.booleans()),
        opacity=draw(BYTES),
        fill=draw(BYTES),
        blend_mode=draw(st.sampled_from(list(BlendMode) if is_group else PIXEL_MODES)),
        clipping=False if is_group else draw(st.booleans()),
        locks=draw(locks),
        label=draw(st.sampled_from(list(Label))),
        expanded=draw(st.booleans()),
    )


@st.composite
def masks(draw: st.DrawFn) -> Mask | None:
    """A mask or none."""
    if draw(st.booleans()):
        return None
    return Mask(
        pixels=draw(grids(channels=1)),
        offset=draw(points()),
        enabled=draw(st.booleans()),
        linked=draw(st.booleans()),
    )


@st.composite
def pixel_layers(draw: st.DrawFn) -> PixelLayer:
    """A layer that belongs to no scene."""
    return PixelLayer(
        id=new_layer_id(),
        props=draw(props()),
        pixels=draw(grids()),
        offset=draw(points()),
        mask=draw(masks()),
    )


@st.composite
def adjustment_layers(draw: st.DrawFn) -> AdjustmentLayer:
    """An adjustment of any kind."""
    return AdjustmentLayer(
        id=new_layer_id(), props=draw(props()), adjustment=draw(ADJUSTMENTS), mask=draw(masks())
    )


@st.composite
def groups(draw: st.DrawFn, *, depth: int = 2) -> GroupLayer:
    """A group of up to three layers, groups inside it up to `depth` levels."""
    inner: st.SearchStrategy[Layer] = pixel_layers() | adjustment_layers()
    if depth > 1:
        inner = inner | groups(depth=depth - 1)
    return GroupLayer(
        id=new_layer_id(),
        props=draw(props(is_group=True)),
        children=tuple(draw(st.lists(inner, max_size=3))),
        mask=draw(masks()),
    )


def _recipe(words: str) -> Recipe:
    return Recipe(
        engine="embedded",
        weights_sha256="0" * 64,
        seed=1,
        steps=8,
        guidance=2.0,
        words=words,
        run_id="run",
    )


def solid(rgba: tuple[int, int, int, int], rect: Rect) -> TileGrid:
    """A raster that is one colour inside `rect` (layer coordinates)."""
    pixels = np.empty((rect.height, rect.width, 4), np.uint8)
    pixels[:] = rgba
    return TileGrid.from_array(pixels, rect.origin)


def solid_layer(name: str, rect: Rect, rgba: tuple[int, int, int, int] = (200, 60, 20, 255)) -> PixelLayer:
    """A layer that is one colour inside `rect` (canvas coordinates)."""
    return PixelLayer(
        props=LayerProps(name=name),
        pixels=solid(rgba, Rect(0, 0, rect.width, rect.height)),
        offset=rect.origin,
    )


def object_group(name: str, rect: Rect, size: Size, *, reflection: bool = True) -> GroupLayer:
    """An object as the engine delivers it: shadow and reflection under it, the object filling `rect`."""
    below = Rect(rect.x, rect.bottom - rect.height // 4, rect.width, max(1, rect.height // 2))
    shadow = solid_layer(f"{name} shadow", below, (0, 0, 0, 90)).with_props(blend_mode=BlendMode.MULTIPLY)
    mirror = solid_layer(f"{name} reflection", below, (90, 90, 90, 60))
    thing = solid_layer(name, rect)
    children = [(shadow, Role.SHADOW), (mirror, Role.REFLECTION), (thing, Role.OBJECT)]
    if not reflection:
        del children[1]
    return GroupLayer(
        props=LayerProps(name=name, blend_mode=BlendMode.PASS_THROUGH),
        part=Part(role=Role.OBJECT_GROUP, words=name, box=BoxF.from_rect(rect, size)),
        children=tuple(
            replace(
                layer,
                part=Part(role=role, words=name, recipe=_recipe(name), native_size=Size(64, 64)),
            )
            for layer, role in children
        ),
    )


def scene_document(
    *objects: tuple[str, Rect], size: Size = Size(320, 240), extra: tuple[Layer, ...] = ()
) -> Document:
    """A generated document: background, then the named objects back to front, then `extra` layers on top."""
    ground = solid_layer("Background", Rect(0, 0, size.width, size.height), (40, 90, 160, 255))
    ground = replace(
        ground, part=Part(role=Role.BACKGROUND, words="calm water", recipe=_recipe("calm water"))
    )
    parts = tuple(object_group(name, rect, size) for name, rect in objects)
    scene = Scene(
        prompt="a scene", light=Light(azimuth_deg=30.0, elevation_deg=40.0, softness=0.5, horizon=0.4)
    )
    return Document(size=size, layers=(ground, *parts, *extra), scene=scene)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A small sound document: sometimes a generated scene, plain layers and groups above it."""
    size = Size(draw(st.integers(1, 600)), draw(st.integers(1, 600)))
    layers: list[Layer] = draw(st.lists(pixel_layers() | groups() | adjustment_layers(), max_size=4))
    if not draw(st.booleans()):
        return Document(size=size, layers=tuple(layers), scene=Scene(prompt=draw(NAMES)))
    side = st.integers(1, 200)
    found = draw(
        st.lists(st.tuples(NAMES, st.builds(Rect, SHIFTS, SHIFTS, side, side)), min_size=1, max_size=3)
    )
    doc = scene_document(*found, size=size, extra=tuple(layers))
    keeps = draw(st.sets(st.sampled_from([x.id for x in doc.walk() if x.part is not None]), max_size=3))
    for layer_id in keeps:
        layer = doc.layer(layer_id)
        assert layer.part is not None
        doc = doc.with_layer(replace(layer, part=replace(layer.part, keep=True)))
    return doc


_Ids = st.SearchStrategy[tuple[LayerId, ...]]


def _property_commands(one: st.SearchStrategy[LayerId], some: _Ids) -> list[st.SearchStrategy[Command]]:
    """Commands on rows, words, boxes and pins."""
    maybe = st.none() | st.booleans()
    return [
        st.builds(
            SetProps,
            ids=some,
            name=st.none() | NAMES,
            visible=maybe,
            opacity=st.none() | st.integers(-3, 260),
            fill=st.none() | BYTES,
            blend_mode=st.none() | st.sampled_from(list(BlendMode)),
            clipping=maybe,
            locks=st.none() | st.frozensets(st.sampled_from(list(Lock)), max_size=2),
            label_colour=st.none() | st.sampled_from(list(Label)),
            expanded=maybe,
        ),
        st.builds(SetWords, layer_id=one, words=st.text(max_size=10)),
        st.builds(SetBox, layer_id=one, box=st.none() | boxes(), is_users=st.booleans()),
        st.builds(
            SetScene,
            prompt=st.none() | st.text(max_size=20),
            seed=st.none() | st.integers(-1, 99),
            use_library=maybe,
        ),
        st.builds(SetKeep, ids=some, keep=st.booleans()),
        st.just(InvertKeep()),
        st.just(ReleaseAllKeeps()),
    ]


def _structure_commands(
    one: st.SearchStrategy[LayerId],
    some: _Ids,
    parent: st.SearchStrategy[LayerId | None],
) -> list[st.SearchStrategy[Command]]:
    """Commands on the tree."""
    place = st.integers(0, 6)
    return [
        st.builds(AddLayer, above=st.none() | one),
        st.builds(InsertLayer, layer=pixel_layers() | groups(depth=1), parent=parent, index=place),
        st.builds(AddAdjustment, adjustment=ADJUSTMENTS, above=st.none() | one, clipped=st.booleans()),
        st.builds(SetAdjustment, layer_id=one, adjustment=ADJUSTMENTS),
        st.builds(DeleteLayers, ids=some),
        st.builds(DuplicateLayers, ids=some),
        st.builds(MoveLayers, ids=some, parent=parent, index=place),
        st.builds(GroupLayers, ids=some),
        st.builds(UngroupLayer, layer_id=one),
        some.flatmap(
            lambda chosen: st.builds(
                ReplaceWithMerged,
                ids=st.just(chosen),
                into=st.sampled_from(chosen),
                pixels=grids(),
                offset=points(),
            )
        ),
    ]


def _pixel_commands(one: st.SearchStrategy[LayerId], some: _Ids) -> list[st.SearchStrategy[Command]]:
    """Commands on places, pixels and masks."""
    maybe = st.none() | st.booleans()
    return [
        st.builds(TranslateLayers, ids=some, dx=SHIFTS, dy=SHIFTS, is_nudge=st.booleans()),
        st.builds(
            ResizeCanvas,
            size=st.builds(Size, st.integers(0, 700), st.integers(1, 700)),
            dx=SHIFTS,
            dy=SHIFTS,
        ),
        st.builds(WritePixels, layer_id=one, at=points(), rgba=blocks(max_side=40)),
        st.builds(ClearPixels, layer_id=one, rect=st.none() | rects()),
        st.builds(AddMask, layer_id=one, hides=st.booleans()),
        st.builds(RemoveMask, layer_id=one),
        st.builds(SetMask, layer_id=one, enabled=maybe, linked=maybe),
        st.builds(
            WriteMask,
            layer_id=one,
            at=points(),
            grey=blocks(channels=1, max_side=40).map(lambda b: b[..., 0]),
        ),
    ]


@st.composite
def commands(draw: st.DrawFn, doc: Document) -> Command:
    """Any command, aimed at layers of `doc`; it may be one that does not apply (locks, groups, cycles)."""
    ids = [layer.id for layer in doc.walk()]
    known = st.sampled_from(ids) if ids else st.just(LayerId("gone"))
    one = st.one_of(known, known, known, known, known, st.just(LayerId("gone")))
    some = st.lists(known, min_size=1, max_size=3, unique=True).map(tuple)
    group_ids = [layer.id for layer in doc.walk() if isinstance(layer, GroupLayer)]
    parent = st.sampled_from([None, *group_ids])
    options: list[st.SearchStrategy[Command]] = [
        *_property_commands(one, some),
        *_structure_commands(one, some, parent),
        *_pixel_commands(one, some),
    ]
    return draw(st.one_of(options))


def tile_ids(doc: Document) -> dict[int, int]:
    """Return the tiles of a document by identity, with their bytes: what sharing is measured by."""
    out: dict[int, int] = {}
    for layer in tree.walk(doc.layers):
        held = [layer.mask.pixels] if layer.mask is not None else []
        if isinstance(layer, PixelLayer):
            held.append(layer.pixels)
        for grid in held:
            out.update((id(tile), tile.nbytes) for tile in grid.tiles.values())
    return out
