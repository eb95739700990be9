"""Layer effects as PSD keeps them: the block `lfx2`, an "action descriptor".

Source: Adobe Photoshop File Formats Specification, "Object-based effects layer info" and "Descriptor structure"; the
keys are those that Photoshop writes for a drop shadow. Written by hand: psd_tools' own structure of the block takes
a version that makes readers drop it.
"""

from __future__ import annotations

import struct

from psd_tools.constants import Tag
from psd_tools.psd.tagged_blocks import TaggedBlock

from psdstudio.core.layers import BlendMode
from psdstudio.io.psd_shadow import DropShadow

EFFECT_MODES = {BlendMode.MULTIPLY: b"Mltp", BlendMode.NORMAL: b"Nrml", BlendMode.LINEAR_BURN: b"linearBurn"}
"""The descriptor's words for `SHADOW_MODES`."""
_VERSIONS = struct.pack(">II", 0, 16)
_LINEAR = ((0.0, 0.0), (255.0, 255.0))


def drop_shadow_block(shadow: DropShadow) -> TaggedBlock:
    """Return the block `lfx2` with one drop shadow, switched on, that has its own light."""
    red, green, blue = (float(value) for value in shadow.rgb)
    colour = _object(b"RGBC", (b"Rd  ", _double(red)), (b"Grn ", _double(green)), (b"Bl  ", _double(blue)))
    points = (_object(b"CrPt", (b"Hrzn", _double(x)), (b"Vrtc", _double(y))) for x, y in _LINEAR)
    contour = _object(b"ShpC", (b"Nm  ", _text("Linear")), (b"Crv ", _list(*points)))
    effect = _object(
        b"DrSh",
        (b"enab", _flag(is_on=True)),
        (b"present", _flag(is_on=True)),
        (b"showInDialog", _flag(is_on=True)),
        (b"Md  ", b"enum" + _key(b"BlnM") + _key(EFFECT_MODES[shadow.mode])),
        (b"Clr ", colour),
        (b"Opct", _unit(b"#Prc", shadow.opacity_percent)),
        (b"uglg", _flag(is_on=False)),
        (b"lagl", _unit(b"#Ang", shadow.angle_deg)),
        (b"Dstn", _unit(b"#Pxl", shadow.distance_px)),
        (b"Ckmt", _unit(b"#Pxl", 0.0)),
        (b"blur", _unit(b"#Pxl", shadow.size_px)),
        (b"Nose", _unit(b"#Prc", 0.0)),
        (b"AntA", _flag(is_on=False)),
        (b"TrnS", contour),
        (b"layerConceals", _flag(is_on=True)),
    )
    effects = _descriptor(
        b"null",
        (b"Scl ", _unit(b"#Prc", 100.0)),
        (b"masterFXSwitch", _flag(is_on=True)),
        (b"DrSh", effect),
    )
    data = _VERSIONS + effects
    return TaggedBlock(key=Tag.OBJECT_BASED_EFFECTS_LAYER_INFO, data=data + b"\0" * (-len(data) % 4))


def _descriptor(kind: bytes, *items: tuple[bytes, bytes]) -> bytes:
    body = b"".join(_key(key) + value for key, value in items)
    return struct.pack(">IH", 1, 0) + _key(kind) + struct.pack(">I", len(items)) + body


def _object(kind: bytes, *items: tuple[bytes, bytes]) -> bytes:
    return b"Objc" + _descriptor(kind, *items)


def _key(key: bytes) -> bytes:
    """Four letters stand alone; a longer word has its length before it."""
    return struct.pack(">I", 0 if len(key) == 4 else len(key)) + key


def _flag(*, is_on: bool) -> bytes:
    return b"bool" + bytes([is_on])


def _double(value: float) -> bytes:
    return b"doub" + struct.pack(">d", value)


def _unit(unit: bytes, value: float) -> bytes:
    return b"UntF" + unit + struct.pack(">d", value)


def _text(text: str) -> bytes:
    units = (text + "\0").encode("utf-16-be")
    return b"TEXT" + struct.pack(">I", len(units) // 2) + units


def _list(*values: bytes) -> bytes:
    return b"VlLs" + struct.pack(">I", len(values)) + b"".join(values)
