"""A document against ag-psd's reading of its export: every property and every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from psd_tools.psd.document import PSD

from psdstudio.core.adjustments import TITLES
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, Lock, Mask, PixelLayer
from psdstudio.core.tiles import U8Array
from psdstudio.io.psd_outline import can_be_background, psd_layer_ids
from psdstudio.io.psd_pixels import trimmed_box
from psdstudio.io.psd_tables import clean_name
from psdstudio.render.compositor import Compositor, render_over
from tests.io.ag_psd import Dump
from tests.io.documents import interleaved


def compare_document(document: Document, dump: Dump) -> None:
    """Compare canvas, layers and merged alpha of a document that was exported as it is."""
    assert (dump.tree["width"], dump.tree["height"]) == tuple(document.size)
    layers, entries = document.layers, dump.tree["children"]
    if can_be_background(document):
        bottom, base = entries[0], layers[0]
        assert (bottom["name"], bottom["nameSource"]) == ("Background", "bgnd")
        assert isinstance(base, PixelLayer)
        canvas = document.canvas.shifted(-base.offset.x, -base.offset.y)
        assert np.array_equal(dump.pixels(bottom["pixels"]), base.pixels.read(canvas))
        layers, entries = layers[1:], entries[1:]
    if document.layers:
        compare_layers(layers, entries, dump)
        ids = psd_layer_ids(document)
        assert [entry["id"] for entry in _walk(dump.tree["children"])] == list(ids.values())
    rendered = Compositor().render(document, document.canvas)
    merged = dump.pixels(dump.tree["merged"])
    assert np.array_equal(merged[..., 3], rendered[..., 3])
    if bool((rendered[..., 3] == 255).all()):
        assert np.array_equal(merged, rendered)


def compare_merged(document: Document, path: Path) -> None:
    """Compare the stored merged image, colours over white and the alpha, with what the document shows."""
    with open(path, "rb") as file:
        psd = PSD.read(file)
    planes = psd.image_data.get_data(psd.header)
    assert isinstance(planes, list)
    rendered = Compositor().render(document, document.canvas)
    stored: U8Array = np.stack([np.frombuffer(plane, np.uint8) for plane in planes], axis=-1)
    stored = stored.reshape(*rendered.shape[:2], -1)
    assert np.array_equal(stored[..., :3], render_over(rendered, (255, 255, 255)))
    if stored.shape[2] == 4:
        assert np.array_equal(stored[..., 3], rendered[..., 3])
    else:
        assert (rendered[..., 3] == 255).all()


def _walk(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for entry in entries for found in (entry, *_walk(entry.get("children", [])))]


def box_of_entry(entry: dict[str, Any]) -> Rect:
    """Return where ag-psd found an entry."""
    return Rect.from_edges(
        entry.get("left", 0), entry.get("top", 0), entry.get("right", 0), entry.get("bottom", 0)
    )


def _compare_layer(layer: Layer, entry: dict[str, Any], dump: Dump) -> None:
    props = layer.props
    assert entry["name"] == clean_name(props.name, entry["name"])
    assert entry["blendMode"] == props.blend_mode.name.lower().replace("_", " ")
    assert round(entry["opacity"] * 255) == props.opacity
    assert round(entry.get("fillOpacity", 1) * 255) == props.fill
    assert entry["visible"] is props.visible
    assert entry["clipping"] is props.clipping
    assert entry["layerColor"] == props.label.name.lower()
    wanted_locks = {"transparency": Lock.TRANSPARENCY, "composite": Lock.PIXELS, "position": Lock.POSITION}
    if Lock.ALL not in props.locks:
        assert {key: lock in props.locks for key, lock in wanted_locks.items()} == entry["protected"]
    _compare_mask(layer.mask, entry, dump)
    if isinstance(layer, GroupLayer):
        assert entry["opened"] is props.expanded
        compare_layers(layer.children, entry["children"], dump)
        return
    if isinstance(layer, AdjustmentLayer):  # its settings: test_psd_adjustments
        assert entry["adjustment"]["type"] == TITLES[type(layer.adjustment)].lower()
        assert entry["pixels"] is None
        return
    place, rgba = trimmed_box(layer), interleaved(layer)
    assert box_of_entry(entry) == place
    assert np.array_equal(dump.pixels(entry["pixels"]), rgba)
    if not place.is_empty:
        # What is seen is what the document holds: only colour under alpha 0 was added.
        own = layer.pixels.read(place.shifted(-layer.offset.x, -layer.offset.y))
        assert np.array_equal(own[..., 3], rgba[..., 3])
        assert np.array_equal(own[own[..., 3] > 0], rgba[own[..., 3] > 0])


def _compare_mask(mask: Mask | None, entry: dict[str, Any], dump: Dump) -> None:
    if mask is None:
        assert "mask" not in entry
        return
    read = entry["mask"]
    assert read["defaultColor"] == mask.pixels.fill
    assert bool(read.get("disabled")) is not mask.enabled
    box = mask.pixels.bounds()
    if box.is_empty:
        assert read["pixels"] is None
        return
    assert box_of_entry(read) == box.shifted(*mask.offset)
    assert np.array_equal(dump.pixels(read["pixels"])[..., 0], mask.pixels.read(box)[..., 0])


def compare_layers(layers: tuple[Layer, ...], entries: list[dict[str, Any]], dump: Dump) -> None:
    """Compare siblings, bottom to top, and all that is in them."""
    assert len(entries) == len(layers)
    for layer, entry in zip(layers, entries, strict=True):
        _compare_layer(layer, entry, dump)
