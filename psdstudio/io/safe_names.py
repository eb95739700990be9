"""File names out of layer names, good on Windows, macOS and Linux alike, and unique where case does not count."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_BYTES = 120
"""UTF-8 bytes of a name without its ending: file systems take 255, tools beside them less."""
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}


def safe_stem(name: str, fallback: str = "layer") -> str:
    """Return a file name (without an ending) that every system takes, as near to `name` as that goes."""
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if sign in _FORBIDDEN else sign for sign in text if _is_kept(sign))
    # Windows drops dots and spaces at the end; a leading dot hides a file, a leading dash looks like an option.
    text = _cut(" ".join(text.split())).strip(". ").lstrip("-") or fallback
    return f"_{text}" if text.split(".")[0].strip().lower() in _DEVICES else text


def unique_stems(names: Iterable[str], fallback: str = "layer") -> list[str]:
    """Return a safe name for each name; equal ones, also but for case, get numbers from 2 on."""
    taken: set[str] = set()
    out = []
    for name in names:
        stem = candidate = safe_stem(name, fallback)
        number = 1
        while _key(candidate) in taken:
            number += 1
            candidate = f"{stem} {number}"
        taken.add(_key(candidate))
        out.append(candidate)
    return out


def _is_kept(sign: str) -> bool:
    # Cf holds the joiners of emoji, but also marks that turn the direction of a name around.
    return unicodedata.category(sign) not in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} and not (
        "\u202a" <= sign <= "\u202e" or "\u2066" <= sign <= "\u2069"
    )


def _cut(text: str) -> str:
    while len(text.encode("utf-8")) > MAX_BYTES:
        text = text[:-1]
    return text


def _key(name: str) -> str:
    """What a file system that regards neither case nor composition compares."""
    return unicodedata.normalize("NFKC", name).casefold()
