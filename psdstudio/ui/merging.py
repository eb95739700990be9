"""Merging layers: rendered by the one compositor on a thread, then one command."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from psdstudio.core import tree
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import union_of
from psdstudio.core.layers import AdjustmentLayer, BlendMode, Layer, LayerId, LayerProps, PixelLayer
from psdstudio.core.structure_commands import InsertLayer, ReplaceWithMerged
from psdstudio.core.tiles import TileGrid
from psdstudio.render.compositor import Compositor
from psdstudio.ui.bridge import Background, SessionBridge


class Merging(QObject):
    """Merge down, merge visible, stamp visible. GUI thread; after an edit in between nothing is merged."""

    def __init__(self, bridge: SessionBridge, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._background = bridge, background

    def merge_selected(self) -> None:
        """Merge the selected layers, or the one selected with the one below it (Ctrl+E)."""
        doc = self._bridge.session.document
        chosen = tree.roots(doc.layers, self._bridge.session.selection)
        if len(chosen) == 1:
            siblings = tree.siblings_of(doc.layers, chosen[0].id)
            at = next(i for i, layer in enumerate(siblings) if layer.id == chosen[0].id)
            chosen = siblings[max(0, at - 1) : at + 1]
        self._merge(doc, chosen)

    def merge_visible(self) -> None:
        """Merge all visible layers of the top level (Ctrl+Shift+E)."""
        doc = self._bridge.session.document
        shown = tuple(layer for layer in doc.layers if layer.props.visible)
        # An adjustment at the very bottom has nothing below it: the picture begins above.
        pictures = [layer.id for layer in shown if not isinstance(layer, AdjustmentLayer)]
        self._merge(doc, shown, into=pictures[0] if pictures else None)

    def stamp_visible(self) -> None:
        """Put what is seen into a new layer on top (Ctrl+Alt+Shift+E)."""
        doc = self._bridge.session.document
        self._render(doc, doc.layers, lambda pixels: self._stamp(doc, pixels))

    def _merge(self, doc: Document, layers: tuple[Layer, ...], *, into: LayerId | None = None) -> None:
        if len(layers) < 2:
            return
        ids, target = tuple(layer.id for layer in layers), into or layers[0].id
        self._render(doc, layers, lambda pixels: self._replace(doc, ids, target, pixels))

    def _render(self, doc: Document, layers: tuple[Layer, ...], done: Callable[[TileGrid], None]) -> None:
        def work() -> TileGrid:
            box = union_of(map(layer_bounds, layers))
            if box.is_empty:
                return TileGrid()
            return TileGrid.from_array(Compositor().render_layers(layers, box), box.origin)

        self._background.submit(work, done)

    def _replace(self, doc: Document, ids: tuple[LayerId, ...], into: LayerId, pixels: TileGrid) -> None:
        if self._bridge.session.document is doc:
            self._bridge.apply(
                ReplaceWithMerged(ids=ids, into=into, pixels=pixels, blend_mode=BlendMode.NORMAL)
            )

    def _stamp(self, doc: Document, pixels: TileGrid) -> None:
        if self._bridge.session.document is doc:
            layer = PixelLayer(props=LayerProps(name="Stamp"), pixels=pixels)
            self._bridge.apply(
                InsertLayer(layer=layer, parent=None, index=len(doc.layers), label="Stamp visible")
            )
