"""Blend modes by the names that OpenRaster files have for them.

Sources: OpenRaster 0.0.6 "Layer stack" (the `svg:` names); Krita's `plugins/impex/libkra` and `KoCompositeOpRegistry.h`
(the `krita:` names, which Krita writes and reads for what the specification lacks). Krita reads `svg:plus` as addition
with the usual alpha, which is Linear Dodge; over an opaque ground all readings are the same.
"""

from __future__ import annotations

from psdstudio.core.layers import BlendMode

SOURCE_ATOP = "svg:src-atop"
"""Normal inside the alpha of what is below in the group: a Normal clipped layer. Krita calls it inherited alpha."""

KRITAS = "krita:"
"""Names that begin so are Krita's own: others fall back to Normal."""

ORA_MODES: dict[BlendMode, str] = {
    BlendMode.PASS_THROUGH: "svg:src-over",
    BlendMode.NORMAL: "svg:src-over",
    BlendMode.DISSOLVE: "krita:dissolve",
    BlendMode.DARKEN: "svg:darken",
    BlendMode.MULTIPLY: "svg:multiply",
    BlendMode.COLOR_BURN: "svg:color-burn",
    BlendMode.LINEAR_BURN: "krita:linear_burn",
    BlendMode.DARKER_COLOR: "krita:darker color",
    BlendMode.LIGHTEN: "svg:lighten",
    BlendMode.SCREEN: "svg:screen",
    BlendMode.COLOR_DODGE: "svg:color-dodge",
    BlendMode.LINEAR_DODGE: "svg:plus",
    BlendMode.LIGHTER_COLOR: "krita:lighter color",
    BlendMode.OVERLAY: "svg:overlay",
    BlendMode.SOFT_LIGHT: "svg:soft-light",
    BlendMode.HARD_LIGHT: "svg:hard-light",
    BlendMode.VIVID_LIGHT: "krita:vivid_light",
    BlendMode.LINEAR_LIGHT: "krita:linear light",
    BlendMode.PIN_LIGHT: "krita:pin_light",
    BlendMode.HARD_MIX: "krita:hard_mix_photoshop",
    BlendMode.DIFFERENCE: "svg:difference",
    BlendMode.EXCLUSION: "krita:exclusion",
    BlendMode.SUBTRACT: "krita:subtract",
    BlendMode.DIVIDE: "krita:divide",
    BlendMode.HUE: "svg:hue",
    BlendMode.SATURATION: "svg:saturation",
    BlendMode.COLOR: "svg:color",
    BlendMode.LUMINOSITY: "svg:luminosity",
}

# Other names for the same thing, from Krita's registry, older Krita files, Pinta and Drawpile.
_ALIASES = {
    "krita:linear_dodge": BlendMode.LINEAR_DODGE,
    "krita:add": BlendMode.LINEAR_DODGE,
    "svg:add": BlendMode.LINEAR_DODGE,
    "svg:exclusion": BlendMode.EXCLUSION,
    "krita:soft_light": BlendMode.SOFT_LIGHT,
    "krita:soft_light_svg": BlendMode.SOFT_LIGHT,
    "krita:hard mix": BlendMode.HARD_MIX,
    "krita:normal": BlendMode.NORMAL,
    "color-dodge": BlendMode.COLOR_DODGE,
    "difference": BlendMode.DIFFERENCE,
    "": BlendMode.NORMAL,
}
_OUR_MODES = {name: mode for mode, name in ORA_MODES.items() if mode is not BlendMode.PASS_THROUGH} | _ALIASES


def mode_of(name: str) -> BlendMode | None:
    """Return the mode of a `composite-op`; None for one that a document has no mode for."""
    return _OUR_MODES.get(name)
