"""What a PSD of a document will hold, what will change, and what other programs make of it: before it is written.

Knows no psd_tools, so that a dialog may ask at once. What is said of GIMP (2.10) and Krita (5.1) was measured with
`scripts/compare_programs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from psdstudio.core.document import Document
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, PixelLayer, Role
from psdstudio.core.parts import EFFECTS, children_with, object_groups
from psdstudio.core.wording import counted, listed
from psdstudio.io.psd_options import MAX_PSD_BYTES, MAX_PSD_SIDE_PX, MAX_RECORDS, ExportOptions, MaskStyle
from psdstudio.io.psd_outline import can_be_background, chosen_layers
from psdstudio.io.psd_shadow import effect_pair

MAX_DEPTH = 10
"""Groups within groups that Photoshop opens."""
_NAMED = 4
"""Names or modes that a sentence lists before it says "and more"."""
_GIMP_DIFFERS = frozenset(
    {
        BlendMode.COLOR_BURN, BlendMode.COLOR_DODGE, BlendMode.LINEAR_BURN, BlendMode.LINEAR_DODGE,
        BlendMode.LINEAR_LIGHT, BlendMode.SUBTRACT, BlendMode.DIVIDE, BlendMode.SOFT_LIGHT, BlendMode.HUE,
        BlendMode.SATURATION, BlendMode.COLOR, BlendMode.LUMINOSITY, BlendMode.DARKER_COLOR, BlendMode.LIGHTER_COLOR,
    }
)  # fmt: skip
"""The modes in which GIMP is off by more than rounding, at soft edges or everywhere."""


def preflight(document: Document, options: ExportOptions = ExportOptions()) -> tuple[str, ...]:
    """Return what a PSD of this document, written with these options, will hold: a sentence a line."""
    if options.only is not None:
        document = document.with_layers(chosen_layers(document.layers, options.only))
    return (
        *_contents(document, options),
        *_rewritten(document, options),
        *_limits(document, options),
        *_elsewhere(document, options),
    )


def _contents(document: Document, options: ExportOptions) -> Iterator[str]:
    everything = list(document.walk())
    layers = [layer for layer in everything if isinstance(layer, PixelLayer)]
    groups = sum(isinstance(layer, GroupLayer) for layer in everything)
    adjustments = sum(isinstance(layer, AdjustmentLayer) for layer in everything)
    masks = sum(layer.mask is not None for layer in everything)
    gone = len(_effects(document)) if options.live_shadows else 0
    counts = [counted(len(everything) - groups - adjustments - gone, "layer")]
    counts += [counted(groups, "group")] if groups else []
    counts += [counted(adjustments, "adjustment")] if adjustments else []
    counts += [counted(masks, "mask")] if masks else []
    counts += [counted(len(document.guides), "guide")] if document.guides else []
    size, profile = document.size, document.profile.name if document.profile else "sRGB"
    yield (
        f"{listed(counts)}, {size.width} × {size.height} px, {profile}, 8 bit, {document.resolution_dpi:.0f} dpi."
    )
    if can_be_background(document) and document.layers[0].props.name != "Background":
        yield f"“{document.layers[0].props.name}” becomes the Background."
    hidden = sum(not layer.props.visible for layer in everything)
    if hidden:
        yield f"{counted(hidden, 'hidden layer')} {'stays' if hidden == 1 else 'stay'} in the file, hidden."
    shown = (layer for layer in layers if layer.part is not None and layer.part.role not in EFFECTS)
    grown = [layer.props.name for layer in shown if _is_grown(layer)]
    if grown:
        yield f"Enlarged from the engine's size: {_some(grown)}."


def _rewritten(document: Document, options: ExportOptions) -> Iterator[str]:
    shadows = sum(len(children_with(group, Role.SHADOW)) for group in object_groups(document))
    live = len(_effects(document)) if options.live_shadows else 0
    if live:
        yield (
            f"{counted(live, 'shadow')} as live drop shadow, which comes near to what is painted;"
            " the merged picture shows what is painted."
        )
    if shadows > live:
        yield f"{counted(shadows - live, 'shadow')} as Multiply, in the group of the object."
    if options.masks is MaskStyle.BAKE and any(layer.mask for layer in document.walk()):
        yield "Masks of layers become transparency of their pixels; groups keep theirs."
    if options.masks is MaskStyle.MAKE:
        yield "The transparency of layers becomes a mask over full pixels."
    features = _rare_features(document)
    if options.compatible and features:
        yield f"Written so that every program shows it: {listed(features)}."
    unlinked = [x.props.name for x in document.walk() if x.mask is not None and not x.mask.linked]
    if unlinked and options.masks is not MaskStyle.BAKE:
        yield f"The masks of {_some(unlinked)} will be linked to their layers."


def _limits(document: Document, options: ExportOptions) -> Iterator[str]:
    if not document.layers:
        yield "An empty layer will be added: a PSD cannot be without layers."
    boxes = [x.pixels.bounds() for x in document.walk() if isinstance(x, PixelLayer)]
    raw_bytes = 4 * (
        document.size.width * document.size.height + sum(box.width * box.height for box in boxes)
    )
    if options.big:
        yield "Written in the large format (PSB), which GIMP cannot open."
    elif max(document.size) > MAX_PSD_SIDE_PX or raw_bytes > MAX_PSD_BYTES:
        yield "Perhaps too much for a PSD: a name that ends in .psb takes the large format of Photoshop."
    records = sum(2 if isinstance(layer, GroupLayer) else 1 for layer in document.walk())
    depth = _depth(document.layers)
    if records > MAX_RECORDS:
        yield f"Too many layers: Photoshop opens up to {MAX_RECORDS:,}, with two for every group."
    if depth > MAX_DEPTH:
        yield f"Groups stand {depth} deep in one another; Photoshop opens {MAX_DEPTH}."


def _elsewhere(document: Document, options: ExportOptions) -> Iterator[str]:
    features = _rare_features(document)
    if features and not options.compatible:
        yield f"GIMP or Krita ignore {listed(features)}, or show it differently; “Most compatible” avoids that."
    used = {layer.props.blend_mode for layer in document.walk() if layer.props.visible}
    modes = sorted(mode.name.replace("_", " ").title() for mode in used & _GIMP_DIFFERS)
    if modes:
        yield f"GIMP shows {_some(modes)} differently."


def _effects(document: Document) -> list[GroupLayer]:
    """The objects whose shadow can be an effect."""
    return [group for group in object_groups(document) if effect_pair(group) is not None]


def _rare_features(document: Document) -> list[str]:
    """What of the document not every program reads, in words."""
    layers = list(document.walk())
    found = []
    if any(layer.props.clipping for layer in layers):
        found.append("clipping")
    if any(layer.props.fill != 255 for layer in layers):
        found.append("fill opacity")
    if any(isinstance(layer, GroupLayer) and layer.props.opacity != 255 for layer in layers):
        found.append("the opacity of groups")
    if any(_is_masked_passage(layer) for layer in layers):
        found.append("masks of groups that pass through")
    return found


def _is_masked_passage(layer: Layer) -> bool:
    is_passage = isinstance(layer, GroupLayer) and layer.props.blend_mode is BlendMode.PASS_THROUGH
    return is_passage and layer.mask is not None and layer.mask.enabled


def _depth(layers: tuple[Layer, ...]) -> int:
    return max((1 + _depth(layer.children) for layer in layers if isinstance(layer, GroupLayer)), default=0)


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:_NAMED])} and more" if len(names) > _NAMED else listed(names)


def _is_grown(layer: PixelLayer) -> bool:
    native = layer.part.native_size if layer.part is not None else None
    box = layer.pixels.bounds()
    return native is not None and max(box.width, box.height) > max(native.width, native.height)
