"""Document to OpenRaster (.ora): a zip of PNG layers, a stack in XML, and the picture as our compositor shows it.

Source: OpenRaster 0.0.6 (openraster.org): file layout, layer stack, `isolation`. The format has neither masks nor
clipping: masks go into the alpha, Normal clipped layers become `svg:src-atop` in a group of their own, and what no name
can say is merged. Each of these is told.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from PIL import Image

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect, union_of
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, Lock, PixelLayer
from psdstudio.core.parts import PIXEL_LOCKS
from psdstudio.core.tiles import U8Array, tight_box
from psdstudio.core.tree import walk
from psdstudio.errors import FileWriteFailed
from psdstudio.gen.scene_parts import own_masks, render_layer
from psdstudio.io.credits import library_credits
from psdstudio.io.files import SAFE, atomic_write
from psdstudio.io.images import encode_png
from psdstudio.io.openraster_modes import KRITAS, ORA_MODES, SOURCE_ATOP
from psdstudio.io.xmp import xmp_packet
from psdstudio.render.compositor import Compositor

MIMETYPE = b"image/openraster"
THUMBNAIL_PX = 256
_DATE = (2020, 1, 1, 0, 0, 0)  # fixed: the same document is the same file
_MODES_WITH_OWN_FILL = frozenset(
    {
        BlendMode.COLOR_BURN, BlendMode.LINEAR_BURN, BlendMode.COLOR_DODGE, BlendMode.LINEAR_DODGE,
        BlendMode.VIVID_LIGHT, BlendMode.LINEAR_LIGHT, BlendMode.HARD_MIX, BlendMode.DIFFERENCE,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The attributes that layers and stacks share; `opacity` 0..1."""

    name: str
    op: str
    opacity: float = 1.0
    visible: bool = True
    locked: bool = False

    def attributes(self) -> dict[str, str]:
        """As they stand in the file."""
        found = {
            "name": _xml_text(self.name),
            "opacity": f"{self.opacity:.6f}",
            "visibility": "visible" if self.visible else "hidden",
            "composite-op": self.op,
        }
        return found | ({"edit-locked": "true"} if self.locked else {})


_Drawn: TypeAlias = tuple[U8Array, Rect]
_NOTHING: _Drawn = (np.zeros((1, 1, 4), np.uint8), Rect(0, 0, 1, 1))
"""A layer without pixels: readers want a picture all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """`draw` returns pixels and their place; called while writing, so that one layer at a time is in memory."""

    head: _Head
    draw: Callable[[], _Drawn]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """`children` bottom to top."""

    head: _Head
    children: tuple[_Node, ...]
    isolated: bool


_Node: TypeAlias = _Layer | _Stack


@dataclass(slots=True)
class _Losses:
    lines: dict[str, None] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Note a loss, once."""
        self.lines.setdefault(line)


def export_openraster(document: Document, path: Path, *, strip_prompts: bool = False) -> tuple[str, ...]:
    """Write the document as OpenRaster, completely or not at all; returns sentences on what it does not hold.

    Raises:
        FileWriteFailed: It could not be written, or did not read back; the old file is untouched.
        ModelNotFound, ModelLoadFailed: as `library_credits`.
    """
    losses = _Losses()
    stack = _Stack(
        head=_Head(name="root", op=ORA_MODES[BlendMode.NORMAL]),
        children=tuple(_siblings(document.layers, losses)),
        isolated=True,
    )
    xmp = xmp_packet(document, strip_prompts=strip_prompts, credits_lines=library_credits(document))
    atomic_write(path, lambda out: _write(out, document, stack, xmp), verify=_verify)
    return tuple(losses.lines)


# ---- layers to nodes


def _siblings(layers: tuple[Layer, ...], losses: _Losses) -> Iterator[_Node]:
    """Yield the nodes of a group's children, a layer with what is clipped to it as one."""
    index = 0
    while index < len(layers):
        end = index + 1
        while end < len(layers) and _is_clipped(layers[end]):
            end += 1
        base, clipped = layers[index], layers[index + 1 : end]
        node = _clipping_run(base, clipped, losses) if clipped else _node(base, losses)
        if node is not None:
            yield node
        index = end


