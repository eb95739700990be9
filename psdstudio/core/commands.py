"""Commands are values that turn a document into the next one; here the protocol and the property commands.

A command that does not apply raises `CommandError` and leaves everything as it was. One that changes nothing
returns the very same document. Names of layers in messages are quoted as the layer panel shows them.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Protocol

from psdstudio.core.document import MAX_NAME, Document
from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Label,
    Layer,
    LayerId,
    Lock,
    Part,
    PixelLayer,
    Role,
)
from psdstudio.core.locks import refuse_locked
from psdstudio.core.parts import children_with, object_group_of
from psdstudio.core.scene import MAX_SEED, Light
from psdstudio.errors import CommandError


class Command(Protocol):
    """A pure edit of a document."""

    @property
    def label(self) -> str:
        """What the Edit menu says after "Undo"."""

    @property
    def merge_key(self) -> Hashable | None:
        """Consecutive commands with the same key become one undo step; None never merges."""

    def apply(self, doc: Document) -> Document:
        """Return the edited document; raises CommandError when the command does not apply to `doc`."""


def need(doc: Document, layer_id: LayerId) -> Layer:
    """Return the layer; raises CommandError when it is gone."""
    layer = doc.find(layer_id)
    if layer is None:
        raise CommandError("That layer is no longer in the document.")
    return layer


def need_pixel_layer(doc: Document, layer_id: LayerId) -> PixelLayer:
    """Return the pixel layer; raises CommandError when it is gone, a group or an adjustment."""
    layer = need(doc, layer_id)
    if isinstance(layer, AdjustmentLayer):
        raise CommandError(
            f"“{layer.props.name}” is an adjustment and has no pixels of its own.",
            "Select a layer with pixels, or edit its mask.",
        )
    if not isinstance(layer, PixelLayer):
        raise CommandError(
            f"“{layer.props.name}” is a group and has no pixels of its own.", "Select a layer inside it."
        )
    return layer


def need_part(doc: Document, layer_id: LayerId) -> tuple[Layer, Part]:
    """Return the layer and its part; raises CommandError when it belongs to no generated scene."""
    layer = need(doc, layer_id)
    if layer.part is None:
        raise CommandError(
            f"“{layer.props.name}” is not part of the generated scene.",
            "Select the background or an object of the scene.",
        )
    return layer, layer.part


def need_some(doc: Document, ids: tuple[LayerId, ...]) -> tuple[Layer, ...]:
    """Return the layers in the given order; raises CommandError when there are none or one is gone."""
    if not ids:
        raise CommandError("No layer is selected.", "Select a layer first.")
    return tuple(need(doc, layer_id) for layer_id in dict.fromkeys(ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Several commands as one step; all apply or none does."""

    label: str
    commands: tuple[Command, ...]
    merge_key: Hashable | None = None

    def apply(self, doc: Document) -> Document:
        """Apply one after the other."""
        for command in self.commands:
            doc = command.apply(doc)
        return doc


