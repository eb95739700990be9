"""What Photoshop's four locks forbid. A lock on a group holds for everything inside it."""

from __future__ import annotations

from psdstudio.core import tree
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Lock
from psdstudio.errors import CommandError

_LOCK_NAMES = {
    Lock.TRANSPARENCY: "transparency",
    Lock.PIXELS: "pixels",
    Lock.POSITION: "position",
    Lock.ALL: "layer (all locks)",
}


def locked_by(doc: Document, layer_id: LayerId, lock: Lock) -> Layer | None:
    """Return the layer that carries `lock` or ALL for this layer: itself or a group around it.

    None when free.
    """
    layer = doc.find(layer_id)
    if layer is None:
        return None
    chain: tuple[Layer, ...] = (layer, *reversed(tree.ancestors(doc.layers, layer_id)))
    return next((x for x in chain if x.props.locks & {lock, Lock.ALL}), None)


def refuse_locked(doc: Document, layer_id: LayerId, lock: Lock, against: str) -> None:
    """Raise CommandError when `lock` or ALL holds for the layer; `against` names the edit ("moving")."""
    holder = locked_by(doc, layer_id, lock)
    if holder is None:
        return
    held = Lock.ALL if Lock.ALL in holder.props.locks else lock
    raise CommandError(
        f"“{holder.props.name}” is locked against {against}.", f"Unlock its {_LOCK_NAMES[held]} first."
    )


def refuse_locked_inside(doc: Document, layer: Layer, lock: Lock, against: str) -> None:
    """Raise CommandError when the lock holds for the layer or for any layer inside it."""
    refuse_locked(doc, layer.id, lock, against)
    if isinstance(layer, GroupLayer):
        for child in tree.walk(layer.children):
            if child.props.locks & {lock, Lock.ALL}:
                refuse_locked(doc, child.id, lock, against)
