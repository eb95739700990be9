"""Finds the folder of shipped resources (weights, vocabularies, icons) in every kind of installation."""

from __future__ import annotations

import sys
from pathlib import Path

from psdstudio.errors import ModelNotFound

_BUNDLED_NAMES = ("psdstudio/_resources", "resources")


def resource_dir(part: str = "") -> Path:
    """Return the folder of shipped resources, or a file or folder inside it.

    Looked for in this order: a frozen bundle (``sys._MEIPASS``), an installed wheel
    (``psdstudio/_resources``), a checkout (``resources`` beside the package).

    Args:
        part: Path below the resource folder, with forward slashes; empty for the folder itself.

    Raises:
        ModelNotFound: Nothing is there; the message names the missing path.
    """
    tried = [root / part if part else root for root in _candidates()]
    for path in tried:
        if path.exists():
            return path
    raise ModelNotFound(
        f"A part of PSDStudio is missing: {tried[-1]}",
        "Install PSDStudio again, or fetch the complete source tree.",
    )


def _candidates() -> list[Path]:
    """All places a resource folder may be at; the last one is named when all are missing."""
    package = Path(__file__).resolve().parent
    bundle = getattr(sys, "_MEIPASS", None)
    frozen = [Path(bundle) / name for name in _BUNDLED_NAMES] if bundle else []
    return [*frozen, package / "_resources", package.parent / "resources"]
