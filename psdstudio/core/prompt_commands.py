"""Commands on what an engine is told about one part of the scene besides its words: what not to paint, and LoRAs.

Both belong to the object as a whole or to the background: for any layer of an object its group holds them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace

from psdstudio.core.commands import need_part
from psdstudio.core.document import Document
from psdstudio.core.layers import Layer, LayerId, LoraUse, Part, Role
from psdstudio.core.parts import object_group_of
from psdstudio.errors import CommandError

MAX_LORAS = 8
"""LoRAs of one part; each costs time in every step."""
MAX_LORA_WEIGHT = 2.0
MAX_NEGATIVE = 2000
"""Characters of negative words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNegative:
    """Say what a part of the scene must not show; "" says nothing."""

    layer_id: LayerId
    negative: str

    label = "Change what is not in it"

    @property
    def merge_key(self) -> Hashable | None:
        """Typing is one step."""
        return ("negative", self.layer_id)

    def apply(self, doc: Document) -> Document:
        """Set the words; raises CommandError for a layer that is neither object nor background, or for a long text."""
        layer, part = prompted(doc, self.layer_id)
        negative = " ".join(self.negative.split())
        if len(negative) > MAX_NEGATIVE:
            raise CommandError(f"These words are too long: at most {MAX_NEGATIVE:,} characters are possible.")
        return _with_part(doc, layer, replace(part, negative=negative))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLoras:
    """Give a part of the scene these LoRAs, in this order, and no others.

    `is_weight` says that a weight is being turned: that is one step.
    """

    layer_id: LayerId
    loras: tuple[LoraUse, ...]
    is_weight: bool = False

    label = "Change LoRAs"

    @property
    def merge_key(self) -> Hashable | None:
        """Turning a weight is one step, choosing LoRAs is not."""
        return ("loras", self.layer_id) if self.is_weight else None

    def apply(self, doc: Document) -> Document:
        """Set the list; raises CommandError for other layers, too many LoRAs, one twice, a weight out of 0..2."""
        layer, part = prompted(doc, self.layer_id)
        if len(self.loras) > MAX_LORAS:
            raise CommandError(f"A layer can have at most {MAX_LORAS} LoRAs.", "Take one away first.")
        titles = [use.title for use in self.loras]
        for use in self.loras:
            if not use.title.strip():
                raise CommandError("A LoRA needs a title.")
            if titles.count(use.title) > 1:
                raise CommandError(
                    f"The layer has the LoRA “{use.title}” already.", "Change its weight instead."
                )
            if not (math.isfinite(use.weight) and 0 <= use.weight <= MAX_LORA_WEIGHT):
                raise CommandError(f"The weight of a LoRA lies between 0 and {MAX_LORA_WEIGHT:g}.")
        return _with_part(doc, layer, replace(part, loras=self.loras))


def prompted(doc: Document, layer_id: LayerId) -> tuple[Layer, Part]:
    """Return the layer that holds what an engine is told: the object's group, or the background itself.

    Raises:
        CommandError: The layer is gone, or neither object nor background of a scene.
    """
    layer, part = need_part(doc, layer_id)
    group = object_group_of(doc, layer.id)
    if group is not None and group.part is not None:
        return group, group.part
    if part.role not in (Role.BACKGROUND, Role.OBJECT):
        raise CommandError(
            f"“{layer.props.name}” is not painted from words.",
            "Select the background or an object of the scene.",
        )
    return layer, part


def _with_part(doc: Document, layer: Layer, part: Part) -> Document:
    return doc if part == layer.part else doc.with_layer(replace(layer, part=part))