def _is_clipped(layer: Layer) -> bool:
    return layer.props.clipping and not isinstance(layer, GroupLayer)


def _node(layer: Layer, losses: _Losses) -> _Node | None:
    name = layer.props.name
    if isinstance(layer, GroupLayer):
        if layer.mask is not None and layer.mask.enabled:
            losses.add(f"The group “{name}” has a mask and was merged into one layer.")
            return _merged(layer, (_plain(layer),), losses)
        return _group(layer, losses)
    if not isinstance(layer, PixelLayer):
        losses.add(f"“{name}” has no pixels of its own and was left out.")
        return None
    if own_masks(layer):
        losses.add(f"The mask of “{name}” was applied to its pixels.")
    return _Layer(head=_head(layer, losses), draw=partial(_own_pixels, layer))


def _own_pixels(layer: PixelLayer) -> _Drawn:
    shown = render_layer(layer, own_masks(layer))
    return _NOTHING if shown is None else (shown.rgba, shown.rect)


def _group(group: GroupLayer, losses: _Losses) -> _Stack:
    head = _head(group, losses)
    passes = group.props.blend_mode is BlendMode.PASS_THROUGH
    if passes and head.opacity < 1 and not _is_all_normal(group):
        losses.add(f"The see-through group “{group.props.name}” no longer blends with what is below it.")
    # With an opacity below 1 the specification isolates a group, whatever `isolation` says.
    return _Stack(
        head=head,
        children=tuple(_siblings(group.children, losses)),
        isolated=not passes or head.opacity < 1,
    )


def _clipping_run(base: Layer, clipped: tuple[Layer, ...], losses: _Losses) -> _Node | None:
    """Return a stack of a layer and those clipped to it, or one merged layer where their modes have no name for it."""
    name = base.props.name
    if any(layer.props.visible and not _is_plain_picture(layer) for layer in clipped):
        losses.add(
            f"What is clipped to “{name}” was merged into it: there, only Normal layers can be clipped."
        )
        return _merged(base, (_plain(base), *clipped), losses)
    bottom = _node(_plain(base), losses)
    if bottom is None:
        return None
    children: list[_Node] = [bottom]
    for layer in clipped:
        node = _node(layer, losses)
        if not _is_plain_picture(layer):
            losses.add(f"The hidden layer “{layer.props.name}” became Normal, which alone can be clipped.")
        if node is not None:
            children.append(replace(node, head=replace(node.head, op=SOURCE_ATOP)))
    return _Stack(head=_head(base, losses), children=tuple(children), isolated=True)


def _is_plain_picture(layer: Layer) -> bool:
    return isinstance(layer, PixelLayer) and layer.props.blend_mode is BlendMode.NORMAL


def _merged(layer: Layer, parts: tuple[Layer, ...], losses: _Losses) -> _Layer:
    """Return `parts` (bottom to top) as one layer that blends as `layer` does."""
    return _Layer(head=_head(layer, losses), draw=partial(_merged_pixels, parts))


def _merged_pixels(parts: tuple[Layer, ...]) -> _Drawn:
    box = union_of(_box(part) for part in parts)
    rgba = Compositor().render_layers(parts, box)
    used = tight_box(rgba[..., 3] > 0)
    if used.is_empty:
        return _NOTHING
    cut = np.ascontiguousarray(rgba[used.y : used.bottom, used.x : used.right])
    return cut, used.shifted(box.x, box.y)


def _box(layer: Layer) -> Rect:
    if isinstance(layer, GroupLayer):
        return union_of(_box(child) for child in layer.children)
    if not isinstance(layer, PixelLayer):
        return EMPTY_RECT
    return layer.pixels.bounds().shifted(layer.offset.x, layer.offset.y)


def _plain(layer: Layer) -> Layer:
    """Return the layer Normal, opaque, visible and not clipped; its mask stays."""
    return layer.with_props(
        blend_mode=BlendMode.NORMAL, opacity=255, fill=255, visible=True, clipping=False, locks=frozenset()
    )


