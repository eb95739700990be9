"""The sheet for people: 40 scenes with seeds 1 to 40, chosen before looking, each taken apart into its layers.

A row: the document, the background, then for every object its look and, on the canvas, its shadow and reflection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from psdstudio.core.geometry import Rect, Size
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.gen.request import ObjectResult, Raster, Sampling
from psdstudio.render.compositor import Compositor, render_over
from psdstudio.training.evaluation_measures import U8Array
from psdstudio.training.evaluation_prompts import Prompt, frozen_prompts
from psdstudio.training.evaluation_runs import PaintedPrompt, paint_prompt
from psdstudio.training.sprites import Noun

SHEET_SCENES = 40
TILE, GAP, LINE = 96, 4, 14
SCENES_A_PAGE, MOST_OBJECTS = 20, 3
MATTE = (191, 204, 217)
COLOURS = 256
"""Of a page: with dithering the loss is hardly seen at this size, and the file is a third."""


def sheet_prompts(nouns: Sequence[str], vocabulary: Mapping[str, Noun], count: int) -> tuple[Prompt, ...]:
    """Return the first frozen prompts, painted with the seeds 1, 2, 3 ... instead of their own."""
    return tuple(replace(p, seed=p.number + 1) for p in frozen_prompts(nouns, vocabulary, count))


def write_layer_sheet(
    engine: EmbeddedEngine, prompts: Sequence[Prompt], folder: Path, *, use_library: bool, sampling: Sampling
) -> list[Path]:
    """Paint the prompts and write layers-1.png, layers-2.png ... with 20 scenes each; returns the paths."""
    paths = []
    for start in range(0, len(prompts), SCENES_A_PAGE):
        rows = prompts[start : start + SCENES_A_PAGE]
        page = Image.new("RGB", page_size(len(rows)), "white")
        for i, prompt in enumerate(rows):
            painted = paint_prompt(engine, prompt, use_library=use_library, sampling=sampling)
            _draw_row(page, painted, i * (TILE + GAP + LINE))
            print(f"{start + i + 1}/{len(prompts)} {painted.seconds:.1f} s", flush=True)
        path = folder / f"layers-{start // SCENES_A_PAGE + 1}.png"
        page.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
        paths.append(path)
    return paths


def page_size(rows: int) -> tuple[int, int]:
    """Return width and height of a page with so many scenes."""
    return (2 + 2 * MOST_OBJECTS) * (TILE + GAP), rows * (TILE + GAP + LINE)


def _draw_row(page: Image.Image, painted: PaintedPrompt, top: int) -> None:
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(10)
    pen.text((2, top), f"{painted.prompt.seed}: {painted.prompt.sentence}", fill="black", font=font)
    for at, tile in enumerate(_tiles(painted)):
        tile.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
        left = at * (TILE + GAP) + (TILE - tile.width) // 2
        page.paste(tile, (left, top + LINE + (TILE - tile.height) // 2))


def _tiles(painted: PaintedPrompt) -> Iterator[Image.Image]:
    yield Image.fromarray(render_over(Compositor(threads=1).render(painted.document), (255, 255, 255)))
    background = painted.result.background
    assert background is not None
    yield Image.fromarray(background.rgba).convert("RGB")
    for made in painted.result.objects[:MOST_OBJECTS]:
        assert made.look is not None
        yield Image.fromarray(render_over(made.look.rgba, MATTE))
        yield effects_tile(made, painted.document.size)


def effects_tile(made: ObjectResult, size: Size) -> Image.Image:
    """Return shadow and reflection of one object on an empty canvas, the shadow darkening as Multiply does."""
    flat = np.full((size.height, size.width, 3), MATTE, np.uint8)
    for raster in (made.shadow, made.reflection):
        if raster is not None:
            _lay_over(flat, raster)
    return Image.fromarray(flat)


def _lay_over(flat: U8Array, raster: Raster) -> None:
    """Lay a raster over an opaque picture (h, w, 3); black in Multiply and black in Normal are the same."""
    part = raster.rect.intersection(Rect(0, 0, flat.shape[1], flat.shape[0]))
    if part.is_empty:
        return
    y, x = part.y - raster.rect.y, part.x - raster.rect.x
    rgba = raster.rgba[y : y + part.height, x : x + part.width].astype(np.float32)
    alpha = rgba[..., 3:] / 255
    under = flat[part.y : part.bottom, part.x : part.right]
    under[:] = np.floor(rgba[..., :3] * alpha + under * (1 - alpha) + 0.5).astype(np.uint8)
