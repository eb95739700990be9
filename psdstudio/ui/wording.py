"""Words the window says: blend mode names, spoken rows, sizes, times. Pure text, no widgets."""

from __future__ import annotations

from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, Lock, Role

MODE_GROUPS: tuple[tuple[BlendMode, ...], ...] = (
    (BlendMode.NORMAL, BlendMode.DISSOLVE),
    (
        BlendMode.DARKEN,
        BlendMode.MULTIPLY,
        BlendMode.COLOR_BURN,
        BlendMode.LINEAR_BURN,
        BlendMode.DARKER_COLOR,
    ),
    (
        BlendMode.LIGHTEN,
        BlendMode.SCREEN,
        BlendMode.COLOR_DODGE,
        BlendMode.LINEAR_DODGE,
        BlendMode.LIGHTER_COLOR,
    ),
    (
        BlendMode.OVERLAY,
        BlendMode.SOFT_LIGHT,
        BlendMode.HARD_LIGHT,
        BlendMode.VIVID_LIGHT,
        BlendMode.LINEAR_LIGHT,
        BlendMode.PIN_LIGHT,
        BlendMode.HARD_MIX,
    ),
    (BlendMode.DIFFERENCE, BlendMode.EXCLUSION, BlendMode.SUBTRACT, BlendMode.DIVIDE),
    (BlendMode.HUE, BlendMode.SATURATION, BlendMode.COLOR, BlendMode.LUMINOSITY),
)
"""Photoshop's order of the menu, with its separators."""

LOCK_NAMES = {
    Lock.TRANSPARENCY: "transparent pixels",
    Lock.PIXELS: "image pixels",
    Lock.POSITION: "position",
    Lock.ALL: "everything",
}

_SPECIAL = {BlendMode.LINEAR_DODGE: "Linear Dodge (Add)"}


def mode_name(mode: BlendMode) -> str:
    """Return the mode's name as Photoshop writes it."""
    return _SPECIAL.get(mode, mode.name.replace("_", " ").title())


def spoken_row(layer: Layer, *, position: int, total: int, state: str) -> str:
    """Return what a screen reader says of a row, such as "cat, layer 3 of 6, visible, kept, new result"."""
    words = [layer.props.name, f"{kind(layer)} {position} of {total}"]
    words.append("visible" if layer.props.visible else "hidden")
    if layer.props.locks:
        words.append("locked")
    if layer.mask is not None:
        words.append("masked" if layer.mask.enabled else "mask switched off")
    if layer.part is not None:
        words += ["kept"] * layer.part.keep + ["new result"] * layer.part.is_new
        words += ["contacts out of date"] * layer.part.stale_contacts
    if state:
        words.append(state.lower())
    return ", ".join(words)


def kind(layer: Layer) -> str:
    """Return "group", "adjustment" or "layer"."""
    if isinstance(layer, AdjustmentLayer):
        return "adjustment"
    return "group" if isinstance(layer, GroupLayer) else "layer"


def role_name(layer: Layer) -> str:
    """Return what the layer is in the scene, in a designer's words; empty for ordinary layers."""
    if layer.part is None:
        return ""
    return {
        Role.BACKGROUND: "Background",
        Role.OBJECT_GROUP: "Object",
        Role.OBJECT: "Object",
        Role.SHADOW: "Shadow",
        Role.REFLECTION: "Reflection",
    }[layer.part.role]


def time_left(seconds: float) -> str:
    """Return a short duration: "under 1 s", "12 s", "1 min 05 s"."""
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def ago(seconds: float) -> str:
    """Return how long ago something was: "just now", "12 s ago", "3 min ago"."""
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{int(seconds)} s ago"
    return f"{int(seconds // 60)} min ago" if seconds < 3600 else f"{int(seconds // 3600)} h ago"


def percent(value: int) -> int:
    """Return a stored 0..255 value as whole percent."""
    return round(value * 100 / 255)


def from_percent(value: int) -> int:
    """Return whole percent as a stored 0..255 value."""
    return round(value * 255 / 100)