_PROP_LABELS = {
    "name": "Rename layer",
    "visible": "Layer visibility",
    "opacity": "Opacity",
    "fill": "Fill opacity",
    "blend_mode": "Blend mode",
    "clipping": "Clipping mask",
    "locks": "Layer locks",
    "label_colour": "Layer colour",
    "expanded": "Open or close group",
}
_MERGING = {"opacity", "fill", "blend_mode"}
_LOCKED_BY_ALL = {"opacity", "fill", "blend_mode", "clipping"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProps:
    """Set row properties of several layers; a field that is None stays as it is.

    `opacity` and `fill` are 0..255. A layer locked with ALL refuses opacity, fill, blend mode and clipping,
    as Photoshop greys them; name, visibility, colour and the locks themselves stay free.
    """

    ids: tuple[LayerId, ...]
    name: str | None = None
    visible: bool | None = None
    opacity: int | None = None
    fill: int | None = None
    blend_mode: BlendMode | None = None
    clipping: bool | None = None
    locks: frozenset[Lock] | None = None
    label_colour: Label | None = None
    expanded: bool | None = None

    @property
    def changes(self) -> dict[str, object]:
        """The fields that are set, by their name here."""
        return {name: value for name in _PROP_LABELS if (value := getattr(self, name)) is not None}

    @property
    def label(self) -> str:
        """The property's name, or a general word for several."""
        changes = self.changes
        return _PROP_LABELS[next(iter(changes))] if len(changes) == 1 else "Layer properties"

    @property
    def merge_key(self) -> Hashable | None:
        """Turning the same dial of the same layers is one step."""
        names = frozenset(self.changes)
        return ("props", self.ids, names) if names and names <= _MERGING else None

    def apply(self, doc: Document) -> Document:
        """Set the properties; raises CommandError for locked layers and values that a layer cannot hold."""
        changes = self.changes
        for layer in need_some(doc, self.ids):
            if changes.keys() & _LOCKED_BY_ALL:
                refuse_locked(doc, layer.id, Lock.ALL, "changing its look")
            fields = {("label" if name == "label_colour" else name): value for name, value in changes.items()}
            if self.name is not None:
                fields["name"] = checked_name(self.name)
            _refuse_unfit(layer, self)
            new = layer.with_props(**fields)
            if new.props != layer.props:
                doc = doc.with_layer(new)
        return doc


def checked_name(name: str) -> str:
    """Return the name without outer spaces; raises CommandError when it is empty or too long for a PSD."""
    name = name.strip()
    if not name:
        raise CommandError("A layer needs a name.")
    if len(name) > MAX_NAME:
        raise CommandError(f"That name is too long: a layer name holds at most {MAX_NAME} characters.")
    return name


def _refuse_unfit(layer: Layer, wanted: SetProps) -> None:
    name = layer.props.name
    for value in (wanted.opacity, wanted.fill):
        if value is not None and not 0 <= value <= 255:
            raise CommandError("Opacity and fill lie between 0 and 100 %.")
    if isinstance(layer, GroupLayer):
        if wanted.clipping:
            raise CommandError(f"“{name}” is a group; only layers can be clipped.")
    elif wanted.blend_mode is BlendMode.PASS_THROUGH:
        raise CommandError(f"“{name}” is not a group; only groups can pass through.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWords:
    """Set what a part of the scene should show; for an object's layers the words are those of the object."""

    layer_id: LayerId
    words: str

    label = "Change words"

    @property
    def merge_key(self) -> Hashable | None:
        """Typing is one step."""
        return ("words", self.layer_id)

    def apply(self, doc: Document) -> Document:
        """Set the words on the object's group and its object layer, or on the background."""
        layer, part = need_part(doc, self.layer_id)
        group = object_group_of(doc, layer.id)
        targets: list[Layer] = [layer]
        if group is not None and part.role in (Role.OBJECT, Role.OBJECT_GROUP):
            targets = [group, *children_with(group, Role.OBJECT)]
        words = " ".join(self.words.split())
        for target in targets:
            if target.part is not None and target.part.words != words:
                current = doc.layer(target.id)
                doc = doc.with_layer(replace(current, part=replace(target.part, words=words)))
        return doc


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBox:
    """Place an object's layout box for the next run; pixels stay where they are.

    None lets the engine place it.
    """

    layer_id: LayerId
    box: BoxF | None
    is_users: bool = True
    is_nudge: bool = False

    label = "Layout box"

    @property
    def merge_key(self) -> Hashable | None:
        """Arrow keys in a row are one step; drags are not."""
        return ("nudge box", self.layer_id) if self.is_nudge else None

    def apply(self, doc: Document) -> Document:
        """Set the box of an object group; raises CommandError for other layers and boxes without an area."""
        layer, part = need_part(doc, self.layer_id)
        if part.role is not Role.OBJECT_GROUP:
            raise CommandError(f"“{layer.props.name}” has no layout box.", "Select the object's group.")
        if self.box is not None and not (self.box.width > 0 and self.box.height > 0):
            raise CommandError("A layout box needs a width and a height.")
        new = replace(part, box=self.box, box_is_users=self.is_users and self.box is not None)
        return doc if new == part else doc.with_layer(replace(layer, part=new))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScene:
    """Set what is asked of the whole picture; a field that is None stays as it is."""

    prompt: str | None = None
    seed: int | None = None
    use_library: bool | None = None
    light: Light | None = None

    @property
    def changes(self) -> dict[str, object]:
        """The fields that are set."""
        names = ("prompt", "seed", "use_library", "light")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def label(self) -> str:
        """What was set."""
        labels = {
            "prompt": "Change prompt",
            "seed": "Change seed",
            "use_library": "Library use",
            "light": "Light",
        }
        changes = self.changes
        return labels[next(iter(changes))] if len(changes) == 1 else "Change scene"

    @property
    def merge_key(self) -> Hashable | None:
        """Typing the prompt is one step, so is stepping the seed."""
        names = frozenset(self.changes)
        return ("scene", names) if names in ({"prompt"}, {"seed"}) else None

    def apply(self, doc: Document) -> Document:
        """Set the fields."""
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise CommandError(f"A seed is a whole number from 0 to {MAX_SEED}.")
        scene = replace(doc.scene, **self.changes)  # type: ignore[arg-type]  # names and types are the fields' own
        return doc if scene == doc.scene else replace(doc, scene=scene)
