"""Small documents that the command tests share."""

from __future__ import annotations

import numpy as np

from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import GroupLayer, Layer, LayerId, LayerProps, Lock
from psdstudio.core.parts import object_groups
from tests.strategies import scene_document, solid_layer

SWAN = Rect(20, 100, 80, 80)
FLAMINGO = Rect(80, 120, 60, 60)
WHITE = np.full((4, 4, 4), 255, np.uint8)


def plain_doc(*names: str) -> Document:
    return Document(size=Size(100, 80), layers=tuple(solid_layer(name, Rect(5, 5, 20, 20)) for name in names))


def scene_doc() -> Document:
    """A swan and, in front of it and standing on its box, a flamingo."""
    return scene_document(("swan", SWAN), ("flamingo", FLAMINGO))


def object_named(doc: Document, name: str) -> GroupLayer:
    return next(group for group in object_groups(doc) if group.props.name == name)


def tree_text(doc: Document) -> str:
    """The tree as text, bottom to top: "a (b c)"."""

    def row(layer: Layer) -> str:
        inside = f" ({' '.join(map(row, layer.children))})" if isinstance(layer, GroupLayer) else ""
        return layer.props.name + inside

    return " ".join(map(row, doc.layers))


def locked_doc(doc: Document, layer_id: LayerId, *locks: Lock) -> Document:
    return SetProps(ids=(layer_id,), locks=frozenset(locks)).apply(doc)


def stale_names(doc: Document) -> list[str]:
    return [g.props.name for g in object_groups(doc) if g.part is not None and g.part.stale_contacts]


def nested_doc() -> tuple[Document, dict[str, LayerId]]:
    """The tree "a g (b h (c) d) e"."""
    a, b, c, d, e = (solid_layer(name, Rect(0, 0, 9, 9)) for name in "abcde")
    h = GroupLayer(props=LayerProps(name="h"), children=(c,))
    g = GroupLayer(props=LayerProps(name="g"), children=(b, h, d))
    doc = Document(size=Size(50, 50), layers=(a, g, e))
    return doc, {layer.props.name: layer.id for layer in doc.walk()}
