"""The actions of the scene: generate, keep, and the verbs that make parts of it anew."""

from __future__ import annotations

from psdstudio.core.layers import GroupLayer, Layer, Role
from psdstudio.core.parts import background_of, is_kept, object_group_of, object_groups
from psdstudio.core.tiles import U8Array
from psdstudio.gen.filling import has_holes
from psdstudio.gen.scopes import listed
from psdstudio.gen.verbs import NEEDED, Verb
from psdstudio.ui.actions import ActionSpec, Need
from psdstudio.ui.window_api import Window

MORE_VERBS = "same_outline look_from_picture new_place refresh_contacts - fill_behind fill_hidden"
"""Verbs on the selected layer that have no button of their own in the properties."""


def scene_actions(w: Window) -> list[ActionSpec]:
    """Return them; `w` is only asked when one is triggered or wants to know whether it can."""
    return [*_run_actions(w), *_keep_actions(w), *_layer_verbs(w), *_repainting_verbs(w)]


def _run_actions(w: Window) -> list[ActionSpec]:
    idle = _idle(w)
    return [
        ActionSpec(
            id="generate",
            text="Generate",
            run=lambda: w.generation.start(),
            keys=("Ctrl+Return", "Ctrl+Enter"),
            icon="spark",
            can=idle,
        ),
        ActionSpec(
            id="stop",
            text="Stop",
            run=lambda: w.generation.stop(),
            keys=("Ctrl+.",),
            icon="stop",
            can=Need(lambda: not w.is_idle(), "No run is going on."),
        ),
        ActionSpec(
            id="focus_prompt", text="Go to the prompt", run=lambda: w.focus_prompt(), keys=("Ctrl+L",)
        ),
        ActionSpec(id="models", text="Models…", run=lambda: w.engine_view.open_models()),
        ActionSpec(
            id="restart_engine",
            text="Restart the engine",
            run=lambda: w.generation.restart_engine(),
            can=idle,
        ),
    ]


def _keep_actions(w: Window) -> list[ActionSpec]:
    edits, has_scene = w.edits, _scene(w)
    return [
        ActionSpec(
            id="keep",
            text="Keep",
            run=lambda: edits.toggle_keep(),
            keys=("N",),
            icon="pin",
            can=_some(w),
            checked=lambda: _is_kept(w),
        ),
        ActionSpec(
            id="invert_keep", text="Invert Keep", run=edits.invert_keep, keys=("Shift+N",), can=has_scene
        ),
        ActionSpec(id="release_keeps", text="Release all Keeps", run=edits.release_keeps, can=has_scene),
    ]


def _layer_verbs(w: Window) -> list[ActionSpec]:
    idle = _idle(w)
    part = Need(
        lambda: any(_scene_role(w, x) for x in w.edits.layers), "Select an object or the background first."
    )
    return [
        ActionSpec(
            id="regenerate_layer",
            text="Regenerate this layer",
            run=lambda: w.run_verb(Verb.REGENERATE_LAYER),
            can=idle & part,
        ),
        ActionSpec(
            id="new_look",
            text="New look in the same place",
            run=lambda: w.run_verb(Verb.NEW_LOOK),
            can=idle & part,
        ),
        ActionSpec(
            id="look_from_picture",
            text="Look from a picture…",
            run=lambda: w.placing.choose_reference(lambda rgba: _look_from(w, rgba)),
            can=idle
            & _an_object(w)
            & Need(lambda: len(_selected_objects(w)) == 1, "Select one object only."),
            tip="Look from a picture: your own cut-out picture takes the object's place, under the light of the scene",
        ),
        ActionSpec(
            id="insert",
            text="Insert in front of this…",
            run=lambda: w.insert_above(),
            can=idle & _scene(w) & _some(w),
        ),
        ActionSpec(
            id="refresh_contacts",
            text="Refresh contacts",
            run=lambda: w.run_verb(Verb.REFRESH_CONTACTS),
            can=idle
            & Need(lambda: _can_refresh(w), "Select an object first.")
            & _able(w, Verb.REFRESH_CONTACTS),
        ),
    ]


