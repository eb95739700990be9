"""The reference library: one drawing per noun that may guide a look (one WebP atlas and a JSON index)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from psdstudio.errors import ModelLoadFailed, ModelNotFound

TILE_PX = 128
_HINT = "Install PSDStudio again, or generate with the library switched off."


@dataclass(slots=True)
class ReferenceLibrary:
    """Nouns -> atlas tiles in the crop convention of `engine.frames`. Read lazily, on the engine's thread."""

    folder: Path
    _places: dict[str, int] = field(default_factory=dict)
    _aspects: dict[str, float] = field(default_factory=dict)
    _atlas: Tensor | None = None
    _columns: int = 20

    def find(self, words: str) -> str | None:
        """Return the noun of the library that `words` name (the longest one; the last where several fit), or None."""
        self._load()
        said = re.findall(r"[a-z]+", words.lower())
        best: tuple[int, int, str] | None = None
        for noun in self._places:
            parts = noun.split()
            for i in range(len(said) - len(parts) + 1):
                if said[i : i + len(parts)] == parts:
                    best = max(best or (0, 0, ""), (len(parts), i, noun))
        return best[2] if best else None

    def picture(self, noun: str) -> Tensor:
        """Return the drawing: (4, 128, 128) float32 in 0..1, straight alpha, padded colour."""
        self._load()
        assert self._atlas is not None
        row, column = divmod(self._places[noun], self._columns)
        y, x = row * TILE_PX, column * TILE_PX
        return self._atlas[:, y : y + TILE_PX, x : x + TILE_PX].float() / 255

    def aspect(self, noun: str) -> float:
        """Return the width by the height of the thing itself, of its alpha box."""
        self._load()
        return self._aspects[noun]

    def _load(self) -> None:
        if self._atlas is not None:
            return
        index, atlas = self.folder / "library.json", self.folder / "library.webp"
        for path in (index, atlas):
            if not path.is_file():
                raise ModelNotFound(f"A file of the picture library is missing: {path}", _HINT)
        try:
            data = json.loads(index.read_text(encoding="utf-8"))
            self._places = {str(e["noun"]): int(e["place"]) for e in data["items"]}
            self._aspects = {str(e["noun"]): float(e["aspect"]) for e in data["items"]}
            self._columns = int(data["columns"])
            with Image.open(atlas) as picture:
                pixels = np.asarray(picture.convert("RGBA"))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ModelLoadFailed(f"The picture library cannot be read: {self.folder}", _HINT) from exc
        self._atlas = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
