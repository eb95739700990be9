"""Builds the pack: every drawing of every noun as a 128 x 128 padded crop, with its split and its facts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file

from psdstudio.training.assets import soft
from psdstudio.training.assets.colours import colour_words
from psdstudio.training.assets.crops import Crop, Picture, from_image, resample, square_crop
from psdstudio.training.assets.sources import BY_SOURCE, Model, RasterPackage, VectorPackage
from psdstudio.training.assets.splits import Split, emoji_split, heldout_models, model_splits
from psdstudio.training.assets.vocabulary import Noun

log = logging.getLogger(__name__)

EMOJI_SOURCES: Final = ("fluent3d", "fluent_colour", "noto", "fluent_flat", "twemoji")


@dataclass(frozen=True)
class Sprite:
    """One packed drawing; `index` is its row in `sprites.safetensors`.

    Attributes:
        drawing: Identifier inside the source, stable across builds.
        aspect: Width over height of the crop before the stretch, 0.5..2.
        ground_frac: Row of the lowest covered pixel, fraction of the crop's height.
        ground_centre_frac: Row of the object's centre on the ground; equals `ground_frac` for flat drawings.
        has_shadow: Whether `shadow` of the same row is a rendered ground shadow in the frame of the crop.
    """

    index: int
    noun: str
    source: str
    drawing: str
    split: Split
    licence: str
    creator: str
    aspect: float
    colours: tuple[str, ...]
    ground_frac: float
    ground_centre_frac: float
    soft: bool
    recolourable: bool
    has_shadow: bool


@dataclass(frozen=True)
class _Drawn:
    source: str
    drawing: str
    split: Split
    licence: str
    creator: str
    crop: Crop
    centre: float
    shadow: NDArray[np.uint8] | None = None


Packages = dict[str, RasterPackage | VectorPackage]


def build(nouns: tuple[Noun, ...], packages: Packages, models: dict[str, Model], out: Path) -> list[Sprite]:
    """Writes `sprites.safetensors` (rgba, shadow) and `sprites.json` into `out`.

    Models that are not among the rendered ones are passed over; a noun that has nothing to train on without them is
    left out as a whole, and the log names it.

    Raises:
        ValueError: A noun has nothing to train on although no picture of it is missing.
    """
    sprites: list[Sprite] = []
    pictures: list[NDArray[np.uint8]] = []
    shadows: list[NDArray[np.uint8]] = []
    blank = np.zeros((128, 128), dtype=np.uint8)
    for noun in nouns:
        drawn = [*_emoji(noun, packages), *_models(noun, models), *_procedural(noun)]
        if not any(item.split == "train" for item in drawn):
            if missing := [slug for slug in noun.drawings.models if slug not in models]:
                log.warning("%s is left out: not rendered yet: %s", noun.noun, ", ".join(missing))
                continue
            raise ValueError(f"{noun.noun!r} has no drawing to train on")
        if not any(item.split == "classifier" for item in drawn):
            log.warning("%s has no drawing for the classifier", noun.noun)
        for item in drawn:
            sprites.append(_sprite(len(sprites), noun, item))
            pictures.append(item.crop.rgba)
            shadows.append(blank if item.shadow is None else item.shadow)
    out.mkdir(parents=True, exist_ok=True)
    # A training run may have the old pack open: replace both files, never write into them.
    packed, listed = out / "sprites.safetensors.new", out / "sprites.json.new"
    save_file({"rgba": np.stack(pictures), "shadow": np.stack(shadows)}, packed)
    text = ",\n".join(json.dumps(asdict(sprite), ensure_ascii=False) for sprite in sprites)
    listed.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    packed.replace(out / "sprites.safetensors")
    listed.replace(out / "sprites.json")
    return sprites


def read(out: Path) -> list[Sprite]:
    """The packed entries of a finished build, in row order."""
    entries = json.loads((out / "sprites.json").read_text(encoding="utf-8"))
    return [Sprite(**{**entry, "colours": tuple(entry["colours"])}) for entry in entries]


def _sprite(index: int, noun: Noun, item: _Drawn) -> Sprite:
    alpha = item.crop.rgba[..., 3]
    covered = alpha > 8
    translucent = float(((alpha > 8) & (alpha < 230)).sum() / max(int(covered.sum()), 1))
    return Sprite(
        index=index,
        noun=noun.noun,
        source=item.source,
        drawing=item.drawing,
        split=item.split,
        licence=item.licence,
        creator=item.creator,
        aspect=round(item.crop.aspect, 4),
        colours=colour_words(item.crop.rgba),
        ground_frac=round(item.crop.ground_frac, 4),
        ground_centre_frac=round(item.centre, 4),
        soft=noun.soft or translucent > 0.25,
        recolourable=noun.recolourable,
        has_shadow=item.shadow is not None,
    )


def _emoji(noun: Noun, packages: Packages) -> Iterator[_Drawn]:
    for code in noun.drawings.emoji:
        solid: Crop | None = None
        for source in EMOJI_SOURCES:
            picture = packages[source].draw(code)
            if picture is None:
                continue
            crop = square_crop(picture)
            if source == "fluent3d":
                solid = crop
            package = BY_SOURCE[source]
            yield _Drawn(
                source,
                packages[source].name(code),
                emoji_split(noun, source, solid, crop),
                package.licence,
                package.creator,
                crop,
                crop.ground_frac,
            )


def _models(noun: Noun, models: dict[str, Model]) -> Iterator[_Drawn]:
    splits = model_splits(noun.drawings.models, others=bool(noun.drawings.emoji), heldout=heldout_models())
    for slug, split in splits.items():
        if slug not in models:
            continue
        model = models[slug]
        crop = square_crop(from_image(Image.open(model.colour)))
        height = crop.box[3] - crop.box[1]
        centre = float(np.clip((model.ground_y_px - crop.box[1]) / height, 0, 1))
        yield _Drawn("sh3d", slug, split, model.licence, model.creator, crop, centre, _shadow(model, crop))


def _shadow(model: Model, crop: Crop) -> NDArray[np.uint8]:
    grey = np.asarray(Image.open(model.shadow).convert("L"), dtype=np.float32) / 255
    plane: Picture = np.concatenate([np.zeros((*grey.shape, 3), dtype=np.float32), grey[..., None]], axis=2)
    return np.asarray(resample(plane, crop.box, crop.rgba.shape[0])[..., 3] * 255 + 0.5, dtype=np.uint8)


def _procedural(noun: Noun) -> Iterator[_Drawn]:
    if not noun.drawings.procedural:
        return
    plan: tuple[tuple[int, int, Split], ...] = (
        (0, soft.VARIANTS, "train"),
        (1, soft.CLASSIFIER_VARIANTS, "classifier"),
    )
    for family, count, split in plan:
        for variant in range(count):
            crop = square_crop(soft.draw(noun.noun, family, variant))
            name = f"{noun.noun}/{family}/{variant}"
            yield _Drawn("procedural", name, split, "Apache-2.0", "PSDStudio", crop, crop.ground_frac)
