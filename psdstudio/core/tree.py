"""Pure functions on a tuple of layers (bottom to top): walk, find, replace, insert, remove."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from psdstudio.core.layers import GroupLayer, Layer, LayerId

Layers = tuple[Layer, ...]


def walk(layers: Layers) -> Iterator[Layer]:
    """Yield every layer, bottom to top, a group before its children."""
    for layer in layers:
        yield layer
        if isinstance(layer, GroupLayer):
            yield from walk(layer.children)


def find(layers: Layers, layer_id: LayerId) -> Layer | None:
    """Return the layer with that id, or None."""
    return next((layer for layer in walk(layers) if layer.id == layer_id), None)


def parent_of(layers: Layers, layer_id: LayerId) -> GroupLayer | None:
    """Return the group that directly holds the layer.

    None at the top level or when there is no such layer.
    """
    for layer in walk(layers):
        if isinstance(layer, GroupLayer) and any(child.id == layer_id for child in layer.children):
            return layer
    return None


def siblings_of(layers: Layers, layer_id: LayerId) -> Layers:
    """Return the tuple in which the layer stands (empty when there is no such layer)."""
    if any(layer.id == layer_id for layer in layers):
        return layers
    parent = parent_of(layers, layer_id)
    return parent.children if parent else ()


def replaced(layers: Layers, new: Layer) -> Layers:
    """Return the tree in which the layer with `new.id` is `new`; untouched branches keep their identity."""
    out: list[Layer] = []
    changed = False
    for layer in layers:
        current: Layer = layer
        if layer.id == new.id:
            current = new
        elif isinstance(layer, GroupLayer):
            children = replaced(layer.children, new)
            if children is not layer.children:
                current = replace(layer, children=children)
        changed = changed or current is not layer
        out.append(current)
    return tuple(out) if changed else layers


def removed(layers: Layers, layer_id: LayerId) -> Layers:
    """Return the tree without the layer and its children; untouched branches keep their identity."""
    if any(layer.id == layer_id for layer in layers):
        return tuple(layer for layer in layers if layer.id != layer_id)
    parent = parent_of(layers, layer_id)
    if parent is None:
        return layers
    return replaced(layers, replace(parent, children=removed(parent.children, layer_id)))


def inserted(layers: Layers, new: Layer, *, parent: LayerId | None, index: int) -> Layers:
    """Return the tree with `new` at `index` (0 = bottom) of the group `parent`; None is the top level."""
    if parent is None:
        index = max(0, min(index, len(layers)))
        return (*layers[:index], new, *layers[index:])
    group = find(layers, parent)
    if not isinstance(group, GroupLayer):
        raise KeyError(parent)
    return replaced(layers, replace(group, children=inserted(group.children, new, parent=None, index=index)))


def ancestors(layers: Layers, layer_id: LayerId) -> tuple[GroupLayer, ...]:
    """Return the groups around a layer, outermost first; empty at the top level or for an unknown id."""
    for layer in layers:
        if layer.id == layer_id:
            return ()
        if isinstance(layer, GroupLayer) and find(layer.children, layer_id) is not None:
            return (layer, *ancestors(layer.children, layer_id))
    return ()


def roots(layers: Layers, ids: Collection[LayerId]) -> Layers:
    """Return the named layers bottom to top, without those inside another named one and unknown ids."""
    found: list[Layer] = []
    for layer in layers:
        if layer.id in ids:
            found.append(layer)
        elif isinstance(layer, GroupLayer):
            found += roots(layer.children, ids)
    return tuple(found)


def parents(layers: Layers) -> dict[LayerId, LayerId | None]:
    """Return the id of the group around every layer, None at the top level."""
    out: dict[LayerId, LayerId | None] = dict.fromkeys((layer.id for layer in layers), None)
    for layer in walk(layers):
        if isinstance(layer, GroupLayer):
            out.update((child.id, layer.id) for child in layer.children)
    return out


def siblings_in(layers: Layers, parent: LayerId | None) -> Layers:
    """Return a group's children, or the top level for None; raises KeyError when `parent` is no group."""
    if parent is None:
        return layers
    group = find(layers, parent)
    if not isinstance(group, GroupLayer):
        raise KeyError(parent)
    return group.children
