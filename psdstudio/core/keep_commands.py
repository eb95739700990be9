"""The Keep pin: what generation must leave alone.

An object's group and its object layer always carry the same pin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from psdstudio.core import tree
from psdstudio.core.commands import need_some
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Role
from psdstudio.core.parts import (
    background_of,
    children_with,
    is_kept,
    object_group_of,
    object_groups,
    role_of,
)
from psdstudio.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class SetKeep:
    """Pin or release parts of the scene. A plain group stands for the parts inside it."""

    ids: tuple[LayerId, ...]
    keep: bool

    merge_key = None

    @property
    def label(self) -> str:
        """Keep or Release."""
        return "Keep" if self.keep else "Release Keep"

    def apply(self, doc: Document) -> Document:
        """Set the pins; raises CommandError when none of the layers belongs to the scene."""
        targets: list[Layer] = []
        for layer in need_some(doc, self.ids):
            targets += _pins_of(doc, layer)
        if not targets:
            raise CommandError(
                "Only the background and the objects of a scene can be kept.",
                "Other layers are never changed by generating.",
            )
        return _with_pins(doc, targets, keep=self.keep)


@dataclass(frozen=True, slots=True)
class InvertKeep:
    """Keep what was free and free what was kept: the background and every object; effects keep their own
    pins.
    """

    label = "Invert Keep"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Invert the pins; raises CommandError when there is no scene."""
        background = background_of(doc)
        units: list[Layer] = [*object_groups(doc)]
        if background is not None:
            units.append(background)
        if not units:
            raise CommandError("There is no scene yet.", "Generate one first.")
        was_kept = {unit.id: is_kept(unit) for unit in units}
        for unit in units:
            doc = _with_pins(doc, _pins_of(doc, unit), keep=not was_kept[unit.id])
        return doc


@dataclass(frozen=True, slots=True)
class ReleaseAllKeeps:
    """Take out every pin, those of shadows and reflections too."""

    label = "Release all Keeps"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Take out the pins."""
        return _with_pins(doc, list(doc.walk()), keep=False)


def _pins_of(doc: Document, layer: Layer) -> list[Layer]:
    """Return the layers whose pin stands for `layer`."""
    role = role_of(layer)
    if role in (Role.OBJECT, Role.OBJECT_GROUP):
        group = object_group_of(doc, layer.id)
        return [layer] if group is None else [group, *children_with(group, Role.OBJECT)]
    if role is None and isinstance(layer, GroupLayer):
        return [
            x for x in tree.walk(layer.children) if role_of(x) not in (None, Role.SHADOW, Role.REFLECTION)
        ]
    return [layer] if role is not None else []


def _with_pins(doc: Document, layers: Iterable[Layer], *, keep: bool) -> Document:
    for layer in layers:
        if layer.part is not None and layer.part.keep != keep:
            current = doc.layer(layer.id)
            doc = doc.with_layer(replace(current, part=replace(layer.part, keep=keep)))
    return doc
