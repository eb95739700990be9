"""How much a project file may claim, and what is said of one that claims more or is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psdstudio.errors import FileCorrupt, FileTooLarge

MAX_TILE_POSITION = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimits:
    """Bounds on everything that a project file claims, so that a damaged one cannot fill the memory.

    `max_raw_bytes` holds for all pixels and all other bytes together, unpacked.
    """

    max_file_bytes: int = 16 * 2**30
    max_manifest_bytes: int = 64 * 2**20
    max_layers: int = 8_000
    max_tiles: int = 500_000
    max_raw_bytes: int = 8 * 2**30


def is_tile_position(value: object) -> bool:
    """Whether a tile may stand there, in tiles."""
    return isinstance(value, int) and abs(value) <= MAX_TILE_POSITION


def too_many_pixels(path: Path) -> FileTooLarge:
    """The error for a file beyond `max_tiles` or `max_raw_bytes`."""
    return FileTooLarge(
        f"“{path.name}” holds more pixels than can be opened.", "Nothing was opened or changed."
    )


def corrupt(path: Path) -> FileCorrupt:
    """The error for a file that is not what was saved."""
    return FileCorrupt(
        f"“{path.name}” is damaged or incomplete and cannot be opened.",
        "The file was not changed. Open a backup of it; unsaved work is offered when PSDStudio starts.",
    )
