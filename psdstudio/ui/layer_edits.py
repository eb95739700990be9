"""What the menus and panels do to layers, as commands on the selection. No widgets here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from psdstudio.core import tree
from psdstudio.core.adjustment_commands import AddAdjustment
from psdstudio.core.adjustments import Adjustment
from psdstudio.core.commands import Sequence as CommandSequence
from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.keep_commands import InvertKeep, ReleaseAllKeeps, SetKeep
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerId, Lock
from psdstudio.core.parts import is_kept
from psdstudio.core.pixel_commands import AddMask, ApplyMask, RemoveMask, SetMask
from psdstudio.core.structure_commands import (
    AddLayer,
    DeleteLayers,
    DuplicateLayers,
    GroupLayers,
    MoveLayers,
    UngroupLayer,
)
from psdstudio.ui.bridge import SessionBridge
from psdstudio.ui.wording import from_percent


class LayerEdits:
    """Edits of the selected layers. GUI thread."""

    def __init__(self, bridge: SessionBridge) -> None:
        self._bridge = bridge
        self._last_locks: frozenset[Lock] = frozenset({Lock.TRANSPARENCY})
        self._before_solo: dict[LayerId, bool] | None = None

    @property
    def document(self) -> Document:
        """The open document."""
        return self._bridge.session.document

    @property
    def ids(self) -> tuple[LayerId, ...]:
        """The selected layers."""
        return self._bridge.session.selection

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The selected layers themselves."""
        return tuple(layer for i in self.ids if (layer := self.document.find(i)) is not None)

    # ---- state

    def toggle_keep(self, ids: Iterable[LayerId] | None = None) -> None:
        """Pin the layers, or release them when all are pinned (N)."""
        chosen = self.ids if ids is None else tuple(ids)
        found = [layer for i in chosen if (layer := self.document.find(i)) is not None]
        self._bridge.apply(SetKeep(ids=chosen, keep=not all(is_kept(layer) for layer in found)))

    def invert_keep(self) -> None:
        """Swap kept and free over the whole scene (Shift+N)."""
        self._bridge.apply(InvertKeep())

    def release_keeps(self) -> None:
        """Take out every pin."""
        self._bridge.apply(ReleaseAllKeeps())

    def set_visible(self, layer_id: LayerId, *, visible: bool) -> None:
        """Show or hide one layer."""
        self._before_solo = None
        self._bridge.apply(SetProps(ids=(layer_id,), visible=visible))

    def toggle_visible(self) -> None:
        """Show or hide the selection (Ctrl+,)."""
        if self.layers:
            self._bridge.apply(SetProps(ids=self.ids, visible=not self.layers[0].props.visible))

    def solo(self, layer_id: LayerId) -> None:
        """Show one layer alone, with what it stands in; again brings the former state back (Alt-click)."""
        doc = self.document
        if self._before_solo is not None:
            wanted = self._before_solo
            self._before_solo = None
        else:
            near = {layer_id, *(g.id for g in tree.ancestors(doc.layers, layer_id))}
            layer = doc.layer(layer_id)
            near |= {x.id for x in tree.walk(layer.children)} if isinstance(layer, GroupLayer) else set()
            self._before_solo = {x.id: x.props.visible for x in doc.walk()}
            wanted = {x.id: x.id in near and (x.props.visible or x.id == layer_id) for x in doc.walk()}
        steps = tuple(
            SetProps(ids=(x.id,), visible=wanted[x.id])
            for x in doc.walk()
            if x.id in wanted and wanted[x.id] != x.props.visible
        )
        if steps:
            self._bridge.apply(CommandSequence(label="Show alone", commands=steps))

    def add_adjustment(self, adjustment: Adjustment, *, clipped: bool = False) -> None:
        """Add an adjustment layer above the selected one, or clipped to it; on top of all without a selection."""
        above = self.ids[-1] if self.ids else None
        self._bridge.apply(AddAdjustment(adjustment=adjustment, above=above, clipped=clipped))

    def rename(self, layer_id: LayerId, name: str) -> None:
        """Give a layer a name."""
        self._bridge.apply(SetProps(ids=(layer_id,), name=name))

    def set_opacity(self, percent: int) -> None:
        """Set opacity in percent."""
        if self.ids:
            self._bridge.apply(SetProps(ids=self.ids, opacity=from_percent(percent)))

    def set_fill(self, percent: int) -> None:
        """Set fill in percent."""
        if self.ids:
            self._bridge.apply(SetProps(ids=self.ids, fill=from_percent(percent)))

    def set_mode(self, mode: BlendMode) -> None:
        """Set the blend mode."""
        if self.ids:
            self._bridge.apply(SetProps(ids=self.ids, blend_mode=mode))

    def step_mode(self, modes: tuple[BlendMode, ...], direction: int) -> None:
        """Go to the next or previous blend mode of the menu (Shift + and Shift -)."""
        if self.layers:
            at = (
                modes.index(self.layers[0].props.blend_mode)
                if self.layers[0].props.blend_mode in modes
                else 0
            )
            self.set_mode(modes[(at + direction) % len(modes)])

    def toggle_clipping(self) -> None:
        """Clip to the layer below, or release (Ctrl+Alt+G)."""
        if self.layers:
            self._bridge.apply(SetProps(ids=self.ids, clipping=not self.layers[0].props.clipping))

    def toggle_clipping_of(self, layer_id: LayerId) -> None:
        """Clip one layer to the one below it, or release it (Alt-click on the line between them)."""
        layer = self.document.find(layer_id)
        if layer is not None:
            self._bridge.apply(SetProps(ids=(layer_id,), clipping=not layer.props.clipping))

    def set_lock(self, lock: Lock, *, on: bool) -> None:
        """Set or clear one lock on every selected layer."""
        steps = []
        for layer in self.layers:
            locks = layer.props.locks | {lock} if on else layer.props.locks - {lock}
            steps.append(SetProps(ids=(layer.id,), locks=frozenset(locks)))
        if on:
            self._last_locks = frozenset({lock})
        if steps:
            self._bridge.apply(CommandSequence(label="Layer locks", commands=tuple(steps)))

    def toggle_last_lock(self) -> None:
        """Clear the locks, or set the last one again, transparency at first (`/`)."""
        if not self.layers:
            return
        locks = self.layers[0].props.locks
        if locks:
            self._last_locks = locks
        new: frozenset[Lock] = frozenset() if locks else self._last_locks
        self._bridge.apply(SetProps(ids=self.ids, locks=new))

    # ---- structure

    def add_layer(self) -> None:
        """Add an empty layer above the selection."""
        self._bridge.apply(AddLayer(above=self.ids[-1] if self.ids else None))

    def delete(self) -> None:
        """Delete the selection, without a question."""
        if self.ids:
            self._bridge.apply(DeleteLayers(ids=self.ids))

    def duplicate(self) -> None:
        """Copy the selection (Ctrl+J)."""
        if self.ids:
            self._bridge.apply(DuplicateLayers(ids=self.ids))

    def group(self) -> None:
        """Group the selection (Ctrl+G)."""
        if self.ids:
            self._bridge.apply(GroupLayers(ids=self.ids))

    def ungroup(self) -> None:
        """Ungroup the selected group (Ctrl+Shift+G)."""
        if self.ids:
            self._bridge.apply(UngroupLayer(layer_id=self.ids[-1]))

    def move_rows(self, ids: Iterable[LayerId], parent: LayerId | None, row: int) -> None:
        """Move layers to a row (0 = top) of a group, as a drop in the panel says it."""
        siblings = self.document.layers if parent is None else tree.siblings_in(self.document.layers, parent)
        self._bridge.apply(MoveLayers(ids=tuple(ids), parent=parent, index=len(siblings) - row))

    def shift(self, direction: int) -> None:
        """Move the selection one place up (+1) or down (-1) among its neighbours (Ctrl+] and Ctrl+[)."""
        self._restack(lambda place, count: place + 2 if direction > 0 else place - 1)

    def send_to_end(self, direction: int) -> None:
        """Move the selection to the top (+1) or bottom (-1) of its group (Ctrl+Shift+] and Ctrl+Shift+[)."""
        self._restack(lambda place, count: count if direction > 0 else 0)

    def _restack(self, gap: Callable[[int, int], int]) -> None:
        if not self.ids:
            return
        parent = tree.parent_of(self.document.layers, self.ids[-1])
        siblings = tree.siblings_of(self.document.layers, self.ids[-1])
        place = next(i for i, layer in enumerate(siblings) if layer.id == self.ids[-1])
        index = max(0, min(len(siblings), gap(place, len(siblings))))
        self._bridge.apply(MoveLayers(ids=self.ids, parent=parent.id if parent else None, index=index))

    def select_neighbour(self, direction: int) -> None:
        """Select the next layer up (+1) or down (-1) (Alt+] and Alt+[)."""
        order = [layer.id for layer in self.document.walk()]
        if not order:
            return
        at = order.index(self.ids[-1]) if self.ids else -1
        self._bridge.session.select((order[(at + direction) % len(order)],))

    def extend_to_neighbour(self, direction: int) -> None:
        """Add the next layer up (+1) or down (-1) to the selection (Alt+Shift+] and Alt+Shift+[)."""
        order = [layer.id for layer in self.document.walk()]
        if not self.ids:
            self.select_neighbour(direction)
            return
        at = order.index(self.ids[-1]) + direction
        if 0 <= at < len(order):
            rest = tuple(i for i in self.ids if i != order[at])
            self._bridge.session.select((*rest, order[at]))

    def select_end(self, direction: int) -> None:
        """Select the top (+1) or bottom (-1) layer (Alt+. and Alt+,)."""
        if self.document.layers:
            self._bridge.session.select((self.document.layers[-1 if direction > 0 else 0].id,))

    def select_all(self) -> None:
        """Select every layer at the top level (Ctrl+Alt+A)."""
        self._bridge.session.select(layer.id for layer in self.document.layers)

    # ---- mask and place

    def add_mask(self) -> None:
        """Add a mask that shows everything; a second one is not made."""
        if self.layers and self.layers[-1].mask is None:
            self._bridge.apply(AddMask(layer_id=self.ids[-1]))

    def remove_mask(self) -> None:
        """Take the mask away."""
        if self.ids:
            self._bridge.apply(RemoveMask(layer_id=self.ids[-1]))

    def apply_mask(self) -> None:
        """Burn the mask into the layer's alpha."""
        if self.ids:
            self._bridge.apply(ApplyMask(layer_id=self.ids[-1]))

    def switch_selected_mask(self) -> None:
        """Switch the mask of the selected layer off or on."""
        if self.ids:
            self.switch_mask(self.ids[-1])

    def switch_mask_link(self, layer_id: LayerId) -> None:
        """Let layer and mask move together, or each alone (click on the chain)."""
        layer = self.document.find(layer_id)
        if layer is not None and layer.mask is not None:
            self._bridge.apply(SetMask(layer_id=layer_id, linked=not layer.mask.linked))

    def switch_mask(self, layer_id: LayerId) -> None:
        """Switch the mask off or on (Shift-click)."""
        layer = self.document.find(layer_id)
        if layer is not None and layer.mask is not None:
            self._bridge.apply(SetMask(layer_id=layer_id, enabled=not layer.mask.enabled))
