"""Small facts of a PSD: resolution, guides, locks, whether a layer has effects, the colour of a fill.

Source: Adobe Photoshop File Formats Specification, "Image Resources" and "Additional Layer Information".
"""

from __future__ import annotations

import math
import struct
from typing import Any

from psd_tools.psd.base import BaseElement
from psd_tools.psd.descriptor import DescriptorBlock, DescriptorBlock2
from psd_tools.psd.effects_layer import EffectsLayer

from psdstudio.core.guides import Guide
from psdstudio.core.layers import Lock
from psdstudio.io.psd_structure import PsdRecord, PsdStructure
from psdstudio.io.psd_tables import locks_from_bits

_RESOLUTION, _GUIDES = 1005, 1032
_DEFAULT_DPI = 72.0
_MAX_GUIDES = 10_000
_TRANSPARENCY_PROTECTED = 1
_OBJECT_EFFECTS = (b"lfx2", b"lmfx", b"lfxs")
_OLD_EFFECTS = b"lrFX"
_MAX_DESCRIPTOR_BYTES = 8 * 2**20
# What psd_tools lets through on damaged descriptors.
_PARSE_ERRORS = (ValueError, LookupError, TypeError, OSError, AttributeError, OverflowError, RecursionError)


def resolution_dpi(structure: PsdStructure) -> float:
    """Return the pixels per inch of resource 1005 (16.16 fixed point); 72 where it says nothing sensible."""
    data = structure.resource(_RESOLUTION)
    dpi = int.from_bytes(data[:4], "big") / 65536 if data is not None and len(data) >= 4 else 0.0
    return dpi if 1.0 <= dpi <= 30_000.0 else _DEFAULT_DPI


def guides_of(structure: PsdStructure) -> tuple[Guide, ...]:
    """Return the guides of resource 1032: positions are 1/32 pixels; direction 0 is vertical."""
    data = structure.resource(_GUIDES)
    if data is None or len(data) < 16:
        return ()
    (count,) = struct.unpack(">I", data[12:16])
    count = min(count, (len(data) - 16) // 5, _MAX_GUIDES)
    found = (struct.unpack(">iB", data[at : at + 5]) for at in range(16, 16 + 5 * count, 5))
    return tuple(Guide(position=place / 32, vertical=direction == 0) for place, direction in found)


def locks_of(record: PsdRecord) -> frozenset[Lock]:
    """Return the locks of block `lspf`, and of the flag that older programs have for transparency."""
    data = record.block(b"lspf")
    locks = locks_from_bits(int.from_bytes(data[:4], "big") if data else 0)
    if record.flags & _TRANSPARENCY_PROTECTED and Lock.ALL not in locks:
        locks |= {Lock.TRANSPARENCY}
    return locks


def shows_effects(record: PsdRecord) -> bool:
    """Whether a layer has effects that are switched on; what cannot be read counts as being on."""
    for key in _OBJECT_EFFECTS:
        data = record.block(key)
        if data is not None:
            found = _parsed(DescriptorBlock2, data)
            return found is None or _is_on(found)
    data = record.block(_OLD_EFFECTS)
    if data is None:
        return False
    found = _parsed(EffectsLayer, data)
    return found is None or any(bool(getattr(one.value, "enabled", False)) for one in found.values())


def _is_on(effects: Any) -> bool:
    """Whether the master switch is on and an effect (or one of a list of them) is enabled."""
    try:
        if not bool(effects.get(b"masterFXSwitch", True)):
            return False
        for value in effects.values():
            listed = value if isinstance(value, list) or hasattr(value, "append") else [value]
            for one in listed:
                if hasattr(one, "get") and bool(one.get(b"enab", False)):
                    return True
    except _PARSE_ERRORS:
        return True
    return False


def solid_colour(record: PsdRecord) -> tuple[int, int, int] | None:
    """Return the colour of a solid fill (block `SoCo`) that is stated as RGB or grey; None for anything else."""
    data = record.block(b"SoCo")
    found = None if data is None else _parsed(DescriptorBlock, data)
    if found is None:
        return None
    try:
        colour = found.get(b"Clr ")
        if colour is None:
            return None
        if b"Rd  " in colour:
            parts = [float(colour[key]) for key in (b"Rd  ", b"Grn ", b"Bl  ")]
        elif b"Gry " in colour:
            parts = [255 - 2.55 * float(colour[b"Gry "])] * 3  # per cent of ink
        else:
            return None
    except _PARSE_ERRORS:
        return None
    if not all(map(math.isfinite, parts)):
        return None
    red, green, blue = (min(255, max(0, round(part))) for part in parts)
    return red, green, blue


def _parsed(kind: type[BaseElement], data: bytes) -> Any:
    """Return what psd_tools reads of a block; None where it cannot."""
    if len(data) > _MAX_DESCRIPTOR_BYTES:
        return None
    try:
        return kind.frombytes(data)
    except _PARSE_ERRORS:
        return None
