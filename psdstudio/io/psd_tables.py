"""Our values and PSD's, side by side: blend modes, locks, labels, names. Gaps are stated where they are."""

from __future__ import annotations

import unicodedata

from psd_tools.constants import BlendMode as PsdBlendMode

from psdstudio.core.layers import BlendMode, Label, Lock

MAX_NAME_UNITS = 255
"""UTF-16 units of a name: what Photoshop accepts, and one reader crashes beyond it."""
_MAX_PASCAL_BYTES = 31
BACKGROUND_LOCKS = 5
"""`lspf` of a true Background layer: transparency and position (as Photoshop writes it)."""

PSD_MODES: dict[BlendMode, PsdBlendMode] = {mode: PsdBlendMode(mode.value.encode()) for mode in BlendMode}
OUR_MODES: dict[PsdBlendMode, BlendMode] = {psd: mode for mode, psd in PSD_MODES.items()}


def lock_bits(locks: frozenset[Lock]) -> int:
    """Return the value of the block `lspf`; "everything" stands alone, as Photoshop writes it."""
    if Lock.ALL in locks:
        return Lock.ALL.value
    return sum(lock.value for lock in locks)


def locks_from_bits(bits: int) -> frozenset[Lock]:
    """Return the locks of a `lspf` value; the artboard bit (8) has no counterpart here and is dropped."""
    return frozenset(lock for lock in Lock if bits & lock.value)


def label_from_index(index: int) -> Label:
    """Return the label of an `lclr` index; Photoshop's newer colours (8 and above) have no counterpart."""
    try:
        return Label(index)
    except ValueError:
        return Label.NONE


def clean_name(name: str, fallback: str) -> str:
    """Return a name that every reader takes: no control characters, at most 255 UTF-16 units, not empty."""
    # Surrogates and unassigned code points cannot be encoded or are shown as boxes; Cf joins emoji and stays.
    text = "".join(sign for sign in name if unicodedata.category(sign) not in {"Cc", "Cs", "Co", "Zl", "Zp"})
    text = text.strip()
    while len(text.encode("utf-16-le")) > 2 * MAX_NAME_UNITS:
        text = text[:-1]
    return text or fallback


def pascal_name(name: str, fallback: str) -> str:
    """Return the old-style name beside the Unicode one: MacRoman, at most 31 bytes, accents kept where they fit."""
    kept = []
    for sign in name:
        for candidate in (sign, unicodedata.normalize("NFKD", sign)):
            text = "".join(part for part in candidate if not unicodedata.combining(part))
            text = candidate if candidate == sign else text
            try:
                text.encode("mac_roman")
            except UnicodeEncodeError:
                continue
            kept.append(text)
            break
    return "".join(kept).strip()[:_MAX_PASCAL_BYTES] or fallback
