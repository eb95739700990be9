"""What recognition finds, before anything but headers was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.header import WeightsHeader
from psdstudio.gen.weights.inventory import Inventory

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A model at `path`: its kind, the parts that its weights come in, and what was read from them.

    Facts, where they apply: "numbers" (kind of number of most weights, as safetensors names it), "words_width" (width
    of the token states), "variant" ("fp16" for a folder's smaller files), "prediction" ("v_prediction"), "rank",
    "style" (key style of a LoRA: kohya, peft, diffusers, forge), "parts" (what a LoRA or offsets act on), "method" and
    "steps" and "guidance" (of an acceleration), "tokens" and "image_width" and "edition" (of an IP-Adapter), "width",
    "layers", "projection" (of an image encoder), "distilled" (how a whole model was, by its name), "told_by" ("file
    name" or "your choice" where tensors alone do not tell).
    """

    kind: ModelKind
    path: Path
    parts: tuple[Inventory, ...]
    facts: Facts = ()

    @property
    def size_bytes(self) -> int:
        """Size of all weight files."""
        return sum(part.size_bytes for part in self.parts)

    def headers(self) -> Iterator[WeightsHeader]:
        """Yield the headers of all weight files."""
        for part in self.parts:
            yield from part.headers
