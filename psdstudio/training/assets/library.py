"""The small reference library that ships: one openly licensed training drawing per noun."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from psdstudio.errors import FileTooLarge
from psdstudio.training.assets.ledger import taught_nouns
from psdstudio.training.assets.pack import Sprite, read
from psdstudio.training.assets.sources import BY_SOURCE

COLUMNS: Final = 20
SHIPPABLE: Final = frozenset(("MIT", "Apache-2.0", "CC0-1.0"))  # CC-BY may train but does not ship as files
# Soft things first as themselves: the emoji of a wine glass or a flame is painted opaque.
PREFERENCE: Final = ("procedural", "fluent3d", "sh3d", "noto", "fluent_colour")
MAX_BYTES: Final = 2_400_000


def choose(sprites: list[Sprite], taught: Collection[str]) -> list[Sprite]:
    """One train drawing per taught noun under a licence that ships; nouns without one are left out."""
    best: dict[str, Sprite] = {}
    for sprite in sprites:
        if sprite.split != "train" or sprite.licence not in SHIPPABLE or sprite.noun not in taught:
            continue
        held = best.get(sprite.noun)
        if held is None or PREFERENCE.index(sprite.source) < PREFERENCE.index(held.source):
            best[sprite.noun] = sprite
    return list(best.values())


def write(pack_folder: Path, out: Path) -> None:
    """Writes `library.webp` (atlas, quality 85, lossless alpha) and `library.json` from a finished pack.

    Raises:
        FileTooLarge: The atlas is beyond `MAX_BYTES`; an older library stays as it was.
    """
    chosen = choose(read(pack_folder), taught_nouns())
    rgba = load_file(pack_folder / "sprites.safetensors")["rgba"]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "library.webp.new"
    # exact keeps the padded colour under alpha 0, which a reference needs as much as a sprite does.
    picture = Image.fromarray(atlas(rgba, chosen))
    picture.save(path, "WEBP", quality=85, alpha_quality=100, exact=True, method=6)
    if path.stat().st_size > MAX_BYTES:
        size = path.stat().st_size / 1e6
        path.unlink()
        raise FileTooLarge(
            f"The picture library would have {size:.1f} MB; at most {MAX_BYTES / 1e6} MB ship.", str(out)
        )
    items = [_item(place, sprite) for place, sprite in enumerate(chosen)]
    text = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in items)
    index = out / "library.json.new"
    index.write_text(
        f'{{"tile": {rgba.shape[1]}, "columns": {COLUMNS}, "items": [\n{text}\n]}}\n', encoding="utf-8"
    )
    path.replace(out / "library.webp")
    index.replace(out / "library.json")


def atlas(rgba: NDArray[np.uint8], chosen: list[Sprite]) -> NDArray[np.uint8]:
    """Tiles row by row, COLUMNS wide, uint8 (rows * side, COLUMNS * side, 4)."""
    side = rgba.shape[1]
    rows = -(-len(chosen) // COLUMNS)
    canvas = np.zeros((rows * side, COLUMNS * side, 4), dtype=np.uint8)
    for place, sprite in enumerate(chosen):
        top, left = place // COLUMNS * side, place % COLUMNS * side
        canvas[top : top + side, left : left + side] = rgba[sprite.index]
    return canvas


def _item(place: int, sprite: Sprite) -> dict[str, object]:
    package = BY_SOURCE.get(sprite.source)
    return {
        "place": place,
        "noun": sprite.noun,
        "drawing": sprite.drawing,
        "package": f"{package.name} {package.version}" if package else sprite.source,
        "creator": sprite.creator,
        "licence": sprite.licence,
        "aspect": sprite.aspect,
        "ground_frac": sprite.ground_frac,
        "colours": list(sprite.colours),
    }
