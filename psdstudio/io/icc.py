"""RGB colour spaces as ICC profiles: three primaries, a white and one tone curve, written from published numbers.

Source: ICC.1:2022 (profile version 4.4); sections are named where a layout follows them. Pillow's LittleCMS can make
an sRGB profile and no other.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
_D50 = np.array([0.9642, 1.0, 0.8249])  # the profile connection space's white, 7.2.16
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_VERSION = 0x04400000
_DATE = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)  # fixed: the same space is the same bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbSpace:
    """A space by its CIE xy `primaries` (red, green, blue) and `white`.

    `curve` holds the parameters of a parametricCurveType (10.18): one is a plain gamma, five are g, a, b, c, d of
    Y = (aX + b)^g from X = d on, cX below.
    """

    name: str
    primaries: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    white: tuple[float, float]
    curve: tuple[float, ...]


D65 = (0.3127, 0.3290)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1

# SMPTE EG 432-1 primaries with D65 and the sRGB curve, as Apple publishes Display P3.
DISPLAY_P3 = RgbSpace(
    name="Display P3",
    primaries=((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    white=D65,
    curve=_SRGB_CURVE,
)
# Adobe RGB (1998) Color Image Encoding, 2005-05: gamma 2 51/256.
ADOBE_RGB = RgbSpace(
    name="Compatible with Adobe RGB (1998)",
    primaries=((0.640, 0.330), (0.210, 0.710), (0.150, 0.060)),
    white=D65,
    curve=(563 / 256,),
)


def icc_profile(space: RgbSpace) -> bytes:
    """Return the bytes of a display profile (class "mntr", RGB to XYZ) for the space."""
    adaptation = _adaptation(_xyz(space.white))
    columns = adaptation @ _to_xyz(space)
    curve = _curve(space.curve)
    tags = [
        (b"desc", _text(space.name)),
        (b"cprt", _text("No copyright, use freely")),
        (b"wtpt", _xyz_type(_D50)),  # 9.2.36: the white of a version 4 display profile is the PCS white
        (b"chad", b"sf32" + bytes(4) + b"".join(_fixed(value) for value in adaptation.ravel())),
        *((name, _xyz_type(columns[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    return _assembled(tags)


def _xyz(xy: tuple[float, float]) -> F64:
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(space: RgbSpace) -> F64:
    """Return the matrix whose columns are XYZ of full red, green and blue, and which takes (1, 1, 1) to the white."""
    corners = np.stack([_xyz(xy) for xy in space.primaries], axis=1)
    return corners * np.asarray(np.linalg.solve(corners, _xyz(space.white)), np.float64)


def _adaptation(white: F64) -> F64:
    """Return the Bradford matrix from a white to D50 (annex E)."""
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD, np.float64)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(float(value) * 65536))  # s15Fixed16Number, 4.6


def _xyz_type(values: F64) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _text(text: str) -> bytes:
    """Return a multiLocalizedUnicodeType with one record (10.15)."""
    units = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(units), 28) + units


def _curve(parameters: tuple[float, ...]) -> bytes:
    kind = {1: 0, 5: 3}[len(parameters)]
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, parameters))


def _assembled(tags: list[tuple[bytes, bytes]]) -> bytes:
    """Return header (7.2), tag table (7.3) and data; equal data is stored once."""
    places: dict[bytes, int] = {}
    body = b""
    table = struct.pack(">I", len(tags))
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags:
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    size = start + len(body)
    illuminant = b"".join(_fixed(value) for value in _D50)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), _VERSION, b"mntr", b"RGB ", b"XYZ ") + _DATE + b"acsp"
    head += bytes(4 + 4 + 4 + 4 + 8 + 4) + illuminant + bytes(4)
    unsigned = head + bytes(16 + 28) + table + body
    return head + hashlib.md5(unsigned, usedforsecurity=False).digest() + bytes(28) + table + body  # 7.2.18