def _head(layer: Layer, losses: _Losses) -> _Head:
    props = layer.props
    if props.fill < 255 and props.blend_mode in _MODES_WITH_OWN_FILL:
        losses.add(f"The fill opacity of “{props.name}” became opacity, which looks different in its mode.")
    if ORA_MODES[props.blend_mode].startswith(KRITAS) and props.visible:
        losses.add(f"Programs other than Krita may show “{props.name}” as Normal: they lack its blend mode.")
    return _Head(
        name=props.name,
        op=ORA_MODES[props.blend_mode],
        opacity=props.opacity * props.fill / 255**2,
        visible=props.visible,
        locked=bool(props.locks & (PIXEL_LOCKS | {Lock.ALL})),
    )


def _is_all_normal(group: GroupLayer) -> bool:
    plain = {BlendMode.NORMAL, BlendMode.PASS_THROUGH}
    return all(layer.props.blend_mode in plain for layer in walk(group.children))


# ---- nodes to a file


def _write(out: BinaryIO, document: Document, root: _Stack, xmp: bytes) -> None:
    image = ET.Element("image", version="0.0.6", w=str(document.size.width), h=str(document.size.height))
    image.attrib |= dict.fromkeys(("xres", "yres"), str(max(1, round(document.resolution_dpi))))
    pictures: list[tuple[ET.Element, _Layer]] = []
    _add_stack(image, root, pictures)
    if pictures:
        pictures[0][0].set("selected", "true")  # the topmost: one is to be selected
    merged = Compositor().render(document)
    with zipfile.ZipFile(out, "w") as archive:
        # The specification wants this one first and stored, so that the type can be told from the first bytes.
        _add(archive, "mimetype", MIMETYPE)
        for number, (element, picture) in enumerate(pictures):
            rgba, rect = picture.draw()
            element.attrib |= {"src": _source(number), "x": str(rect.x), "y": str(rect.y)}
            _add(archive, _source(number), _png(rgba, document.profile))
        _add(archive, "stack.xml", ET.tostring(image, "UTF-8", xml_declaration=True), deflated=True)
        _add(archive, "mergedimage.png", _png(merged, document.profile, xmp, document.resolution_dpi))
        _add(archive, "Thumbnails/thumbnail.png", _png(_thumbnail(merged), document.profile))


def _add_stack(parent: ET.Element, stack: _Stack, pictures: list[tuple[ET.Element, _Layer]]) -> None:
    attributes = {} if parent.tag == "image" else stack.head.attributes()
    attributes["isolation"] = "isolate" if stack.isolated else "auto"
    element = ET.SubElement(parent, "stack", attributes)
    for node in reversed(stack.children):  # the file lists the topmost first
        if isinstance(node, _Stack):
            _add_stack(element, node, pictures)
        else:
            pictures.append((ET.SubElement(element, "layer", node.head.attributes()), node))


def _source(number: int) -> str:
    return f"data/layer{number:04d}.png"


def _add(archive: zipfile.ZipFile, name: str, data: bytes, *, deflated: bool = False) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)


def _png(
    rgba: U8Array, profile: ColourProfile | None, xmp: bytes = b"", resolution_dpi: float = 72.0
) -> bytes:
    out = io.BytesIO()
    encode_png(out, rgba, resolution_dpi=resolution_dpi, xmp=xmp, profile=profile, keep_alpha=True)
    return out.getvalue()


def _thumbnail(merged: U8Array) -> U8Array:
    image = Image.fromarray(merged)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(image)


def _xml_text(text: str) -> str:
    """Leave out what XML 1.0 has no place for: control characters, lone surrogates, two non-characters."""
    return "".join(
        sign
        for sign in text
        if sign in "\t\n\r" or (ord(sign) >= 32 and not 0xD800 <= ord(sign) <= 0xDFFF and ord(sign) < 0xFFFE)
        or ord(sign) > 0xFFFF
    )  # fmt: skip


def _verify(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise FileWriteFailed("The file did not read back as it was written.", f"{SAFE} Try another disk.")
