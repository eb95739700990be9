"""The manifest of a project file: everything of a document that is not pixels, as checked JSON records.

The records are kept apart from the core's classes on purpose: a field renamed there must not change the file.
A reader refuses what it does not know, so that saving again can never drop it silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Size
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Label,
    Layer,
    LayerId,
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
from psdstudio.core.tiles import TileGrid
from psdstudio.io.project_adjustments import AdjustmentRecord, to_adjustment, to_adjustment_record
from psdstudio.io.project_extras import (
    DataNames,
    FindData,
    ForeignRecord,
    GuideRecord,
    NameData,
    ProfileRecord,
    Record,
    foreign_of,
    foreign_record,
    guide_records,
    guides_of,
    profile_of,
    profile_record,
)

Pair = tuple[int, int]
RasterKey = tuple[LayerId, Literal["pixels", "mask"]]
"""Names a raster inside a document: which layer, and whether its pixels or its mask."""


class RasterRecord(Record):
    """A grid without its tiles."""

    channels: Literal[1, 4]
    fill: int = Field(ge=0, le=255)
    offset: Pair


class MaskRecord(Record):
    """A mask without its tiles."""

    raster: RasterRecord
    enabled: bool
    linked: bool


class RecipeRecord(Record):
    """As `core.layers.Recipe`."""

    engine: str
    weights_sha256: str
    seed: int
    steps: int
    guidance: float
    words: str
    run_id: str
    library_item: str | None


class LoraRecord(Record):
    """As `core.layers.LoraUse`."""

    title: str
    weight: float


class PartRecord(Record):
    """As `core.layers.Part`."""

    role: str
    words: str
    keep: bool
    box: tuple[float, float, float, float] | None
    box_is_users: bool
    native_size: Pair | None
    recipe: RecipeRecord | None
    stale_contacts: bool
    is_new: bool
    negative: str
    loras: tuple[LoraRecord, ...]


class PropsRecord(Record):
    """As `core.layers.LayerProps`; modes by PSD key, locks and labels by name."""

    name: str
    visible: bool
    opacity: int
    fill: int
    blend_mode: str
    clipping: bool
    locks: tuple[str, ...]
    label: str
    expanded: bool


class PixelLayerRecord(Record):
    """A raster layer without its tiles."""

    kind: Literal["pixels"] = "pixels"
    id: str = Field(min_length=1)
    props: PropsRecord
    mask: MaskRecord | None
    part: PartRecord | None
    foreign: ForeignRecord | None
    raster: RasterRecord


class GroupRecord(Record):
    """A group with its children, bottom to top."""

    kind: Literal["group"] = "group"
    id: str = Field(min_length=1)
    props: PropsRecord
    mask: MaskRecord | None
    part: PartRecord | None
    foreign: ForeignRecord | None
    children: tuple[LayerRecord, ...]


class AdjustmentLayerRecord(Record):
    """An adjustment layer."""

    kind: Literal["adjustment"] = "adjustment"
    id: str = Field(min_length=1)
    props: PropsRecord
    mask: MaskRecord | None
    part: PartRecord | None
    foreign: ForeignRecord | None
    adjustment: AdjustmentRecord


LayerRecord = Annotated[PixelLayerRecord | GroupRecord | AdjustmentLayerRecord, Field(discriminator="kind")]


class LightRecord(Record):
    """As `core.scene.Light`."""

    azimuth_deg: float
    elevation_deg: float
    softness: float
    horizon: float


class SceneRecord(Record):
    """As `core.scene.Scene`."""

    prompt: str
    seed: int
    use_library: bool
    light: LightRecord | None


class Manifest(Record):
    """A whole document without its tiles."""

    size: Pair
    resolution_dpi: float
    scene: SceneRecord
    profile: ProfileRecord | None
    guides: tuple[GuideRecord, ...]
    foreign: ForeignRecord | None
    layers: tuple[LayerRecord, ...]


GroupRecord.model_rebuild()
Manifest.model_rebuild()


def nesting(layers: tuple[Layer, ...]) -> int:
    """Return how many groups stand inside one another, plus one for the layers at the top."""
    inner = (nesting(layer.children) for layer in layers if isinstance(layer, GroupLayer))
    return 1 + max(inner, default=0)


def rasters_of(document: Document) -> dict[RasterKey, TileGrid]:
    """Return every grid of a document under the name that the file uses."""
    found: dict[RasterKey, TileGrid] = {}
    for layer in document.walk():
        if isinstance(layer, PixelLayer):
            found[layer.id, "pixels"] = layer.pixels
        if layer.mask is not None:
            found[layer.id, "mask"] = layer.mask.pixels
    return found


def to_manifest(document: Document, name: NameData) -> Manifest:
    """Return the document without its pixels; `name` says under which names bytes are stored."""
    scene = document.scene
    light = None if scene.light is None else LightRecord.model_validate(_fields(scene.light))
    return Manifest(
        size=(document.size.width, document.size.height),
        resolution_dpi=document.resolution_dpi,
        scene=SceneRecord(prompt=scene.prompt, seed=scene.seed, use_library=scene.use_library, light=light),
        profile=profile_record(document.profile, name),
        guides=guide_records(document.guides),
        foreign=foreign_record(document.foreign, name),
        layers=tuple(_layer_record(layer, name) for layer in document.layers),
    )


def to_document(manifest: Manifest, rasters: Mapping[RasterKey, TileGrid], find: FindData) -> Document:
    """Return the document of a manifest; `rasters` holds a grid for every raster in it, `find` returns named bytes.

    Raises:
        ValueError, KeyError: A name (blend mode, lock, label, role) or a raster is unknown.
    """
    scene = manifest.scene
    light = None if scene.light is None else Light(**dict(scene.light))
    return Document(
        size=Size(*manifest.size),
        layers=tuple(_layer(record, rasters, find) for record in manifest.layers),
        scene=Scene(prompt=scene.prompt, seed=scene.seed, use_library=scene.use_library, light=light),
        resolution_dpi=manifest.resolution_dpi,
        profile=profile_of(manifest.profile, find),
        guides=guides_of(manifest.guides),
        foreign=foreign_of(manifest.foreign, find),
    )


def data_names(manifest: Manifest) -> Iterator[DataNames]:
    """Yield the names of all bytes that a manifest promises."""
    if manifest.profile is not None:
        yield manifest.profile.icc
    if manifest.foreign is not None:
        yield from manifest.foreign.data()
    for record in _walk(manifest.layers):
        if record.foreign is not None:
            yield from record.foreign.data()


def raster_records(manifest: Manifest) -> dict[RasterKey, RasterRecord]:
    """Return the description of every raster that a manifest promises."""
    found: dict[RasterKey, RasterRecord] = {}
    for record in _walk(manifest.layers):
        if isinstance(record, PixelLayerRecord):
            found[LayerId(record.id), "pixels"] = record.raster
        if record.mask is not None:
            found[LayerId(record.id), "mask"] = record.mask.raster
    return found


def _walk(records: tuple[LayerRecord, ...]) -> Iterator[LayerRecord]:
    for record in records:
        yield record
        if isinstance(record, GroupRecord):
            yield from _walk(record.children)


def _fields(value: Light | Recipe) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


def _raster_record(grid: TileGrid, offset: Point) -> RasterRecord:
    return RasterRecord.model_validate(
        {"channels": grid.channels, "fill": grid.fill, "offset": tuple(offset)}
    )


def _layer_record(layer: Layer, name: NameData) -> LayerRecord:
    mask = layer.mask
    common = {
        "id": layer.id,
        "props": _props_record(layer.props),
        "part": None if layer.part is None else _part_record(layer.part),
        "foreign": foreign_record(layer.foreign, name),
        "mask": mask
        and MaskRecord(
            raster=_raster_record(mask.pixels, mask.offset), enabled=mask.enabled, linked=mask.linked
        ),
    }
    if isinstance(layer, PixelLayer):
        return PixelLayerRecord.model_validate(
            {**common, "raster": _raster_record(layer.pixels, layer.offset)}
        )
    if isinstance(layer, AdjustmentLayer):
        return AdjustmentLayerRecord.model_validate(
            {**common, "adjustment": to_adjustment_record(layer.adjustment)}
        )
    children = tuple(_layer_record(child, name) for child in layer.children)
    return GroupRecord.model_validate({**common, "children": children})


def _props_record(props: LayerProps) -> PropsRecord:
    return PropsRecord(
        name=props.name,
        visible=props.visible,
        opacity=props.opacity,
        fill=props.fill,
        blend_mode=props.blend_mode.value,
        clipping=props.clipping,
        locks=tuple(sorted(lock.name for lock in props.locks)),
        label=props.label.name,
        expanded=props.expanded,
    )


def _part_record(part: Part) -> PartRecord:
    return PartRecord(
        role=part.role.value,
        words=part.words,
        keep=part.keep,
        box=None if part.box is None else (part.box.x, part.box.y, part.box.width, part.box.height),
        box_is_users=part.box_is_users,
        native_size=None if part.native_size is None else (part.native_size.width, part.native_size.height),
        recipe=None if part.recipe is None else RecipeRecord.model_validate(_fields(part.recipe)),
        stale_contacts=part.stale_contacts,
        is_new=part.is_new,
        negative=part.negative,
        loras=tuple(LoraRecord(title=use.title, weight=use.weight) for use in part.loras),
    )


def _layer(record: LayerRecord, rasters: Mapping[RasterKey, TileGrid], find: FindData) -> Layer:
    layer_id = LayerId(record.id)
    props, part = _props(record.props), None if record.part is None else _part(record.part)
    foreign = foreign_of(record.foreign, find)
    mask = None
    if record.mask is not None:
        mask = Mask(
            pixels=rasters[layer_id, "mask"],
            offset=Point(*record.mask.raster.offset),
            enabled=record.mask.enabled,
            linked=record.mask.linked,
        )
    if isinstance(record, PixelLayerRecord):
        pixels = rasters[layer_id, "pixels"]
        offset = Point(*record.raster.offset)
        return PixelLayer(
            id=layer_id, props=props, pixels=pixels, offset=offset, mask=mask, part=part, foreign=foreign
        )
    if isinstance(record, AdjustmentLayerRecord):
        adjustment = to_adjustment(record.adjustment)
        return AdjustmentLayer(
            id=layer_id, props=props, adjustment=adjustment, mask=mask, part=part, foreign=foreign
        )
    children = tuple(_layer(child, rasters, find) for child in record.children)
    return GroupLayer(id=layer_id, props=props, children=children, mask=mask, part=part, foreign=foreign)


def _props(record: PropsRecord) -> LayerProps:
    return LayerProps(
        name=record.name,
        visible=record.visible,
        opacity=record.opacity,
        fill=record.fill,
        blend_mode=BlendMode(record.blend_mode),
        clipping=record.clipping,
        locks=frozenset(Lock[name] for name in record.locks),
        label=Label[record.label],
        expanded=record.expanded,
    )


def _part(record: PartRecord) -> Part:
    return Part(
        role=Role(record.role),
        words=record.words,
        keep=record.keep,
        box=None if record.box is None else BoxF(*record.box),
        box_is_users=record.box_is_users,
        native_size=None if record.native_size is None else Size(*record.native_size),
        recipe=None if record.recipe is None else Recipe(**dict(record.recipe)),
        stale_contacts=record.stale_contacts,
        is_new=record.is_new,
        negative=record.negative,
        loras=tuple(LoraUse(**dict(use)) for use in record.loras),
    )
