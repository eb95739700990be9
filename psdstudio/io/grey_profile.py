"""The tones of a grey ICC profile as an RGB profile, so that grey values need not be converted to be shown right.

Blending, levels and thresholds work on the numbers of a file; converted numbers would give another picture.

Source: ICC.1:2022, 7 (header, tag table), 8.4.3 (monochrome profiles: a tone curve against the white of the PCS).
"""

from __future__ import annotations

import struct

from psdstudio.io.images import srgb_profile

_HEADER, _ENTRY = 128, 12
_ID = slice(84, 100)
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_MAX_TAGS = 100


def rgb_profile_of(grey_icc: bytes, name: str) -> bytes | None:
    """Return an RGB profile with the primaries of sRGB and the tone curve of a grey profile.

    Equal red, green and blue then mean what the grey value meant. None where the profile is not of that kind: without
    a tone curve, or relative to Lab.
    """
    curve = _tags(grey_icc).get(b"kTRC", b"")
    if grey_icc[16:24] != b"GRAYXYZ " or curve[:4] not in {b"curv", b"para"}:
        return None
    srgb = srgb_profile()
    tags = _tags(srgb)
    tags |= dict.fromkeys(_CURVES, curve) | {b"desc": _text(name)}
    tags.pop(b"chrm", None)
    return _profile(srgb[:_HEADER], tags)


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """Return the tags of a profile; those that reach beyond its end are left out."""
    if len(icc) < _HEADER + 4:
        return {}
    (count,) = struct.unpack(">I", icc[_HEADER : _HEADER + 4])
    found = {}
    for number in range(min(count, _MAX_TAGS)):
        at = _HEADER + 4 + _ENTRY * number
        if at + _ENTRY > len(icc):
            break
        key, start, size = struct.unpack(">4sII", icc[at : at + _ENTRY])
        if start + size <= len(icc):
            found[key] = icc[start : start + size]
    return found


def _text(name: str) -> bytes:
    """Return a name as `mluc` with one American English entry (10.15)."""
    units = name.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(units), 28) + units


def _profile(header: bytes, tags: dict[bytes, bytes]) -> bytes:
    start = _HEADER + 4 + _ENTRY * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for key, data in tags.items():
        table += struct.pack(">4sII", key, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytearray(header)
    head[_ID] = bytes(16)  # the digest of another profile
    head[:4] = struct.pack(">I", start + len(body))
    return bytes(head) + table + body
