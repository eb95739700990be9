"""Which layers are selected after an edit, as Photoshop does it: what is new is selected, what is gone gives
way.
"""

from __future__ import annotations

from psdstudio.core import tree
from psdstudio.core.changes import Change, Origin
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, LayerId


def selection_after(change: Change, selection: tuple[LayerId, ...]) -> tuple[LayerId, ...]:
    """Return the selection to show after `change`; only layers of the new document are in it."""
    if not change.is_structural:
        return selection
    by_user = change.origin in (Origin.USER, Origin.PREVIEW)
    if by_user and change.added:
        return tuple(layer.id for layer in tree.roots(change.after.layers, change.added))
    kept = tuple(layer_id for layer_id in selection if layer_id not in change.removed)
    if kept or not selection:
        return kept
    return _heirs(change.before, change.after, selection)


def _heirs(before: Document, after: Document, gone: tuple[LayerId, ...]) -> tuple[LayerId, ...]:
    """Return the children of an ungrouped group, else the nearest layer beside the last one gone."""
    survivors = {layer.id for layer in after.walk()}
    last = before.find(gone[-1])
    if isinstance(last, GroupLayer):
        children = tuple(child.id for child in last.children if child.id in survivors)
        if children:
            return children
    siblings = [layer.id for layer in tree.siblings_of(before.layers, gone[-1])]
    place = siblings.index(gone[-1])
    for layer_id in (*reversed(siblings[:place]), *siblings[place + 1 :]):
        if layer_id in survivors:
            return (layer_id,)
    parent = tree.parent_of(before.layers, gone[-1])
    return (parent.id,) if parent is not None and parent.id in survivors else ()
