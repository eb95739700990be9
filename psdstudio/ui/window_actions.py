"""The table of all actions of the main window, after Photoshop's keys (design page "product", section 3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from psdstudio.core.layers import GroupLayer, Layer
from psdstudio.io.formats import ExportFormat
from psdstudio.ui.actions import MODE_LETTERS, ActionSpec, Need
from psdstudio.ui.adjustment_actions import adjustment_actions
from psdstudio.ui.canvas.controller import ToolName
from psdstudio.ui.dialogs.model_card import ModelCardDialog
from psdstudio.ui.mask_actions import mask_actions
from psdstudio.ui.scene_actions import scene_actions
from psdstudio.ui.window_api import Window
from psdstudio.ui.wording import MODE_GROUPS, mode_name

MENUS = (
    ("File", "new open - save save_as - export_psd export_png - place - quit"),
    (
        "Edit",
        "undo redo - cut copy copy_merged paste paste_in_place delete - assign_profile convert_profile - canvas_size",
    ),
    (
        "Layer",
        "new_layer duplicate group ungroup clip - rename visible - mask mask_off apply_mask unmask"
        " - bring_forward send_backward bring_to_front send_to_back"
        " - select_above select_below select_all deselect - lock - merge merge_visible stamp",
    ),
    (
        "Scene",
        "generate stop - keep invert_keep release_keeps - regenerate_layer new_look same_outline look_from_picture"
        " new_place insert refresh_contacts - fill_behind fill_hidden split - focus_prompt - models restart_engine",
    ),
    ("View", "zoom_in zoom_out fit actual_size - extras panels layers full_screen"),
    ("Help", "model_card - about"),
)
ROW_MENU = (
    "regenerate_layer new_look same_outline look_from_picture new_place insert refresh_contacts"
    " - fill_behind fill_hidden - keep visible lock - rename duplicate group ungroup"
    " clip - mask mask_off apply_mask unmask - delete"
)
_ALL_MODES = tuple(mode for group in MODE_GROUPS for mode in group)


def window_actions(window: Window) -> list[ActionSpec]:
    """Return every action; `window` is only called when one is triggered or asked for its state."""
    return [
        *_file_actions(window),
        *_edit_actions(window),
        *_layer_actions(window),
        *mask_actions(window),
        *adjustment_actions(window),
        *_order_actions(window),
        *_selection_actions(window),
        *scene_actions(window),
        *_view_actions(window),
        *_tool_actions(window),
        *_digit_actions(window),
        *_mode_actions(window),
    ]


def _spec(action_id: str, text: str, run: Callable[[], object], *keys: str, **more: object) -> ActionSpec:
    return ActionSpec(id=action_id, text=text, run=run, keys=keys, **more)  # type: ignore[arg-type]  # checked by the dataclass


def _file_actions(w: Window) -> list[ActionSpec]:
    return [
        _spec("new", "New…", lambda: w.files.new(), "Ctrl+N"),
        _spec("open", "Open…", lambda: w.files.open(), "Ctrl+O"),
        _spec("save", "Save", lambda: w.files.save(), "Ctrl+S"),
        _spec("save_as", "Save as…", lambda: w.files.save_as(), "Ctrl+Shift+S"),
        _spec(
            "export_psd",
            "Export PSD…",
            lambda: w.show_export(ExportFormat.PSD),
            "Ctrl+Alt+Shift+S",
            can=_layers(w),
        ),
        _spec(
            "export_png",
            "Export PNG…",
            lambda: w.show_export(ExportFormat.PNG),
            "Ctrl+Alt+Shift+W",
            can=_layers(w),
        ),
        _spec("place", "Place picture as layer…", lambda: w.placing.ask()),
        _spec("quit", "Quit", lambda: w.leave(), "Ctrl+Q"),
    ]


def _edit_actions(w: Window) -> list[ActionSpec]:
    session = w.bridge.session
    undo = Need(lambda: session.can_undo, "Nothing was changed yet.")
    redo = Need(lambda: session.can_redo, "Nothing was undone.")
    return [
        _spec("undo", "Undo", lambda: w.undo(), "Ctrl+Z", "Ctrl+Alt+Z", can=undo),
        _spec("redo", "Redo", lambda: w.redo(), "Ctrl+Shift+Z", "Ctrl+Y", can=redo),
        _spec("cut", "Cut layers", lambda: _cut(w), "Ctrl+X", can=_some(w)),
        _spec("copy", "Copy layers", lambda: w.placing.clipboard.copy(), "Ctrl+C", can=_some(w)),
        _spec(
            "copy_merged",
            "Copy merged",
            lambda: w.placing.clipboard.copy_merged(),
            "Ctrl+Shift+C",
            can=_layers(w),
        ),
        _spec("paste", "Paste", lambda: w.placing.paste(), "Ctrl+V"),
        _spec("paste_in_place", "Paste in place", lambda: w.placing.paste(in_place=True), "Ctrl+Shift+V"),
        _spec("assign_profile", "Assign profile…", lambda: w.files.colours.ask_assign(), can=_layers(w)),
        _spec(
            "convert_profile",
            "Convert to profile…",
            lambda: w.files.colours.ask_convert(),
            can=_layers(w),
        ),
        _spec("canvas_size", "Canvas size…", lambda: w.files.ask_canvas_size(), "Ctrl+Alt+C"),
    ]


def _layer_actions(w: Window) -> list[ActionSpec]:
    edits = w.edits
    some = _some(w)
    return [
        _spec("new_layer", "New layer", edits.add_layer, "Ctrl+Shift+N", icon="new-layer"),
        _spec("duplicate", "Duplicate layer", edits.duplicate, "Ctrl+J", icon="duplicate", can=some),
        _spec("group", "Group layers", edits.group, "Ctrl+G", icon="folder", can=some),
        _spec(
            "ungroup",
            "Ungroup layers",
            edits.ungroup,
            "Ctrl+Shift+G",
            can=Need(lambda: _is_group(w), "Select a group first."),
        ),
        _spec(
            "clip",
            "Clip to the layer below",
            edits.toggle_clipping,
            "Ctrl+Alt+G",
            can=some,
            checked=lambda: _is_clipped(w),
        ),
        _spec("rename", "Rename layer", lambda: w.rename_layer(), "F2", can=some),
        _spec("visible", "Visible", edits.toggle_visible, "Ctrl+,", can=some, checked=lambda: _is_visible(w)),
        _spec("merge", "Merge down", lambda: w.merging.merge_selected(), "Ctrl+E", can=some),
        _spec(
            "merge_visible",
            "Merge visible",
            lambda: w.merging.merge_visible(),
            "Ctrl+Shift+E",
            can=_layers(w),
        ),
        _spec(
            "stamp", "Stamp visible", lambda: w.merging.stamp_visible(), "Ctrl+Alt+Shift+E", can=_layers(w)
        ),
        _spec("delete", "Delete layer", edits.delete, "Delete", "Backspace", icon="bin", can=some),
        _spec("lock", "Lock or unlock", edits.toggle_last_lock, "/", can=some),
    ]


def _order_actions(w: Window) -> list[ActionSpec]:
    edits, some = w.edits, _some(w)
    return [
        _spec("bring_forward", "Bring forward", lambda: edits.shift(1), "Ctrl+]", can=some),
        _spec("send_backward", "Send backward", lambda: edits.shift(-1), "Ctrl+[", can=some),
        _spec("bring_to_front", "Bring to front", lambda: edits.send_to_end(1), "Ctrl+Shift+]", can=some),
        _spec("send_to_back", "Send to back", lambda: edits.send_to_end(-1), "Ctrl+Shift+[", can=some),
    ]


def _selection_actions(w: Window) -> list[ActionSpec]:
    edits, some = w.edits, _some(w)
    return [
        _spec(
            "select_above",
            "Select next layer up",
            lambda: edits.select_neighbour(1),
            "Alt+]",
            can=_layers(w),
        ),
        _spec(
            "select_below",
            "Select next layer down",
            lambda: edits.select_neighbour(-1),
            "Alt+[",
            can=_layers(w),
        ),
        _spec(
            "extend_above",
            "Add next layer up to the selection",
            lambda: edits.extend_to_neighbour(1),
            "Alt+Shift+]",
            "Alt+Shift+}",
            can=_layers(w),
        ),
        _spec(
            "extend_below",
            "Add next layer down to the selection",
            lambda: edits.extend_to_neighbour(-1),
            "Alt+Shift+[",
            "Alt+Shift+{",
            can=_layers(w),
        ),
        _spec("select_top", "Select top layer", lambda: edits.select_end(1), "Alt+.", can=_layers(w)),
        _spec("select_bottom", "Select bottom layer", lambda: edits.select_end(-1), "Alt+,", can=_layers(w)),
        _spec("select_all", "Select all layers", edits.select_all, "Ctrl+Alt+A", can=_layers(w)),
        _spec("deselect", "Deselect layers", lambda: w.bridge.session.select(()), can=some),
        _spec(
            "mode_next",
            "Next blend mode",
            lambda: edits.step_mode(_ALL_MODES, 1),
            "Shift+=",
            "Shift++",
            can=some,
        ),
        _spec(
            "mode_last",
            "Previous blend mode",
            lambda: edits.step_mode(_ALL_MODES, -1),
            "Shift+-",
            "Shift+_",
            can=some,
        ),
    ]


def _view_actions(w: Window) -> list[ActionSpec]:
    view = w.view
    return [
        _spec("zoom_in", "Zoom in", lambda: view.zoom_step(1), "Ctrl++", "Ctrl+="),
        _spec("zoom_out", "Zoom out", lambda: view.zoom_step(-1), "Ctrl+-"),
        _spec("fit", "Fit on screen", view.fit, "Ctrl+0"),
        _spec("actual_size", "100 %", view.actual_size, "Ctrl+1"),
        _spec(
            "extras",
            "Frames and boxes",
            lambda: w.toggle_extras(),
            "Ctrl+H",
            checked=lambda: w.canvas.shows_extras,
        ),
        _spec("panels", "Panels", lambda: w.toggle_panels(), "Shift+Tab", checked=lambda: w.shows_panels),
        _spec("layers", "Go to the layers", lambda: w.focus_layers(), "F7"),
        _spec("model_card", "Model card…", lambda: ModelCardDialog(w.view.window()).open()),
        _spec("about", "About PSDStudio", lambda: w.show_about()),
        _spec("next_region", "Next part of the window", lambda: w.focus_next_region(), "F6"),
        _spec(
            "full_screen",
            "Full screen",
            lambda: w.toggle_full_screen(),
            "F",
            "F11",
            checked=lambda: w.isFullScreen(),
        ),
    ]


def _tool_actions(w: Window) -> list[ActionSpec]:
    tools = (
        (ToolName.MOVE, "Move", "V"),
        (ToolName.BOX, "Layout box", "K"),
        (ToolName.HAND, "Hand", "H"),
        (ToolName.ZOOM, "Zoom", "Z"),
    )
    tips = {
        ToolName.MOVE: "Move layers and objects",
        ToolName.BOX: "Layout boxes: place objects for the next run",
        ToolName.HAND: "Hand: move the view",
        ToolName.ZOOM: "Zoom",
    }
    return [
        ActionSpec(
            id=f"tool_{tool.value}",
            text=text,
            run=lambda tool=tool: w.canvas.set_tool(tool),  # type: ignore[misc]  # mypy: lambda with a default
            keys=(key,),
            icon=tool.value,
            checked=lambda tool=tool: w.canvas.tool is tool,  # type: ignore[misc]
            tip=tips[tool],
        )
        for tool, text, key in tools
    ]


def _digit_actions(w: Window) -> list[ActionSpec]:
    can = _some(w)
    out = []
    for digit in range(10):
        opacity, fill = partial(w.type_opacity, digit), partial(w.type_fill, digit)
        out.append(_spec(f"opacity_{digit}", f"Opacity {digit}", opacity, str(digit), can=can))
        out.append(_spec(f"fill_{digit}", f"Fill {digit}", fill, f"Shift+{digit}", can=can))
    return out


def _mode_actions(w: Window) -> list[ActionSpec]:
    can = _some(w)
    return [
        _spec(
            f"mode_{mode.name.lower()}",
            mode_name(mode),
            partial(w.edits.set_mode, mode),
            f"Shift+Alt+{key}",
            can=can,
        )
        for key, mode in MODE_LETTERS.items()
    ]


def _cut(w: Window) -> None:
    w.placing.clipboard.copy()  # what is copied is a value: deleting does not touch it
    w.edits.delete()


def _some(w: Window) -> Need:
    return Need(w.has_selection, "Select a layer first.")


def _layers(w: Window) -> Need:
    return Need(w.has_layers, "There is no layer yet.")


def _last(w: Window) -> Layer | None:
    layers = w.edits.layers
    return layers[-1] if layers else None


def _is_group(w: Window) -> bool:
    return isinstance(_last(w), GroupLayer)


def _is_visible(w: Window) -> bool:
    layer = _last(w)
    return layer is not None and layer.props.visible


def _is_clipped(w: Window) -> bool:
    layer = _last(w)
    return layer is not None and layer.props.clipping
