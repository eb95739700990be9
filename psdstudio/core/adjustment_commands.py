"""Commands that make adjustment layers and change their settings."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from psdstudio.core import tree
from psdstudio.core.adjustments import TITLES, Adjustment, adjustment_faults
from psdstudio.core.commands import need
from psdstudio.core.document import Document
from psdstudio.core.layers import AdjustmentLayer, LayerId, LayerProps, Lock, new_layer_id
from psdstudio.core.locks import refuse_locked
from psdstudio.core.structure_commands import InsertLayer, free_name, place_above
from psdstudio.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAdjustment:
    """Add an adjustment layer above another layer (on top when `above` is None), named as Photoshop names it.

    `clipped`: right above that layer, for it and what is clipped to it alone.
    """

    adjustment: Adjustment
    above: LayerId | None = None
    clipped: bool = False
    layer_id: LayerId = field(default_factory=new_layer_id)

    merge_key = None

    @property
    def label(self) -> str:
        """New adjustment layer, and which."""
        return f"New {TITLES[type(self.adjustment)]} layer"

    def apply(self, doc: Document) -> Document:
        """Add; raises CommandError when `above` is gone, stands in a fully locked group, or nothing is there to
        clip to.
        """
        _refuse_faults(self.adjustment)
        name = free_name(doc, TITLES[type(self.adjustment)])
        layer = AdjustmentLayer(
            id=self.layer_id,
            props=LayerProps(name=name, clipping=self.clipped),
            adjustment=self.adjustment,
        )
        if not self.clipped:
            parent, index = place_above(doc, self.above)
        elif self.above is None:
            raise CommandError("There is no layer to clip the adjustment to.", "Select a layer first.")
        else:
            base = need(doc, self.above)
            group = tree.parent_of(doc.layers, base.id)
            parent = group.id if group else None
            siblings = tree.siblings_of(doc.layers, base.id)
            index = next(place for place, one in enumerate(siblings, start=1) if one.id == base.id)
        return InsertLayer(layer=layer, parent=parent, index=index).apply(doc)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAdjustment:
    """Give an adjustment layer other settings of the same kind.

    `setting` names the control that is turned: turning the same one of the same layer in a row is one step.
    """

    layer_id: LayerId
    adjustment: Adjustment
    setting: str = ""

    @property
    def label(self) -> str:
        """The kind of adjustment."""
        return TITLES[type(self.adjustment)]

    @property
    def merge_key(self) -> Hashable | None:
        """Turning the same dial is one step; a change without a name stands alone."""
        return ("adjustment", self.layer_id, self.setting) if self.setting else None

    def apply(self, doc: Document) -> Document:
        """Set; raises CommandError for other layers, another kind, settings out of range, and full locks."""
        layer = need(doc, self.layer_id)
        if not isinstance(layer, AdjustmentLayer) or type(layer.adjustment) is not type(self.adjustment):
            raise CommandError(
                f"“{layer.props.name}” is no {self.label} adjustment.", "Select the adjustment layer first."
            )
        refuse_locked(doc, layer.id, Lock.ALL, "changing its look")
        _refuse_faults(self.adjustment)
        if layer.adjustment == self.adjustment:
            return doc
        return doc.with_layer(replace(layer, adjustment=self.adjustment))


def _refuse_faults(adjustment: Adjustment) -> None:
    if adjustment_faults(adjustment):
        raise CommandError(
            f"These settings are not possible for {TITLES[type(adjustment)]}.", "Nothing was changed."
        )