def _repainting_verbs(w: Window) -> list[ActionSpec]:
    """What repaints or moves pixels that are there, and what makes layers of a picture."""

    def spec(verb: Verb, action_id: str, text: str, need: Need, tip: str, **more: object) -> ActionSpec:
        can = _idle(w) & need & _able(w, verb)
        return ActionSpec(id=action_id, text=text, run=lambda: w.run_verb(verb), can=can, tip=tip, **more)  # type: ignore[arg-type]  # checked by the dataclass

    an_object = _an_object(w)
    has_ground = Need(
        lambda: background_of(w.bridge.session.document) is not None,
        "Generate a scene, or split a picture into layers, first.",
    )
    return [
        spec(
            Verb.SAME_OUTLINE,
            "same_outline",
            "New look, same outline",
            an_object,
            "New look, same outline: shape, place, shadow and reflection stay",
        ),
        spec(
            Verb.NEW_PLACE,
            "new_place",
            "New place",
            an_object,
            "New place: the object keeps its look and gets another place, with a new shadow and reflection",
        ),
        spec(
            Verb.FILL_BEHIND,
            "fill_behind",
            "Fill behind",
            has_ground,
            "Fill behind: paints the transparent part of the background; without one, what is behind the selected "
            "objects",
            keys=("Shift+F5",),
            says=lambda: _fill_behind_text(w),
        ),
        spec(
            Verb.FILL_HIDDEN,
            "fill_hidden",
            "Fill the hidden part",
            an_object,
            "Fill the hidden part: paints what objects in front cover of the selected object",
            says=lambda: " of ".join(("Fill the hidden part", *_names(w))),
        ),
        ActionSpec(
            id="split",
            text="Split into layers…",
            run=lambda: _begin_split(w),
            can=_idle(w) & Need(w.has_layers, "Open or paste a picture first.") & _able(w, Verb.SPLIT),
            tip="Split what is seen into a background and objects; the picture stays as a hidden layer",
        ),
    ]


def _fill_behind_text(w: Window) -> str:
    doc, names = w.bridge.session.document, _names(w)
    ground = background_of(doc)
    if ground is not None and has_holes(doc, ground):
        return "Fill the transparent part of the background"
    return f"Fill the background behind {names[0]}" if names else "Fill behind"


def _names(w: Window) -> tuple[str, ...]:
    """The names of the selected objects as one, or nothing."""
    groups = _selected_objects(w)
    return (listed([group.props.name for group in groups]),) if groups else ()


def _selected_objects(w: Window) -> list[GroupLayer]:
    doc = w.bridge.session.document
    found = (object_group_of(doc, layer.id) for layer in w.edits.layers)
    return list({group.id: group for group in found if group is not None}.values())


def _look_from(w: Window, rgba: U8Array) -> None:
    groups = _selected_objects(w)
    if groups:
        w.generation.start_verb(Verb.NEW_LOOK, (groups[0].id,), {groups[0].id: rgba})


def _begin_split(w: Window) -> None:
    w.generation.set_split(True)
    w.focus_prompt()


def _idle(w: Window) -> Need:
    return Need(w.is_idle, "A run is going on: stop it, or wait until it is done.")


def _scene(w: Window) -> Need:
    return Need(lambda: _has_scene(w), "Generate a scene first.")


def _some(w: Window) -> Need:
    return Need(w.has_selection, "Select a layer first.")


def _an_object(w: Window) -> Need:
    """An object is selected, and none of the selected is kept."""
    is_free = Need(
        lambda: not any(map(is_kept, _selected_objects(w))), "The object is kept; stop keeping it first."
    )
    return Need(lambda: bool(_selected_objects(w)), "Select an object of the scene first.") & is_free


def _able(w: Window, verb: Verb) -> Need:
    """The engine can do it."""
    generation = w.generation
    is_known = Need(lambda: generation.engine is not None, "The engine is still starting.")
    return is_known & Need(lambda: not generation.lack(verb), f"This engine cannot {NEEDED[verb].value}.")


def _is_kept(w: Window) -> bool:
    layers = w.edits.layers
    return bool(layers) and all(is_kept(layer) for layer in layers)


def _has_scene(w: Window) -> bool:
    doc = w.bridge.session.document
    return background_of(doc) is not None or bool(object_groups(doc))


def _can_refresh(w: Window) -> bool:
    doc = w.bridge.session.document
    if any(object_group_of(doc, layer.id) is not None for layer in w.edits.layers):
        return True
    return any(group.part is not None and group.part.stale_contacts for group in object_groups(doc))


def _scene_role(w: Window, layer: Layer) -> bool:
    is_ground = layer.part is not None and layer.part.role is Role.BACKGROUND
    return is_ground or object_group_of(w.bridge.session.document, layer.id) is not None
