"""What a run will do, decided before it starts: which parts are free or known, and the button that says so.

A scope is computed from the document, the verb and the selection. It is cheap, so the window computes one
after every edit; it never raises: `Scope.problem` says why a run is impossible.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerId
from psdstudio.errors import CommandError, ModelIncompatible, PromptError, StudioError
from psdstudio.gen.filling import Fill, background_fill, hidden_fills, refuse_fill
from psdstudio.gen.scene_parts import BackgroundView, ObjectView, SceneView, read_scene, refuse_placing
from psdstudio.gen.verbs import Verb

__all__ = ["DEFAULT_MAX_OBJECTS", "MAX_CANVAS_PX", "ObjectScope", "Scope", "Verb", "listed", "plan_scope"]

MAX_CANVAS_PX = 8192 * 8192
"""Largest canvas for a run: rasters arrive at document size, and background, composite and their copies on
the way between the processes are about 1.6 GB there."""
DEFAULT_MAX_OBJECTS = 6
"""Objects in one run as long as no engine has said what it can (`EngineInfo.max_objects`)."""


_WHOLE_SCENE = (Verb.GENERATE_SCENE, Verb.REGENERATE_FREE, Verb.SPLIT)
_FILLING = (Verb.FILL_BEHIND, Verb.FILL_HIDDEN)
_SAME_PLACE = (Verb.NEW_LOOK, Verb.SAME_OUTLINE, Verb.FILL_HIDDEN)
_SAME_SHAPE = (Verb.SAME_OUTLINE, *_FILLING)
"""Verbs after which shadow and reflection still fit, so they stay."""
_ABOUT_OBJECTS = (Verb.REFRESH_CONTACTS, Verb.SAME_OUTLINE, Verb.NEW_PLACE, *_FILLING)
"""Verbs to which it does not matter whether the background is selected too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScope:
    """One object in a run: which of its parts are conditions. What is not known is made.

    With `outline_known` a free look keeps its alpha. A known look whose box is not known is moved.
    """

    id: LayerId
    name: str
    look_known: bool
    box_known: bool
    effects_known: bool
    is_painted: bool
    foreign: bool = False
    outline_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a run will do.

    `left_out` names hidden layers, `empty_pins` pinned parts that have no pixels to keep, `pinned_targets`
    parts that the verb is about although they are kept. `fills` says of which parts some pixels only are made,
    `fills_holes` that these are transparent places of the background and not what is behind the objects named in
    `behind`; `refusal` is why one of the verbs that repaint or move what is there cannot.
    """

    verb: Verb
    canvas: Size
    background_id: LayerId | None
    background_known: bool
    background_painted: bool
    objects: tuple[ObjectScope, ...]
    left_out: tuple[str, ...] = ()
    empty_pins: tuple[str, ...] = ()
    pinned_targets: tuple[str, ...] = ()
    has_target: bool = True
    fills: tuple[Fill, ...] = field(default=(), repr=False, compare=False)
    fills_holes: bool = False
    behind: tuple[str, ...] = ()
    refusal: StudioError | None = field(default=None, compare=False)

    @property
    def free_ids(self) -> frozenset[LayerId]:
        """Ids of parts that get new pixels: objects and background; effects alone do not count."""
        free = {part.id for part in self.objects if not part.look_known}
        if self.background_id is not None and not self.background_known:
            free.add(self.background_id)
        return frozenset(free)

    @property
    def refreshed(self) -> tuple[ObjectScope, ...]:
        """Objects whose look is kept while shadow and reflection are made anew."""
        return tuple(part for part in self.objects if part.look_known and not part.effects_known)

    @property
    def moved(self) -> tuple[ObjectScope, ...]:
        """Objects that get another place and keep their look."""
        return tuple(part for part in self.objects if part.look_known and not part.box_known)

    @property
    def paints_over(self) -> bool:
        """Whether something that is there already is made anew, so that another seed is wanted."""
        if self.moved or self.verb is Verb.SPLIT or (self.background_painted and not self.background_known):
            return True
        return any(part.is_painted and not part.look_known for part in self.objects)

    def button_text(self) -> str:
        """Say the scope in the words of the button."""
        if self.verb in _FILLING or self.verb in (Verb.NEW_PLACE, Verb.SPLIT):
            return self._special_text().rstrip()
        if self.verb is Verb.REFRESH_CONTACTS:
            return f"Refresh contacts of {listed([part.name for part in self.refreshed])}"
        if self.verb in _WHOLE_SCENE:
            return self._scene_text()
        names = [part.name for part in self.objects if not part.look_known]
        text = ""
        if not self.background_known and not self.background_painted and names:
            text = ", with a new background"
        elif not self.background_known:
            names.insert(0, "background")
        verb = {Verb.NEW_LOOK: "New look for", Verb.SAME_OUTLINE: "New look for", Verb.INSERT: "Insert"}.get(
            self.verb, "Regenerate"
        )
        if self.verb is Verb.SAME_OUTLINE:
            text = f", same outline{text}"
        if self.refreshed:
            text += f", contacts of {listed([part.name for part in self.refreshed])} refreshed"
        return f"{verb} {listed(names)}{text}"

    def _special_text(self) -> str:
        free = [part.name for part in self.objects if not part.look_known]
        match self.verb:
            case Verb.NEW_PLACE:
                return f"New place for {listed([part.name for part in self.moved])}"
            case Verb.FILL_HIDDEN:
                return f"Fill the hidden part of {listed(free)}"
            case Verb.FILL_BEHIND if self.fills_holes:
                return "Fill the transparent part of the background"
            case Verb.FILL_BEHIND:
                return f"Fill the background behind {listed(self.behind)}"
            case _:
                return f"Split into {len(free) + 1} layers: {listed([*free, 'background'])}"

    def _scene_text(self) -> str:
        free = len(self.free_ids)
        known = [part for part in self.objects if part.look_known]
        kept = [part.name for part in known] + (["background"] if self.background_known else [])
        refreshed = [part.name for part in self.refreshed]
        if free == 0:
            return f"Refresh contacts of {listed(refreshed)}" if refreshed else "Everything is kept"
        painted = any(part.is_painted for part in self.objects if not part.look_known)
        painted = painted or (self.background_painted and not self.background_known)
        verb = "Regenerate" if painted else "Generate"
        layers = f"{free} layer" + ("s" if free != 1 else "")
        if not kept:
            return f"{verb} scene, {layers}"
        text = f"{verb} {layers}, {_kept_text(kept)} kept"
        if not refreshed:
            return text
        if refreshed == kept:
            return f"{text}, {'its' if len(kept) == 1 else 'their'} contacts refreshed"
        return f"{text}, contacts of {listed(refreshed)} refreshed"

    def note_text(self) -> str:
        """Say what the button cannot: hidden layers that take no part. Empty when there is nothing to say."""
        if not self.left_out:
            return ""
        return f"Hidden and left out: {listed(self.left_out)}"

    def problem(self, *, max_objects: int = DEFAULT_MAX_OBJECTS) -> StudioError | None:
        """Return why this run is impossible, with what to do about it; None when it can start."""
        count = len(self.objects)
        if count > max_objects:
            return PromptError(
                f"This scene has {count} objects; the engine paints at most {max_objects} together.",
                f"Leave {count - max_objects} of them out; objects that are hidden do not count.",
            )
        width, height = self.canvas
        if width * height > MAX_CANVAS_PX:
            return ModelIncompatible(
                f"A canvas of {width:,} × {height:,} px is too large to generate on; nothing was changed.",
                "Generate on a canvas of at most 8192 × 8192 px.",
            )
        if self.background_id is None:
            return CommandError("There is no scene yet.", "Describe one first.")
        if self.refusal is not None:
            return self.refusal
        if self.pinned_targets:
            name = self.pinned_targets[0]
            return CommandError(
                f"“{name}” is kept, so it cannot be regenerated.", "Stop keeping it, or unlock it, first."
            )
        if self.empty_pins:
            name = self.empty_pins[0]
            return CommandError(f"“{name}” is kept but has no pixels yet.", "Stop keeping it, or hide it.")
        if not self.has_target:
            return CommandError("No part of the scene is selected.", "Select an object or the background.")
        if not self.free_ids and not self.refreshed:
            return CommandError("Everything is kept, so there is nothing to make.", "Keep one layer less.")
        return None


_LONG_NAME = 28
"""Longer names are cut in the words of the button: they would leave no room for the rest of them."""


def listed(names: Sequence[str]) -> str:
    """Return names as words of a button: “swan, boat and duck”; more than three are counted, long ones cut."""
    if len(names) > 3:
        return f"{len(names)} objects"
    names = [name if len(name) <= _LONG_NAME else f"{name[: _LONG_NAME - 1].rstrip()}…" for name in names]
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _kept_text(names: Sequence[str]) -> str:
    return f"{len(names)} layers" if len(names) > 3 else listed(names)


def plan_scope(doc: Document, verb: Verb, selection: Collection[LayerId] = ()) -> Scope:
    """Return what `verb` would do.

    Args:
        doc: The document; for GENERATE_SCENE with the placeholders of the plan already in it.
        verb: The verb.
        selection: Layers that the verb is about (ids of groups or of layers inside them). The whole-scene
            verbs do not regard it; for REFRESH_CONTACTS an empty selection means every object whose contacts
            are stale.
    """
    view = read_scene(doc)
    chosen = _chosen(doc, view, verb, selection)
    background = view.background
    whole = verb in _WHOLE_SCENE
    fills, fills_holes, refusal = _special_targets(doc, view, verb, chosen)
    filled = {fill.id for fill in fills}
    free_background = background is not None and (
        not background.is_painted or (background.layer.id in chosen and not background.pinned)
    )
    parts: list[ObjectScope] = []
    left_out: list[str] = []
    empty_pins: list[str] = []
    for item in view.objects:
        wanted = item.id in chosen and verb not in (Verb.REFRESH_CONTACTS, Verb.NEW_PLACE, *_FILLING)
        wanted = wanted or item.id in filled
        # A verb that names a hidden layer means it; a whole-scene verb does not touch what nobody sees.
        if item.hidden and (whole or verb is Verb.FILL_BEHIND or item.id not in chosen):
            left_out.append(item.name)
        elif item.pinned and not item.is_painted:
            empty_pins.append(item.name)
        elif item.is_painted or wanted:
            parts.append(
                _object_scope(
                    item,
                    verb,
                    free=wanted and not item.pinned,
                    chosen=chosen,
                    free_background=free_background,
                )
            )
    if background is not None and background.pinned and not background.is_painted:
        empty_pins.append(background.layer.props.name)
    return Scope(
        verb=verb,
        canvas=doc.size,
        background_id=background.layer.id if background is not None else None,
        background_known=background is not None and not free_background and background.layer.id not in filled,
        background_painted=background is not None and background.is_painted,
        objects=tuple(parts),
        left_out=() if verb is Verb.SPLIT else tuple(left_out),  # the picture that is split is one of them
        empty_pins=tuple(empty_pins),
        pinned_targets=() if whole or verb in _ABOUT_OBJECTS else _pinned_targets(view, chosen),
        has_target=whole or bool(chosen) or verb is Verb.FILL_BEHIND,
        fills=fills,
        fills_holes=fills_holes,
        behind=tuple(item.name for item in view.objects if item.id in chosen),
        refusal=refusal,
    )


def _special_targets(
    doc: Document, view: SceneView, verb: Verb, chosen: frozenset[LayerId]
) -> tuple[tuple[Fill, ...], bool, StudioError | None]:
    """Return what is filled, whether it is holes, and why one of the verbs about existing pixels cannot be done."""
    items = [item for item in view.objects if item.id in chosen]
    try:
        match verb:
            case Verb.FILL_BEHIND:
                fill, fills_holes = background_fill(doc, view, items)
                return (fill,), fills_holes, None
            case Verb.FILL_HIDDEN if items:
                return hidden_fills(doc, view, items), False, None
            case Verb.SAME_OUTLINE:
                for item in items:
                    refuse_fill(item)
            case Verb.NEW_PLACE:
                for item in items:
                    refuse_placing(doc, item)
            case _:
                pass
    except CommandError as refusal:
        return (), False, refusal
    if verb in _ABOUT_OBJECTS and not items and verb is not Verb.REFRESH_CONTACTS:
        return (), False, CommandError("No object of the scene is selected.", "Select one first.")
    return (), False, None


def _chosen(doc: Document, view: SceneView, verb: Verb, selection: Collection[LayerId]) -> frozenset[LayerId]:
    """Ids of the objects and of the background that the verb is about."""
    background = view.background
    if verb in _WHOLE_SCENE:
        ids = {item.id for item in view.objects}
        return frozenset(ids | ({background.layer.id} if background is not None else set()))
    if verb is Verb.REFRESH_CONTACTS and not selection:
        return frozenset(item.id for item in view.objects if item.part.stale_contacts)
    found = (view.object_of(doc, layer_id) for layer_id in selection)
    ids = {item.id for item in found if item is not None}
    if background is not None and background.layer.id in selection and verb not in _ABOUT_OBJECTS:
        ids.add(background.layer.id)
    return frozenset(ids)


def _pinned_targets(view: SceneView, chosen: frozenset[LayerId]) -> tuple[str, ...]:
    parts: list[ObjectView | BackgroundView] = [*view.objects]
    if view.background is not None:
        parts.append(view.background)
    return tuple(x.layer.props.name for x in parts if x.layer.id in chosen and x.pinned)


def _object_scope(
    item: ObjectView, verb: Verb, *, free: bool, chosen: frozenset[LayerId], free_background: bool
) -> ObjectScope:
    """Decide look, box and effects of one object; kept effects are refreshed with what they fall on."""
    users_box = item.part.box is not None and item.part.box_is_users
    if free:
        same_place = verb in _SAME_PLACE and (item.is_painted or item.part.box is not None)
        box_known = users_box or same_place
    else:
        box_known = verb is not Verb.NEW_PLACE or item.id not in chosen or item.foreign
    refresh = free_background or (item.id in chosen and verb not in _SAME_SHAPE)
    if verb in _WHOLE_SCENE:
        refresh = free_background or item.part.stale_contacts
    # A foreign picture has no effect layers until the user asks for them by name.
    asked = verb is Verb.REFRESH_CONTACTS and item.id in chosen
    made = asked if item.foreign else ((free and verb not in _SAME_SHAPE) or refresh)
    return ObjectScope(
        id=item.id,
        name=item.name,
        look_known=not free,
        box_known=box_known,
        effects_known=item.effects_pinned or not made,
        is_painted=item.is_painted,
        foreign=item.foreign,
        outline_known=free and verb is Verb.SAME_OUTLINE,
    )
