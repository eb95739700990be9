"""What the layer rows show of a run: who is waiting, who is painted, with which live picture."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtGui import QImage

from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, LayerId
from psdstudio.ui.generate.run import RunView
from psdstudio.ui.models.layer_tree import RowPhase, RowState
from psdstudio.ui.wording import percent


def row_states(run: RunView, doc: Document, live: Mapping[LayerId, QImage]) -> dict[LayerId, RowState]:
    """Return the state of every row that the run touches, and of rows that are not in the document yet."""
    free, refreshed = run.scope.free_ids, {part.id for part in run.scope.refreshed}
    moved = {part.id for part in run.scope.moved}
    known = {layer.id for layer in doc.walk()}
    states: dict[LayerId, RowState] = {}
    for layer in run.planned.walk():
        is_pending = layer.id not in known
        if layer.id in free:
            states[layer.id] = _free(run, live.get(layer.id), is_pending=is_pending)
            if isinstance(layer, GroupLayer):
                for child in layer.children:
                    states[child.id] = RowState(is_pending=child.id not in known, live=live.get(layer.id))
        elif layer.id in refreshed:
            words = "Finding a new place" if layer.id in moved else "Refreshing contacts"
            states[layer.id] = RowState(phase=RowPhase.RUNNING, fraction=run.fraction, words=words)
        elif is_pending and layer.id not in states:
            states[layer.id] = RowState(is_pending=True)
    return states


def _free(run: RunView, image: QImage | None, *, is_pending: bool) -> RowState:
    if run.is_stopping:
        return RowState(words="Stopping", live=image, is_pending=is_pending)
    if run.fraction <= 0:
        return RowState(phase=RowPhase.QUEUED, words="Waiting", live=image, is_pending=is_pending)
    share = percent(round(run.fraction * 255))
    return RowState(
        phase=RowPhase.RUNNING,
        fraction=run.fraction,
        words=f"Painting, {share} %",
        live=image,
        is_pending=is_pending,
    )
