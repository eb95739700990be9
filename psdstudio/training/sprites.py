"""SpriteLibrary: the packed training drawings (see `training.assets`), by split and noun."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from psdstudio.resources_path import resource_dir

VOCABULARY_FILE = Path(__file__).parent / "assets" / "vocabulary.json"
NOUNS_FILE = Path(__file__).parent / "nouns.json"
CORE_SHARE = 0.75
CORE_REFERENCE, OTHER_REFERENCE = 0.3, 0.85


@dataclass(frozen=True, slots=True)
class Noun:
    """What the vocabulary says of a noun."""

    noun: str
    plural: str
    synonyms: tuple[str, ...]
    group: str
    height_cm: float
    pose: str
    recolourable: bool
    places: tuple[str, ...]
    soft: bool


@dataclass(frozen=True, slots=True)
class Sprite:
    """One drawing: its row in the pixel tensor, noun, aspect of the crop and position of the contact line."""

    index: int
    noun: str
    aspect: float
    colours: tuple[str, ...]
    recolourable: bool
    source: str
    drawing: str


@dataclass(slots=True)
class SpriteLibrary:
    """Pixels (n, 4, 128, 128) uint8 straight RGBA with padded colour, and the drawings of every noun of one split."""

    pixels: Tensor
    nouns: Mapping[str, Noun]
    by_noun: dict[str, list[Sprite]] = field(default_factory=dict)
    core: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def draw_noun(self, rng: np.random.Generator) -> str:
        """Draw a noun: core ones three times in four, since they must be learned from words alone."""
        pool = self.core if not self.others or (self.core and rng.random() < CORE_SHARE) else self.others
        return pool[int(rng.integers(len(pool)))]

    def wants_reference(self, noun: str, rng: np.random.Generator) -> bool:
        """Draw whether a look of `noun` is trained with a reference picture."""
        return bool(rng.random() < (CORE_REFERENCE if noun in self.core else OTHER_REFERENCE))

    @classmethod
    def load(cls, folder: Path, split: str, only: Collection[str] | None = None) -> SpriteLibrary:
        """Read one split ("train", "classifier", "heldout") of the pack; `only` restricts the nouns."""
        entries = json.loads((folder / "sprites.json").read_text(encoding="utf-8"))
        nouns = {n.noun: n for n in read_vocabulary()}
        chosen = [e for e in entries if e["split"] == split and (only is None or e["noun"] in only)]
        rgba = load_file(folder / "sprites.safetensors")["rgba"]
        pixels = rgba[torch.tensor([e["index"] for e in chosen])].permute(0, 3, 1, 2).contiguous()
        by_noun: dict[str, list[Sprite]] = defaultdict(list)
        for row, e in enumerate(chosen):
            by_noun[e["noun"]].append(
                Sprite(
                    row,
                    e["noun"],
                    e["aspect"],
                    tuple(e["colours"]),
                    e["recolourable"],
                    e["source"],
                    e["drawing"],
                )
            )
        named = dict(sorted(by_noun.items()))
        chosen_core = set(core_nouns())
        core = tuple(n for n in named if n in chosen_core)
        return cls(pixels, nouns, named, core, tuple(n for n in named if n not in chosen_core))


def read_vocabulary() -> list[Noun]:
    """Return all nouns of the vocabulary file."""
    entries = json.loads(VOCABULARY_FILE.read_text(encoding="utf-8"))["nouns"]
    return [
        Noun(
            noun=e["noun"],
            plural=e["plural"],
            synonyms=tuple(e["synonyms"]),
            group=e["group"],
            height_cm=float(e["height_cm"]),
            pose=e["pose"],
            recolourable=bool(e["recolourable"]),
            places=tuple(e["places"]),
            soft=bool(e["soft"]),
        )
        for e in entries
    ]


def trained_nouns() -> list[str]:
    """Return every noun that the generator is trained on."""
    return core_nouns() + _noun_list("with_reference")


def shipped_nouns() -> list[str]:
    """Return the nouns that the product knows: trained, and with a library picture where they need one."""
    entries = json.loads(resource_dir("vocabulary.json").read_text(encoding="utf-8"))["nouns"]
    return [str(entry["noun"]) for entry in entries]


def core_nouns() -> list[str]:
    """Return the nouns that must come out of words alone; the others are trained with a reference beside the words."""
    return _noun_list("core")


def _noun_list(key: str) -> list[str]:
    names = json.loads(NOUNS_FILE.read_text(encoding="utf-8"))[key]
    return [str(n) for n in names]
